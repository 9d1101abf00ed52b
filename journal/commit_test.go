package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// nodeTable stands for the rows that other parts commit with an entry.
var nodeTable = &db.Table{Name: "nodes", Columns: []string{"id", "seen_at", "ahead"}}

func nodeRow(id string) db.Row {
	return db.Row{Table: nodeTable, Values: []any{id, int64(1), int64(0)}}
}

func countNodes(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM nodes`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// breaker breaks the n-th write to a table ("commit" for the commit), once.
type breaker struct {
	where string
	fault db.Fault
	armed atomic.Bool
	hit   atomic.Int64
}

func (b *breaker) at(p db.FaultPoint) db.Fault {
	if (p.Table == b.where || p.Op == b.where) && b.armed.CompareAndSwap(true, false) {
		b.hit.Add(1)
		return b.fault
	}
	return db.Fault{}
}

// TestFaultMatrix breaks each write of a group, before and after it happened,
// and goes on in the same process or in the next one. Every entry is appended
// until it is acknowledged, as a caller does; then all must be there once.
func TestFaultMatrix(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.Postgres} {
		for _, where := range []string{"journal_logs", "journal_entries", "journal_tokens", "journal_tiles", "vault_subject_keys", "nodes", "commit"} {
			for name, fault := range map[string]db.Fault{"Fail": {Fail: true}, "FailPersisted": {FailPersisted: true}} {
				for _, restart := range []bool{false, true} {
					for _, alone := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s/%s/%s/restart=%t/alone=%t", engine, where, name, restart, alone), func(t *testing.T) {
							t.Parallel()
							faultCase(t, engine, where, fault, restart, alone)
						})
					}
				}
			}
		}
	}
}

func faultCase(t *testing.T, engine db.Engine, where string, fault db.Fault, restart, alone bool) {
	b := &breaker{where: where, fault: fault}
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, engine), Faults: b.at})
	s := newSealer()
	j := start(t, options(d, s))
	appendN(t, j, "shop", 0, 288) // beyond one tile
	steady(t, j, 288)
	if !alone { // a process that began just now
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		j = start(t, options(d, s))
	}
	b.armed.Store(true)
	var acked sync.Map
	var wg sync.WaitGroup
	for n := 300; n < 340; n++ {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			e := entry("shop", n)
			e.Event.Entities[noren.EntityAccount] = fmt.Sprint("new", n) // a key of its own
			_, err := j.Append(ctx, e, nodeRow(e.Event.ID))
			if restart && err != nil {
				return
			}
			if err != nil {
				t.Errorf("append %d: %v", n, err)
				return
			}
			acked.Store(e.Event.ID, true)
		})
	}
	wg.Wait()
	if b.hit.Load() != 1 {
		t.Fatalf("the fault at %s was met %d times, want 1", where, b.hit.Load())
	}
	if restart {
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		j = start(t, options(d, s))
		for n := 300; n < 340; n++ { // the callers try again
			e := entry("shop", n)
			if _, err := j.Append(t.Context(), e, nodeRow(e.Event.ID)); err != nil {
				t.Fatal(err)
			}
			acked.Store(e.Event.ID, true)
		}
	}
	stored := ids(t, j, "shop")
	acked.Range(func(id, _ any) bool {
		if !slices.Contains(stored, id.(string)) {
			t.Errorf("acknowledged entry %s is not there", id)
		}
		return true
	})
	if len(stored) != 340 {
		t.Errorf("the log has %d entries, want 340", len(stored))
	}
	if n := countNodes(t, d); n != 40 {
		t.Errorf("%d rows were committed with the entries, want 40", n)
	}
	wantClean(t, j)
}

// TestTwoProcesses appends through two journals on one database, as during a
// hand-over.
func TestTwoProcesses(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		s := newSealer()
		a := start(t, options(dbtest.OpenURL(t, db.Options{URL: url}), s))
		b := start(t, options(dbtest.OpenURL(t, db.Options{URL: url}), s))
		const each = 2000
		var wg sync.WaitGroup
		for i, j := range []*journal.Journal{a, b} {
			wg.Go(func() {
				for _, log := range []string{"shop", "other"} {
					appendN(t, j, log, i*each/2, (i+1)*each/2)
				}
			})
		}
		wg.Wait()
		for _, log := range []string{"shop", "other"} {
			if got := slices.Compact(slices.Sorted(slices.Values(ids(t, a, log)))); len(got) != each {
				t.Errorf("log %s has %d different entries, want %d", log, len(got), each)
			}
		}
		wantClean(t, b)
	})
}

func TestGroupGathersWriters(t *testing.T) {
	var commits atomic.Int64
	slow := func(p db.FaultPoint) (f db.Fault) {
		if p.Op == "commit" {
			commits.Add(1)
			f.Delay = 10 * time.Millisecond
		}
		return f
	}
	j := open(t, dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: slow}))
	appendN(t, j, "shop", 0, 640)
	before := commits.Load()
	appendN(t, j, "shop", 640, 640+2560)
	if per := 2560 / float64(commits.Load()-before); per < 32 {
		t.Errorf("64 writers shared a commit %.1f at a time, want nearly 64", per)
	}
}

func TestOneBadRecordSpoilsNoOther(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		if _, err := j.Append(t.Context(), entry("shop", 0), nodeRow("taken")); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var conflicts atomic.Int64
		for n := 1; n <= 50; n++ {
			wg.Go(func() {
				id := fmt.Sprint("node", n)
				if n == 17 {
					id = "taken"
				}
				_, err := j.Append(t.Context(), entry("shop", n), nodeRow(id))
				if noren.CodeOf(err) == noren.Conflict {
					conflicts.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if conflicts.Load() != 1 {
			t.Errorf("%d appends failed with a conflict, want 1", conflicts.Load())
		}
		if got := ids(t, j, "shop"); len(got) != 50 || slices.Contains(got, "shop-00000017") {
			t.Errorf("log has %d entries, want the 50 whose rows could be committed", len(got))
		}
		wantClean(t, j)
	})
}

func TestPostAndFlush(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		for n := range 500 {
			if err := j.Post(t.Context(), entry("shop", n)); err != nil {
				t.Fatal(err)
			}
			if err := j.Rows(t.Context(), nodeRow(fmt.Sprint(n))); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(ids(t, j, "shop")); got != 500 {
			t.Errorf("after Flush the log has %d entries, want 500", got)
		}
		if got := countNodes(t, d); got != 500 {
			t.Errorf("after Flush there are %d rows, want 500", got)
		}
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append(t.Context(), entry("shop", 501)); noren.CodeOf(err) != noren.Unavailable {
			t.Errorf("append after Close = %v, want code unavailable", err)
		}
	})
}

// TestNoSpool: without a spool an append fails while the database is away, and
// what was posted waits in memory.
func TestNoSpool(t *testing.T) {
	var away atomic.Bool
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: func(db.FaultPoint) db.Fault { return db.Fault{Fail: away.Load()} }})
	j := open(t, d)
	appendN(t, j, "shop", 0, 1)
	away.Store(true)
	if _, err := j.Append(t.Context(), entry("shop", 1)); noren.CodeOf(err) != noren.Unavailable {
		t.Errorf("append = %v, want code unavailable", err)
	}
	if err := j.Post(t.Context(), entry("shop", 2)); err != nil {
		t.Fatal(err)
	}
	if err := j.Flush(t.Context()); noren.CodeOf(err) != noren.Unavailable {
		t.Errorf("flush = %v, want code unavailable", err)
	}
	away.Store(false)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	j = open(t, d)
	if got := strings.Join(placesIn(t, j), " "); got != "shop-00000000 shop-00000002" {
		t.Errorf("log holds %s, want what was acknowledged and what was posted", got)
	}
}

func placesIn(t *testing.T, j *journal.Journal) []string {
	t.Helper()
	heads, err := j.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range heads {
		for seq := range h.Size {
			p, err := j.Prove(t.Context(), h.Log, seq, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, id, _ := strings.Cut(string(p.Leaf), `"id":"`)
			id, _, _ = strings.Cut(id, `"`)
			out = append(out, id)
		}
	}
	return out
}

func TestAppendGivesUpWithContext(t *testing.T) {
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: func(p db.FaultPoint) (f db.Fault) {
		if p.Op == "commit" {
			f.Delay = 200 * time.Millisecond
		}
		return f
	}})
	j := open(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := j.Append(ctx, entry("shop", 1))
	if noren.CodeOf(err) != noren.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("append = %v, want unavailable because of the deadline", err)
	}
	r, err := j.Append(t.Context(), entry("shop", 1)) // the first one commits all the same
	if err != nil || r.Seq != 0 {
		t.Errorf("append again = %+v, %v; want entry 0", r, err)
	}
}

func TestKeysAreConfirmed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSealer()
		j := start(t, options(d, s))
		appendN(t, j, "shop", 0, 100)
		var rows int
		if err := d.Read().QueryRow(`SELECT COUNT(*) FROM vault_subject_keys`).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if rows != 100 || len(s.fresh) != 0 {
			t.Errorf("%d keys stored and %d not confirmed, want 100 and 0", rows, len(s.fresh))
		}
	})
}

func TestRowsThatCannotBe(t *testing.T) {
	j := open(t, dbtest.Open(t, db.SQLite))
	for name, row := range map[string]db.Row{
		"no table":         {Values: []any{1}},
		"a value too few":  {Table: nodeTable, Values: []any{"x"}},
		"a time":           {Table: nodeTable, Values: []any{"x", time.Now(), int64(0)}},
		"more than bounds": {Table: nodeTable, Values: []any{strings.Repeat("x", 2<<20), int64(1), int64(0)}},
	} {
		if err := j.Rows(t.Context(), row); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: Rows = %v, want code invalid", name, err)
		}
		if _, err := j.Append(t.Context(), entry("shop", 1), row); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: Append = %v, want code invalid", name, err)
		}
	}
}
