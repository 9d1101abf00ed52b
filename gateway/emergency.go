package gateway

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
)

// Switch is one button of an owner in an emergency.
type Switch string

// Switches. The first four stop a part of the shop and stand beside each other
// and beside a mode; the last three are modes.
const (
	SwitchCard     Switch = "card"
	SwitchLogin    Switch = "login"
	SwitchAdmin    Switch = "admin"
	SwitchOverseas Switch = "overseas"
	SwitchClosed          = Switch(ModeClosed)
	SwitchBusy            = Switch(ModeBusy)
	SwitchAttack          = Switch(ModeAttack)
)

// SwitchState is a switch of a site.
type SwitchState struct {
	Switch Switch     `json:"switch"`
	On     bool       `json:"on"`
	Since  noren.Time `json:"since,omitzero"`
	Until  noren.Time `json:"until,omitzero"` // zero: until switched off
	// Author and Reason are empty where they cannot be read any more.
	Author string `json:"author,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Trouble says why a switch that is on stops nothing, or not all.
	Trouble noren.Text `json:"trouble,omitzero"`
}

// holds reports whether the switch is on at a time.
func (s *SwitchState) holds(at time.Time) bool {
	return s.On && (s.Until.IsZero() || at.Before(s.Until.Time))
}

// EmergencyOptions are what an Emergency needs.
type EmergencyOptions struct {
	DB     *db.DB
	Sealer Sealer
	Modes  *ModeSwitch
	Lists  *Lists  // who is allowed enters a closed admin; nil: nobody is listed
	Places *Places // likewise
	// Sites are the sites in force: what their shop maps know decides which
	// switches they have.
	Sites func() []Site
	// Countries reports whether there is data about countries; nil: there is none.
	Countries func() bool
	Now       func() time.Time // nil: the system clock
	Log       *slog.Logger
	Poll      time.Duration // 0: DefaultPoll
}

// Emergency holds the emergency switches of every site. A change is recorded,
// then stored, then in force: on this node when Set returns, on the others within
// Poll. While the database is away the last switches stay in force. nil has
// nothing switched.
type Emergency struct {
	o       EmergencyOptions
	pages   *pages
	snap    atomic.Pointer[switchSnap]
	decider atomic.Pointer[noren.Decider]
	mu      sync.Mutex // held while the snapshot is exchanged
	setting sync.Mutex // one change of this node at a time
}

// switchSnap never changes.
type switchSnap map[string]map[Switch]*SwitchState

// OpenEmergency reads the switches.
func OpenEmergency(ctx context.Context, o EmergencyOptions) (*Emergency, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	if o.Countries == nil {
		o.Countries = func() bool { return false }
	}
	p, err := newPages()
	if err != nil {
		return nil, err
	}
	e := &Emergency{o: o, pages: p}
	e.snap.Store(&switchSnap{})
	return e, e.Refresh(ctx)
}

// RaiseTo names where changes are recorded. Before that, changes fail.
func (e *Emergency) RaiseTo(d noren.Decider) { e.decider.Store(&d) }

// on returns a switch that is on, nil for one that is not. It is what every
// request asks.
func (e *Emergency) on(site string, s Switch, at time.Time) *SwitchState {
	if e == nil {
		return nil
	}
	if st := (*e.snap.Load())[site][s]; st != nil && st.holds(at) {
		return st
	}
	return nil
}

// Of lists the switches of a site in the order of Switches, on or not.
func (e *Emergency) Of(site string) (out []SwitchState) {
	now := e.o.Now()
	mode := e.o.Modes.Of(site, now)
	for _, info := range Switches() {
		st := SwitchState{Switch: info.Switch}
		switch on := e.on(site, info.Switch, now); {
		case info.Mode != "" && info.Mode == mode.Mode:
			st = SwitchState{Switch: info.Switch, On: true, Since: mode.Since, Until: mode.Until, Author: mode.Author, Reason: mode.Reason}
		case on != nil:
			st = *on
			if ok, why := e.Can(site, info.Switch); !ok {
				st.Trouble = why
			}
		}
		out = append(out, st)
	}
	return out
}

// Set switches a site. The change is recorded first; one that cannot be stored is
// not made, and the error says so. A mode that is switched off becomes the
// ordinary one.
func (e *Emergency) Set(ctx context.Context, site string, s Switch, on bool, until noren.Time, author, reason string) error {
	info, ok := s.info()
	if !ok {
		return noren.Errorf(noren.Invalid, "switch %q is not %s", s, switchNames())
	}
	if err := e.maySet(site, s, on, until, reason); err != nil {
		return err
	}
	// Whoever pressed the button on a phone may lose the connection now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), setTimeout)
	defer cancel()
	e.setting.Lock()
	defer e.setting.Unlock()
	if info.Mode != "" {
		return e.setMode(ctx, site, info.Mode, on, until, author, reason)
	}
	st := SwitchState{Switch: s, On: on, Since: noren.At(e.o.Now()), Author: author, Reason: reason}
	if on {
		st.Until = until
	}
	if err := e.record(ctx, site, &st, opOf(on), reason); err != nil {
		return err
	}
	if err := e.store(ctx, site, &st); err != nil {
		e.notMade(ctx, site, st)
		return noren.WithHint(noren.Errorf(noren.Unavailable, "the switch %s of %s could not be stored, so nothing was changed: %w", s, site, err), "look at the database: noren check; on the machine itself the shop's server can be stopped by hand")
	}
	e.put(site, &st)
	return nil
}

// setTimeout bounds how long a change may take whose asker has left.
const setTimeout = 15 * time.Second

func opOf(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (e *Emergency) maySet(site string, s Switch, on bool, until noren.Time, reason string) error {
	switch {
	case e.site(site) == nil:
		return noren.Errorf(noren.NotFound, "there is no site %q", site)
	case len(reason) > maxReasonBytes:
		return noren.Errorf(noren.Invalid, "the reason is longer than %d bytes", maxReasonBytes)
	case !on:
		return nil
	case !until.IsZero() && !until.After(e.o.Now()):
		return noren.Errorf(noren.Invalid, "the switch would end %s, before it begins", until.Format(time.RFC3339))
	}
	if ok, why := e.Can(site, s); !ok {
		return noren.WithHint(noren.Errorf(noren.Conflict, "%s cannot be switched on: %s", s, why.En), "docs/operate/emergency.md")
	}
	return nil
}

// setMode leaves another mode alone that somebody switched to meanwhile.
func (e *Emergency) setMode(ctx context.Context, site string, m Mode, on bool, until noren.Time, author, reason string) error {
	if on {
		return e.o.Modes.Set(ctx, site, SiteMode{Mode: m, Until: until}, author, reason)
	}
	if now := e.o.Modes.Of(site, e.o.Now()); now.Mode != m {
		return nil
	}
	return e.o.Modes.Set(ctx, site, SiteMode{Mode: ModeNormal}, author, reason)
}

func (e *Emergency) record(ctx context.Context, site string, st *SwitchState, op, reason string) error {
	d := e.decider.Load()
	if d == nil {
		return noren.Errorf(noren.Unavailable, "the emergency switches are not attached to the loop yet; a change cannot be recorded")
	}
	_, err := (*d).Decide(ctx, noren.Event{Kind: noren.EmergencyEvent, At: noren.At(e.o.Now()), Site: site,
		Payload: &noren.EmergencySwitch{Switch: string(st.Switch), Op: op, Until: st.Until, Author: st.Author, Reason: reason}})
	if err != nil {
		return noren.Errorf(noren.Unavailable, "the switch %s of %s could not be recorded, so nothing was changed: %w", st.Switch, site, err)
	}
	return nil
}

// notMade takes back in the record what was said there and could not be stored.
func (e *Emergency) notMade(ctx context.Context, site string, st SwitchState) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
	defer cancel()
	if err := e.record(ctx, site, &st, "failed", "it could not be stored, so nothing was changed"); err != nil {
		e.o.Log.Error("an emergency switch was recorded and not made", "alarm", true, "site", site, "switch", st.Switch, "err", err)
	}
}

// put exchanges one switch in the snapshot.
func (e *Emergency) put(site string, st *SwitchState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := maps.Clone(*e.snap.Load())
	own := maps.Clone(next[site])
	if own == nil {
		own = map[Switch]*SwitchState{}
	}
	if own[st.Switch] = st; !st.On {
		delete(own, st.Switch)
	}
	next[site] = own
	e.snap.Store(&next)
}

// Refresh brings the switches up to what SQL says.
func (e *Emergency) Refresh(ctx context.Context) error {
	e.mu.Lock() // a change of this node must not be read over by what was before it
	defer e.mu.Unlock()
	next, err := e.read(ctx, *e.snap.Load())
	if err != nil {
		return noren.Errorf(noren.Unavailable, "read the emergency switches: %w", err)
	}
	e.tell(*e.snap.Load(), next)
	e.snap.Store(&next)
	return nil
}

// tell has the log say what was switched on elsewhere, for who looks at this node.
func (e *Emergency) tell(before, now switchSnap) {
	for site, own := range now {
		for s, st := range own {
			if old := before[site][s]; (old == nil || !old.Since.Equal(st.Since.Time)) && st.holds(e.o.Now()) {
				e.o.Log.Warn("emergency switch on", "site", site, "switch", s, "until", st.Until, "by", st.Author, "reason", st.Reason)
			}
		}
	}
}

// Run follows other nodes' changes until ctx ends.
func (e *Emergency) Run(ctx context.Context) {
	poll := time.NewTicker(e.o.Poll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			if err := e.Refresh(ctx); err != nil && ctx.Err() == nil {
				e.o.Log.Debug("the emergency switches cannot be read; the last ones stay in force", "err", err) // the lists raise the alarm
			}
		}
	}
}

// site is a site in force, nil for none.
func (e *Emergency) site(name string) *Site {
	sites := e.o.Sites()
	if i := slices.IndexFunc(sites, func(s Site) bool { return s.Name == name }); i >= 0 {
		return &sites[i]
	}
	return nil
}

func switchNames() string {
	var names []string
	for _, i := range Switches() {
		names = append(names, string(i.Switch))
	}
	return strings.Join(names, ", ")
}
