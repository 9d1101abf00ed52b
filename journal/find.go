package journal

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"noren"
)

// finder walks the entries of a log that fit, newest or oldest first, by number.
// Each step looks at a bounded stretch, so that a search can stop between two and
// go on from there.
//
//   - An entity or a ticket is looked up by its token, span by span (tokens.go).
//   - What is public is looked up in the numbers that roll-ups keep of each group
//     (postings.go). Of a group that has many, entries are read one after the other.
//   - What is not rolled up yet is read.
//
// Every row that is found is compared with what was asked for again.
type finder struct {
	j            *Journal
	log          string
	w            Which
	since, until int64
	desc         bool
	low, high    int64 // numbers still to be looked at
	r            rolled
	search       *tokenSearch // nil without a token
	width        int64        // spans of postings in the next statement
	reads        int64        // entries that the next step reads
	ahead        []place      // looked up and not read yet, in the order of the walk
}

// place is a stretch where entries can fit: these numbers, or any of it.
type place struct {
	from, to int64
	seqs     []int64
	dense    bool
}

const (
	// readAtOnce is how many entries one step reads to find those that fit, at most;
	// it begins with readAtFirst.
	readAtOnce, readAtFirst = 8192, 2048
	// stepAim is how long a step should take: where entries come slowly, from a disk or
	// from a server that is busy, steps become smaller, so that a search notices in
	// time that its time is over.
	stepAim = 8 * time.Millisecond
	// postingsAtOnce is how many spans one step looks up, a million entries.
	postingsAtOnce = 64
	// tokensAtOnce is how many numbers of a token one step compares with postings.
	tokensAtOnce = 512
	// spansInStep is how many spans of tokens one step looks up: fewer than one
	// statement could.
	spansInStep = 128
	// fewSeqs are compared by reading their entries.
	fewSeqs = 64
)

// newFinder looks up where a search begins and ends.
func (j *Journal) newFinder(ctx context.Context, q *SearchQuery) (*finder, error) {
	f := &finder{j: j, log: q.Log, w: q.Which, desc: !q.OldestFirst, width: 4, reads: readAtFirst}
	f.since, f.until = micros(q.Since, q.Until)
	if q.Field != "" {
		f.search = &tokenSearch{field: q.Field, token: j.o.Sealer.Token(siteOf(q.Log), q.Field, asWritten(q.Field, q.Value))}
	}
	var err error
	if f.high, err = lastSeq(ctx, j.db.Read(), q.Log); err != nil {
		return nil, err
	}
	if f.r, err = readRolled(ctx, j.db.Read(), q.Log, ""); err != nil {
		return nil, err
	}
	if !f.r.usable() {
		f.r = rolled{gen: -1, total: -1, low: f.high + 1, high: f.high + 1}
	}
	return f, f.bounds(ctx)
}

// asWritten is a value as entries have it: addresses and networks may be written
// in several ways.
func asWritten(field, value string) string {
	a, err := netip.ParseAddr(value)
	switch {
	case field == noren.EntityAddress && err == nil:
		return a.String()
	case field == noren.EntityNet && err == nil:
		return NetOf(a)
	case field == noren.EntityNet:
		if p, err := netip.ParsePrefix(value); err == nil {
			return p.Masked().String()
		}
	}
	return value
}

// bounds narrows the numbers to those of the hours, or the days, of the time
// asked for. What is not rolled up stays in.
func (f *finder) bounds(ctx context.Context) error {
	if f.since == 0 && f.until == forever || f.r.low > 0 {
		return nil
	}
	table, period, from, to := "journal_hours", "hour", hourOf(f.since), hourOf(f.until-1)
	if from < f.r.hoursFrom {
		table, period, from, to = "journal_days", "day", dayOf(from), dayOf(to)
	}
	low, high := f.high+1, int64(-1)
	err := f.j.db.Read().QueryRowContext(ctx, `SELECT COALESCE(MIN(first_seq), $1), COALESCE(MAX(last_seq), -1) FROM `+table+`
		WHERE log = $2 AND grp = $3 AND `+period+` >= $4 AND `+period+` <= $5`, low, f.log, f.r.total, from, to).Scan(&low, &high)
	if err != nil {
		return err
	}
	if f.r.high <= f.high { // the newest may be of any time
		low, high = min(low, f.r.high), f.high
	}
	if same, err := f.sameGeneration(ctx); err != nil || !same {
		return err // what was read may have been half deleted
	}
	f.low, f.high = max(f.low, low), min(f.high, high)
	return nil
}

// sameGeneration reports whether what was just read of the roll-ups was whole.
// When all is counted anew meanwhile, the finder goes on with that.
func (f *finder) sameGeneration(ctx context.Context) (bool, error) {
	r, err := readRolled(ctx, f.j.db.Read(), f.log, "")
	if err != nil || r.gen == f.r.gen || !r.usable() {
		return err == nil && r.gen == f.r.gen, err
	}
	f.r, f.ahead, f.width = r, nil, 4
	return false, nil
}

func (f *finder) done() bool { return f.low > f.high }

// passed leaves seq and what lies before it, in the direction of the walk, behind.
func (f *finder) passed(seq int64) {
	if f.desc {
		f.high = min(f.high, seq-1)
	} else {
		f.low = max(f.low, seq+1)
	}
}

// at is the next number to look at.
func (f *finder) at() int64 {
	if f.desc {
		return f.high
	}
	return f.low
}

// upTo is the stretch of n numbers from here on, within first and last.
func (f *finder) upTo(n, first, last int64) place {
	if f.desc {
		return place{from: max(f.low, first, f.high-n+1), to: f.high}
	}
	return place{from: f.low, to: min(f.high, last, f.low+n-1)}
}

// end is the last number of p in the direction of the walk.
func (f *finder) end(p *place) int64 {
	if f.desc {
		return p.from
	}
	return p.to
}

// step looks at the next stretch and returns up to want rows that fit, in order.
func (f *finder) step(ctx context.Context, want int) ([]entryRow, error) {
	switch {
	case f.done():
		return nil, nil
	case f.search != nil:
		return f.byToken(ctx, want)
	case f.w.any() && f.since == 0 && f.until == forever:
		return f.read(ctx, place{from: f.low, to: f.high}, want)
	case f.w.any():
		return f.read(ctx, f.upTo(f.reads, 0, forever), want)
	case len(f.ahead) > 0:
		return f.follow(ctx, want)
	case f.at() >= f.r.high:
		return f.read(ctx, f.upTo(f.reads, f.r.high, forever), want)
	case f.at() < f.r.low:
		return f.read(ctx, f.upTo(f.reads, 0, f.r.low-1), want)
	}
	return nil, f.lookUp(ctx)
}

// read reads entries of a stretch one after the other.
func (f *finder) read(ctx context.Context, p place, want int) ([]entryRow, error) {
	s := new(statement).add(`SELECT `+entryColumns+` FROM journal_entries AS e WHERE e.log = ? AND e.seq >= ? AND e.seq <= ?`, f.log, p.from, p.to)
	began := time.Now()
	rows, err := f.rows(ctx, s, want)
	if err != nil {
		return nil, err
	}
	f.reads = paced(f.reads, 128, readAtOnce, time.Since(began))
	if len(rows) == want {
		f.passed(rows[want-1].seq)
	} else {
		f.passed(f.end(&p))
	}
	return rows, nil
}

// paced is how wide the next step should be after one that took so long.
func paced(width, least, most int64, took time.Duration) int64 {
	switch {
	case took > 2*stepAim:
		return max(width/2, least)
	case took < stepAim:
		return min(2*width, most)
	}
	return width
}

// rows adds all that was asked for and reads.
func (f *finder) rows(ctx context.Context, s *statement, want int) ([]entryRow, error) {
	// A term of the time, not its column: entries are found by their numbers. Over the
	// index of times SQLite would read all of a month to return a page.
	s.between("(e.at + 0)", f.since, f.until).which(&f.w, "e", "")
	s.add(` ORDER BY e.seq`)
	if f.desc {
		s.add(` DESC`)
	}
	s.add(` LIMIT ?`, want)
	rows, err := f.j.db.Read().QueryContext(ctx, s.String(), s.args...)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// fetch reads entries by their numbers.
func (f *finder) fetch(ctx context.Context, seqs []int64) ([]entryRow, error) {
	if len(seqs) == 0 {
		return nil, nil
	}
	s := new(statement).add(`SELECT `+entryColumns+` FROM journal_entries AS e WHERE e.log = ? AND e.seq IN (`, f.log)
	for i, n := range seqs {
		if i > 0 {
			s.add(`,`)
		}
		s.add(`?`, n)
	}
	return f.rows(ctx, s.add(`)`), len(seqs))
}

// lookUp finds where in the next spans entries of the groups asked for are.
func (f *finder) lookUp(ctx context.Context) error {
	p := f.upTo(f.width*postingSpan, f.r.low, f.r.high-1)
	found, err := f.postings(ctx, postingSpanOf(p.from), postingSpanOf(p.to))
	if err != nil {
		return err
	}
	if same, err := f.sameGeneration(ctx); err != nil || !same {
		return err
	}
	f.width = min(2*f.width, postingsAtOnce)
	for _, span := range found {
		span.from, span.to = max(span.from, p.from), min(span.to, p.to)
		span.seqs = slices.DeleteFunc(span.seqs, func(n int64) bool { return n < span.from || n > span.to })
		if span.from <= span.to && (span.dense || len(span.seqs) > 0) {
			f.ahead = append(f.ahead, span)
		}
	}
	if len(f.ahead) == 0 {
		f.passed(f.end(&p))
		return nil
	}
	// What lies behind the last place found is passed with it.
	last := &f.ahead[len(f.ahead)-1]
	if f.desc {
		last.from = p.from
	} else {
		last.to = p.to
	}
	return nil
}

// postings are the spans from to to in which entries of the groups asked for
// are, in the order of the walk.
func (f *finder) postings(ctx context.Context, from, to int64) ([]place, error) {
	s := new(statement).add(`SELECT s.span, s.entries, s.seqs FROM journal_groups AS g CROSS JOIN journal_spans AS s
		WHERE g.log = ? AND g.gen = ? AND g.kind <> ''`, f.log, f.r.gen)
	s.which(&f.w, "g", OtherRule)
	s.add(` AND s.log = g.log AND s.grp = g.grp AND s.span >= ? AND s.span <= ? ORDER BY s.span`, from, to)
	rows, err := f.j.db.Read().QueryContext(ctx, s.String(), s.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []place
	for rows.Next() {
		var p posting
		var b []byte
		if err := rows.Scan(&p.span, &p.entries, &b); err != nil {
			return nil, err
		}
		damaged := p.decode(b) != nil
		first := p.span * postingSpan
		if len(out) == 0 || out[len(out)-1].from != first {
			out = append(out, place{from: first, to: first + postingSpan - 1})
		}
		last := &out[len(out)-1]
		last.dense = last.dense || p.dense() || damaged // then it is read itself
		last.seqs = append(last.seqs, p.seqs...)
	}
	f.order(out)
	return out, rows.Err()
}

// order puts places and their numbers into the order of the walk.
func (f *finder) order(places []place) {
	for i := range places {
		f.orderSeqs(places[i].seqs)
	}
	if f.desc {
		slices.Reverse(places)
	}
}

func (f *finder) orderSeqs(seqs []int64) {
	slices.Sort(seqs)
	if f.desc {
		slices.Reverse(seqs)
	}
}

// follow reads the next places: a dense one, or the numbers of several.
func (f *finder) follow(ctx context.Context, want int) ([]entryRow, error) {
	if p := f.ahead[0]; p.dense {
		return f.followDense(ctx, p, want)
	}
	var seqs []int64
	for len(f.ahead) > 0 && !f.ahead[0].dense && len(seqs) < want {
		p := &f.ahead[0]
		n := min(len(p.seqs), want-len(seqs))
		seqs = append(seqs, p.seqs[:n]...)
		if p.seqs = p.seqs[n:]; len(p.seqs) > 0 {
			break
		}
		f.passed(f.end(p))
		f.ahead = f.ahead[1:]
	}
	if len(f.ahead) > 0 && len(seqs) > 0 {
		f.passed(seqs[len(seqs)-1])
	}
	return f.fetch(ctx, seqs)
}

func (f *finder) followDense(ctx context.Context, p place, want int) ([]entryRow, error) {
	rows, err := f.read(ctx, place{from: max(p.from, f.low), to: min(p.to, f.high)}, want)
	if f.desc && f.high < p.from || !f.desc && f.low > p.to {
		f.ahead = f.ahead[1:]
	}
	return rows, err
}

// byToken reads the entries of a token in the next spans.
func (f *finder) byToken(ctx context.Context, want int) ([]entryRow, error) {
	seqs, end, err := f.tokenSeqs(ctx)
	if err != nil {
		return nil, err
	}
	if seqs, err = f.narrow(ctx, seqs); err != nil {
		return nil, err
	}
	if len(seqs) > want {
		seqs, end = seqs[:want], seqs[want-1]
	}
	f.passed(end)
	return f.fetch(ctx, seqs)
}

// tokenSeqs are the next numbers of the token, in order; end is the last number
// that was looked at.
func (f *finder) tokenSeqs(ctx context.Context) (seqs []int64, end int64, err error) {
	f.search.desc = f.desc
	from, to := f.search.spans(f.low, f.high)
	low, high := max(f.low, from*spanEntries), min(f.high, (to+1)*spanEntries-1)
	s := new(statement).add(`SELECT t.seq FROM journal_tokens AS t WHERE t.log = ? AND `, f.log)
	s.add(f.search.condition(from, to, s.arg))
	s.add(` AND t.seq >= ? AND t.seq <= ? ORDER BY t.seq`, low, high)
	end = high
	if f.desc {
		s.add(` DESC`)
		end = low
	}
	s.add(` LIMIT ?`, tokensAtOnce)
	began := time.Now()
	seqs, err = numbers(ctx, f.j.db.Read(), s)
	if len(seqs) == tokensAtOnce {
		end = seqs[len(seqs)-1]
	}
	f.search.width = paced(f.search.width, 1, spansInStep, time.Since(began))
	if len(seqs) > tokensAtOnce/4 {
		f.search.width = 1
	}
	return seqs, end, err
}

func numbers(ctx context.Context, q querier, s *statement) ([]int64, error) {
	rows, err := q.QueryContext(ctx, s.String(), s.args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// narrow leaves out numbers that roll-ups know to be of other groups.
func (f *finder) narrow(ctx context.Context, seqs []int64) ([]int64, error) {
	if f.w.any() || len(seqs) <= fewSeqs {
		return seqs, nil
	}
	found, err := f.postings(ctx, postingSpanOf(slices.Min(seqs)), postingSpanOf(slices.Max(seqs)))
	if err != nil {
		return nil, err
	}
	if same, err := f.sameGeneration(ctx); err != nil || !same {
		return seqs, err
	}
	bySpan := map[int64]*place{}
	for i := range found {
		slices.Sort(found[i].seqs)
		bySpan[postingSpanOf(found[i].from)] = &found[i]
	}
	return slices.DeleteFunc(seqs, func(n int64) bool {
		if n < f.r.low || n >= f.r.high {
			return false
		}
		p := bySpan[postingSpanOf(n)]
		if p == nil {
			return true
		}
		_, in := slices.BinarySearch(p.seqs, n)
		return !p.dense && !in
	}), nil
}
