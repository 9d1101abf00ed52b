package db

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"

	"noren"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

func (d *DB) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	dialect := goose.DialectSQLite3
	if d.engine == Postgres {
		dialect = goose.DialectPostgres
	}
	return goose.NewProvider(dialect, d.write, files)
}

// versions returns the schema of the database and of this program.
func (d *DB) versions(ctx context.Context) (have, want int64, err error) {
	p, err := d.provider()
	if err != nil {
		return 0, 0, err
	}
	for _, s := range p.ListSources() {
		want = max(want, s.Version)
	}
	if ok, err := d.hasTable(ctx, "goose_db_version"); err != nil || !ok {
		return 0, want, err
	}
	row := d.read.QueryRowContext(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version`)
	return have, want, row.Scan(&have)
}

func (d *DB) hasTable(ctx context.Context, name string) (bool, error) {
	query := `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`
	if d.engine == Postgres {
		query = `SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1`
	}
	var n int
	if err := d.read.QueryRowContext(ctx, query, name).Scan(&n); err != nil {
		return false, fmt.Errorf("look for table %s: %w", name, err)
	}
	return n > 0, nil
}

func (d *DB) refuseNewer(ctx context.Context) error {
	have, want, err := d.versions(ctx)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "read the schema's version: %w", err)
	}
	if have > want {
		return noren.WithHint(noren.Errorf(noren.Conflict, "the database has schema %d, this noren knows %d", have, want),
			"a newer noren wrote it: run that version, or restore the copy it made before migrating")
	}
	return nil
}

// Migrate brings the schema up to this program's, forward only. A SQLite file
// that holds something is copied first: FILE.before-<version>-<time>.
func (d *DB) Migrate(ctx context.Context) error {
	have, want, err := d.versions(ctx)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "read the schema's version: %w", err)
	}
	if have == want {
		return nil
	}
	if d.engine == SQLite && have > 0 {
		copied := fmt.Sprintf("%s.before-%04d-%s", d.file, want, time.Now().UTC().Format("20060102T150405Z"))
		if _, err := d.write.ExecContext(ctx, `VACUUM INTO $1`, copied); err != nil {
			return noren.WithHint(noren.Errorf(noren.Unavailable, "copy the database before migrating: %w", err),
				"there must be room for a second copy beside the database")
		}
		d.log.Info("database copied before migrating", "copy", copied)
	}
	p, err := d.provider()
	if err != nil {
		return err
	}
	results, err := p.Up(ctx)
	if err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	d.log.Info("database migrated", "steps", len(results), "schema", want)
	return nil
}
