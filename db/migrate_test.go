package db_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

var update = flag.Bool("update", false, "write the schema snapshots anew")

// TestSchemaSnapshot shows in a diff what a migration does on each engine.
func TestSchemaSnapshot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		file := filepath.Join("testdata", "schema."+string(d.Engine())+".sql")
		got := dump(t, d)
		if *update {
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("the migrations give another schema than %s; if that is meant: go test ./db -run Snapshot -update\n%s", file, diff)
		}
	})
}

func dump(t *testing.T, d *db.DB) string {
	t.Helper()
	query := `SELECT sql || ';' FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY tbl_name, type DESC, name`
	if d.Engine() == db.Postgres {
		query = postgresDump
	}
	rows, err := d.Read().Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var b strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// postgresDump lists columns, then constraints, then indexes of each table.
const postgresDump = `
SELECT line FROM (
	SELECT table_name::text AS tab, 1 AS part, ordinal_position::int AS n, '' AS name,
		table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
			|| COALESCE(' DEFAULT ' || column_default, '') AS line
	FROM information_schema.columns WHERE table_schema = current_schema()
	UNION ALL
	SELECT conrelid::regclass::text, 2, 0, conname::text, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
	FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'
	UNION ALL
	SELECT tablename::text, 3, 0, indexname::text, replace(indexdef, current_schema() || '.', '')
	FROM pg_indexes WHERE schemaname = current_schema()
) AS s WHERE tab NOT LIKE 'goose_%' ORDER BY tab COLLATE "C", part, n, name COLLATE "C"`

func TestMigrateTwiceDoesNothing(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		d := dbtest.OpenURL(t, db.Options{URL: url})
		before := dump(t, d)
		again := dbtest.OpenURL(t, db.Options{URL: url})
		if diff := cmp.Diff(before, dump(t, again)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSeveralProcessesMigrateAtOnce(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var wg sync.WaitGroup
		for range 4 {
			d, err := db.Open(t.Context(), db.Options{URL: url, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			wg.Go(func() {
				if err := d.Migrate(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		d := dbtest.OpenURL(t, db.Options{URL: url})
		if n := count(t, d); n != 0 {
			t.Errorf("got %d rows in a new database", n)
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		d := dbtest.OpenURL(t, db.Options{URL: url})
		exec(t, d, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, `+yes(d)+`)`)
		_, err := db.Open(t.Context(), db.Options{URL: url})
		if noren.CodeOf(err) != noren.Conflict || noren.HintOf(err) == "" || !strings.Contains(err.Error(), "9999") {
			t.Errorf("got %v (hint %q), want a conflict that names the version, with a hint", err, noren.HintOf(err))
		}
		if err := d.Migrate(t.Context()); noren.CodeOf(err) != noren.Conflict {
			t.Errorf("migrate: got %v, want a conflict", err)
		}
	})
}

// yes is true as goose's own table has it.
func yes(d *db.DB) string {
	if d.Engine() == db.SQLite {
		return "1"
	}
	return "true"
}

func exec(t *testing.T, d *db.DB, statements ...string) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// older opens the database as a noren left it that knew fewer migrations.
func older(t *testing.T, url string, version int64) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Options{URL: url, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.MigrateTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFileIsCopiedBeforeMigrating(t *testing.T) {
	url := dbtest.URL(t, db.SQLite)
	file := strings.TrimPrefix(url, "sqlite:")
	d := older(t, url, 2)
	if found := copies(t, file); len(found) != 0 {
		t.Fatalf("an empty database was copied: %q", found)
	}
	for i := range 4 {
		exec(t, d, fmt.Sprintf(`INSERT INTO vault_state (name, value) VALUES ('%d', '')`, i))
		if err := d.MigrateTo(t.Context(), int64(3+i)); err != nil {
			t.Fatal(err)
		}
	}
	found := copies(t, file)
	if len(found) != 2 {
		t.Fatalf("got copies %q, want the newest two", found)
	}
	info, err := os.Stat(found[1])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v; want a copy for its owner only", info.Mode(), err)
	}
	if n := count(t, older(t, "sqlite:"+found[1], 5)); n != 4 {
		t.Errorf("the newest copy has %d rows, want 4", n)
	}
}

func copies(t *testing.T, file string) []string {
	t.Helper()
	found, err := filepath.Glob(file + ".before-*")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFailedStepLeavesTheRestAlone(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		d := older(t, url, 6)
		exec(t, d, `INSERT INTO vault_state (name, value) VALUES ('kept', '')`, `CREATE TABLE nodes (in_the_way TEXT)`)
		if err := d.Migrate(t.Context()); err == nil || noren.HintOf(err) == "" {
			t.Errorf("got %v, want an error with a hint", err)
		}
		exec(t, d, `DROP TABLE nodes`)
		if err := d.Migrate(t.Context()); err != nil {
			t.Errorf("once the cause is gone: %v", err)
		}
		if n := count(t, d); n != 1 {
			t.Errorf("got %d rows, want the 1 from before", n)
		}
	})
}
