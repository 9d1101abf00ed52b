package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/pressly/goose/v3"

	"noren"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// keptCopies is how many copies from before a migration stay. They hold the
// keys of people erased later, so they must not pile up.
const keptCopies = 2

// schema is how far a database is migrated.
type schema struct {
	marked  bool // it has the table that says so
	version int64
}

// Migrate brings the schema up to this program's, forward only. A SQLite file
// that holds something is copied first: FILE.before-<version>-<time>. Several
// processes may migrate at once.
func (d *DB) Migrate(ctx context.Context) error {
	p, err := d.provider(d.read)
	if err != nil {
		return err
	}
	return d.migrate(ctx, newest(p))
}

func (d *DB) migrate(ctx context.Context, want int64) error {
	pool := sql.OpenDB(d.admin)
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	p, err := d.provider(pool)
	if err != nil {
		return err
	}
	for first := true; ; first = false {
		before, err := d.schema(ctx)
		if err != nil {
			return err
		}
		if before.version >= want {
			return d.refuseNewer(ctx)
		}
		if first {
			if err := d.copyFile(ctx, pool, before, want); err != nil {
				return err
			}
		}
		_, err = p.UpTo(ctx, want)
		if err == nil {
			d.log.Info("database migrated", "from", before.version, "to", want)
			return nil
		}
		// Another process that was faster makes our step fail.
		if after, serr := d.schema(ctx); serr != nil || after == before {
			return migrateError(err)
		}
	}
}

func migrateError(err error) error {
	return noren.WithHint(during("migrate the database", err),
		"the step that failed left nothing behind: mend its cause and start again, or go on with the version of noren that ran before")
}

func (d *DB) provider(pool *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	if d.engine == Postgres {
		dialect = goose.DialectPostgres
	}
	return goose.NewProvider(dialect, pool, files, goose.WithDisableGlobalRegistry(true))
}

func newest(p *goose.Provider) (version int64) {
	for _, s := range p.ListSources() {
		version = max(version, s.Version)
	}
	return version
}

func (d *DB) schema(ctx context.Context) (s schema, err error) {
	query := `SELECT count(*) > 0 FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'`
	if d.engine == Postgres {
		query = `SELECT count(*) > 0 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'goose_db_version'`
	}
	err = d.read.QueryRowContext(ctx, query).Scan(&s.marked)
	if err == nil && s.marked {
		err = d.read.QueryRowContext(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version`).Scan(&s.version)
	}
	if err != nil {
		return s, noren.WithHint(noren.Errorf(noren.Unavailable, "read the schema's version: %w", err),
			"does this database belong to noren, and may this user read it?")
	}
	return s, nil
}

func (d *DB) refuseNewer(ctx context.Context) error {
	p, err := d.provider(d.read)
	if err != nil {
		return err
	}
	s, err := d.schema(ctx)
	if err != nil {
		return err
	}
	if want := newest(p); s.version > want {
		return noren.WithHint(noren.Errorf(noren.Conflict, "the database has schema %d, this noren knows %d", s.version, want),
			"a newer noren wrote it: run that version, or restore the copy it made before migrating")
	}
	return nil
}

// copyFile copies a SQLite file that holds something, onto the disk.
func (d *DB) copyFile(ctx context.Context, pool *sql.DB, have schema, want int64) error {
	if d.engine != SQLite || have.version == 0 {
		return nil
	}
	if info, err := os.Stat(d.file); err == nil {
		d.log.Info("copying the database before it is migrated; a large one takes minutes", "mib", info.Size()>>20)
	}
	to := fmt.Sprintf("%s.before-%04d-%s", d.file, want, time.Now().UTC().Format("20060102T150405.000000"))
	if err := vacuumInto(ctx, pool, to); err != nil {
		os.Remove(to)
		return noren.WithHint(noren.Errorf(noren.Unavailable, "copy the database before migrating: %w", err),
			"there must be room for a second copy beside the database")
	}
	d.log.Info("database copied before migrating", "copy", to)
	d.dropOldCopies()
	return nil
}

func vacuumInto(ctx context.Context, pool *sql.DB, to string) error {
	// VACUUM fills a file that is there and empty; made here it is ours only.
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := pool.ExecContext(ctx, `VACUUM INTO $1`, to); err != nil {
		return err
	}
	if err := f.Sync(); err != nil { // VACUUM INTO does not
		return err
	}
	return syncDir(filepath.Dir(to))
}

func (d *DB) dropOldCopies() {
	dir, name := filepath.Split(d.file)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // nothing is lost: the next migration tries again
	}
	type copied struct {
		path string
		at   time.Time
	}
	var copies []copied
	for _, e := range entries {
		info, err := e.Info()
		if ok, _ := filepath.Match("*.before-[0-9][0-9][0-9][0-9]-*", e.Name()); ok && err == nil && len(e.Name()) > len(name) && e.Name()[:len(name)] == name {
			copies = append(copies, copied{filepath.Join(dir, e.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(copies, func(a, b copied) int { return b.at.Compare(a.at) })
	for _, c := range copies[min(keptCopies, len(copies)):] {
		d.log.Info("old copy removed", "copy", c.path, "err", os.Remove(c.path))
	}
}
