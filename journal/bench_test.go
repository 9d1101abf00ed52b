package journal_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// benchAppend appends b.N entries with so many writers and reports entries per
// second and the 99th percentile of one append.
func benchAppend(b *testing.B, d *db.DB, writers int) {
	j := start(b, options(d, newSealer()))
	appendTimed(b, j, writers, 0, 2000) // warm: keys confirmed, statements prepared
	b.ReportAllocs()
	b.ResetTimer()
	begin, busy := time.Now(), cpuTime()
	took := appendTimed(b, j, writers, 2000, 2000+b.N)
	total := time.Since(begin)
	busy = cpuTime() - busy
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/total.Seconds(), "entries/s")
	b.ReportMetric(float64(busy.Nanoseconds())/1000/float64(b.N), "cpu-µs/op") // steadier than the rest on a shared machine
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func appendTimed(b *testing.B, j *journal.Journal, writers, from, to int) []time.Duration {
	took := make([]time.Duration, to-from)
	var next atomic.Int64
	next.Store(int64(from))
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= to {
					return
				}
				t := time.Now()
				if _, err := j.Append(b.Context(), entry("shop", n)); err != nil {
					b.Error(err)
					return
				}
				took[n-from] = time.Since(t)
			}
		})
	}
	wg.Wait()
	return took
}

func BenchmarkAppend(b *testing.B) {
	for _, e := range []db.Engine{db.SQLite, db.Postgres} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("%s/writers=%d", e, writers), func(b *testing.B) {
				benchAppend(b, dbtest.Open(b, e), writers)
			})
		}
		b.Run(fmt.Sprintf("%s/writers=64/commit+10ms", e), func(b *testing.B) {
			slow := func(p db.FaultPoint) (f db.Fault) {
				if p.Op == "commit" {
					f.Delay = 10 * time.Millisecond
				}
				return f
			}
			benchAppend(b, dbtest.OpenURL(b, db.Options{URL: dbtest.URL(b, e), Faults: slow}), 64)
		})
	}
}

// BenchmarkVerify verifies a log of 100,000 entries.
func BenchmarkVerify(b *testing.B) {
	for _, e := range []db.Engine{db.SQLite, db.Postgres} {
		b.Run(string(e), func(b *testing.B) {
			j := open(b, dbtest.Open(b, e))
			const entries = 100_000
			for n := range entries {
				if err := j.Post(b.Context(), entry("shop", n)); err != nil {
					b.Fatal(err)
				}
			}
			if err := j.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for b.Loop() {
				if rep := verify(b, j, journal.VerifyOptions{}); !rep.Clean() || rep.Logs[0].Entries != entries {
					b.Fatalf("%+v", rep)
				}
			}
			b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkQuery reads and decrypts entries.
func BenchmarkQuery(b *testing.B) {
	for _, e := range []db.Engine{db.SQLite, db.Postgres} {
		b.Run(string(e), func(b *testing.B) {
			j := open(b, dbtest.Open(b, e))
			const entries = 10_000
			appendN(b, j, "shop", 0, entries)
			b.ResetTimer()
			for b.Loop() {
				if got := len(ids(b, j, "shop")); got != entries {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
