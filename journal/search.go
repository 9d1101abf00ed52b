package journal

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"noren"
)

// SearchQuery asks for a page of entries. Zero values ask for everything.
type SearchQuery struct {
	Log string
	Which
	Since, Until time.Time // at or after; before
	// Field and Value find the entries of an entity (account, address, net,
	// device, session, staff, order, card, mail, phone) or of a ticket, exactly.
	// A net is a /24 or /48 in CIDR notation; see NetOf.
	Field, Value string
	OldestFirst  bool
	// Cursor is a Page's Next or Prev; "" begins at the first entry.
	Cursor string
	Limit  int // 50 when 0, 500 at most
	// Within bounds how long is looked, DefaultWithin when 0. A page that is not
	// full by then is Partial and says how far it looked.
	Within time.Duration
}

// DefaultWithin keeps a page, with its opening and showing, below 100 ms.
const DefaultWithin = 50 * time.Millisecond

const (
	pageDefault = 50
	pageMost    = 500
)

// Hit is an entry of a page. Fault says that this entry alone cannot be read; its
// number and Leaf are set all the same.
type Hit struct {
	Stored
	Fault error
}

// Page is a page of entries in the order asked for. New entries never move what a
// cursor leads to.
type Page struct {
	Hits []Hit
	// Next and Prev are cursors of the pages behind and before this one, "" where
	// there is certainly none. Before the first page of the newest entries others
	// may appear, so that it has a Prev once it has entries.
	Next, Prev string
	// Partial says that time ended before the page was full: Next (or Prev, for a
	// page that was asked for by a Prev) goes on, also behind a page without
	// entries.
	Partial  bool
	LookedTo time.Time // of a Partial page: the time of the last entry looked at
	Looked   int64     // entries passed
	Of       int64     // entries there were to pass, those behind this page included
}

// Search returns one page.
func (j *Journal) Search(ctx context.Context, q SearchQuery) (Page, error) {
	p, err := j.searchPage(ctx, q)
	if err != nil {
		return Page{}, fmt.Errorf("search log %s: %w", q.Log, err)
	}
	return p, nil
}

// cursor is a place between two entries and the way to go from there.
type cursor struct {
	seq  int64
	back bool // towards the beginning of the list
	set  bool
}

func (c cursor) String() string {
	way := "a"
	if c.back {
		way = "b"
	}
	return way + strconv.FormatInt(c.seq, 10)
}

func parseCursor(s string) (c cursor, err error) {
	if s == "" {
		return c, nil
	}
	if s[0] == 'a' || s[0] == 'b' {
		c.set, c.back = true, s[0] == 'b'
		if c.seq, err = strconv.ParseInt(s[1:], 10, 64); err == nil && c.seq >= -1 && c.String() == s {
			return c, nil
		}
	}
	return cursor{}, noren.Errorf(noren.Invalid, "this is no place in a list")
}

func (q *SearchQuery) valid() error {
	if q.Limit == 0 {
		q.Limit = pageDefault
	}
	if q.Within == 0 {
		q.Within = DefaultWithin
	}
	if q.Limit < 0 || q.Limit > pageMost {
		return noren.Errorf(noren.Invalid, "a page of %d entries is not between 1 and %d", q.Limit, pageMost)
	}
	if len(q.Value) > noren.MaxEntityValue || len(q.Field) > 64 {
		return noren.Errorf(noren.Invalid, "what is looked for is longer than %d bytes", noren.MaxEntityValue)
	}
	return q.Which.valid()
}

func (j *Journal) searchPage(ctx context.Context, q SearchQuery) (Page, error) {
	began := time.Now()
	if err := q.valid(); err != nil {
		return Page{}, err
	}
	c, err := parseCursor(q.Cursor)
	if err != nil {
		return Page{}, err
	}
	f, err := j.newFinder(ctx, &q)
	if err != nil {
		return Page{}, err
	}
	f.turn(c)
	s := &searcher{q: &q, f: f, c: c, of: f.high - f.low + 1}
	if err := s.gather(ctx, began); err != nil {
		return Page{}, err
	}
	return s.page(ctx)
}

// turn sets the finder to a cursor.
func (f *finder) turn(c cursor) {
	f.desc = f.desc != c.back
	if c.set {
		f.passed(c.seq)
	}
}

// searcher fills one page.
type searcher struct {
	q    *SearchQuery
	f    *finder
	c    cursor
	of   int64
	rows []entryRow
}

// gather reads one row more than the page holds: then there is another page. It
// gets somewhere however short the time, so that pages come to an end, and takes no
// step for which the time would hardly do, going by the one before.
func (s *searcher) gather(ctx context.Context, began time.Time) error {
	low, high := s.f.low, s.f.high
	for want := s.q.Limit + 1; !s.f.done() && len(s.rows) < want; {
		step := time.Now()
		rows, err := s.f.step(ctx, want-len(s.rows))
		if err != nil {
			return err
		}
		s.rows = append(s.rows, rows...)
		if now := time.Now(); now.Sub(began)+now.Sub(step) > s.q.Within && (s.f.low > low || s.f.high < high) {
			return nil
		}
	}
	return nil
}

func (s *searcher) page(ctx context.Context) (p Page, err error) {
	more := len(s.rows) > s.q.Limit
	if more {
		s.rows = s.rows[:s.q.Limit]
	}
	p.Partial = !more && !s.f.done()
	p.Of, p.Looked = max(0, s.of), max(0, s.of-max(0, s.f.high-s.f.low+1))
	ahead := ""
	switch {
	case more:
		ahead = cursor{s.rows[len(s.rows)-1].seq, s.c.back, true}.String()
	case p.Partial:
		at := s.f.behind()
		ahead = cursor{at, s.c.back, true}.String()
		if p.LookedTo, err = s.f.timeOf(ctx, at); err != nil {
			return p, err
		}
	}
	p.Next, p.Prev = ahead, s.behind()
	if s.c.back {
		p.Next, p.Prev = p.Prev, p.Next
		slices.Reverse(s.rows)
	}
	for _, r := range s.f.j.restoreAll(ctx, s.rows) {
		p.Hits = append(p.Hits, Hit{r.stored, r.err})
	}
	return p, ctx.Err()
}

// behind is the cursor of where this page came from.
func (s *searcher) behind() string {
	switch {
	case len(s.rows) > 0 && (s.c.set || s.f.desc):
		return cursor{s.rows[0].seq, !s.c.back, true}.String()
	case len(s.rows) == 0 && s.c.set && s.f.desc:
		return cursor{s.c.seq - 1, !s.c.back, true}.String()
	case len(s.rows) == 0 && s.c.set:
		return cursor{s.c.seq + 1, !s.c.back, true}.String()
	}
	return ""
}

// behind is the last number that the walk has passed.
func (f *finder) behind() int64 {
	if f.desc {
		return f.high + 1
	}
	return f.low - 1
}

func (f *finder) timeOf(ctx context.Context, seq int64) (time.Time, error) {
	var at int64
	err := f.j.db.Read().QueryRowContext(ctx, `SELECT COALESCE(MIN(at), 0) FROM journal_entries WHERE log = $1 AND seq = $2`, f.log, seq).Scan(&at)
	return time.UnixMicro(at).UTC(), err
}

// Count is how many entries fit.
type Count struct {
	N       int64 `json:"n"`
	AtLeast bool  `json:"at_least"` // there may be more: N is the cap, or what time or roll-ups allowed
}

// Count counts entries that fit, up to a cap: "more than 10,000" serves people.
// Cursor, Limit and order of the query do not matter.
func (j *Journal) Count(ctx context.Context, q SearchQuery, most int64) (c Count, err error) {
	q.Cursor, q.Limit = "", 0
	if err = q.valid(); err == nil {
		if q.Field == "" {
			c, err = j.countRolled(ctx, &q, most)
		} else {
			c, err = j.countFound(ctx, &q, most)
		}
	}
	if err != nil {
		return Count{}, fmt.Errorf("count entries of log %s: %w", q.Log, err)
	}
	if c.N > most {
		c = Count{most, true}
	}
	return c, nil
}

// countFound walks the entries of a token without opening them.
func (j *Journal) countFound(ctx context.Context, q *SearchQuery, most int64) (c Count, err error) {
	began := time.Now()
	f, err := j.newFinder(ctx, q)
	if err != nil {
		return c, err
	}
	for !f.done() && c.N <= most {
		step := time.Now()
		n, err := f.countStep(ctx)
		if err != nil {
			return c, err
		}
		c.N += n
		if now := time.Now(); now.Sub(began)+now.Sub(step) > q.Within {
			break
		}
	}
	c.AtLeast = !f.done()
	return c, nil
}

// countStep is step for the number alone.
func (f *finder) countStep(ctx context.Context) (int64, error) {
	if f.search != nil && f.w.any() && f.since == 0 && f.until == forever {
		seqs, end, err := f.tokenSeqs(ctx)
		f.passed(end)
		return int64(len(seqs)), err
	}
	rows, err := f.step(ctx, tokensAtOnce)
	return int64(len(rows)), err
}

// countRolled adds up whole hours, and counts the entries of the two at the ends.
func (j *Journal) countRolled(ctx context.Context, q *SearchQuery, most int64) (c Count, err error) {
	since, until := micros(q.Since, q.Until)
	hour := time.Hour.Microseconds()
	from, to := (since+hour-1)/hour*hour, min(until, time.Date(2200, 12, 31, 0, 0, 0, 0, time.UTC).UnixMicro())/hour*hour
	add := func(_ string, _, entries, _ int64) { c.N += entries }
	err = j.look(ctx, q.Log, func(v *view) error {
		if from >= to {
			return v.countEdge(ctx, &q.Which, since, until, most, &c)
		}
		if from < v.r.hoursFrom*hour { // days alone are kept: to the day
			since = from
		}
		if err := v.over(ctx, &q.Which, ByNothing, time.UnixMicro(from), time.UnixMicro(to), add); err != nil {
			return err
		}
		if c.AtLeast = v.r.low > 0 || v.tail > v.r.high; c.N > most {
			return nil
		}
		if err := v.countEdge(ctx, &q.Which, since, from, most, &c); err != nil {
			return err
		}
		return v.countEdge(ctx, &q.Which, to, until, most, &c)
	})
	return c, err
}

func (v *view) countEdge(ctx context.Context, w *Which, since, until, most int64, c *Count) error {
	if since >= until {
		return nil
	}
	s := new(statement).add(`SELECT COUNT(*) FROM (SELECT 1 AS one FROM journal_entries AS e WHERE e.log = ?`, v.log)
	s.add(` AND e.at >= ? AND e.at < ?`, since, until).which(w, "e", "")
	s.add(` LIMIT ?) AS x`, most+1)
	var n int64
	err := v.q.QueryRowContext(ctx, s.String(), s.args...).Scan(&n)
	c.N += n
	return err
}
