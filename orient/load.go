package orient

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"time"

	"noren"
	"noren/db"
)

// load is one loading of a state, shared by everybody who waits for it.
type load struct {
	done chan struct{}
	err  error
	late bool // what it brought was out of date at its end
	gone bool // what it brought is not kept: rows are being erased
}

// loader bounds how many entities are loaded at once.
type loader struct{ room chan struct{} }

const (
	maxLoads    = 8
	loadTimeout = 10 * time.Second
)

func newLoader(d *db.DB) *loader {
	if d == nil {
		return nil
	}
	return &loader{room: make(chan struct{}, maxLoads)}
}

// hourOfGroup names an hour whose exact marks are wanted.
type hourOfGroup struct {
	group group
	hour  int64
}

// wanted says what to load: everything an event at at needs or, when the state
// is loaded, the exact marks of some hours.
type wanted struct {
	party  party
	site   key
	at     int64
	layout *layout
	edges  []hourOfGroup
	all    bool
}

// loaded is what a load brings.
type loaded struct {
	marks  [groups][]mark
	from   int64
	full   bool
	newest int64

	hoursFrom int64
	first     firstMarks
	buckets   [groups][]bucket
	edges     []edgeOfGroup
	// present says which open effects SQL already held.
	present map[effectKey]bool
	settled []*erasure // committed before anything was read
	// waiting are marks of state.waiting.
	waiting map[key]mark
	gone    bool // others were not: load again next time
}

type edgeOfGroup struct {
	group group
	edge  edge
}

// start loads what w wants in the background, unless it is under way. The
// state's shard is locked.
func (o *Orient) start(st *state, w wanted) *load {
	if st.loading == nil {
		st.loading = &load{done: make(chan struct{})}
		go o.run(st, w, st.loading)
	}
	return st.loading
}

// run outlives the event that asked: the next one finds the state loaded.
func (o *Orient) run(st *state, w wanted, l *load) {
	defer close(l.done)
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()
	o.loader.room <- struct{}{}
	defer func() { <-o.loader.room }()
	var res *loaded
	era := o.registry.era.Load()
	res, l.err = o.fetch(ctx, st, &w)

	s := o.cache.lock(w.party.key)
	defer s.mu.Unlock()
	defer st.endLoad()
	if l.err != nil {
		o.log.Warn("history of an entity could not be loaded", "entity", o.entities.names[w.party.slot], "err", l.err)
		return
	}
	if o.registry.era.Load() != era {
		l.late = true // it is read again
		return
	}
	l.late, l.gone = st.reload, res.gone
	st.install(res, &w, o.shared)
	if w.all {
		for _, e := range o.unsettled(w.party.key, res.settled) {
			st.forget(e) // it may have brought them back
		}
	}
}

// fetch reads what w wants.
func (o *Orient) fetch(ctx context.Context, st *state, w *wanted) (res *loaded, err error) {
	res = &loaded{from: math.MinInt64}
	if !w.all {
		return res, o.fetchEdges(ctx, o.db.Read(), w, res)
	}
	if res.settled, err = o.settled(ctx, o.db.Read(), w.party.key); err != nil {
		return nil, err
	}
	res.gone = len(o.unsettled(w.party.key, res.settled)) > 0
	if err := o.fetchWaiting(ctx, st, res); err != nil {
		return nil, err
	}
	if w.layout.slots[w.party.slot].reach == 0 {
		return res, o.fetchExact(ctx, o.db.Read(), w, res)
	}
	tx, err := o.db.Read().BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "read history: %w", err)
	}
	defer tx.Rollback()
	if err := o.fetchHours(ctx, tx, st, w, res); err != nil {
		return nil, err
	}
	w.edges = edgesAt(&w.layout.slots[w.party.slot], w.at)
	if err := o.fetchEdges(ctx, tx, w, res); err != nil {
		return nil, err
	}
	return res, o.fetchExact(ctx, tx, w, res)
}

// edgesAt are the hours at the far ends of the long windows of an event at at.
func edgesAt(l *slotLayout, at int64) (out []hourOfGroup) {
	for g := range group(groups) {
		for _, span := range l.longs[g] {
			out = append(out, hourOfGroup{g, hourOf(at - span)})
		}
	}
	return out
}

// fetchExact reads the exact marks and the first one.
func (o *Orient) fetchExact(ctx context.Context, q querier, w *wanted, res *loaded) error {
	l := &w.layout.slots[w.party.slot]
	if l.first {
		if err := o.fetchFirst(ctx, q, w.party, res); err != nil {
			return err
		}
	}
	if l.horizon == 0 {
		return nil
	}
	res.from = w.at - l.horizon - lateness
	most := maxMarks
	if coarse(w.party.slot) {
		most = maxCoarseMarks
	}
	n, err := o.fetchMarks(ctx, q, w.party, l.exactGroups(), res.from, math.MaxInt64, most+1, func(g group, m mark) {
		res.marks[g] = append(res.marks[g], m)
	})
	if n > most {
		res.full = true
	}
	for g := range res.marks {
		slices.SortFunc(res.marks[g], byTime)
	}
	return err
}

func byTime(a, b mark) int {
	switch {
	case before(&a, &b):
		return -1
	case before(&b, &a):
		return 1
	}
	return 0
}

// fetchMarks reads marks in (from, to), the newest of them when there are more
// than most.
func (o *Orient) fetchMarks(ctx context.Context, q querier, p party, gs []group, from, to int64, most int, f func(group, mark)) (n int, err error) {
	count := func(g group, m mark) {
		n++
		f(g, m)
	}
	in := groupList(gs)
	if p.slot < columns {
		err = eachMark(ctx, q, count, marksQuery(o.entities.names[p.slot], in), int64(p.key), from, to, most)
	}
	if err == nil && !coarse(p.slot) {
		err = eachMark(ctx, q, count, linkedQuery(in), int64(p.key), from, to, most)
	}
	if err != nil {
		return n, noren.Errorf(noren.Unavailable, "%w", err)
	}
	return n, nil
}

func (o *Orient) fetchFirst(ctx context.Context, q querier, p party, res *loaded) error {
	var queries []string
	if p.slot < columns {
		queries = append(queries, firstQuery(o.entities.names[p.slot]))
	}
	if !coarse(p.slot) {
		queries = append(queries, firstLinkedQuery)
	}
	for _, query := range queries {
		if err := eachPair(ctx, q, func(at, id int64) { res.first.note(sight{at, key(id), false}) }, query, int64(p.key)); err != nil {
			return noren.Errorf(noren.Unavailable, "read first sight: %w", err)
		}
	}
	return nil
}

func eachPair(ctx context.Context, q querier, f func(a, b int64), query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b int64
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		f(a, b)
	}
	return rows.Err()
}

// fetchEdges reads the exact marks of the wanted hours.
func (o *Orient) fetchEdges(ctx context.Context, q querier, w *wanted, res *loaded) error {
	for _, e := range w.edges {
		out := edgeOfGroup{group: e.group, edge: edge{hour: e.hour}}
		from, to := e.hour*hourMicros-1, (e.hour+1)*hourMicros
		_, err := o.fetchMarks(ctx, q, w.party, []group{e.group}, from, to, math.MaxInt32, func(_ group, m mark) {
			m.parties = [dims]key{} // hours do not know whose they are
			out.edge.marks = append(out.edge.marks, m)
		})
		if err != nil {
			return err
		}
		slices.SortFunc(out.edge.marks, byTime)
		res.edges = append(res.edges, out)
	}
	return nil
}

// exactGroups are those with windows over exact marks.
func (l *slotLayout) exactGroups() (out []group) {
	for g := range group(groups) {
		if len(l.windows[g]) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// longGroups are those with windows over whole hours.
func (l *slotLayout) longGroups() (out []group) {
	for g := range group(groups) {
		if len(l.longs[g]) > 0 {
			out = append(out, g)
		}
	}
	return out
}
