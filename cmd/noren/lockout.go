package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/gateway"
)

// trialFlags are of every command that could shut out the person who types it.
type trialFlags struct {
	As            string `help:"Your own address as the shop sees it, when it is not the one you came by ssh from; 'nobody' when the change is not about you."`
	ConfirmWithin string `placeholder:"10m" help:"Take the change back by itself unless you say 'noren settings confirm' within this time."`
}

// within is how long a change waits for its confirmation, 0 when it does not.
func (f trialFlags) within() (time.Duration, error) {
	if f.ConfirmWithin == "" {
		return 0, nil
	}
	until, err := time.ParseDuration(f.ConfirmWithin)
	if err != nil || until <= 0 {
		return 0, noren.Errorf(noren.Invalid, "--confirm-within %q is not a time such as 10m", f.ConfirmWithin)
	}
	return until, nil
}

// sshAddress is where the person at the keyboard is, as far as ssh tells; the
// zero Addr when it does not.
func (e *env) sshAddress() netip.Addr {
	client, _, _ := strings.Cut(e.getenv("SSH_CONNECTION"), " ")
	a, err := netip.ParseAddr(client)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

const nobody = "nobody"

// self is the address of who makes a change; ok is false when nobody's is known.
func (e *env) self(as string) (addr netip.Addr, ok bool, err error) {
	switch as {
	case nobody:
		return addr, false, nil
	case "":
		addr = e.sshAddress()
		return addr, addr.IsValid(), nil
	}
	addr, err = netip.ParseAddr(as)
	if err != nil {
		return addr, false, noren.Errorf(noren.Invalid, "--as %q is not an IP address", as)
	}
	return addr.Unmap().WithZone(""), true, nil
}

// entry is what decides who gets in, as it is or as it would be.
type entry struct {
	access accessBySite
	in     func(site, place string, addr netip.Addr) bool
	banned func(site string, addr netip.Addr) (allowed bool, ban string)
}

// entry is what is in force.
func (in *instance) entry() entry {
	now := time.Now()
	return entry{
		access: in.accessNow(),
		in:     func(site, place string, a netip.Addr) bool { return in.places.In(site, place, a, now) },
		banned: func(site string, a netip.Addr) (bool, string) {
			allow, ban := in.lists.Check(site, a, now)
			if allow != nil || ban == nil {
				return allow != nil, ""
			}
			return false, ban.Prefix.String()
		},
	}
}

// accessNow are the access rules in force; a reload exchanges them.
func (in *instance) accessNow() accessBySite {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.rules.access
}

// refusal is one place that somebody does not get into.
type refusal struct{ site, zone, what string }

// refusals are where an address does not get in, the strictest zones first. What
// is opened by hand does not count: it ends.
func (in *instance) refusals(d entry, addr netip.Addr) (out []refusal) {
	for _, site := range in.present().siteNames() {
		allowed, ban := d.banned(site, addr)
		if ban != "" {
			out = append(out, refusal{site, everyZone, "the ban of " + ban})
		}
		c := &gateway.Caller{
			Addr: addr, Country: in.country, ASN: in.asn,
			In: func(place string) bool { return d.in(site, place, addr) },
		}
		rules := d.access.of(site)
		for _, z := range noren.Zones() {
			if allowed && !slices.Contains(gateway.StaffZones(), z.Zone) {
				continue
			}
			for _, method := range methodsOf(rules) {
				if v := rules.Judge(z.Zone, method, c, noren.At(time.Now()), false); v.Refused {
					out = append(out, refusal{site, string(z.Zone), "the rule " + v.Rule.Name})
					break
				}
			}
		}
	}
	return out
}

func methodsOf(rules gateway.AccessRules) []string {
	out := []string{"GET", "POST"}
	for _, r := range rules {
		out = append(out, r.Methods...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// mayShutOut refuses a change that would shut out the person who makes it from
// where they get in now, unless it will be taken back by itself.
func (in *instance) mayShutOut(e *env, f trialFlags, after entry) error {
	within, err := f.within()
	if err != nil {
		return err
	}
	addr, ok, err := e.self(f.As)
	if err != nil || !ok {
		return err
	}
	r, out := newRefusal(in.refusals(in.entry(), addr), in.refusals(after, addr))
	switch {
	case !out:
		return nil
	case within > 0:
		r.note(e, addr)
		return nil
	}
	return r.refuse(addr)
}

// newRefusal joins the zones that one rule newly shuts; out is false for none.
func newRefusal(before, after []refusal) (first refusal, out bool) {
	var zones []string
	for _, r := range after {
		known := slices.ContainsFunc(before, func(b refusal) bool { return b.site == r.site && (b.zone == r.zone || b.zone == everyZone) })
		if known || out && (r.site != first.site || r.what != first.what) {
			continue
		}
		if !out {
			first, out = r, true
		}
		zones = append(zones, r.zone)
	}
	first.zone = strings.Join(zones, ", ")
	return first, out
}

const everyZone = "every zone"

// noteUnknown says that nobody could look whether a change of who may enter shuts
// out the person who makes it.
func (e *env) noteUnknown(f trialFlags) {
	if f.As == "" && !e.sshAddress().IsValid() {
		fmt.Fprintln(e.io.err, "note: your own address is not known here, so nobody looked whether this shuts you out; --as ADDRESS tells it")
	}
}
