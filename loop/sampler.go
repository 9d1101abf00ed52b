package loop

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"noren"
)

// Limits of sampling. With entries of about 1 KiB they keep an hour of flood
// far below 100 MiB, from one client or from a hundred thousand.
const (
	perClient     = 10  // whole entries per client, kind and rule in a minute
	perSite       = 600 // whole entries per site in a minute
	clientsAtMost = 200 // clients per site with a counted entry of their own in a minute
)

// sampler decides which entries are written whole and counts the rest, by the
// minute of Event.At.
type sampler struct {
	mu      sync.Mutex
	minutes map[int64]*minute
}

type minute struct {
	clients map[clientKey]int // whole entries so far
	sites   map[string]int    // whole entries so far
	own     map[string]int    // clients with a counted entry
	counted map[countKey]*noren.Entry
	acted   map[actionKey]bool // recorded actions
}

// actionKey is what an action does, whichever event it follows from.
type actionKey struct {
	site, entity, target, policy string
	kind                         noren.ActionKind
}

func keyOf(a *noren.Action) actionKey {
	return actionKey{a.Site, a.Entity, a.Target, a.Policy, a.Kind}
}

type clientKey struct {
	site, client, rule string
	kind               noren.Kind
}

type countKey struct {
	site, client, rule string
	kind               noren.Kind
	zone               noren.Zone
	verdict            noren.Verdict
}

func newSampler() *sampler { return &sampler{minutes: map[int64]*minute{}} }

func (s *sampler) at(t time.Time) *minute {
	key := t.Unix() / 60
	m := s.minutes[key]
	if m == nil {
		m = &minute{map[clientKey]int{}, map[string]int{}, map[string]int{}, map[countKey]*noren.Entry{}, map[actionKey]bool{}}
		s.minutes[key] = m
	}
	return m
}

// take reports whether e is to be written whole.
func (s *sampler) take(e *noren.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.at(e.Event.At.Time)
	if m.sites[e.Event.Site] >= perSite {
		return false
	}
	k := clientKey{e.Event.Site, client(e), e.Rule, e.Event.Kind}
	if m.clients[k] >= perClient {
		return false
	}
	m.clients[k]++
	m.sites[e.Event.Site]++
	return true
}

// repeats reports whether everything e's decision would do was recorded this
// minute already. While an action cannot be carried out, each event of an attack
// would otherwise be recorded whole with the same one.
func (s *sampler) repeats(e *noren.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.at(e.Event.At.Time)
	for i := range e.Decision.Actions {
		if !m.acted[keyOf(&e.Decision.Actions[i])] {
			return false
		}
	}
	return true
}

// acts notes that e is recorded with its actions.
func (s *sampler) acts(e *noren.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.at(e.Event.At.Time)
	for i := range e.Decision.Actions {
		m.acted[keyOf(&e.Decision.Actions[i])] = true
	}
}

// count adds n of e to the counted entry of its minute.
func (s *sampler) count(e *noren.Entry, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.at(e.Event.At.Time)
	k := countKey{e.Event.Site, client(e), e.Rule, e.Event.Kind, e.Event.Zone, e.Decision.Verdict}
	if ordinary(e) {
		k.client = ""
	}
	if c := m.counted[k]; c != nil {
		c.Count += n
		return
	}
	if k.client != "" && m.own[k.site] >= clientsAtMost {
		k.client = ""
		if c := m.counted[k]; c != nil {
			c.Count += n
			return
		}
	}
	m.counted[k] = countedEntry(e, k.client)
	m.counted[k].Count = n
	if k.client != "" {
		m.own[k.site]++
	}
}

// ordinary requests are counted per zone, not per visitor.
func ordinary(e *noren.Entry) bool {
	return e.Event.Kind == noren.HTTPRequest && e.Decision.Verdict == noren.Allow
}

// countedEntry starts a counted entry: what and when, and who only while there
// are few of them.
func countedEntry(e *noren.Entry, client string) *noren.Entry {
	c := &noren.Entry{Count: 1, Rule: e.Rule, Decision: noren.Decision{Verdict: e.Decision.Verdict, Policies: e.Decision.Policies}}
	c.Event = noren.Event{Kind: e.Event.Kind, At: e.Event.At, Site: e.Event.Site, Zone: e.Event.Zone}
	if client != "" {
		c.Event.Entities = noren.Entities{noren.EntityAddress: client}
	}
	return c
}

func client(e *noren.Entry) string { return e.Event.Entities[noren.EntityAddress] }

// flush hands over the counted entries of the minutes before now, or of all
// when final, oldest first.
func (s *sampler) flush(now time.Time, final bool) []noren.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []noren.Entry
	for key, m := range s.minutes {
		if key >= now.Unix()/60 && !final {
			continue
		}
		for _, e := range m.counted {
			out = append(out, *e)
		}
		delete(s.minutes, key)
	}
	slices.SortFunc(out, func(a, b noren.Entry) int { return cmp.Compare(a.Event.At.UnixMicro(), b.Event.At.UnixMicro()) })
	return out
}
