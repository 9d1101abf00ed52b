package orient_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/orient"
)

// node is one process: an Orient over a database, its events committed later
// and in order, as the journal does.
type node struct {
	t    *rapid.T
	o    *orient.Orient
	d    *db.DB
	open []pendingEvent
	// known are the events that count, received since the process started.
	known []*noren.Event
}

type pendingEvent struct {
	ev    *noren.Event
	rows  []db.Row
	again int // how often it was received again meanwhile
}

func (n *node) observe(ev *noren.Event, names []string) noren.Facts {
	obs, err := n.o.Observe(n.t.Context(), ev, names)
	if err != nil || obs.Degraded {
		n.t.Fatalf("observe %s: %v, degraded %v", ev.ID, err, obs.Degraded)
	}
	n.open, n.known = append(n.open, pendingEvent{ev: ev, rows: obs.Rows}), append(n.known, ev)
	return obs.Facts
}

// again is an event received a second time: it changes nothing. Its rows are
// those that wait, or none.
func (n *node) again(ev *noren.Event, names []string) noren.Facts {
	obs, err := n.o.Observe(n.t.Context(), ev, names)
	if err != nil || obs.Degraded {
		n.t.Fatalf("observe %s again: %v, degraded %v", ev.ID, err, obs.Degraded)
	}
	i := slices.IndexFunc(n.open, func(p pendingEvent) bool { return p.ev == ev })
	if i >= 0 {
		n.open[i].again++
	} else if len(obs.Rows) > 0 {
		n.t.Fatalf("event %s again: got %d rows of what is committed", ev.ID, len(obs.Rows))
	}
	return obs.Facts
}

// commit makes the first few open events durable.
func (n *node) commit(count int) {
	for _, p := range n.open[:count] {
		err := n.d.Write(n.t.Context(), func(tx *db.Tx) error { return tx.Insert(n.t.Context(), p.rows) })
		if err != nil {
			n.t.Fatal(err)
		}
		n.o.Committed(p.ev)
	}
	n.open = slices.Clone(n.open[count:])
}

// cancelOutcome takes one of the outcomes back that are not committed.
func (n *node) cancelOutcome(t *rapid.T, m *model) {
	var of []int
	for i, p := range n.open {
		if _, ok := m.told[p.ev.ID]; ok {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		return
	}
	p := n.open[rapid.SampledFrom(of).Draw(t, "outcome")]
	ev := p.ev
	for range 1 + p.again {
		n.o.Cancel(ev)
	}
	m.cancel(ev)
	n.open = slices.DeleteFunc(n.open, func(p pendingEvent) bool { return p.ev == ev })
	n.known = slices.DeleteFunc(n.known, func(k *noren.Event) bool { return k == ev })
}

// erase takes a person out of history, here or in another process.
func (n *node) erase(t *rapid.T, m *model, site string) {
	who := rapid.SampledFrom([]noren.Subject{{Kind: "account", ID: "hanako@example.jp"}, {Kind: "account", ID: "taro@example.jp"}, {Kind: "device", ID: "d1"}, {Kind: "address", ID: "203.0.113.7"}}).Draw(t, "who")
	o, elsewhere := n.o, rapid.Bool().Draw(t, "elsewhere")
	if elsewhere {
		o = must(orient.New(orient.Options{DB: n.d, Token: token, Entities: []string{"terminal"}}))
	}
	err := n.d.Write(n.t.Context(), func(tx *db.Tx) error { return o.Erase(n.t.Context(), tx, site, who) })
	if err != nil {
		n.t.Fatal(err)
	}
	if elsewhere || rapid.Bool().Draw(t, "said") {
		n.o.Erased(true)
	}
	m.erase(who.Kind, who.ID, func(id string) bool {
		return slices.ContainsFunc(n.open, func(p pendingEvent) bool { return p.ev.ID == id })
	})
}

// crash forgets everything that is not committed.
func (n *node) crash(m *model, o *orient.Orient) {
	for _, p := range slices.Backward(n.open) {
		m.cancel(p.ev)
	}
	n.open, n.known, n.o = nil, nil, o
}

var sites atomic.Int64

func TestStoredCountsLikeTheReference(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		rapid.Check(t, func(t *rapid.T) {
			fresh := func() *orient.Orient {
				o, err := orient.New(orient.Options{DB: d, Token: token, Entities: []string{"terminal"}, MaxEntities: rapid.SampledFrom([]int{1, 4, 1000}).Draw(t, "room")})
				if err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "track") {
					if err := o.Track(asked); err != nil {
						t.Fatal(err)
					}
				}
				return o
			}
			late := rapid.SampledFrom([]time.Duration{0, 50 * time.Minute, 40 * time.Hour}).Draw(t, "lateness")
			m, g := newModel(), &gen{site: fmt.Sprintf("shop%d", sites.Add(1)), now: start, late: late}
			n := &node{t: t, o: fresh(), d: d}
			for range rapid.IntRange(1, 50).Draw(t, "events") {
				if len(n.known) > 0 && rapid.IntRange(0, 9).Draw(t, "again?") == 0 {
					ev := rapid.SampledFrom(n.known).Draw(t, "again")
					expect(t, m, ev, m.observe(ev), asked, n.again(ev, asked))
				}
				ev := g.next(t)
				names := asked
				if rapid.IntRange(0, 3).Draw(t, "few?") == 0 {
					names = rapid.SliceOfNDistinct(rapid.SampledFrom(asked), 1, 3, rapid.ID).Draw(t, "names")
				}
				got := n.observe(ev, names)
				expect(t, m, ev, m.observe(ev), names, got)
				switch rapid.IntRange(0, 12).Draw(t, "then") {
				case 0:
					n.crash(m, fresh())
				case 1:
					n.o.Cancel(ev)
					m.cancel(ev)
					n.open, n.known = n.open[:len(n.open)-1], n.known[:len(n.known)-1]
				case 2:
					if _, err := n.o.Roll(t.Context(), g.now); err != nil {
						t.Fatal(err)
					}
				case 8: // the policies change
					if err := n.o.Track(rapid.SliceOfDistinct(rapid.SampledFrom(asked), rapid.ID).Draw(t, "policies")); err != nil {
						t.Fatal(err)
					}
				case 9: // an outcome cannot be recorded, others of the attempt can
					n.cancelOutcome(t, m)
				case 10:
					n.erase(t, m, g.site)
				case 3, 4, 5, 6, 7:
					n.commit(rapid.IntRange(0, len(n.open)).Draw(t, "commit"))
				}
			}
		})
	})
}
