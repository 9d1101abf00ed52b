package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
	"noren/journal"
	"noren/lab/peer"
	"noren/vault"
)

// disk measures the disk's own sync: what no durable append can beat.
func (b *bencher) disk() error {
	f, err := os.Create(filepath.Join(b.dir, "sync"))
	if err != nil {
		return err
	}
	defer f.Close()
	var times []time.Duration
	page := make([]byte, 4096)
	for range 300 {
		began := time.Now()
		if _, err := f.Write(page); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		times = append(times, time.Since(began))
	}
	b.add("disk: write 4 KiB and sync", "–", "", "p50 %s, p99 %s", quantile(times, 0.5), quantile(times, 0.99))
	return nil
}

func quantile(times []time.Duration, q float64) time.Duration {
	slices.Sort(times)
	return times[rank(len(times), q)].Round(time.Microsecond)
}

// rank is where the q-quantile stands among n sorted values: the smallest that so
// many are not above (nearest rank). The 99th percentile of a hundred is the second
// largest.
func rank(n int, q float64) int { return min(n, max(1, int(math.Ceil(q*float64(n))))) - 1 }

// store is a journal on a database of its own.
type store struct {
	db      *db.DB
	vault   *vault.Vault
	journal *journal.Journal
}

// openFilled opens the store that a noren made in dir.
func openFilled(ctx context.Context, dir string) (*store, error) {
	data := filepath.Join(dir, "data")
	root, err := vault.LoadRootKey("file:" + filepath.Join(data, "root.key"))
	if err != nil {
		return nil, err
	}
	return openWith(ctx, "sqlite:"+filepath.Join(data, "noren.db"), data, root, nil)
}

func openStore(ctx context.Context, url, dir string, faults func(db.FaultPoint) db.Fault) (*store, error) {
	return openWith(ctx, url, dir, vault.NewRootKey(), faults)
}

func openWith(ctx context.Context, url, dir string, root vault.KEK, faults func(db.FaultPoint) db.Fault) (*store, error) {
	d, err := db.Open(ctx, db.Options{URL: url, Create: true, Faults: faults})
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, err
	}
	v, err := vault.Open(ctx, vault.Options{DB: d, Root: root, ErasuresFile: filepath.Join(dir, "erasures")})
	if err != nil {
		return nil, err
	}
	_, key, _ := ed25519.GenerateKey(nil)
	j, err := journal.Open(ctx, journal.Options{DB: d, Sealer: v, SigningKey: key, Origin: "bench", Node: "bench", SpoolDir: filepath.Join(dir, "spool")})
	if err != nil {
		return nil, err
	}
	return &store{d, v, j}, nil
}

func (s *store) close(ctx context.Context) {
	s.journal.Close(ctx)
	s.db.Close()
}

// journal measures durable appends with 64 writers, one writer, and with 10 ms
// added to every commit, on both engines; beside them a bare INSERT.
func (b *bencher) measureJournal() error {
	server, err := peer.StartPostgres(b.ctx, "", "shared_buffers=128MB") // as Debian ships it
	if err != nil {
		return err
	}
	defer server.Stop()
	for _, e := range []struct{ name, url string }{
		{"SQLite", "sqlite:" + filepath.Join(b.dir, "journal", "noren.db")}, {"PostgreSQL", server.URL()},
	} {
		s, err := openStore(b.ctx, e.url, filepath.Join(b.dir, e.name), nil)
		if err != nil {
			return err
		}
		if err := warm(b.ctx, s); err != nil {
			return err
		}
		rate, _ := appendFor(b.ctx, s.journal, 64, 4*time.Second)
		_, lone := appendFor(b.ctx, s.journal, 1, 3*time.Second)
		bare, err := bareInserts(b.ctx, s.db, time.Second)
		if err != nil {
			return err
		}
		b.add("journal, "+e.name+": 64 writers", "≥ 15,000 durable entries/s", fmt.Sprintf("bare INSERT and commit, one by one: %.0f/s", bare), "%.0f/s", rate)
		b.add("journal, "+e.name+": a lone append", "p99 ≤ 5 ms", "", "p50 %s, p99 %s", quantile(lone, 0.5), quantile(lone, 0.99))
		s.close(b.ctx)
	}
	slow, err := openStore(b.ctx, "sqlite:"+filepath.Join(b.dir, "slow", "noren.db"), filepath.Join(b.dir, "slow"), func(p db.FaultPoint) db.Fault {
		if p.Op == "commit" {
			return db.Fault{Delay: 10 * time.Millisecond}
		}
		return db.Fault{}
	})
	if err != nil {
		return err
	}
	defer slow.close(b.ctx)
	if err := warm(b.ctx, slow); err != nil {
		return err
	}
	rate, _ := appendFor(b.ctx, slow.journal, 64, 3*time.Second)
	b.add("journal, SQLite: 10 ms added to every commit, 64 writers", "≥ 4,000/s", "", "%.0f/s", rate)
	return nil
}

// warm brings a store to where one is that has run for a while: statements
// prepared, keys made and, on PostgreSQL, files of the write-ahead log there to be
// used again. A new server makes and syncs 16 MiB of zeros for each first, and
// after each checkpoint writes every page whole once.
func warm(ctx context.Context, s *store) error {
	appendFor(ctx, s.journal, 64, 2*time.Second)
	if s.db.Engine() != db.Postgres {
		return nil
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `CHECKPOINT`)
		return err
	})
	appendFor(ctx, s.journal, 64, time.Second)
	return err
}

// appendFor appends until the time is over and returns the rate and how long
// each append took.
func appendFor(ctx context.Context, j *journal.Journal, writers int, d time.Duration) (float64, []time.Duration) {
	var n atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for w := range writers {
		wg.Go(func() {
			var times []time.Duration
			for i := 0; time.Now().Before(end); i++ {
				began := time.Now()
				if _, err := j.Append(ctx, entry(w, i)); err != nil {
					return
				}
				times = append(times, time.Since(began))
				n.Add(1)
			}
			mu.Lock()
			all = append(all, times...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return float64(n.Load()) / d.Seconds(), all
}

// entry is a sign-in as the loop records it.
func entry(w, i int) noren.Entry {
	now := noren.At(time.Now())
	id := noren.NewID(now.Time)
	account := fmt.Sprintf("customer%d@example.jp", (w*131+i)%5000)
	return noren.Entry{
		Event: noren.Event{ID: id, Kind: noren.LoginOutcome, At: now, Site: "shop", Zone: noren.ZoneLogin,
			Entities: noren.Entities{noren.EntityAccount: account, noren.EntityAddress: fmt.Sprintf("198.51.%d.%d", w, i%250)},
			Payload:  &noren.LoginResult{User: account, Success: true}},
		Facts:    noren.Facts{"address.logins_failed_10m": int64(i % 7), "account.logins_1h": int64(2), "address.country": "JP"},
		Decision: noren.Decision{EventID: id, Verdict: noren.Allow, Policies: "0123456789abcdef"}, Count: 1,
	}
}

// bareInserts is what the database does without us: one row, one commit.
func bareInserts(ctx context.Context, d *db.DB, last time.Duration) (float64, error) {
	n := 0
	end := time.Now().Add(last)
	for ; time.Now().Before(end); n++ {
		err := d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO vault_state (name, value) VALUES ($1, $2)`, fmt.Sprint("bench", n), "x")
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return float64(n) / last.Seconds(), nil
}
