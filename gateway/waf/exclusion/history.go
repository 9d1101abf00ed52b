package exclusion

import (
	"cmp"
	"hash/maphash"
	"slices"

	"noren"
)

// Bounds of what a look back keeps: beyond them numbers are "at least".
const (
	cellsMost    = 2_000
	visitorsMost = 50_000
	customerMost = 200_000
	examplesMost = 12
)

// Kinds are the events that a look back reads.
func Kinds() []noren.Kind {
	return []noren.Kind{noren.HTTPBlocked, noren.HTTPRequest, noren.OrderPlaced, noren.PaymentOutcome, noren.LoginOutcome}
}

// Cell is one rule at one field of one page.
type Cell struct {
	Target
	Path string
	Zone noren.Zone
}

// History tells, from a site's own record, whom the firewall stopped: attackers, or
// people who also bought something or signed in. It is pure; the order of the
// entries does not count.
type History struct {
	Full    bool  // a bound was met: numbers are at least
	Stopped int64 // requests that were, or would have been, stopped
	Counted int64 // of those, how many are there as numbers only
	Sales   int64 // orders and payments that went through: 0 says that nothing is known

	limit     int
	opened    *Exclusion // nil: nothing is tried
	seed      maphash.Seed
	cells     map[Cell]*tally
	rules     map[int]*tally
	tried     tally
	Examples  []Example
	visitors  map[uint64][]uint64 // who was stopped → what they are known by
	customers map[uint64]*customer
}

// Example is a stored request that an exclusion would let pass.
type Example struct {
	ID string
	At noren.Time
}

type tally struct {
	times    int64
	visitors map[uint64]struct{}
	newest   Example
}

// customer is somebody who is known not to be an attacker: they ordered, paid or
// signed in.
type customer struct {
	orders int64
	yen    int64
}

// Impact is whom a rule, or a rule at a field of a page, has hit.
type Impact struct {
	Times    int64
	Visitors int   // distinct
	Buyers   int   // of those, who ordered, paid or signed in, before or after
	Orders   int64 // of these buyers in that time
	Yen      int64 // of those orders, as far as they are in yen
	Newest   Example
}

// Others are those of whom nothing good is known.
func (i Impact) Others() int { return i.Visitors - i.Buyers }

// NewHistory begins a look back. limit is the score that stops; x is what is tried,
// or nil.
func NewHistory(limit int, x *Exclusion) *History {
	return &History{limit: limit, opened: x, seed: maphash.MakeSeed(), cells: map[Cell]*tally{}, rules: map[int]*tally{},
		visitors: map[uint64][]uint64{}, customers: map[uint64]*customer{}}
}

// Add looks at one entry.
func (h *History) Add(e *noren.Entry) {
	switch {
	case e.Part == noren.PartCounted:
		if e.Event.Kind == noren.HTTPBlocked {
			h.Counted += e.Count
		}
		return
	case e.Part == noren.PartLate:
		return
	}
	ev := &e.Event
	h.customer(ev)
	if !Stopped(ev, h.limit) {
		return
	}
	h.Stopped++
	who, known := h.visitor(ev)
	found, _ := Finds(ev)
	seen := map[int]bool{}
	for _, f := range found {
		if f.Score == 0 {
			continue
		}
		h.cell(Cell{f.Target, PageOf(PathOf(ev)), ev.Zone}).add(ev, who, known)
		if !seen[f.Rule] {
			seen[f.Rule] = true
			h.rule(f.Rule).add(ev, who, known)
		}
	}
	if x := h.opened; x != nil && x.Zone == ev.Zone && x.On(PathOf(ev)) && x.Rest(ev) < h.limit {
		h.tried.add(ev, who, known)
		if len(h.Examples) < examplesMost {
			h.Examples = append(h.Examples, Example{ev.ID, ev.At})
		}
	}
}

func (h *History) cell(c Cell) *tally {
	if h.cells[c] == nil {
		if len(h.cells) >= cellsMost {
			h.Full = true
			return &tally{}
		}
		h.cells[c] = &tally{}
	}
	return h.cells[c]
}

func (h *History) rule(id int) *tally {
	if h.rules[id] == nil {
		h.rules[id] = &tally{}
	}
	return h.rules[id]
}

func (t *tally) add(ev *noren.Event, who uint64, known bool) {
	t.times++
	if t.visitors == nil {
		t.visitors = map[uint64]struct{}{}
	}
	if known {
		t.visitors[who] = struct{}{}
	}
	if ev.At.After(t.newest.At.Time) {
		t.newest = Example{ev.ID, ev.At}
	}
}

// visitor tells visitors apart by the best that is known of them: behind one
// address there can be many. known is false where there is no room for another.
func (h *History) visitor(ev *noren.Event) (id uint64, known bool) {
	keys := h.keys(ev)
	if len(keys) == 0 {
		return 0, false
	}
	id = keys[0]
	have, known := h.visitors[id]
	if !known && len(h.visitors) >= visitorsMost {
		h.Full = true
		return 0, false
	}
	for _, k := range keys {
		if !slices.Contains(have, k) && len(have) < 8 {
			have = append(have, k)
		}
	}
	h.visitors[id] = have
	return id, true
}

// keys are what somebody is known by. An address is shared by many, so it counts
// only where nothing better is known.
func (h *History) keys(ev *noren.Event) (out []uint64) {
	for _, name := range []string{noren.EntityAccount, noren.EntityDevice, noren.EntitySession} {
		if id := ev.Entities[name]; id != "" {
			out = append(out, maphash.String(h.seed, name+":"+id))
		}
	}
	if id := ev.Entities[noren.EntityAddress]; id != "" && len(out) == 0 {
		out = append(out, maphash.String(h.seed, noren.EntityAddress+":"+id))
	}
	return out
}

// customer notes who bought or signed in.
func (h *History) customer(ev *noren.Event) {
	var orders, yen int64
	switch p := ev.Payload.(type) {
	case *noren.Order:
		if orders = 1; p.Total.Currency == "JPY" {
			yen = p.Total.Minor
		}
		h.Sales++
	case *noren.PaymentResult:
		if !p.Success {
			return
		}
		h.Sales++
	case *noren.LoginResult:
		if !p.Success {
			return
		}
	default:
		return
	}
	keys := h.keys(ev)
	var c *customer
	for _, k := range keys {
		c = cmp.Or(c, h.customers[k])
	}
	if c == nil {
		if len(h.customers) >= customerMost {
			h.Full = true
			return
		}
		c = &customer{}
	}
	c.orders, c.yen = c.orders+orders, c.yen+yen
	for _, k := range keys {
		h.customers[k] = c
	}
}

func (h *History) impact(t *tally) Impact {
	i := Impact{Times: t.times, Visitors: len(t.visitors), Newest: t.newest}
	counted := map[*customer]bool{}
	for id := range t.visitors {
		buyer := false
		for _, k := range h.visitors[id] {
			c := h.customers[k]
			if c == nil {
				continue
			}
			if buyer = true; !counted[c] {
				counted[c] = true
				i.Orders, i.Yen = i.Orders+c.orders, i.Yen+c.yen
			}
		}
		if buyer {
			i.Buyers++
		}
	}
	return i
}

// Opened is whom the exclusion that is tried would have let pass.
func (h *History) Opened() Impact { return h.impact(&h.tried) }

// Of is whom one rule at one field of one page has hit.
func (h *History) Of(c Cell) Impact {
	if t := h.cells[c]; t != nil {
		return h.impact(t)
	}
	return Impact{}
}

// CellImpact is a Cell with whom it hit.
type CellImpact struct {
	Cell
	Impact
}

// Cells lists all, those that hit buyers first, then the most frequent.
func (h *History) Cells() (out []CellImpact) {
	for c, t := range h.cells {
		out = append(out, CellImpact{c, h.impact(t)})
	}
	slices.SortFunc(out, func(a, b CellImpact) int {
		return cmp.Or(b.Buyers-a.Buyers, cmp.Compare(b.Times, a.Times), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Path+a.Field, b.Path+b.Field))
	})
	return out
}

// RuleImpact is a rule with whom it hit.
type RuleImpact struct {
	Rule int
	Impact
}

// Rules lists all rules in the same order.
func (h *History) Rules() (out []RuleImpact) {
	for id, t := range h.rules {
		out = append(out, RuleImpact{id, h.impact(t)})
	}
	slices.SortFunc(out, func(a, b RuleImpact) int {
		return cmp.Or(b.Buyers-a.Buyers, cmp.Compare(b.Times, a.Times), cmp.Compare(a.Rule, b.Rule))
	})
	return out
}
