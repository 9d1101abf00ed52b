package journal_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

func TestQuery(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		for n := range 600 {
			e := entry("shop", n)
			if n%3 == 0 {
				e.Event.Kind, e.Event.Payload = noren.HTTPBlocked, &noren.Blocked{Cause: noren.CauseWAF, Ticket: fmt.Sprintf("T-%d", n)}
				e.Decision.Verdict = noren.Block
			}
			if err := j.Post(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		appendN(t, j, "other", 0, 5)
		seqs := func(f journal.Filter) []int64 {
			var out []int64
			for s, err := range j.Query(t.Context(), f) {
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s.Seq)
			}
			return out
		}
		at := func(n int) time.Time { return day.Add(time.Duration(n) * time.Millisecond) }
		i64 := func(n int64) *int64 { return &n }
		for _, tt := range []struct {
			name string
			f    journal.Filter
			want []int64
		}{
			{"first three", journal.Filter{Site: "shop", Limit: 3}, []int64{0, 1, 2}},
			{"last three", journal.Filter{Log: "shop", Limit: 3, Desc: true}, []int64{599, 598, 597}},
			{"next page", journal.Filter{Site: "shop", Limit: 2, AfterSeq: i64(1)}, []int64{2, 3}},
			{"next page down", journal.Filter{Site: "shop", Limit: 2, AfterSeq: i64(598), Desc: true}, []int64{597, 596}},
			{"after the end", journal.Filter{Site: "shop", AfterSeq: i64(599)}, nil},
			{"before the beginning", journal.Filter{Site: "shop", AfterSeq: i64(0), Desc: true}, nil},
			{"span of time", journal.Filter{Site: "shop", Since: at(100), Until: at(103)}, []int64{100, 101, 102}},
			{"span of time, down", journal.Filter{Site: "shop", Since: at(100), Until: at(103), Desc: true, Limit: 2}, []int64{102, 101}},
			{"since", journal.Filter{Site: "shop", Since: at(598)}, []int64{598, 599}},
			{"empty span", journal.Filter{Site: "shop", Since: at(1000)}, nil},
			{"kind", journal.Filter{Site: "shop", Kinds: []noren.Kind{noren.HTTPBlocked, noren.OrderPlaced}, Until: at(7)}, []int64{0, 3, 6}},
			{"verdict", journal.Filter{Site: "shop", Verdict: noren.Block, Limit: 2, Desc: true}, []int64{597, 594}},
			{"ticket", journal.Filter{Site: "shop", Field: journal.FieldTicket, Value: "T-300"}, []int64{300}},
			{"account", journal.Filter{Site: "shop", Field: noren.EntityAccount, Value: "customer17@example.jp"}, []int64{17}},
			{"account of another site", journal.Filter{Site: "other", Field: noren.EntityAccount, Value: "customer17@example.jp"}, nil},
			{"address, next page", journal.Filter{Site: "shop", Field: noren.EntityAddress, Value: "203.0.113.7", AfterSeq: i64(300), Limit: 2}, []int64{301, 302}},
			{"address and verdict", journal.Filter{Site: "shop", Field: noren.EntityAddress, Value: "203.0.113.7", Verdict: noren.Block, Since: at(590)}, []int64{591, 594, 597}},
			{"another site's log", journal.Filter{Log: "other"}, []int64{0, 1, 2, 3, 4}},
			{"site and log apart", journal.Filter{Log: "other", Site: "shop"}, nil},
			{"no such log", journal.Filter{Log: "nowhere"}, nil},
			{"a log named to break the statement", journal.Filter{Log: `shop' OR '1'='1`}, nil},
		} {
			if diff := cmp.Diff(tt.want, seqs(tt.f)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
		if all := seqs(journal.Filter{Site: "shop"}); len(all) != 600 || !slices.IsSorted(all) {
			t.Errorf("all: %d entries", len(all))
		}
		if _, err := j.Get(t.Context(), "other", "shop-00000001"); noren.CodeOf(err) != noren.NotFound {
			t.Errorf("Get of another site's entry = %v, want code not_found", err)
		}
	})
}

// TestTamperedEntryIsTold: a query goes on behind an entry that cannot be opened.
func TestTamperedEntryIsTold(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j := open(t, d)
	appendN(t, j, "shop", 0, 50)
	for _, at := range []int{-30, -1, 0, 8} { // the sealed text, the brackets, a name
		flip(t, d, bodyOf42, setBody42, at)
		tamperedEntryIsTold(t, j)
		flip(t, d, bodyOf42, setBody42, at)
	}
}

func tamperedEntryIsTold(t *testing.T, j *journal.Journal) {
	t.Helper()
	var bad, good int
	for s, err := range j.Query(t.Context(), journal.Filter{Site: "shop"}) {
		if err == nil {
			good++
			continue
		}
		bad++
		if s.Seq != 42 || noren.CodeOf(err) != noren.Tampered {
			t.Errorf("entry %d: %v", s.Seq, err)
		}
	}
	if bad != 1 || good != 49 {
		t.Errorf("%d bad and %d good entries, want 1 and 49", bad, good)
	}
}

// TestLargestEvent: the largest event allowed fits an entry, and comes back whole.
func TestLargestEvent(t *testing.T) {
	j := open(t, dbtest.Open(t, db.SQLite))
	e := entry("shop", 1)
	e.Event.Kind = noren.HTTPRequest
	query := strings.Builder{}
	for query.Len() < noren.MaxEventBytes-3000 {
		fmt.Fprintf(&query, "%x&<>", randomBytes(4)) // as little redundancy as hexadecimal has
	}
	e.Event.Payload = &noren.Request{Method: "GET", Path: "/", Query: query.String()}
	if _, err := j.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got, err := j.Get(t.Context(), "shop", e.Event.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, got.Entry); diff != "" {
		t.Errorf("large entry differs (-want +got):\n%s", diff)
	}
	e = entry("shop", 2)
	e.Facts["account.note"] = string(make([]byte, noren.MaxEventBytes*2))
	e.Facts["account.random"] = fmt.Sprintf("%x", randomBytes(noren.MaxEventBytes))
	if _, err := j.Append(t.Context(), e); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("an entry that does not fit: %v, want code invalid", err)
	}
}

// TestSearchOverManySpans finds rare and frequent tokens over thousands of
// entries, in both directions and page by page.
func TestSearchOverManySpans(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		rare := []int64{3, 1023, 1024, 4000, 5200, 5999}
		var often []int64
		for n := range int64(6000) {
			e := entry("shop", int(n))
			e.Event.Entities = noren.Entities{noren.EntityAccount: fmt.Sprint("customer", n)}
			if slices.Contains(rare, n) {
				e.Event.Entities[noren.EntityOrder] = "A-1"
			}
			if n%3 == 0 {
				e.Event.Entities[noren.EntityAddress] = "203.0.113.7"
				often = append(often, n)
			}
			if err := j.Post(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, tt := range map[string]struct {
			f    journal.Filter
			want []int64
		}{
			"rare":     {journal.Filter{Field: noren.EntityOrder, Value: "A-1"}, rare},
			"frequent": {journal.Filter{Field: noren.EntityAddress, Value: "203.0.113.7"}, often},
			"none":     {journal.Filter{Field: noren.EntityAddress, Value: "203.0.113.8"}, nil},
		} {
			for _, desc := range []bool{false, true} {
				for _, limit := range []int{0, 5, 300} {
					tt.f.Site, tt.f.Desc, tt.f.Limit = "shop", desc, limit
					want := slices.Clone(tt.want)
					if desc {
						slices.Reverse(want)
					}
					if diff := cmp.Diff(want, paged(t, j, tt.f)); diff != "" {
						t.Errorf("%s, desc %t, %d at once (-want +got):\n%s", name, desc, limit, diff)
					}
				}
			}
		}
	})
}

// paged asks for page after page until one is empty.
func paged(t *testing.T, j *journal.Journal, f journal.Filter) []int64 {
	t.Helper()
	var out []int64
	for {
		before := len(out)
		for s, err := range j.Query(t.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, s.Seq)
		}
		if len(out) == before || f.Limit == 0 {
			return out
		}
		f.AfterSeq = &out[len(out)-1]
	}
}
