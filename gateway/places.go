package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
)

// NamedPlace is a network with a name that access rules use: 本社, 自宅, 制作会社.
type NamedPlace struct {
	ID       string         `json:"id"`
	Site     string         `json:"site"`
	Name     string         `json:"name"`
	Networks []netip.Prefix `json:"networks"`
	Reason   string         `json:"reason,omitempty"`
	Author   string         `json:"author"`
	At       noren.Time     `json:"at"`
	Until    noren.Time     `json:"until,omitzero"` // zero: until removed
}

// Live reports whether p lets anybody in at a time.
func (p *NamedPlace) Live(at time.Time) bool { return p.Until.IsZero() || at.Before(p.Until.Time) }

// Contains reports whether an address is in p.
func (p *NamedPlace) Contains(a netip.Addr) bool {
	return slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// Limits on places.
const (
	maxPlaces        = 200 // per site
	maxPlaceNetworks = 100
)

func (p *NamedPlace) valid() error {
	if err := ValidPlaceName(p.Name); err != nil {
		return err
	}
	switch {
	case p.Site == "":
		return noren.Errorf(noren.Invalid, "a place needs a site")
	case len(p.Networks) == 0 || len(p.Networks) > maxPlaceNetworks:
		return noren.Errorf(noren.Invalid, "a place has 1 to %d addresses and networks, not %d", maxPlaceNetworks, len(p.Networks))
	case len(p.Reason) > maxReasonBytes:
		return noren.Errorf(noren.Invalid, "the reason is longer than %d bytes", maxReasonBytes)
	case !p.Until.IsZero() && !p.Until.After(p.At.Time):
		return noren.Errorf(noren.Invalid, "the place would end %s, before it begins", p.Until.Format(time.RFC3339))
	}
	for _, n := range p.Networks {
		if err := notTooWide(n); err != nil {
			return err
		}
	}
	return nil
}

// notTooWide refuses networks that are half a provider.
func notTooWide(n netip.Prefix) error {
	e := Entry{Site: "-", List: ListAllow, Prefix: n}
	return e.valid()
}

// PlacesOptions are what Places need.
type PlacesOptions struct {
	DB     *db.DB
	Sealer Sealer
	Now    func() time.Time // nil: the system clock
	Log    *slog.Logger
	Poll   time.Duration // 0: DefaultPoll
}

// Places are the named places of all sites, and the openings of access rules. A
// change is recorded, then stored, then in force: on this node when the call
// returns, on the others within Poll. The request path reads a snapshot. nil
// knows none.
type Places struct {
	o       PlacesOptions
	snap    atomic.Pointer[placeSnap]
	decider atomic.Pointer[noren.Decider]
	mu      sync.Mutex // held while the snapshot is exchanged
	serving bool       // whoever opens access is heard of in this node's log

	again map[string]time.Time // by id: when a row that could not be opened is tried again
}

// placeSnap never changes.
type placeSnap struct {
	places   map[string]*NamedPlace // by id
	byName   map[placeKey]*NamedPlace
	openings map[string]*Opening
}

type placeKey struct{ site, name string }

// OpenPlaces reads the places and openings.
func OpenPlaces(ctx context.Context, o PlacesOptions) (*Places, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	p := &Places{o: o, again: map[string]time.Time{}}
	p.snap.Store(&placeSnap{})
	if err := p.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("load named places: %w", err)
	}
	return p, nil
}

// RaiseTo names where changes are recorded. Before that, changes fail.
func (p *Places) RaiseTo(d noren.Decider) { p.decider.Store(&d) }

// In reports whether addr is in the place of that name, and the place holds.
func (p *Places) In(site, name string, addr netip.Addr, at time.Time) bool {
	if p == nil {
		return false
	}
	place := p.snap.Load().byName[placeKey{site, name}]
	return place != nil && place.Live(at) && place.Contains(addr)
}

// Find returns the place of a name, over or not; nil for none.
func (p *Places) Find(site, name string) *NamedPlace {
	if p == nil {
		return nil
	}
	return p.snap.Load().byName[placeKey{site, name}]
}

// List returns a site's places by name, those that are over too.
func (p *Places) List(site string) (out []NamedPlace) {
	for _, place := range p.snap.Load().places {
		if place.Site == site {
			out = append(out, *place)
		}
	}
	slices.SortFunc(out, func(a, b NamedPlace) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Set makes a place. One of the same name that still holds is replaced only when
// the caller says so, and whose id that was is returned.
func (p *Places) Set(ctx context.Context, place NamedPlace, replace bool) (made NamedPlace, replaced string, err error) {
	place.At = noren.At(p.o.Now())
	if place.ID == "" {
		place.ID = noren.NewID(place.At.Time)
	}
	for i, n := range place.Networks {
		place.Networks[i] = n.Masked()
	}
	if err := place.valid(); err != nil {
		return place, "", err
	}
	if err := p.Refresh(ctx); err != nil {
		return place, "", noren.Errorf(noren.Unavailable, "read the places: %w", err)
	}
	if have := p.Find(place.Site, place.Name); have != nil {
		if have.Live(place.At.Time) && !replace {
			return place, "", noren.WithHint(noren.Errorf(noren.Conflict, "there is a place %s already: %s", place.Name, NetworksText(have.Networks)),
				"give --replace to put the new networks in the place of the old ones, or another name")
		}
		replaced = have.ID
	}
	if err := p.reportPlace(ctx, &place, "set", place.Author, place.Reason); err != nil {
		return place, "", err
	}
	if err := p.insert(ctx, placesTable, place.row(p.o.Sealer), replaced); err != nil {
		p.notMade(ctx, func(ctx context.Context) error {
			return p.reportPlace(ctx, &place, "failed", place.Author, "it could not be stored, so it was not made")
		})
		return place, "", fmt.Errorf("set the place %s of %s: %w", place.Name, place.Site, err)
	}
	return place, replaced, p.inForce(ctx)
}

// Remove ends a place and returns it.
func (p *Places) Remove(ctx context.Context, site, name, author, reason string) (NamedPlace, error) {
	place := p.Find(site, name)
	if place == nil {
		return NamedPlace{}, noren.Errorf(noren.NotFound, "there is no place %q at %s", name, site)
	}
	return *place, p.end(ctx, place, "remove", author, reason)
}

func (p *Places) end(ctx context.Context, place *NamedPlace, op, author, reason string) error {
	if err := p.reportPlace(ctx, place, op, author, reason); err != nil {
		return err
	}
	if err := p.markEnded(ctx, placesTable, place.ID, p.o.Now()); err != nil {
		p.notMade(ctx, func(ctx context.Context) error {
			return p.reportPlace(ctx, place, "failed", author, "it could not be stored, so the place stays")
		})
		return fmt.Errorf("remove the place %s of %s: %w", place.Name, place.Site, err)
	}
	return p.inForce(ctx)
}

// TakeBack undoes a change of a place as a whole: the one that was made ends,
// and the one that was there before holds again. An empty id is none. A change
// that another followed stays, which is an error with code Conflict.
func (p *Places) TakeBack(ctx context.Context, made, before, author, reason string) error {
	if err := p.Refresh(ctx); err != nil {
		return err
	}
	now, was, err := p.undone(ctx, made, before)
	if err != nil {
		return err
	}
	if now != nil {
		if err := p.reportPlace(ctx, now, "remove", author, reason); err != nil {
			return err
		}
	}
	if was != nil {
		if err := p.reportPlace(ctx, was, "restore", author, reason); err != nil {
			return err
		}
	}
	if err := p.markUndone(ctx, made, before); err != nil {
		return fmt.Errorf("take back the change of a place: %w", err)
	}
	return p.inForce(ctx)
}

// undone finds the place that ends and the one that comes back.
func (p *Places) undone(ctx context.Context, made, before string) (now, was *NamedPlace, err error) {
	if made != "" {
		if now = p.snap.Load().places[made]; now == nil {
			return nil, nil, noren.Errorf(noren.Conflict, "the place was changed since")
		}
	}
	if before == "" {
		return now, nil, nil
	}
	rows, err := p.readPlaces(ctx, []string{before})
	if err != nil {
		return nil, nil, err
	}
	if len(rows) == 0 {
		return nil, nil, noren.Errorf(noren.NotFound, "the place that was there before is gone")
	}
	was = rows[0]
	if other := p.Find(was.Site, was.Name); other != nil && other.ID != made {
		return nil, nil, noren.Errorf(noren.Conflict, "the place %s was made anew since", was.Name)
	}
	return now, was, nil
}

// inForce takes a change that is stored into this node's snapshot. When that
// cannot be read now, the next poll does it.
func (p *Places) inForce(ctx context.Context) error {
	if err := p.Refresh(ctx); err != nil {
		p.o.Log.Warn("a change of places is stored; this node follows when the database is read again", "err", err)
	}
	return nil
}

// NetworksText lists networks as people write them.
func NetworksText(ns []netip.Prefix) string {
	out := make([]string, len(ns))
	for i, n := range ns {
		if out[i] = n.String(); n.IsSingleIP() {
			out[i] = n.Addr().String()
		}
	}
	return strings.Join(out, ", ")
}

// ConfirmPlace records that a change on trial stays.
func (p *Places) ConfirmPlace(ctx context.Context, id, author string) error {
	was, err := p.readPlaces(ctx, []string{id})
	if err != nil || len(was) == 0 {
		return err
	}
	return p.reportPlace(ctx, was[0], "confirm", author, "")
}

func (p *Places) reportPlace(ctx context.Context, place *NamedPlace, op, author, reason string) error {
	var nets []string
	for _, n := range place.Networks {
		nets = append(nets, n.String())
	}
	return p.report(ctx, noren.Event{
		Kind: noren.PlaceChange, Site: place.Site,
		Payload: &noren.PlaceEntry{Name: place.Name, Op: op, Networks: nets, Until: place.Until, Author: author, Reason: reason},
	})
}

func (p *Places) report(ctx context.Context, ev noren.Event) error {
	d := p.decider.Load()
	if d == nil {
		return noren.Errorf(noren.Unavailable, "the places are not attached to the loop yet; a change cannot be recorded")
	}
	ev.At = noren.At(p.o.Now())
	ev.ID = noren.NewID(ev.At.Time)
	if _, err := (*d).Decide(ctx, ev); err != nil {
		return fmt.Errorf("record %s: %w", ev.Kind, err)
	}
	return nil
}

// notMade records that the change just recorded did not come to be.
func (p *Places) notMade(ctx context.Context, report func(context.Context) error) {
	if err := report(context.WithoutCancel(ctx)); err != nil {
		p.o.Log.Error("a change of places is recorded and was not made", "alarm", true, "err", err)
	}
}
