package journal_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// walk asks for page after page and returns the numbers in the order shown. At
// every page it looks back: the page before must be the one it came from.
func walk(t testing.TB, j *journal.Journal, q journal.SearchQuery) []int64 {
	t.Helper()
	out := []int64{}
	var before []int64
	for pages := 0; ; pages++ {
		p, err := j.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		var here []int64
		for _, h := range p.Hits {
			if h.Fault != nil {
				t.Fatal(h.Fault)
			}
			here = append(here, h.Seq)
		}
		if len(before) > 0 && len(here) > 0 && q.Within > time.Second {
			back := q
			back.Cursor = p.Prev
			b, err := j.Search(t.Context(), back)
			if err != nil {
				t.Fatal(err)
			}
			var was []int64
			for _, h := range b.Hits {
				was = append(was, h.Seq)
			}
			if !b.Partial && !slices.Equal(was, before) {
				t.Fatalf("page before %v is %v, want %v", here, was, before)
			}
		}
		out, before = append(out, here...), here
		if p.Next == "" {
			if p.Partial {
				t.Fatal("a partial page without a way to go on")
			}
			return out
		}
		if pages > 10_000 {
			t.Fatal("no end")
		}
		q.Cursor = p.Next
	}
}

// TestSearchFindsWhatAScanFinds: whatever is asked, however far roll-ups are,
// however often time ends, all pages together are what a scan finds, once, in order.
func TestSearchFindsWhatAScanFinds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const n = 20_000 // some spans of postings, dense groups and rare ones
		j := open(t, d)
		at := func(i int) time.Time { return day.Add(time.Duration(i) * 5 * time.Second) }
		for i := range n {
			e := entry("shop", i)
			e.Event.At = noren.At(at(i))
			e.Facts, e.Decision.Shadow = nil, nil
			e.Event.Entities = noren.Entities{noren.EntityAccount: fmt.Sprint("customer", i%700), noren.EntityAddress: fmt.Sprintf("203.0.%d.%d", i%3, i%250)}
			e.Rule = ""
			switch {
			case i%9973 == 5:
				e.Rule, e.Event.Zone, e.Decision.Verdict = "waf:1", noren.ZoneAdmin, noren.Block
			case i%97 == 0:
				e.Rule, e.Decision.Verdict = fmt.Sprint("waf:", 2+i%5), noren.Block
			case i%3 == 0:
				e.Rule = "limit:search"
			}
			if i%5000 == 4999 { // waited in a spool
				e.Event.At = noren.At(at(i - 3000))
			}
			if err := j.Post(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		all := scan(t, j, "shop")
		check := func(t *testing.T, q journal.SearchQuery) {
			t.Helper()
			want := []int64{}
			for i := range all {
				if fitsQuery(&all[i], &q) {
					want = append(want, int64(i))
				}
			}
			count, err := j.Count(t.Context(), q, n)
			if err != nil || !count.AtLeast && count.N != int64(len(want)) {
				t.Errorf("%+v: counted %+v, %v; want %d", q, count, err, len(want))
			}
			if !q.OldestFirst {
				slices.Reverse(want)
			}
			got := walk(t, j, q)
			if !slices.Equal(got, want) {
				i := 0
				for i < min(len(got), len(want)) && got[i] == want[i] {
					i++
				}
				t.Fatalf("%+v: %d entries, want %d; apart at %d", q, len(got), len(want), i)
			}
		}
		queries := []journal.SearchQuery{
			{Which: journal.Which{Rules: []string{"waf:1"}}},
			{Which: journal.Which{Causes: []noren.Cause{noren.CauseWAF}}},
			{Which: journal.Which{Rules: []string{"limit:search"}}, Since: at(100), Until: at(900)},
			{Which: journal.Which{Rules: []string{"never"}}},
			{Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}, Zones: []noren.Zone{noren.ZoneAdmin}}},
			{Which: journal.Which{Zones: []noren.Zone{noren.ZoneAdmin, noren.ZoneLogin}, Verdicts: []noren.Verdict{noren.Block}}, Since: at(12_000)},
			{Field: noren.EntityAccount, Value: "customer17"},
			{Field: noren.EntityAccount, Value: "nobody"},
			{Field: noren.EntityNet, Value: journal.NetOf(netip.MustParseAddr("203.0.1.9")), Since: at(19_000)},
			{Field: noren.EntityAddress, Value: "203.0.1.1", Which: journal.Which{Verdicts: []noren.Verdict{noren.Block}}},
			{Field: noren.EntityAccount, Value: "customer5", Which: journal.Which{Rules: []string{"waf:1", "limit:search"}}},
			{Since: at(10_000), Until: at(10_400)},
			{Since: at(n + 10)},
		}
		stages := []struct {
			name string
			do   func()
		}{
			{"not rolled up", func() {}},
			{"half rolled up", func() {
				for range 4 {
					if _, err := j.RollUp(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}},
			{"rolled up", func() { rollAll(t, j) }},
		}
		for _, s := range stages {
			s.do()
			for i, q := range queries {
				q.Log = "shop"
				q.OldestFirst = i%2 == 1
				q.Limit, q.Within = 100, time.Hour
				check(t, q)
				q.OldestFirst, q.Limit, q.Within = !q.OldestFirst, 37, time.Nanosecond
				check(t, q)
			}
		}
	})
}

func fitsQuery(e *noren.Entry, q *journal.SearchQuery) bool {
	at := e.Event.At.Time
	in := func(n int, ok bool) bool { return n == 0 || ok }
	value := e.Event.Entities[q.Field]
	if q.Field == noren.EntityNet {
		value = journal.NetOf(e.Event.Address())
	}
	return (q.Since.IsZero() || !at.Before(q.Since)) && (q.Until.IsZero() || at.Before(q.Until)) &&
		in(len(q.Rules), slices.Contains(q.Rules, e.Rule)) &&
		in(len(q.Verdicts), slices.Contains(q.Verdicts, e.Decision.Verdict)) &&
		in(len(q.Zones), slices.Contains(q.Zones, e.Event.Zone)) &&
		in(len(q.Causes), slices.Contains(q.Causes, noren.Cause(valueOf(e, journal.ByCause)))) &&
		(q.Field == "" || value == q.Value)
}

// TestPagesStayWhileEntriesArrive: a cursor leads to the same place however much
// was appended since, and the newest are behind Prev.
func TestPagesStayWhileEntriesArrive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		appendN(t, j, "shop", 0, 25)
		q := journal.SearchQuery{Log: "shop", Limit: 10, Within: time.Hour}
		first, err := j.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		appendN(t, j, "shop", 25, 40)
		q.Cursor = first.Next
		second, err := j.Search(t.Context(), q)
		if err != nil || second.Hits[0].Seq != 14 || len(second.Hits) != 10 {
			t.Fatalf("second page: %d entries from %d, %v", len(second.Hits), second.Hits[0].Seq, err)
		}
		q.Cursor = first.Prev
		newer, err := j.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got := []int64{newer.Hits[0].Seq, newer.Hits[9].Seq}
		if diff := cmp.Diff([]int64{34, 25}, got); diff != "" {
			t.Errorf("page before the first (-want +got):\n%s", diff)
		}
		q.Cursor = newer.Prev
		if newest, err := j.Search(t.Context(), q); err != nil || len(newest.Hits) != 5 || newest.Hits[0].Seq != 39 || newest.Prev != "" || newest.Next == "" {
			t.Errorf("the newest: %d entries, next %q, prev %q, %v", len(newest.Hits), newest.Next, newest.Prev, err)
		}
	})
}

func TestSearchRefuses(t *testing.T) {
	j := open(t, dbtest.Open(t, db.SQLite))
	appendN(t, j, "shop", 0, 3)
	for _, q := range []journal.SearchQuery{
		{Cursor: "x"}, {Cursor: "a"}, {Cursor: "a-7"}, {Cursor: "a+1"}, {Cursor: "a01"}, {Cursor: "b99999999999999999999"}, {Limit: -1}, {Limit: 501},
		{Field: noren.EntityAccount, Value: string(make([]byte, 600))}, {Which: journal.Which{Rules: make([]string, 101)}},
	} {
		q.Log = "shop"
		if _, err := j.Search(t.Context(), q); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%+v: %v, want code invalid", q, err)
		}
	}
	if p, err := j.Search(t.Context(), journal.SearchQuery{Log: `shop' OR '1'='1`}); err != nil || len(p.Hits) > 0 || p.Next != "" || p.Prev != "" {
		t.Errorf("a log named to break the statement: %+v, %v", p, err)
	}
	if p, err := j.Search(t.Context(), journal.SearchQuery{Log: "shop", Cursor: "a9223372036854775807", Within: time.Hour}); err != nil || len(p.Hits) != 3 {
		t.Errorf("a place far behind the end: %+v, %v", p, err)
	}
}

// TestDamagedPostingsAreReadAround: rows of roll-ups that make no sense hide nothing.
func TestDamagedPostingsAreReadAround(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j := open(t, d)
	appendN(t, j, "shop", 0, 300)
	rollAll(t, j)
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE journal_spans SET seqs = $1`, []byte{0xff, 0xff, 0xff})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := walk(t, j, journal.SearchQuery{Log: "shop", Which: journal.Which{Rules: []string{"login-burst"}}}); len(got) != 300 {
		t.Errorf("%d entries, want 300", len(got))
	}
	appendN(t, j, "shop", 300, 301)
	if _, err := j.RollUp(t.Context()); noren.CodeOf(err) != noren.Tampered || noren.HintOf(err) == "" {
		t.Errorf("rolling up on damaged rows: %v", err)
	}
	if err := j.Rebuild(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	rollAll(t, j)
	checkSums(t, j, "shop", day, day.Add(time.Hour))
}

// FuzzCursor: a cursor from an address bar is refused or leads to a page.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{"", "a5", "b0", "b-1", "a9223372036854775807", "a\x00", "c1"} {
		f.Add(s)
	}
	j := open(f, dbtest.Open(f, db.SQLite))
	appendN(f, j, "shop", 0, 9)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := j.Search(t.Context(), journal.SearchQuery{Log: "shop", Cursor: s, Limit: 4})
		if err != nil && noren.CodeOf(err) != noren.Invalid {
			t.Fatal(err)
		}
		for i := 1; i < len(p.Hits); i++ {
			if p.Hits[i].Seq != p.Hits[i-1].Seq-1 {
				t.Fatalf("%q: %d behind %d", s, p.Hits[i].Seq, p.Hits[i-1].Seq)
			}
		}
	})
}

// TestSearchOutlivesARebuild: sums counted anew, and those of before deleted, in
// the middle of a long search hide nothing from it.
func TestSearchOutlivesARebuild(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		for n := range 900 {
			e := entry("shop", n)
			if n%2 == 0 {
				e.Rule = "waf:1"
			}
			if err := j.Post(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		j.RollAtOnce(100, 100)
		rollAll(t, j)
		q := journal.TextQuery{SearchQuery: journal.SearchQuery{Log: "shop", Which: journal.Which{Rules: []string{"waf:1"}}}, Words: "waf:1"}
		hits := 0
		for s, err := range j.Text(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if s.Hit == nil {
				continue
			}
			if hits++; hits == 100 {
				if err := j.Rebuild(t.Context(), "shop"); err != nil {
					t.Fatal(err)
				}
				rollAll(t, j)
			}
		}
		if hits != 450 {
			t.Errorf("%d hits, want 450", hits)
		}
		checkSums(t, j, "shop", day, day.Add(time.Hour))
	})
}
