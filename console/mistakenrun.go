package console

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"noren"
	"noren/gateway/waf/exclusion"
	"noren/journal"
)

// caseRun tries one proposal, in the background: on the kept samples first, then on
// the site's own record of 30 days.
type caseRun struct {
	site, event string
	x           *exclusion.Exclusion
	began       time.Time
	cancel      context.CancelFunc

	mu        sync.Mutex
	percent   int
	looking   bool // at the record; the samples are done
	rehearsed exclusion.Rehearsed
	h         *exclusion.History // nil once what it says is summed up
	sum       caseSum
	erased    int64
	lookedTo  time.Time
	ended     time.Time
	partial   bool // the time was over
	failed    bool
}

// caseSum is what the record says, without whom it is about.
type caseSum struct {
	would, impact exclusion.Impact
	examples      []exclusion.Example
	sales, full   bool
	counted       int64
}

// summed is the sum so far.
func (r *caseRun) summed() caseSum {
	if r.h == nil {
		return r.sum
	}
	s := caseSum{would: r.h.Opened(), examples: append([]exclusion.Example(nil), r.h.Examples...), sales: r.h.Sales > 0, full: r.h.Full, counted: r.h.Counted}
	for _, t := range r.x.Targets {
		if i := r.h.Of(exclusion.Cell{Target: t, Path: r.x.Path, Zone: r.x.Zone}); i.Times > s.impact.Times {
			s.impact = i
		}
	}
	return s
}

// Shares of the way, and how long it may take.
const (
	samplesShare = 80
	caseMost     = 5 * time.Minute
)

// cases are the runs of this process: one at a time, kept for an hour.
type cases struct {
	mu  sync.Mutex
	all map[string]*caseRun
}

func (cs *cases) of(site, event string) *caseRun {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.all[site+"\x00"+event]
}

// begin adds one; false while another runs.
func (cs *cases) begin(r *caseRun) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for key, other := range cs.all {
		switch ended := other.over(); {
		case ended.IsZero():
			return other.site == r.site && other.event == r.event // it runs already
		case time.Since(ended) > rehearsalKept || len(cs.all) >= rehearsalsMax:
			delete(cs.all, key)
		}
	}
	if cs.all == nil {
		cs.all = map[string]*caseRun{}
	}
	cs.all[r.site+"\x00"+r.event] = r
	return true
}

// beginCase tries a proposal; false while another is tried.
func (c *Console) beginCase(v *visit, x *exclusion.Exclusion) bool {
	ctx, cancel := context.WithCancel(c.life)
	r := &caseRun{site: v.site, event: x.Event, x: x, began: time.Now(), cancel: cancel, h: exclusion.NewHistory(firewallStops, x)}
	if !c.cases.begin(r) {
		cancel()
		return false
	}
	if c.cases.of(v.site, x.Event) != r {
		cancel()
		return true
	}
	go r.run(ctx, c.o.Firewall, walker{c.o.Journal, v.site, exclusion.Kinds(), time.Now().AddDate(0, 0, -mistakenDays)}, c.o.Log)
	return true
}

func (r *caseRun) run(ctx context.Context, f Firewall, w walker, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, caseMost)
	defer cancel()
	defer func() {
		if p := recover(); p != nil { // the shop's entrance runs in this process
			log.Error("console: try an exclusion", "site", r.site, "panic", p)
			r.end(noren.Errorf(noren.Internal, "panic"), false)
		}
	}()
	got, err := f.Rehearse(ctx, r.site, r.x, r.progress)
	if err != nil {
		log.Error("console: try an exclusion", "site", r.site, "err", err)
		r.end(err, false)
		return
	}
	r.mu.Lock()
	r.rehearsed, r.looking, r.percent = got, true, samplesShare
	r.mu.Unlock()
	err = w.each(ctx, r.add, r.page)
	if err != nil && ctx.Err() == nil {
		log.Error("console: try an exclusion", "site", r.site, "err", err)
	}
	r.end(err, ctx.Err() != nil)
}

func (r *caseRun) progress(done, of int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.percent = samplesShare * done / max(of, 1)
}

func (r *caseRun) add(hit *journal.Hit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lookedTo = hit.Entry.Event.At.Time; hit.Erased {
		r.erased++
		return
	}
	r.h.Add(&hit.Entry)
}

func (r *caseRun) page(p journal.Page) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Of > 0 {
		r.percent = samplesShare + int((99-samplesShare)*p.Looked/max(p.Of, 1))
	}
	return true
}

func (r *caseRun) end(err error, partial bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.partial, r.failed = time.Now(), partial, err != nil && !partial
	r.sum, r.h = r.summed(), nil // fifty of them are kept for an hour
	r.cancel()
}

func (r *caseRun) over() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// done reports whether the samples and the record were looked at, the record as far
// as time allowed.
func (r *caseRun) done() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.ended.IsZero() && !r.failed && r.looking
}

// tried is the outcome as it is kept with the exclusion.
func (r *caseRun) tried() exclusion.Tried {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.summed().would
	return exclusion.Tried{At: exclusion.At(r.ended), Attacks: r.rehearsed.Attacks, Opened: r.rehearsed.Opened, Benign: r.rehearsed.Benign, Saved: r.rehearsed.Saved,
		Events: o.Times, Visitors: int64(o.Visitors), Buyers: int64(o.Buyers)}
}

// caseSeen is a run as a page shows it.
type caseSeen struct {
	Running, Looking, Failed, Partial bool
	Percent                           int
	exclusion.Rehearsed
	Impact     exclusion.Impact // of what is left out, on this page
	Would      exclusion.Impact // whom it would have let pass
	Examples   []exclusion.Example
	SalesKnown bool
	Full       bool
	Erased     int64
	Counted    int64
	LookedTo   noren.Time
	Days       int
}

func (cs *cases) seen(site, event string) *caseSeen {
	r := cs.of(site, event)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := r.summed()
	s := &caseSeen{Running: r.ended.IsZero(), Looking: r.looking, Failed: r.failed, Partial: r.partial, Percent: r.percent, Rehearsed: r.rehearsed, Would: sum.would, Impact: sum.impact,
		Examples: sum.examples, SalesKnown: sum.sales, Full: sum.full, Erased: r.erased, Counted: sum.counted, Days: mistakenDays}
	if !r.lookedTo.IsZero() {
		s.LookedTo = noren.At(r.lookedTo)
	}
	return s
}
