package journal_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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

// outage is a database that can be away.
type outage struct {
	away    atomic.Bool
	lastOne atomic.Bool // the commit that finds it away happens all the same
	commits atomic.Int64
	limit   atomic.Int64 // > 0: goes away after so many commits
}

func (o *outage) at(p db.FaultPoint) db.Fault {
	if o.away.Load() {
		return db.Fault{Fail: true}
	}
	if p.Op != "commit" {
		return db.Fault{}
	}
	n := o.commits.Add(1)
	if limit := o.limit.Load(); limit > 0 && n > limit {
		o.away.Store(true)
		return db.Fault{Fail: !o.lastOne.Load(), FailPersisted: o.lastOne.Load()}
	}
	return db.Fault{}
}

// alarms counts log lines that carry an alarm.
type alarms struct {
	mu    sync.Mutex
	lines []string
}

func (a *alarms) Enabled(context.Context, slog.Level) bool { return true }
func (a *alarms) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *alarms) WithGroup(string) slog.Handler            { return a }
func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Attrs(func(at slog.Attr) bool {
		if at.Key == "alarm" {
			a.lines = append(a.lines, r.Message)
		}
		return true
	})
	return nil
}

func (a *alarms) have(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.lines, func(l string) bool { return strings.Contains(l, text) })
}

// eventually waits for what the background does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it never came to pass that %s", what)
}

func drained(j *journal.Journal) func() bool {
	return func() bool { n, _ := j.Spooled(); return n == 0 }
}

func withSpool(d *db.DB, s journal.Sealer, dir string) journal.Options {
	o := options(d, s)
	o.SpoolDir = dir
	return o
}

func TestSpool(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var out outage
		d := dbtest.OpenURL(t, db.Options{URL: url, Faults: out.at})
		var heard alarms
		o := withSpool(d, newSealer(), t.TempDir())
		o.Log = slog.New(&heard)
		j := start(t, o)
		appendN(t, j, "shop", 0, 100)
		out.away.Store(true)
		for n := 100; n < 400; n++ {
			e := entry("shop", n)
			r, err := j.Append(t.Context(), e, nodeRow(e.Event.ID))
			if err != nil {
				t.Fatal(err)
			}
			if !r.Spooled || r.Seq != -1 {
				t.Fatalf("receipt %+v, want one of the spool", r)
			}
		}
		if n, bytes := j.Spooled(); n != 300 || bytes == 0 {
			t.Errorf("Spooled = %d entries, %d bytes; want 300", n, bytes)
		}
		out.away.Store(false)
		appendN(t, j, "shop", 400, 450)
		eventually(t, "the spool is drained", drained(j))
		appendN(t, j, "shop", 450, 460)
		got := ids(t, j, "shop")
		if len(got) != 460 {
			t.Errorf("log has %d entries, want 460", len(got))
		}
		inOrder := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return id < "shop-00000100" || id >= "shop-00000400" })
		if !slices.IsSorted(inOrder) || len(inOrder) != 300 {
			t.Errorf("the %d spooled entries are not in their order", len(inOrder))
		}
		if n := countNodes(t, d); n != 300 {
			t.Errorf("%d rows came with the spooled entries, want 300", n)
		}
		wantClean(t, j)
		for _, text := range []string{"entries go to the spool", "spool drained"} {
			if !heard.have(text) {
				t.Errorf("no alarm %q", text)
			}
		}
	})
}

// TestSpoolHoldsNothingPersonal searches the raw file.
func TestSpoolHoldsNothingPersonal(t *testing.T) {
	dir := t.TempDir()
	gone := dbtest.Open(t, db.SQLite)
	gone.Close()
	j := start(t, withSpool(gone, newSealer(), dir))
	e := entry("shop", 7)
	if _, err := j.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var seen bool
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(b, []byte("body"))
		for _, word := range []string{"customer7", "example.jp", "203.0.113.7", "device-7"} {
			if bytes.Contains(b, []byte(word)) {
				t.Errorf("%s holds %q", f, word)
			}
		}
	}
	if !seen {
		t.Error("no spool file with an entry")
	}
}

// TestSpoolCrash ends the process (without Close) between every two commits of
// a drain, with the last commit done or not, and starts another one.
func TestSpoolCrash(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		t.Run(fmt.Sprintf("persisted=%t", persisted), func(t *testing.T) {
			dbtest.EachURL(t, func(t *testing.T, url string) {
				s := newSealer()
				dir := t.TempDir()
				const total = 1500 // three batches
				crashed := spoolAndCrash(t, url, s, dir, total, persisted)
				d := dbtest.OpenURL(t, db.Options{URL: url})
				j := start(t, withSpool(d, s, dir))
				eventually(t, "the next process drained the spool", func() bool {
					h, err := j.Logs(t.Context())
					return err == nil && len(h) == 1 && h[0].Size >= total && drained(j)()
				})
				got := ids(t, j, "shop")
				if len(got) != total || !slices.IsSorted(got) {
					t.Errorf("log has %d entries, in order %t; want %d in order", len(got), slices.IsSorted(got), total)
				}
				if n := countNodes(t, d); n != total {
					t.Errorf("%d rows, want %d", n, total)
				}
				wantClean(t, j)
				crashed()
			})
		})
	}
}

// spoolAndCrash fills the spool while the database is away, lets it drain for
// one batch, and leaves everything as a killed process would: the lock is free,
// the file as it was.
func spoolAndCrash(t *testing.T, url string, s journal.Sealer, dir string, total int, persisted bool) (cleanup func()) {
	t.Helper()
	var out outage
	out.away.Store(true)
	d := dbtest.OpenURL(t, db.Options{URL: url})
	d.Close()
	d, err := db.Open(t.Context(), db.Options{URL: url, Faults: out.at})
	if err != nil {
		t.Fatal(err)
	}
	j := start(t, withSpool(d, s, dir))
	for n := range total {
		e := entry("shop", n)
		if err := j.Post(t.Context(), e, nodeRow(e.Event.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(filepath.Join(dir, "n1.spool"))
	if err != nil {
		t.Fatal(err)
	}
	out.lastOne.Store(persisted)
	out.limit.Store(out.commits.Load() + 1) // the probe
	if total > 512 {
		out.limit.Add(1) // and a batch
	}
	out.away.Store(false)
	eventually(t, "the database went away again", out.away.Load)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "n1.spool"), image, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() { d.Close() }
}

func TestSpoolTornTail(t *testing.T) {
	for _, tail := range []string{"x", `1234abcd {"body":"`, strings.Repeat("\x00", 4096), "deadbeef {}"} {
		t.Run(fmt.Sprintf("%.12q", tail), func(t *testing.T) {
			url, dir, s := dbtest.URL(t, db.SQLite), t.TempDir(), newSealer()
			cleanup := spoolAndCrash(t, url, s, dir, 20, false)
			defer cleanup()
			f, err := os.OpenFile(filepath.Join(dir, "n1.spool"), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteString(tail); err != nil {
				t.Fatal(err)
			}
			f.Close()
			j := start(t, withSpool(dbtest.OpenURL(t, db.Options{URL: url}), s, dir))
			eventually(t, "the spool is drained", drained(j))
			if got := ids(t, j, "shop"); len(got) != 20 {
				t.Errorf("log has %d entries, want the 20 whole ones", len(got))
			}
		})
	}
}

// TestSpoolDamagedLine: a line that cannot be read costs itself only, and the
// file is kept.
func TestSpoolDamagedLine(t *testing.T) {
	url, dir, s := dbtest.URL(t, db.SQLite), t.TempDir(), newSealer()
	cleanup := spoolAndCrash(t, url, s, dir, 20, false)
	defer cleanup()
	name := filepath.Join(dir, "n1.spool")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	lines[10][50] ^= 1
	if err := os.WriteFile(name, bytes.Join(lines, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	var heard alarms
	o := withSpool(dbtest.OpenURL(t, db.Options{URL: url}), s, dir)
	o.Log = slog.New(&heard)
	j := start(t, o)
	eventually(t, "the spool is drained", drained(j))
	if got := ids(t, j, "shop"); len(got) != 19 {
		t.Errorf("log has %d entries, want the 19 readable ones", len(got))
	}
	eventually(t, "the damaged file is kept, with an alarm", func() bool {
		_, err := os.Stat(name + ".damaged-1")
		return err == nil && heard.have("unreadable")
	})
}

func TestSpoolFull(t *testing.T) {
	var out outage
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: out.at})
	var heard alarms
	o := withSpool(d, newSealer(), t.TempDir())
	o.SpoolMax = 20_000
	o.Log = slog.New(&heard)
	j := start(t, o)
	out.away.Store(true)
	acked := 0
	var err error
	for n := 0; err == nil && n < 100; n++ {
		if _, err = j.Append(t.Context(), entry("shop", n)); err == nil {
			acked++
		}
	}
	if noren.CodeOf(err) != noren.Unavailable || acked == 0 || !heard.have("spool is full") {
		t.Fatalf("after %d entries: %v; want code unavailable and an alarm", acked, err)
	}
	if err := j.Post(t.Context(), entry("shop", 500)); err != nil { // waits in memory
		t.Fatal(err)
	}
	out.away.Store(false)
	eventually(t, "an append is taken again", func() bool {
		_, err := j.Append(t.Context(), entry("shop", 501))
		return err == nil
	})
	eventually(t, "everything is in the log", func() bool { return drained(j)() && len(ids(t, j, "shop")) == acked+2 })
	if r, err := j.Append(t.Context(), entry("shop", 501)); err != nil || r.Seq < 0 {
		t.Errorf("append after the outage: %+v, %v", r, err)
	}
	wantClean(t, j)
}

// TestSpoolOfAnotherProcess: two processes of one node have a file each, and
// what the older one leaves behind is adopted.
func TestSpoolOfAnotherProcess(t *testing.T) {
	url, dir, s := dbtest.URL(t, db.SQLite), t.TempDir(), newSealer()
	dbtest.OpenURL(t, db.Options{URL: url})
	var out outage
	out.away.Store(true)
	d, err := db.Open(t.Context(), db.Options{URL: url, Faults: out.at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	older := start(t, withSpool(d, s, dir))
	if _, err := older.Append(t.Context(), entry("shop", 1)); err != nil {
		t.Fatal(err)
	}
	newer := start(t, withSpool(d, s, dir))
	if _, err := newer.Append(t.Context(), entry("shop", 2)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil || len(files) != 2 {
		t.Fatalf("spool files %v, %v; want one for each process", files, err)
	}
	for _, j := range []*journal.Journal{older, newer} {
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	o := withSpool(dbtest.OpenURL(t, db.Options{URL: url}), s, dir)
	o.Node = "n2" // a node that replaces n1 takes its files too
	j := start(t, o)
	eventually(t, "both files are drained", func() bool {
		h, err := j.Logs(t.Context())
		return err == nil && len(h) == 1 && h[0].Size == 2
	})
	eventually(t, "the adopted files are gone", func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "n1*.spool"))
		return err == nil && len(files) == 0
	})
	foreign := withSpool(o.DB, s, dir)
	foreign.Origin = "noren/elsewhere"
	start(t, foreign)
}

// TestSpoolOfAnotherInstance: files of another instance in the same directory
// are left alone.
func TestSpoolOfAnotherInstance(t *testing.T) {
	dir, s := t.TempDir(), newSealer()
	cleanup := spoolAndCrash(t, dbtest.URL(t, db.SQLite), s, dir, 5, false)
	defer cleanup()
	o := withSpool(dbtest.Open(t, db.SQLite), s, dir)
	o.Origin = "noren/elsewhere"
	j := start(t, o)
	appendN(t, j, "shop", 0, 10)
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "n1.spool")); err != nil || bytes.Count(b, []byte("\n")) != 6 {
		t.Errorf("the other instance's spool was touched: %v", err)
	}
	if got := len(ids(t, start(t, o), "shop")); got != 10 {
		t.Errorf("log has %d entries, want our own 10", got)
	}
}

// TestSpooledRowRefused: rows that the database refuses do not cost the entry
// they came with, nor those behind it.
func TestSpooledRowRefused(t *testing.T) {
	var out outage
	d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, db.SQLite), Faults: out.at})
	var heard alarms
	dir := t.TempDir()
	o := withSpool(d, newSealer(), dir)
	o.Log = slog.New(&heard)
	j := start(t, o)
	if _, err := j.Append(t.Context(), entry("shop", 0), nodeRow("taken")); err != nil {
		t.Fatal(err)
	}
	out.away.Store(true)
	for n := 1; n < 20; n++ {
		id := fmt.Sprint("node", n)
		if n == 7 {
			id = "taken"
		}
		if _, err := j.Append(t.Context(), entry("shop", n), nodeRow(id)); err != nil {
			t.Fatal(err)
		}
	}
	nowhere := &db.Table{Name: "no_such_table", Columns: []string{"id"}}
	if err := j.Rows(t.Context(), db.Row{Table: nowhere, Values: []any{"x"}}); err != nil {
		t.Fatal(err)
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	out.away.Store(false)
	eventually(t, "the spool is drained", drained(j))
	if got := len(ids(t, j, "shop")); got != 20 {
		t.Errorf("log has %d entries, want 20", got)
	}
	if n := countNodes(t, d); n != 19 {
		t.Errorf("%d rows, want 19", n)
	}
	if !heard.have("refused") {
		t.Error("no alarm for the rows that were refused")
	}
	if kept, err := filepath.Glob(filepath.Join(dir, "*.damaged-*")); err != nil || len(kept) != 1 {
		t.Errorf("kept files %v: the one with rows that fit nowhere should be there", kept)
	}
	wantClean(t, j)
}

// TestTamperedHead: nothing is appended to a log whose head was changed; entries
// are kept in the spool, or refused without one.
func TestTamperedHead(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		t.Run(fmt.Sprintf("spool=%t", dir != ""), func(t *testing.T) {
			d := dbtest.Open(t, db.SQLite)
			var heard alarms
			o := withSpool(d, newSealer(), dir)
			o.Log = slog.New(&heard)
			j := start(t, o)
			appendN(t, j, "shop", 0, 10)
			root := blob(t, d, `SELECT root FROM journal_logs WHERE log = 'shop'`)
			const update = `UPDATE journal_logs SET root = $1 WHERE log = 'shop'`
			flip(t, d, `SELECT root FROM journal_logs WHERE log = 'shop'`, update, 3)
			r, err := j.Append(t.Context(), entry("shop", 10))
			if dir == "" && noren.CodeOf(err) != noren.Unavailable || dir != "" && (err != nil || !r.Spooled) {
				t.Errorf("append = %+v, %v", r, err)
			}
			if !heard.have("tampered") {
				t.Error("no alarm")
			}
			set(t, d, update, root)
			eventually(t, "appending goes on once it was repaired", func() bool {
				_, err := j.Append(t.Context(), entry("shop", 11))
				return err == nil && drained(j)()
			})
			wantClean(t, j)
		})
	}
}

// TestDamagedTileIsMended: a damaged unfinished tile does not stop the log, and
// is whole afterwards.
func TestDamagedTileIsMended(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		appendN(t, j, "shop", 0, 600)
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		sqlDo(t, d, `DELETE FROM journal_tiles WHERE log = 'shop' AND level = 0 AND n = 2`)
		flip(t, d, `SELECT data FROM journal_tiles WHERE log = 'shop' AND level = 1`, `UPDATE journal_tiles SET data = $1 WHERE log = 'shop' AND level = 1`, 1)
		var heard alarms
		o := options(d, newSealer())
		o.Log = slog.New(&heard)
		j = start(t, o)
		if rep := verify(t, j, journal.VerifyOptions{}); rep.Clean() {
			t.Error("damaged tiles were not found")
		}
		appendN(t, j, "shop", 600, 700)
		wantClean(t, j)
		if !heard.have("tile was damaged") {
			t.Error("no alarm")
		}
	})
}
