package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noren"
)

// Opening lets somebody past the access rules of zones for a while: the way in
// for the shop's own people on a bad day.
type Opening struct {
	ID     string       `json:"id"`
	Site   string       `json:"site"`
	Zones  []noren.Zone `json:"zones"`
	From   netip.Prefix `json:"from,omitzero"` // the zero Prefix: from anywhere
	Reason string       `json:"reason"`
	Author string       `json:"author"`
	At     noren.Time   `json:"at"`
	Until  noren.Time   `json:"until"`
}

// MaxOpening is how long an opening lasts at most.
const MaxOpening = 24 * time.Hour

// FromText is whom o lets in.
func (o *Opening) FromText() string {
	if !o.From.IsValid() {
		return "anywhere"
	}
	return NetworksText([]netip.Prefix{o.From})
}

func (o *Opening) live(at time.Time) bool { return at.Before(o.Until.Time) }

// lets reports whether o lets an address into a zone. The files that must never
// be served are no access rule's.
func (o *Opening) lets(site string, z noren.Zone, addr netip.Addr, at time.Time) bool {
	return o.Site == site && o.live(at) && slices.Contains(o.Zones, z) && (!o.From.IsValid() || o.From.Contains(addr))
}

func (o *Opening) valid() error {
	last := o.Until.Sub(o.At.Time)
	switch {
	case o.Site == "":
		return noren.Errorf(noren.Invalid, "an opening needs a site")
	case len(o.Zones) == 0:
		return noren.Errorf(noren.Invalid, "an opening needs zones")
	case last <= 0 || last > MaxOpening:
		return noren.WithHint(noren.Errorf(noren.Invalid, "an opening lasts up to 24 hours, not %s", last.Round(time.Second)), "for longer, make a place: noren place add")
	case strings.TrimSpace(o.Reason) == "" || len(o.Reason) > maxReasonBytes:
		return noren.Errorf(noren.Invalid, "an opening needs a reason of at most %d bytes", maxReasonBytes)
	}
	for _, z := range o.Zones {
		if _, ok := z.Info(); !ok {
			return noren.Errorf(noren.Invalid, "unknown zone %q", z)
		}
	}
	if o.From.IsValid() {
		return notTooWide(o.From)
	}
	return nil
}

// Open opens the access rules of zones. It is recorded first.
func (p *Places) Open(ctx context.Context, o Opening) (Opening, error) {
	o.At = noren.At(p.o.Now())
	o.ID = noren.NewID(o.At.Time)
	if o.From.IsValid() {
		o.From = o.From.Masked()
	}
	if err := o.valid(); err != nil {
		return o, err
	}
	if err := p.reportOpening(ctx, &o, "open", o.Author, o.Reason); err != nil {
		return o, err
	}
	if err := p.insert(ctx, openingsTable, o.row(), ""); err != nil {
		p.notMade(ctx, func(ctx context.Context) error {
			return p.reportOpening(ctx, &o, "failed", o.Author, "it could not be stored, so nothing was opened")
		})
		return o, fmt.Errorf("open %v of %s: %w", o.Zones, o.Site, err)
	}
	return o, p.inForce(ctx)
}

// EndOpenings closes what is open at a site and returns what was.
func (p *Places) EndOpenings(ctx context.Context, site, author, reason string) ([]Opening, error) {
	open := p.Openings(site)
	for i := range open {
		if err := p.reportOpening(ctx, &open[i], "end", author, reason); err != nil {
			return nil, err
		}
		if err := p.markEnded(ctx, openingsTable, open[i].ID, p.o.Now()); err != nil {
			return nil, fmt.Errorf("close %v of %s: %w", open[i].Zones, site, err)
		}
	}
	return open, p.inForce(ctx)
}

// Openings lists what is open at a site now, oldest first.
func (p *Places) Openings(site string) (out []Opening) {
	now := p.o.Now()
	for _, o := range p.snap.Load().openings {
		if o.Site == site && o.live(now) {
			out = append(out, *o)
		}
	}
	slices.SortFunc(out, func(a, b Opening) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// opened returns the opening that lets an address into a zone, nil for none.
func (p *Places) opened(site string, z noren.Zone, addr netip.Addr, at time.Time) *Opening {
	if p == nil {
		return nil
	}
	for _, o := range p.snap.Load().openings {
		if o.lets(site, z, addr, at) {
			return o
		}
	}
	return nil
}

func (p *Places) reportOpening(ctx context.Context, o *Opening, op, author, reason string) error {
	return p.report(ctx, noren.Event{Kind: noren.AccessOpened, Site: o.Site,
		Payload: &noren.AccessOpening{Op: op, Zones: o.Zones, From: o.FromText(), Until: o.Until, Author: author, Reason: reason}})
}

// alarmOpenings tells the log of openings that it has not heard of.
func (p *Places) alarmOpenings(before, now map[string]*Opening) {
	for id, o := range now {
		if before[id] == nil && o.live(p.o.Now()) {
			p.o.Log.Error("access rules are opened by hand", "alarm", true, "site", o.Site, "zones", o.Zones, "from", o.FromText(), "until", o.Until, "by", o.Author, "reason", o.Reason)
		}
	}
}
