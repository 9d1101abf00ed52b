package journal

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
)

// Stored is an entry read back.
type Stored struct {
	Log    string
	Seq    int64
	Entry  noren.Entry
	Erased bool   // the subject was erased: Entry holds only what is public
	Leaf   []byte // the bytes that are hashed
}

// Hash is the entry's leaf hash.
func (s *Stored) Hash() tlog.Hash { return tlog.RecordHash(s.Leaf) }

// Filter says which entries to read. Zero values ask for everything.
type Filter struct {
	Log     string // the site's log when empty; the instance's without a site
	Site    string
	Kinds   []noren.Kind
	Since   time.Time // at or after
	Until   time.Time // before
	Verdict noren.Verdict
	// Field and Value find the entries of an entity (account, address, …) or of
	// a ticket (FieldTicket), exactly.
	Field, Value string
	// AfterSeq continues behind the last entry of an earlier page, in the
	// direction asked for; nil starts at the beginning.
	AfterSeq *int64
	Limit    int  // 0 for no limit
	Desc     bool // newest first
}

// queryPage is how many entries one statement reads.
const queryPage = 256

// Query yields entries by number, decrypted. An error beside an entry with a
// number concerns that entry alone (its Leaf is set); any other ends the query.
func (j *Journal) Query(ctx context.Context, f Filter) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		q := entryQuery{j: j, f: f, log: f.Log, left: f.Limit}
		if q.log == "" {
			q.log = logOf(f.Site)
		}
		if err := q.bounds(ctx); err != nil {
			yield(Stored{}, fmt.Errorf("query log %s: %w", q.log, err))
			return
		}
		for {
			rows, err := q.page(ctx)
			if err != nil {
				yield(Stored{}, fmt.Errorf("query log %s: %w", q.log, err))
				return
			}
			for _, r := range j.restoreAll(ctx, rows) {
				if !yield(r.stored, r.err) {
					return
				}
			}
			if len(rows) == 0 || f.Limit > 0 && q.left <= 0 {
				return
			}
		}
	}
}

// Get returns one entry by its event's ID.
func (j *Journal) Get(ctx context.Context, log, id string) (Stored, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT `+entryColumns+` FROM journal_entries AS e WHERE e.log = $1 AND e.id = $2`, log, id)
	if err != nil {
		return Stored{}, fmt.Errorf("get entry %s of log %s: %w", id, log, err)
	}
	list, err := collect(rows)
	if err != nil {
		return Stored{}, fmt.Errorf("get entry %s of log %s: %w", id, log, err)
	}
	if len(list) == 0 {
		return Stored{}, noren.Errorf(noren.NotFound, "log %s has no entry %s", log, id)
	}
	return j.restore(ctx, &list[0])
}

// entryQuery is a Filter on its way through the pages.
type entryQuery struct {
	j      *Journal
	f      Filter
	log    string
	low    int64 // first number that may still match
	high   int64 // last one
	left   int
	search *tokenSearch // nil without a Field
}

// bounds turns a span of time into a span of numbers. Times rise with the
// numbers but for entries that waited in a spool, so the span is looked up over
// all entries of the time, once per query.
func (q *entryQuery) bounds(ctx context.Context) (err error) {
	if q.high, err = lastSeq(ctx, q.j.db.Read(), q.log); err != nil {
		return err
	}
	if !q.f.Since.IsZero() || !q.f.Until.IsZero() {
		since, until := q.span()
		var low, high sql.NullInt64
		err := q.j.db.Read().QueryRowContext(ctx, `SELECT MIN(seq), MAX(seq) FROM journal_entries WHERE log = $1 AND at >= $2 AND at < $3`,
			q.log, since, until).Scan(&low, &high)
		if err != nil {
			return err
		}
		q.low, q.high = low.Int64, orMinusOne(high)
	}
	if q.f.AfterSeq != nil {
		q.passed(*q.f.AfterSeq)
	}
	if q.f.Field != "" {
		q.search = &tokenSearch{field: q.f.Field, token: q.j.o.Sealer.Token(siteOf(q.log), q.f.Field, q.f.Value), desc: q.f.Desc}
	}
	return nil
}

func (q *entryQuery) span() (since, until int64) {
	since, until = 0, 1<<62
	if !q.f.Since.IsZero() {
		since = q.f.Since.UnixMicro()
	}
	if !q.f.Until.IsZero() {
		until = q.f.Until.UnixMicro()
	}
	return since, until
}

// passed leaves seq and what lies before it, in the direction of the query,
// behind.
func (q *entryQuery) passed(seq int64) {
	if q.f.Desc {
		q.high = min(q.high, seq-1)
	} else {
		q.low = max(q.low, seq+1)
	}
}

// page reads the next rows that match; none at the end.
func (q *entryQuery) page(ctx context.Context) ([]entryRow, error) {
	n := queryPage
	if q.f.Limit > 0 {
		n = min(n, q.left)
	}
	for q.low <= q.high {
		query, args, end := q.sql(n)
		rows, err := q.j.db.Read().QueryContext(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		list, err := collect(rows)
		if err != nil {
			return nil, err
		}
		q.advance(list, n, end)
		if len(list) > 0 {
			q.left -= len(list)
			return list, nil
		}
	}
	return nil, nil
}

// advance moves on behind what was read: the rows, and all up to end when there
// were fewer than asked for.
func (q *entryQuery) advance(list []entryRow, n int, end int64) {
	if len(list) == n {
		end = list[n-1].seq
	}
	q.passed(end)
	if q.search == nil {
		return
	}
	q.search.width *= 2
	if len(list) > 0 {
		q.search.width = 1
	}
}

// sql is the statement of the next page; end is the last number it looks at.
// Every operand is an argument.
func (q *entryQuery) sql(n int) (query string, args []any, end int64) {
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	var b strings.Builder
	b.WriteString(`SELECT ` + entryColumns + ` FROM `)
	seq, low, high := "e.seq", q.low, q.high
	if q.search != nil {
		from, to := q.search.spans(low, high)
		seq, low, high = "t.seq", max(low, from*spanEntries), min(high, (to+1)*spanEntries-1)
		b.WriteString(`journal_tokens AS t JOIN journal_entries AS e ON e.log = t.log AND e.seq = t.seq WHERE t.log = ` + arg(q.log) +
			` AND ` + q.search.condition(from, to, arg))
	} else {
		b.WriteString(`journal_entries AS e WHERE e.log = ` + arg(q.log))
	}
	b.WriteString(` AND ` + seq + ` >= ` + arg(low) + ` AND ` + seq + ` <= ` + arg(high))
	q.conditions(&b, arg)
	b.WriteString(` ORDER BY ` + seq)
	end = high
	if q.f.Desc {
		b.WriteString(` DESC`)
		end = low
	}
	b.WriteString(` LIMIT ` + arg(n))
	return b.String(), args, end
}

// conditions are those that no index serves.
func (q *entryQuery) conditions(b *strings.Builder, arg func(any) string) {
	if !q.f.Since.IsZero() || !q.f.Until.IsZero() {
		since, until := q.span()
		b.WriteString(` AND e.at >= ` + arg(since) + ` AND e.at < ` + arg(until))
	}
	if q.f.Site != "" {
		b.WriteString(` AND e.site = ` + arg(q.f.Site))
	}
	if q.f.Verdict != "" {
		b.WriteString(` AND e.verdict = ` + arg(string(q.f.Verdict)))
	}
	for i, k := range q.f.Kinds {
		if i == 0 {
			b.WriteString(` AND e.kind IN (`)
		} else {
			b.WriteByte(',')
		}
		b.WriteString(arg(string(k)))
	}
	if len(q.f.Kinds) > 0 {
		b.WriteByte(')')
	}
}

func collect(rows *sql.Rows) ([]entryRow, error) {
	defer rows.Close()
	var out []entryRow
	for rows.Next() {
		var r entryRow
		if err := scanEntry(rows, &r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

type restored struct {
	stored Stored
	err    error
}

// restoreAll decrypts a page on all cores: opening and decoding an entry takes
// several times as long as reading it.
func (j *Journal) restoreAll(ctx context.Context, rows []entryRow) []restored {
	out := make([]restored, len(rows))
	workers := min(runtime.GOMAXPROCS(0), (len(rows)+15)/16)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(rows); i += workers {
				out[i].stored, out[i].err = j.restore(ctx, &rows[i])
			}
		})
	}
	wg.Wait()
	return out
}

// restore decrypts an entry. Of an erased subject's only the public part is left.
func (j *Journal) restore(ctx context.Context, r *entryRow) (Stored, error) {
	s := Stored{Log: r.log, Seq: r.seq, Leaf: r.body}
	l, err := parseLeaf(r.body)
	if err != nil {
		return s, noren.Errorf(noren.Tampered, "entry %d of log %s: %w", r.seq, r.log, err)
	}
	s.Entry = l.entry()
	plain, err := j.o.Sealer.Open(ctx, l.Sealed, aad(r.log, l.ID))
	if noren.CodeOf(err) == noren.Erased {
		s.Erased = true
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("open entry %d of log %s: %w", r.seq, r.log, err)
	}
	e, err := decodeEntry(plain)
	if err != nil {
		return s, fmt.Errorf("entry %d of log %s: %w", r.seq, r.log, err)
	}
	if c := columnsOf(&e); c != l.columns() {
		return s, noren.Errorf(noren.Tampered, "entry %d of log %s: its sealed part is of another entry", r.seq, r.log)
	}
	s.Entry = e
	return s, nil
}

// entry is what is public of an entry.
func (l *leaf) entry() noren.Entry {
	d := noren.Decision{EventID: l.ID, Verdict: noren.Verdict(l.Verdict), Policies: l.Policies, Fault: l.Fault, Degraded: l.Degraded}
	for _, id := range l.Fired {
		d.Reasons = append(d.Reasons, noren.Reason{Policy: id})
	}
	for _, id := range l.Shadow {
		d.Shadow = append(d.Shadow, noren.Reason{Policy: id})
	}
	for _, a := range l.Actions {
		d.Actions = append(d.Actions, noren.Action{ID: a.ID, Kind: noren.ActionKind(a.Kind), Site: l.Site, Until: a.Until, Expires: a.Expires, Policy: a.Policy})
	}
	return noren.Entry{
		Event:    noren.Event{ID: l.ID, Kind: noren.Kind(l.Kind), At: l.At, Site: l.Site, Zone: noren.Zone(l.Zone)},
		Decision: d, Count: l.Count, Rule: l.Rule,
	}
}

// Head is the present state of a log.
type Head struct {
	Log  string    `json:"log"`
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"`
}

// Logs lists the heads of all logs by name.
func (j *Journal) Logs(ctx context.Context) ([]Head, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT log, size, root, edge FROM journal_logs ORDER BY log`)
	if err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	defer rows.Close()
	var out []Head
	for rows.Next() {
		var h Head
		var root, edge []byte
		if err := rows.Scan(&h.Log, &h.Size, &root, &edge); err != nil {
			return nil, fmt.Errorf("list logs: %w", err)
		}
		parsed, err := parseHead(h.Log, h.Size, root, edge)
		if err != nil {
			return nil, err
		}
		h.Root = parsed.root
		out = append(out, h)
	}
	return out, rows.Err()
}
