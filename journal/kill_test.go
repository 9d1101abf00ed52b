package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// TestKilled ends a process that appends with kill -9 at random moments, again
// and again on one database. What it acknowledged must be there, once.
func TestKilled(t *testing.T) {
	if url := os.Getenv("NOREN_TEST_KILL_URL"); url != "" {
		appendUntilKilled(t, url)
		return
	}
	dbtest.EachURL(t, func(t *testing.T, url string) {
		dbtest.OpenURL(t, db.Options{URL: url})
		acked := map[string]bool{}
		for run := range 4 {
			for _, id := range killedRun(t, url, run) {
				acked[id] = true
			}
		}
		d := dbtest.OpenURL(t, db.Options{URL: url})
		j := open(t, d)
		stored := idColumn(t, d) // the keys to read the entries died with their process
		once := slices.Compact(slices.Sorted(slices.Values(stored)))
		if len(once) != len(stored) {
			t.Errorf("%d entries, %d different ones", len(stored), len(once))
		}
		for id := range acked {
			if _, ok := slices.BinarySearch(once, id); !ok {
				t.Errorf("acknowledged entry %s is lost", id)
			}
		}
		if len(acked) == 0 {
			t.Error("nothing was acknowledged in any run")
		}
		wantClean(t, j)
	})
}

// killedRun returns the ids that a process printed before it was killed.
func killedRun(t *testing.T, url string, run int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), "NOREN_TEST_KILL_URL="+url, fmt.Sprint("NOREN_TEST_KILL_RUN=", run))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var got []string
	kill := 50 + rand.IntN(400)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		got = append(got, lines.Text())
		if len(got) == kill {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
	return got
}

func appendUntilKilled(t *testing.T, url string) {
	d, err := db.Open(t.Context(), db.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	j := open(t, d)
	var print sync.Mutex
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n.Load() < 100_000 {
				e := entry("shop", int(n.Add(1)))
				e.Event.ID += "-" + os.Getenv("NOREN_TEST_KILL_RUN")
				if _, err := j.Append(t.Context(), e); err != nil {
					t.Error(err)
					return
				}
				print.Lock()
				fmt.Println(e.Event.ID)
				print.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestOutagesUnderLoad lets the database come and go while writers append, with
// some of the commits that fail done all the same.
func TestOutagesUnderLoad(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var away atomic.Bool
		var n atomic.Int64
		d := dbtest.OpenURL(t, db.Options{URL: url, Faults: func(p db.FaultPoint) db.Fault {
			if !away.Load() {
				return db.Fault{}
			}
			return db.Fault{Fail: n.Add(1)%2 == 0, FailPersisted: true}
		}})
		j := start(t, withSpool(d, newSealer(), t.TempDir()))
		ctx, stop := context.WithCancel(t.Context())
		var acked sync.Map
		var next atomic.Int64
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for ctx.Err() == nil {
					e := entry("shop", int(next.Add(1)))
					if _, err := j.Append(t.Context(), e, nodeRow(e.Event.ID)); err != nil {
						t.Errorf("append: %v", err)
						return
					}
					acked.Store(e.Event.ID, true)
				}
			})
		}
		for range 10 {
			time.Sleep(20 * time.Millisecond) // let them append; no outcome depends on how much
			away.Store(true)
			time.Sleep(20 * time.Millisecond)
			away.Store(false)
		}
		stop()
		wg.Wait()
		eventually(t, "the spool is drained", drained(j))
		checkAll(t, j, d, &acked)
	})
}

func checkAll(t *testing.T, j *journal.Journal, d *db.DB, acked *sync.Map) {
	t.Helper()
	stored := slices.Sorted(slices.Values(ids(t, j, "shop")))
	want := 0
	acked.Range(func(id, _ any) bool {
		want++
		if _, ok := slices.BinarySearch(stored, id.(string)); !ok {
			t.Errorf("acknowledged entry %s is lost", id)
		}
		return true
	})
	if len(stored) != want || countNodes(t, d) != want {
		t.Errorf("%d entries and %d rows, want %d of each", len(stored), countNodes(t, d), want)
	}
	wantClean(t, j)
}

func idColumn(t *testing.T, d *db.DB) []string {
	t.Helper()
	rows, err := d.Read().QueryContext(t.Context(), `SELECT id FROM journal_entries WHERE log = 'shop' ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}
