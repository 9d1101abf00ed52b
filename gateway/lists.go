package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
)

// Sealer seals personal data; the vault is one. The zero Subject stands for the
// site itself.
type Sealer interface {
	Seal(site string, s noren.Subject, at time.Time, plain, aad []byte) (noren.Sealed, []db.Row, error)
	Open(ctx context.Context, s noren.Sealed, aad []byte) ([]byte, error)
	Token(site, field, value string) []byte
}

// ListsOptions are what Lists need.
type ListsOptions struct {
	DB     *db.DB
	Sealer Sealer
	Now    func() time.Time // nil: the system clock
	Log    *slog.Logger
	// Poll is how often other nodes' changes are looked for; 0 means 500 ms.
	Poll time.Duration
}

// DefaultPoll keeps a change of another node under a second away.
const DefaultPoll = 500 * time.Millisecond

// Lists are the bans and allow-lists of all sites. The request path reads an
// immutable snapshot; changes go to SQL first and then into the snapshot, on
// this node at once and on the others within Poll. They satisfy noren.Actuator
// for bans.
type Lists struct {
	opts    ListsOptions
	snap    atomic.Pointer[map[string]siteLists]
	decider atomic.Pointer[noren.Decider]

	mu       sync.Mutex                   // held while the snapshot changes
	versions map[string]int64             // by site, as last seen in SQL
	byID     map[string]map[string]*Entry // by site, then id
}

// siteLists is one site's part of a snapshot.
type siteLists struct {
	ban, allow, check trie
	sessions          sessionBans
}

// OpenLists loads the lists.
func OpenLists(ctx context.Context, o ListsOptions) (*Lists, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	l := &Lists{opts: o, versions: map[string]int64{}, byID: map[string]map[string]*Entry{}}
	l.snap.Store(&map[string]siteLists{})
	if err := l.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("load bans and allow-lists: %w", err)
	}
	return l, nil
}

// RaiseTo names where changes are recorded. Before that, changes fail: an
// unrecorded ban is not allowed.
func (l *Lists) RaiseTo(d noren.Decider) { l.decider.Store(&d) }

// Check returns the most specific live entries around addr, nil for none.
func (l *Lists) Check(site string, addr netip.Addr, at time.Time) (allow, ban *Entry) {
	lists, ok := (*l.snap.Load())[site]
	if !ok {
		return nil, nil
	}
	lists.allow.find(addr, func(e *Entry) {
		if e.live(at) {
			allow = e
		}
	})
	lists.ban.find(addr, func(e *Entry) {
		// Of two bans of one network the one that lasts longer counts.
		if e.live(at) && (ban == nil || e.Prefix.Bits() > ban.Prefix.Bits() || e.outlasts(ban)) {
			ban = e
		}
	})
	return allow, ban
}

func (e *Entry) outlasts(o *Entry) bool {
	return e.Until.IsZero() || !o.Until.IsZero() && e.Until.After(o.Until.Time)
}

// Around returns every live entry around addr, widest first.
func (l *Lists) Around(site string, addr netip.Addr, at time.Time) (allow, ban []Entry) {
	lists := (*l.snap.Load())[site]
	into := func(out *[]Entry) func(*Entry) {
		return func(e *Entry) {
			if e.live(at) {
				*out = append(*out, *e)
			}
		}
	}
	lists.allow.find(addr, into(&allow))
	lists.ban.find(addr, into(&ban))
	return allow, ban
}

// List returns a site's live entries, newest first.
func (l *Lists) List(site string) []Entry {
	now := l.opts.Now()
	var out []Entry
	lists := (*l.snap.Load())[site]
	collect := func(e *Entry) {
		if e.live(now) {
			out = append(out, *e)
		}
	}
	lists.ban.each(collect)
	lists.allow.each(collect)
	lists.check.each(collect)
	lists.sessions.each(collect)
	slices.SortFunc(out, func(a, b Entry) int { return b.At.Compare(a.At.Time) })
	return out
}

// Set puts an entry on a list. The change is recorded first, then stored, then
// in force on this node when Set returns. ID, At and the reason's missing
// language are filled in.
func (l *Lists) Set(ctx context.Context, e Entry) (Entry, error) {
	if e.At.IsZero() {
		e.At = noren.At(l.opts.Now())
	}
	if e.ID == "" {
		e.ID = noren.NewID(e.At.Time)
	}
	e.Prefix = e.Prefix.Masked()
	if e.Reason.En == "" {
		e.Reason.En = e.Reason.Ja
	}
	if e.Reason.Ja == "" {
		e.Reason.Ja = e.Reason.En
	}
	if err := e.valid(); err != nil {
		return Entry{}, err
	}
	if err := l.report(ctx, e, "set", e.Author, e.Reason); err != nil {
		return Entry{}, err
	}
	version, err := l.insert(ctx, e)
	if err != nil {
		l.notMade(ctx, e)
		return Entry{}, fmt.Errorf("put %s on the %s list of %s: %w", e.What(), e.List, e.Site, err)
	}
	l.apply(e.Site, version, []*Entry{&e}, nil)
	return e, nil
}

// notMade records that the change just recorded did not come to be, so that the
// record tells no ban that never was.
func (l *Lists) notMade(ctx context.Context, e Entry) {
	ctx = context.WithoutCancel(ctx)
	if there, err := l.readEntries(ctx, e.Site, []string{e.ID}); err == nil && len(there) > 0 {
		return // the commit succeeded and its answer was lost
	}
	if err := l.report(ctx, e, "failed", e.Author, noren.Text{Ja: "保存できなかったため、行われなかった", En: "it could not be stored, so it was not made"}); err != nil {
		l.opts.Log.Error("a change of a list is recorded and was not made", "alarm", true, "site", e.Site, "id", e.ID, "err", err)
	}
}

// Lift takes every live entry of exactly this network off a list and returns
// how many there were; none is an error with code NotFound.
func (l *Lists) Lift(ctx context.Context, site, list string, p netip.Prefix, author string, reason noren.Text) (int, error) {
	p = p.Masked()
	gone := l.entriesOf(site, list, func(e *Entry) bool { return e.Session == "" && e.Prefix == p })
	if len(gone) == 0 {
		return 0, noren.Errorf(noren.NotFound, "%s is not on the %s list of %s", p, list, site)
	}
	return l.liftAll(ctx, site, gone, author, reason)
}

func (l *Lists) entriesOf(site, list string, want func(*Entry) bool) (out []Entry) {
	for _, e := range l.List(site) {
		if e.List == list && want(&e) {
			out = append(out, e)
		}
	}
	return out
}

// liftAll takes entries of a site off their list. After a person did that,
// earlier bans of the same client count no more (orient, offences).
func (l *Lists) liftAll(ctx context.Context, site string, gone []Entry, author string, reason noren.Text) (int, error) {
	ids := make([]string, len(gone))
	for i, e := range gone {
		ids[i] = e.ID
		if err := l.report(ctx, e, "lift", author, reason); err != nil {
			return 0, err
		}
	}
	version, err := l.markLifted(ctx, site, ids, l.opts.Now())
	if err != nil {
		return 0, fmt.Errorf("take %s off a list of %s: %w", gone[0].What(), site, err)
	}
	l.apply(site, version, nil, ids)
	return len(gone), nil
}

// Act carries out a ban or asks an address for the check. It is idempotent by the
// action's ID, and what a longer entry of the same network or session covers
// already is done.
func (l *Lists) Act(ctx context.Context, a noren.Action) error {
	e, err := entryOf(a)
	if err != nil {
		return fmt.Errorf("%s by policy %s: %w", a.Kind, a.Policy, err)
	}
	if now := l.opts.Now(); !e.live(now) {
		return nil // it would have ended by now
	}
	if l.covered(e) || e.Session != "" && l.crowded(e.Site) {
		return nil
	}
	_, err = l.Set(ctx, e)
	return err
}

// entryOf is the entry that an action makes.
func entryOf(a noren.Action) (e Entry, err error) {
	e = Entry{ID: a.ID, Site: a.Site, List: ListBan, Reason: a.Reason, Author: "policy:" + a.Policy, Policy: a.Policy, Until: a.Until, Repeat: a.Repeat}
	switch a.Kind {
	case noren.ActBan:
	case noren.ActCheck:
		e.List = ListCheck
	default:
		return e, noren.Errorf(noren.Invalid, "lists cannot carry out an action of kind %q", a.Kind)
	}
	if a.Entity == noren.EntitySession {
		e.Session = a.Target
		return e, nil
	}
	if e.Prefix, err = banPrefix(a.Entity, a.Target); err != nil {
		return e, err
	}
	if target, err := ParsePrefix(a.Target); err == nil && a.Entity == noren.EntityAddress {
		e.about = target.Addr()
	}
	return e, nil
}

func (l *Lists) covered(e Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, done := l.byID[e.Site][e.ID]; done {
		return true
	}
	covered := false
	now := l.opts.Now()
	lists := (*l.snap.Load())[e.Site]
	if e.Session != "" {
		have := lists.sessions.of(e.Session, now)
		return have != nil && (have.Until == e.Until || have.outlasts(&e))
	}
	in := lists.ban
	if e.List == ListCheck {
		in = lists.check
	}
	in.find(e.Prefix.Addr(), func(have *Entry) {
		if have.Prefix == e.Prefix && have.live(now) && (have.Until == e.Until || have.outlasts(&e)) {
			covered = true
		}
	})
	return covered
}

// report records a change of a list. The event's id follows from the entry's,
// so that a repeated action is one journal entry.
func (l *Lists) report(ctx context.Context, e Entry, op, author string, reason noren.Text) error {
	d := l.decider.Load()
	if d == nil {
		return noren.Errorf(noren.Unavailable, "lists are not attached to the loop yet; a change cannot be recorded")
	}
	_, err := (*d).Decide(ctx, noren.Event{
		ID: e.ID + "-" + op, Kind: noren.BanChange, At: noren.At(l.opts.Now()), Site: e.Site, Entities: e.entities(),
		Payload: &noren.BanEntry{List: e.List, Op: op, Prefix: e.prefixText(), Until: e.Until, Author: author,
			Reason: reason.In("en"), ReasonJa: reason.Ja, Policy: e.Policy, Repeat: e.Repeat},
	})
	if err != nil {
		return fmt.Errorf("record the change of the %s list: %w", e.List, err)
	}
	return nil
}

// apply changes a site's entries in memory and publishes a new snapshot.
// version is the change's number in SQL, 0 when it made none.
func (l *Lists) apply(site string, version int64, add []*Entry, drop []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.versions[site]+1 == version { // else other changes are missing still
		l.versions[site] = version
	}
	l.publish(site, add, drop)
}

// publish must be called with mu held. It derives the new tries from the old
// ones, so that one change of a long list costs microseconds.
func (l *Lists) publish(site string, add []*Entry, drop []string) {
	have := l.byID[site]
	if have == nil {
		have = map[string]*Entry{}
		l.byID[site] = have
	}
	next := maps.Clone(*l.snap.Load())
	lists := next[site]
	for _, id := range drop {
		if e := have[id]; e != nil {
			delete(have, id)
			lists = lists.without(e)
		}
	}
	for _, e := range add {
		if have[e.ID] == nil {
			have[e.ID] = e
			lists = lists.plus(e)
		}
	}
	next[site] = lists
	l.snap.Store(&next)
}

func (s siteLists) with(e *Entry, op func(trie, *Entry) trie) siteLists {
	switch e.List {
	case ListAllow:
		s.allow = op(s.allow, e)
	case ListCheck:
		s.check = op(s.check, e)
	default:
		s.ban = op(s.ban, e)
	}
	return s
}
