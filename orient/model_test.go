package orient_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
)

// model is the naive reference: it keeps every event and counts by going
// through all of them. Orient must agree with it fact by fact.
type model struct {
	marks []*modelMark
	byID  map[string]*modelMark
	byRef map[string]*modelMark
	told  map[string]modelOutcome // settled outcomes by event id
}

type modelMark struct {
	id       string
	groupOf  string
	at       time.Time
	ok       bool
	outcome  bool
	amount   int64
	quantity int64
	parties  map[string]string
	named    map[string]string // parties that the mark's own event named, for distinct counts
}

type modelOutcome struct {
	attempt *modelMark
	made    bool     // it made the attempt a success
	added   []string // parties it was the first to name
}

func newModel() *model {
	return &model{byID: map[string]*modelMark{}, byRef: map[string]*modelMark{}, told: map[string]modelOutcome{}}
}

// observe takes an event in and returns its own mark.
func (m *model) observe(ev *noren.Event) *modelMark {
	group, half, mark := modelMarkOf(ev)
	if group == "" {
		return nil
	}
	mark.groupOf, mark.named = group, modelParties(ev)
	if was := m.byID[ev.ID]; was != nil {
		return was
	}
	if was, ok := m.told[ev.ID]; ok {
		return was.attempt
	}
	ref := group + "/" + cmp.Or(ev.AttemptID, ev.ID)
	attempt := m.byRef[ref]
	switch {
	case half == "attempt" && attempt != nil && attempt.outcome:
		return attempt
	case half == "outcome" && ev.AttemptID != "" && attempt != nil:
		out := modelOutcome{attempt: attempt, made: mark.ok && !attempt.ok}
		attempt.ok = attempt.ok || mark.ok
		for name, v := range mark.parties {
			if _, named := attempt.parties[name]; !named && !modelCoarse(name) {
				attempt.parties[name] = v
				out.added = append(out.added, name)
			}
		}
		m.told[ev.ID] = out
		return attempt
	case half == "outcome":
		mark.outcome = true
	case half == "attempt":
		mark.ok = false
	}
	m.byID[ev.ID] = mark
	if half != "" {
		m.byRef[ref] = mark
	}
	m.marks = append(m.marks, mark)
	return mark
}

func modelCoarse(name string) bool {
	return slices.Contains([]string{"net", "asn", "country", "bin", "item", "site"}, name)
}

func modelMarkOf(ev *noren.Event) (group, half string, m *modelMark) {
	m = &modelMark{id: ev.ID, at: ev.At.Time, ok: true, parties: modelParties(ev)}
	switch p := ev.Payload.(type) {
	case *noren.Login:
		return "login", "attempt", m
	case *noren.LoginResult:
		m.ok = p.Success
		return "login", "outcome", m
	case *noren.AccountChange:
		return "change", "", m
	case *noren.Order:
		m.amount = p.Total.Minor
		for _, i := range p.Items {
			m.quantity += i.Quantity
		}
		return "order", "", m
	case *noren.Payment:
		m.amount = p.Amount.Minor
		return "payment", "attempt", m
	case *noren.PaymentResult:
		m.amount, m.ok = p.Amount.Minor, p.Success
		return "payment", "outcome", m
	case *noren.Operation:
		m.amount = p.Records
		return "staffaction", "", m
	case *noren.StaffSignIn:
		m.ok = p.Success
		return "stafflogin", "", m
	}
	return "", "", nil
}

func modelParties(ev *noren.Event) map[string]string {
	out := map[string]string{"site": "site"}
	for name, v := range ev.Entities {
		if v != "" {
			out[name] = v
		}
	}
	if a := ev.Address(); a.IsValid() {
		out["address"] = a.String()
		out["net"] = netip.PrefixFrom(a, 24).Masked().String()
	}
	return out
}

// fact computes a fact of ev, whose own mark is own.
func (m *model) fact(ev *noren.Event, own *modelMark, name string) any {
	entity, rest, _ := strings.Cut(name, ".")
	value, known := modelParties(ev)[entity]
	if rest == "first_seen_days" {
		return m.seen(ev, own, entity, value, known)
	}
	cut := strings.LastIndexByte(rest, '_')
	measure, window := rest[:cut], modelWindow(rest[cut+1:])
	var in []*modelMark
	low, high := ev.At.Add(-window), ev.At.Add(time.Second-time.Microsecond)
	for _, mk := range m.marks {
		if known && mk.parties[entity] == value && mk.counts(measure) && mk.at.After(low) && !mk.at.After(high) {
			in = append(in, mk)
		}
	}
	return modelSum(in, measure)
}

func (mk *modelMark) counts(measure string) bool {
	g := map[bool]string{true: "login"}[strings.HasPrefix(measure, "login")]
	switch {
	case strings.HasPrefix(measure, "change"):
		g = "change"
	case strings.HasPrefix(measure, "order"):
		g = "order"
	case strings.HasPrefix(measure, "payment"):
		g = "payment"
	case strings.HasPrefix(measure, "staff_logins"):
		g = "stafflogin"
	case strings.HasPrefix(measure, "staff"):
		g = "staffaction"
	}
	return mk.groupOf == g
}

func modelSum(in []*modelMark, measure string) any {
	var n, failed, amount, quantity int64
	distinct := map[string]bool{}
	dim := map[string]string{"accounts": "account", "addresses": "address", "devices": "device", "cards": "card", "bins": "bin"}[measure[strings.LastIndexByte(measure, '_')+1:]]
	for _, mk := range in {
		n++
		if !mk.ok {
			failed++
		}
		amount += mk.amount
		quantity += mk.quantity
		if v := mk.named[dim]; v != "" {
			distinct[v] = true
		}
	}
	switch {
	case dim != "":
		return int64(len(distinct))
	case strings.HasSuffix(measure, "_failed"):
		return failed
	case strings.HasSuffix(measure, "_rate"):
		if n == 0 {
			return 0.0
		}
		return float64(failed) / float64(n)
	case strings.HasSuffix(measure, "_sum"), measure == "staff_records":
		return amount
	case strings.HasSuffix(measure, "_quantity"):
		return quantity
	}
	return n
}

func (m *model) seen(ev *noren.Event, own *modelMark, entity, value string, known bool) any {
	if !known {
		return int64(-1)
	}
	bound := ev.At.Time
	if own != nil {
		bound = own.at
	}
	var first *modelMark
	for _, mk := range m.marks {
		if mk != own && mk.parties[entity] == value && !mk.at.After(bound) && (first == nil || mk.at.Before(first.at)) {
			first = mk
		}
	}
	if first == nil {
		return int64(-1)
	}
	return int64(max(ev.At.Sub(first.at), 0) / (24 * time.Hour))
}

// cancel takes an event back.
func (m *model) cancel(ev *noren.Event) {
	if out, ok := m.told[ev.ID]; ok {
		delete(m.told, ev.ID)
		if out.made {
			out.attempt.ok = false
		}
		for _, name := range out.added {
			delete(out.attempt.parties, name)
		}
		return
	}
	mk := m.byID[ev.ID]
	if mk == nil {
		return
	}
	delete(m.byID, ev.ID)
	for ref, r := range m.byRef {
		if r == mk {
			delete(m.byRef, ref)
		}
	}
	m.marks = slices.DeleteFunc(m.marks, func(r *modelMark) bool { return r == mk })
}

// erase takes a person out of what is committed. Events that wait come after it.
func (m *model) erase(kind, value string, waits func(id string) bool) {
	for _, mk := range m.marks {
		namedBy := m.namers(mk)
		if id := namedBy[kind]; mk.parties[kind] != value || waits(id) {
			continue
		}
		if mk.named[kind] == value && !waits(mk.id) {
			delete(mk.named, kind)
		}
		for name, id := range namedBy {
			if name == kind || kind != "address" && !modelColumn(name) && !waits(id) {
				delete(mk.parties, name)
				m.unname(id, name)
			}
		}
	}
}

// namers says which event named each party of a mark.
func (m *model) namers(mk *modelMark) map[string]string {
	out := map[string]string{}
	for name := range mk.parties {
		out[name] = mk.id
	}
	for id, o := range m.told {
		for _, name := range o.added {
			if o.attempt == mk {
				out[name] = id
			}
		}
	}
	return out
}

func (m *model) unname(id, name string) {
	if o, ok := m.told[id]; ok {
		o.added = slices.DeleteFunc(o.added, func(n string) bool { return n == name })
		m.told[id] = o
	}
}

func modelColumn(name string) bool {
	return modelCoarse(name) || slices.Contains([]string{"account", "device", "address", "card"}, name)
}

func modelWindow(s string) time.Duration {
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil {
		panic(err)
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[s[len(s)-1]]
	return time.Duration(n) * unit
}

func (m *model) String() string {
	var b strings.Builder
	for _, mk := range m.marks {
		fmt.Fprintf(&b, "%s %s %s ok=%v %v\n", mk.at.Format("02T15:04:05.000000"), mk.id, mk.groupOf, mk.ok, mk.parties)
	}
	return b.String()
}
