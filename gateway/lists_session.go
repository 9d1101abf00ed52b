package gateway

import (
	"context"
	"maps"
	"net/netip"
	"time"

	"noren"
)

const (
	maxSession = 128
	// maxSessionBans bounds them per site. Whoever needs more has made its
	// sessions up, and the limits of its address hold it.
	maxSessionBans = 10_000
)

// SessionName is how people are told of a session: the beginning of its keyed
// hash.
func SessionName(hash string) string { return "session " + hash[:min(len(hash), 12)] }

// sessionBans are the banned sessions of a site. A value never changes.
type sessionBans map[string][]*Entry

// of is the ban of a session that lasts longest, nil for none.
func (s sessionBans) of(session string, at time.Time) (ban *Entry) {
	for _, e := range s[session] {
		if e.live(at) && (ban == nil || e.outlasts(ban)) {
			ban = e
		}
	}
	return ban
}

func (s sessionBans) each(f func(*Entry)) {
	for _, entries := range s {
		for _, e := range entries {
			f(e)
		}
	}
}

// change is a copy in which a session's entries are others.
func (s sessionBans) change(session string, entries []*Entry) sessionBans {
	next := maps.Clone(s)
	if next == nil {
		next = sessionBans{}
	}
	if len(entries) == 0 {
		delete(next, session)
	} else {
		next[session] = entries
	}
	return next
}

func (s siteLists) plus(e *Entry) siteLists {
	if e.Session == "" {
		return s.with(e, trie.insert)
	}
	s.sessions = s.sessions.change(e.Session, append(append([]*Entry(nil), s.sessions[e.Session]...), e))
	return s
}

func (s siteLists) without(e *Entry) siteLists {
	if e.Session == "" {
		return s.with(e, trie.remove)
	}
	var left []*Entry
	for _, have := range s.sessions[e.Session] {
		if have.ID != e.ID {
			left = append(left, have)
		}
	}
	s.sessions = s.sessions.change(e.Session, left)
	return s
}

// CheckSession returns the live ban of a session, nil for none.
func (l *Lists) CheckSession(site, session string, at time.Time) *Entry {
	if session == "" {
		return nil
	}
	return (*l.snap.Load())[site].sessions.of(session, at)
}

// Asked returns the live entry by which an address's visitors are asked for the
// check, nil for none.
func (l *Lists) Asked(site string, addr netip.Addr, at time.Time) (asked *Entry) {
	(*l.snap.Load())[site].check.find(addr, func(e *Entry) {
		if e.live(at) {
			asked = e
		}
	})
	return asked
}

// crowded reports whether no more sessions can be banned.
func (l *Lists) crowded(site string) bool {
	full := len((*l.snap.Load())[site].sessions) >= maxSessionBans
	if full {
		l.opts.Log.Error("so many sessions are banned that no more are; their address's limits hold", "alarm", true, "site", site, "sessions", maxSessionBans)
	}
	return full
}

// LiftSession takes the bans of the session off whose name begins so.
func (l *Lists) LiftSession(ctx context.Context, site, name, author string, reason noren.Text) (int, error) {
	gone := l.entriesOf(site, ListBan, func(e *Entry) bool { return e.Session != "" && (e.Session == name || SessionName(e.Session) == name) })
	if len(gone) == 0 {
		return 0, noren.Errorf(noren.NotFound, "%s is not banned on %s", name, site)
	}
	return l.liftAll(ctx, site, gone, author, reason)
}

func (e *Entry) prefixText() string {
	if e.Session != "" {
		return ""
	}
	return e.Prefix.String()
}

// LiftClient is Lift for what a person means by one address: the entry of exactly
// this network, and of the IPv6 /64 that a policy bans instead of one address.
func (l *Lists) LiftClient(ctx context.Context, site, list string, p netip.Prefix, author string, reason noren.Text) (int, error) {
	n, err := l.Lift(ctx, site, list, p, author, reason)
	if noren.CodeOf(err) != noren.NotFound || !p.IsSingleIP() || p.Addr().Is4() {
		return n, err
	}
	return l.Lift(ctx, site, list, clientNet(p.Addr()), author, reason)
}
