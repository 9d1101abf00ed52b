package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "noren/db" // the drivers
	"noren/lab/peer"
	"noren/vault"
)

// kept is a store of the console's measurement that stays between runs.
// NOREN_BENCH_EVENTS says how many events it holds on SQLite, NOREN_BENCH_PG_EVENTS
// on PostgreSQL, 0 for none.
type kept struct {
	engine, url string
	dir         string // keys, spool, the mark of a whole one; the database itself
	events      int
	server      *peer.Postgres // nil for SQLite
}

func eventsOf(env string, otherwise int) (int, error) {
	s := os.Getenv(env)
	if s == "" {
		return otherwise, nil
	}
	return strconv.Atoi(s)
}

// keptSQLite is the kept store on SQLite, or the beginning of one; nil where none
// is wanted.
func (b *bencher) keptSQLite() (*kept, error) {
	n, err := eventsOf("NOREN_BENCH_EVENTS", 1_000_000)
	if err != nil || n == 0 {
		return nil, err
	}
	dir := filepath.Join(b.store, fmt.Sprintf("console-%d", n))
	k := &kept{engine: "SQLite", url: "sqlite:" + filepath.Join(dir, "noren.db"), dir: dir, events: n}
	return k, k.begin()
}

// keptPostgres is keptSQLite on a server of its own, with the memory that Debian
// gives it.
func (b *bencher) keptPostgres() (*kept, error) {
	n, err := eventsOf("NOREN_BENCH_EVENTS", 1_000_000)
	if err != nil {
		return nil, err
	}
	if n, err = eventsOf("NOREN_BENCH_PG_EVENTS", min(n, 1_000_000)); err != nil || n == 0 {
		return nil, err
	}
	k := &kept{engine: "PostgreSQL", dir: filepath.Join(b.store, fmt.Sprintf("console-postgres-%d", n)), events: n}
	if err := k.begin(); err != nil {
		return nil, err
	}
	if k.server, err = peer.KeepPostgres(b.ctx, filepath.Join(k.dir, "server"), append([]string{"shared_buffers=128MB"}, strings.Fields(os.Getenv("NOREN_BENCH_PG_SETTINGS"))...)...); err != nil {
		return nil, err
	}
	k.url = k.server.URL()
	return k, nil
}

// begin makes folder and key. The server's user goes through the folders, and
// through nothing else.
func (k *kept) begin() error {
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(k.key()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return vault.GenerateRootKey(k.key())
}

func (k *kept) key() string { return filepath.Join(k.dir, "root.key") }
func (k *kept) end() string { return filepath.Join(k.dir, "end") }

func (k *kept) whole() bool {
	_, err := os.Stat(k.end())
	return err == nil
}

func (k *kept) stop() {
	if k.server != nil {
		k.server.Stop()
	}
}

func (k *kept) open(ctx context.Context) (*store, error) {
	root, err := vault.LoadRootKey("file:" + k.key())
	if err != nil {
		return nil, err
	}
	return openWith(ctx, k.url, k.dir, root, nil)
}

// settle marks a store as whole. On PostgreSQL it does at once what autovacuum does
// in the weeks in which so many events arrive.
func (k *kept) settle(ctx context.Context) error {
	if k.whole() {
		return nil
	}
	if k.server != nil {
		fmt.Fprintln(os.Stderr, "VACUUM ANALYZE …")
		d, err := sql.Open("pgx", k.url)
		if err != nil {
			return err
		}
		defer d.Close()
		if _, err := d.ExecContext(ctx, "VACUUM ANALYZE"); err != nil {
			return err
		}
	}
	return os.WriteFile(k.end(), nil, 0o600)
}

// size is what the store takes on the disk.
func (k *kept) size() (n int64) {
	filepath.WalkDir(k.dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// shownTime is a time as tables have it.
func shownTime(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
