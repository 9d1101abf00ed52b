package loop

import (
	"cmp"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"noren"
)

// Limits of sampling. They keep an hour of flood below 100 MiB on disk, sealed
// and indexed, from one client or from a hundred thousand, however long their
// requests are (TestFloodBudget).
const (
	perClient     = 10        // whole entries per client, kind and rule in a minute
	perSite       = 600       // whole entries per site in a minute
	bytesPerSite  = 720 << 10 // of them as JSON; their tokens and rows come on top
	clientsAtMost = 200       // counted entries per site in a minute that name a client
	countedAtMost = 400       // and that name a rule and a zone
)

// sampler decides which entries are written whole and counts the rest, by the
// minute of Event.At.
type sampler struct {
	mu      sync.Mutex
	minutes map[int64]*minute
}

type minute struct {
	clients map[clientKey]int // whole entries so far
	sites   map[string]siteSum
	own     map[string]int // counted entries of a site
	counted map[countKey]*noren.Entry
	acted   map[actionKey]bool // recorded actions
}

// siteSum is what a site has written whole so far.
type siteSum struct{ entries, bytes int }

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
		m = &minute{map[clientKey]int{}, map[string]siteSum{}, map[string]int{}, map[countKey]*noren.Entry{}, map[actionKey]bool{}}
		s.minutes[key] = m
	}
	return m
}

// take reports whether e is to be written whole.
func (s *sampler) take(e *noren.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.at(e.Event.At.Time)
	sum := m.sites[e.Event.Site]
	k := clientKey{e.Event.Site, client(e), e.Rule, e.Event.Kind}
	if sum.entries >= perSite || sum.bytes >= bytesPerSite || m.clients[k] >= perClient {
		return false
	}
	m.clients[k]++
	m.sites[e.Event.Site] = siteSum{sum.entries + 1, sum.bytes + size(e)}
	return true
}

// size is what e takes as JSON.
func size(e *noren.Entry) int {
	b, err := json.Marshal(e)
	if err != nil {
		return 0 // the journal will refuse it
	}
	return len(b)
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
	if ordinary(e) || m.counted[k] == nil && m.own[k.site] >= clientsAtMost {
		k.client = ""
	}
	if m.counted[k] == nil && m.own[k.site] >= countedAtMost {
		k.rule, k.zone = "", ""
	}
	c := m.counted[k]
	if c == nil {
		c = countedEntry(e, &k)
		m.counted[k] = c
		m.own[k.site]++
	}
	c.Count += n
}

// ordinary requests are counted per zone, not per visitor.
func ordinary(e *noren.Entry) bool {
	return (e.Event.Kind == noren.HTTPRequest || e.Event.Kind == noren.HTTPLogged) && e.Decision.Verdict == noren.Allow
}

// countedEntry starts a counted entry: what and when, and who only while there
// are few of them.
func countedEntry(e *noren.Entry, k *countKey) *noren.Entry {
	c := &noren.Entry{Part: noren.PartCounted, Rule: k.rule, Decision: noren.Decision{Verdict: e.Decision.Verdict, Policies: e.Decision.Policies}}
	c.Event = noren.Event{Kind: e.Event.Kind, At: e.Event.At, Site: e.Event.Site, Zone: k.zone}
	if k.client != "" {
		c.Event.Entities = noren.Entities{noren.EntityAddress: k.client}
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
