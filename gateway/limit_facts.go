package gateway

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"noren"
	"noren/yamlfile"
)

// Limits are asked before the firewall and the policies, so they can count by
// what is known then: what the request line and its headers say, and what is
// known of the address. Counters and scores come later; a policy's then: limit
// is for them.

// addressFacts are the facts of the address that limits can count by: what files
// tell, which costs a look-up in memory.
var addressFacts = []string{"address.country", "address.asn", "address.asn_name", "address.network"}

// lateRequestFacts are read from the request and not known yet.
var lateRequestFacts = []string{"request.score", "request.length", "request.answered"}

// CheckFacts reports the limits that count by a fact which does not exist or is
// not known when limits are asked, each with its line.
func CheckFacts(name string, data []byte, limits []Limit, cat *noren.Catalogue) error {
	var f limitFile
	doc, err := yamlfile.Decode(name, data, &f)
	if err != nil {
		return err
	}
	var errs []error
	for i := range limits {
		fact, ok := limits[i].By.fact()
		if !ok {
			continue
		}
		if msg := earlyFact(fact, cat); msg.En != "" {
			errs = append(errs, doc.Say(noren.Textf("上限 %s: %s", "limit %s: %s", limits[i].Name, msg), "limits", i, "by"))
		}
	}
	return yamlfile.Join(errs...)
}

// earlyFact says why a limit cannot count by a fact; empty when it can.
func earlyFact(name string, cat *noren.Catalogue) noren.Text {
	f, err := cat.Lookup(name)
	switch {
	case err != nil:
		return yamlfile.Words(err)
	case strings.HasPrefix(name, "entity."):
		return noren.Textf("事実 %q: 代わりに by: %s と書いてください", "fact %q: write by: %s instead", name, strings.TrimPrefix(name, "entity."))
	case f.Read != nil && (f.Kinds == nil || slices.Contains(f.Kinds, noren.HTTPRequest)) && !slices.Contains(lateRequestFacts, name):
		return noren.Text{}
	case slices.Contains(addressFacts, name):
		return noren.Text{}
	}
	return noren.Textf("事実 %q は、上限を数えるときにはまだ分かりません。then: limit の方針でなら使えます", "fact %q is not known yet when limits are asked; a policy with then: limit can use it", name)
}

// limitFact is the bucket that a fact of the request falls into: a keyed hash of
// sixteen bits, so that whoever makes values up fills 65,536 buckets at most and
// cannot aim at another's. "" for a fact that the request does not have.
func (x *exchange) limitFact(name string) string {
	value := x.factValue(name)
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		if v == "" {
			return ""
		}
	case int64:
		if v == 0 {
			return ""
		}
	}
	token := x.token("limit."+name, fmt.Sprint(value))
	return token[:min(len(token), 4)]
}

func (x *exchange) factValue(name string) any {
	if f, ok := x.g.requestFacts[name]; ok {
		ev := noren.Event{Kind: noren.HTTPRequest, At: x.at, Site: x.shop.Name, Zone: x.place.Zone, Payload: x.earlyRequest()}
		return f.Read(&ev)
	}
	return x.g.addressFact(x.client, name)
}

// earlyRequest is the request as it is known before its body was read.
func (x *exchange) earlyRequest() *noren.Request {
	if x.early == nil {
		r := x.r
		x.early = &noren.Request{
			Method: cutText(r.Method, 32), Host: cutText(hostOf(r.Host), maxLoggedHost), Path: cutText(x.path, maxLoggedPath),
			Query: safeQuery(r.URL.RawQuery), UserAgent: cutText(r.UserAgent(), maxLoggedAgent), Referer: safeReferer(r.Referer()),
			Protocol: r.Proto, Length: -1, Passed: x.pass != "", Probe: noren.ProbeOf(r.Method, x.path, r.URL.RawQuery),
		}
	}
	return x.early
}

// requestFacts are the facts that are read from an event itself, by name.
func requestFacts() map[string]noren.Fact {
	out := map[string]noren.Fact{}
	for _, f := range noren.EventFacts() {
		out[f.Name] = f
	}
	return out
}

func (g *Gateway) addressFact(a netip.Addr, name string) any {
	if g.opts.AddressFact == nil || !slices.Contains(addressFacts, name) {
		return nil
	}
	return g.opts.AddressFact(a, name)
}

// asn is the network operator of an address, 0 when not known.
func (g *Gateway) asn(a netip.Addr) uint32 {
	n, _ := g.addressFact(a, "address.asn").(int64)
	return uint32(n)
}
