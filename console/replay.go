package console

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"noren"
	"noren/journal"
)

// walker reads a site's entries newest first, page by page.
type walker struct {
	journal *journal.Journal
	site    string
	kinds   []noren.Kind
	since   time.Time
}

// walkSlice is how long one page is looked for: progress is told, and cancelling
// noticed, as often.
const walkSlice = 200 * time.Millisecond

// each hands every entry on until there are no more, or page says false.
func (w *walker) each(ctx context.Context, entry func(*journal.Hit), page func(journal.Page) bool) error {
	q := journal.SearchQuery{Log: w.site, Which: journal.Which{Kinds: w.kinds}, Since: w.since, Limit: 500, Within: walkSlice}
	for {
		p, err := w.journal.Search(ctx, q)
		if err != nil {
			return err
		}
		for i := range p.Hits {
			if p.Hits[i].Fault == nil {
				entry(&p.Hits[i])
			}
		}
		if !page(p) || p.Next == "" {
			return ctx.Err()
		}
		q.Cursor = p.Next
	}
}

// rehearsal is one back-test. It runs in the background; what it has found so far
// can be looked at.
type rehearsal struct {
	ID, Site, By, File string
	Days               int
	Began              time.Time
	cancel             context.CancelFunc

	mu       sync.Mutex
	h        *hindsight
	looked   int64
	of       int64
	lookedTo time.Time
	ended    time.Time // zero while it runs
	stopped  bool      // by a person, or because the time was over
	err      error
}

// Bounds of back-tests.
const (
	rehearsalKept = time.Hour
	rehearsalMost = 15 * time.Minute // then what is found so far stands
	rehearsalsMax = 50
)

// rehearsals are the back-tests of this process: one at a time, results for an
// hour.
type rehearsals struct {
	mu  sync.Mutex
	all map[string]*rehearsal
}

// begin adds one; nil when another runs.
func (rs *rehearsals) begin(r *rehearsal) (running *rehearsal) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for id, other := range rs.all {
		ended := other.over()
		switch {
		case ended.IsZero():
			return other
		case time.Since(ended) > rehearsalKept || len(rs.all) >= rehearsalsMax:
			delete(rs.all, id)
		}
	}
	rs.all[r.ID] = r
	return nil
}

// of finds one of a site.
func (rs *rehearsals) of(site, id string) (*rehearsal, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.all[id]
	if r == nil || r.Site != site {
		return nil, noren.Errorf(noren.NotFound, "no back-test %q at site %s", cutTo(id, 40), site)
	}
	return r, nil
}

func (r *rehearsal) over() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// run looks back. It ends by itself; a panic of a draft's condition is no reason
// for the process to.
func (r *rehearsal) run(ctx context.Context, w walker, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, rehearsalMost)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r.end(noren.Errorf(noren.Internal, "panic: %v", p))
			log.Error("console: back-test", "site", r.Site, "panic", p)
		}
	}()
	err := w.each(ctx, func(hit *journal.Hit) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.h.add(&hit.Entry, hit.Erased)
	}, r.progress)
	if err != nil && ctx.Err() == nil {
		log.Error("console: back-test", "site", r.Site, "err", err)
	}
	if ctx.Err() != nil {
		r.mu.Lock()
		r.stopped = true
		r.mu.Unlock()
		err = nil
	}
	r.end(err)
}

func (r *rehearsal) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.err = time.Now(), err
	r.cancel()
}

func (r *rehearsal) progress(p journal.Page) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == 0 {
		r.of = p.Of
	}
	r.looked = max(0, r.of-(p.Of-p.Looked))
	if n := len(p.Hits); n > 0 {
		r.lookedTo = p.Hits[n-1].Entry.Event.At.Time
	}
	if p.Partial && !p.LookedTo.IsZero() {
		r.lookedTo = p.LookedTo
	}
	return true
}

// seen is a back-test as a page shows it.
type seen struct {
	ID, File, By   string
	Days           int
	Began          noren.Time
	Running        bool
	Stopped        bool
	Failed         bool
	Percent        int
	LookedTo       noren.Time
	Events         int64
	Counted        int64
	Erased         int64
	Sales          int64
	Stricter       seenSide
	Freer          seenSide
	Unknown        []unknownFact
	MayStop, Other bool
}

type seenSide struct {
	Events   int64
	Visitors int
	Full     bool
	Buyers   int
	Examples []example
}

func (r *rehearsal) seen() seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := seen{ID: r.ID, File: r.File, By: r.By, Days: r.Days, Began: noren.At(r.Began), Running: r.ended.IsZero(), Stopped: r.stopped, Failed: r.err != nil,
		LookedTo: noren.At(r.lookedTo), Events: r.h.Events, Counted: r.h.Counted, Erased: r.h.Erased, Sales: r.h.sales.N, Unknown: r.h.unknowns()}
	if r.lookedTo.IsZero() {
		s.LookedTo = noren.Time{}
	}
	if s.Percent = 100; s.Running {
		s.Percent = 0
		if r.of > 0 {
			s.Percent = int(min(99, 100*r.looked/r.of))
		}
	}
	of := func(d *side) seenSide {
		return seenSide{d.Events, d.visitors.N(), d.visitors.Full, d.visitors.buying(r.h.sales.buyers), append([]example(nil), d.Examples...)}
	}
	s.Stricter, s.Freer = of(&r.h.Stricter), of(&r.h.Freer)
	return s
}
