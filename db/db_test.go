package db_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/lab/peer"
)

func TestWriteCommitsAndRollsBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write := func(key string, fail error) error {
			return d.Write(t.Context(), func(tx *db.Tx) error {
				put(t, tx, key)
				return fail
			})
		}
		if err := write("kept", nil); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		if err := write("dropped", broken); err != broken {
			t.Errorf("got %v, want the function's own error", err)
		}
		func() {
			defer func() { recover() }()
			d.Write(t.Context(), func(tx *db.Tx) error { put(t, tx, "panicked"); panic("bug") })
		}()
		if err := write("kept after a panic", nil); err != nil {
			t.Fatal(err)
		}
		if n := count(t, d); n != 2 {
			t.Errorf("got %d rows, want the 2 that were committed", n)
		}
	})
}

func put(t *testing.T, tx *db.Tx, key string) {
	t.Helper()
	if _, err := tx.Exec(`INSERT INTO vault_state (name, value) VALUES ($1, '')`, key); err != nil {
		t.Error(err)
	}
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	if err := d.Read().QueryRow(`SELECT count(*) FROM vault_state`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReadRefusesToWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.Read().Exec(`INSERT INTO vault_state (name, value) VALUES ('a', 'b')`); !db.IsUnavailable(err) {
			t.Errorf("got %v, want it refused as read-only", err)
		}
	})
}

// TestEveryConnectionHasItsSettings takes all connections of the pool at once:
// a PRAGMA sent over the pool would reach one of them.
func TestEveryConnectionHasItsSettings(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	for range 8 {
		conn, err := d.Read().Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "secure_delete": "1", "busy_timeout": "5000", "query_only": "1",
		} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s: got %q, %v; want %q", pragma, got, err, want)
			}
		}
	}
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO settings_current (one, id) VALUES (1, 'no such version')`)
		return err
	})
	if err == nil || db.IsUnique(err) || db.IsUnavailable(err) {
		t.Errorf("a broken foreign key: got %v, want it refused as neither unique nor away", err)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	pg := dbtest.URL(t, db.Postgres)
	base, _, _ := strings.Cut(pg, "?")
	for name, tt := range map[string]struct {
		o    db.Options
		code noren.Code
		says string
	}{
		"missing file":         {db.Options{URL: "sqlite:" + filepath.Join(dir, "no.db")}, noren.NotFound, "does not exist"},
		"no path":              {db.Options{URL: "sqlite:"}, noren.Invalid, "no path"},
		"a directory":          {db.Options{URL: "sqlite:" + dir}, noren.Unavailable, "not a file"},
		"not a database":       {db.Options{URL: "sqlite:" + garbage}, noren.Unavailable, "not a database"},
		"directory in the way": {db.Options{URL: "sqlite:" + garbage + "/x.db", Create: true}, noren.Unavailable, "not a directory"},
		"other kind":           {db.Options{URL: "mysql://localhost/x"}, noren.Invalid, "no known kind"},
		"unreadable address":   {db.Options{URL: "postgres://u:s3cret@:port"}, noren.Invalid, "cannot be read"},
		"no such server":       {db.Options{URL: "postgres://u:s3cret@127.0.0.1:1/x"}, noren.Unavailable, "connect to PostgreSQL"},
		"no such database":     {db.Options{URL: strings.Replace(pg, base[strings.LastIndex(base, "/")+1:], "nowhere", 1)}, noren.Unavailable, "nowhere"},
		"no synchronous commit": {db.Options{URL: pg + "&options=-c%20synchronous_commit%3Doff"}, noren.Invalid,
			"synchronous_commit = off"},
		"read-only": {db.Options{URL: pg + "&options=-c%20default_transaction_read_only%3Don"}, noren.Unavailable, "only reads"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := db.Open(t.Context(), tt.o)
			if err == nil {
				d.Close()
				t.Fatal("it opened")
			}
			if noren.CodeOf(err) != tt.code || noren.HintOf(err) == "" || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %s %q (hint %q), want code %s, a hint and %q", noren.CodeOf(err), err, noren.HintOf(err), tt.code, tt.says)
			}
			if strings.Contains(err.Error()+noren.HintOf(err), "s3cret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "no.db")); err == nil {
		t.Error("a mistyped path became a file")
	}
}

func TestUnsafePostgresCanBeAllowed(t *testing.T) {
	d, err := db.Open(t.Context(), db.Options{
		URL: dbtest.URL(t, db.Postgres) + "&options=-c%20synchronous_commit%3Doff", AllowUnsafe: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "with a ? and % and ご.db")
	d := dbtest.OpenURL(t, db.Options{URL: "sqlite:" + file})
	for path, want := range map[string]os.FileMode{filepath.Dir(file): 0o700, file: 0o600, file + "-wal": 0o600, file + "-shm": 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: got %o, want %o", path, got, want)
		}
	}
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestVanishedFileIsNoticed: SQLite goes on with a file that lost its name, and
// all it acknowledges is gone with the process.
func TestVanishedFileIsNoticed(t *testing.T) {
	for name, vanish := range map[string]func(file string) error{
		"deleted": os.Remove,
		"replaced": func(file string) error {
			return errors.Join(os.Rename(file, file+".old"), os.WriteFile(file, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			url := dbtest.URL(t, db.SQLite)
			d := dbtest.OpenURL(t, db.Options{URL: url})
			if err := vanish(strings.TrimPrefix(url, "sqlite:")); err != nil {
				t.Fatal(err)
			}
			err := d.Check(t.Context())
			werr := d.Write(t.Context(), func(tx *db.Tx) error { put(t, tx, "lost"); return nil })
			if !db.IsUnavailable(err) || !db.IsUnavailable(werr) || noren.HintOf(err) == "" {
				t.Errorf("check: %v, write: %v; want both to say that the file is away", err, werr)
			}
		})
	}
}

func TestLockedDatabaseKeepsTheDeadline(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		holder, d := dbtest.OpenURL(t, db.Options{URL: url}), dbtest.OpenURL(t, db.Options{URL: url})
		held, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			holder.Write(context.Background(), func(tx *db.Tx) error {
				put(t, tx, "same")
				close(held)
				<-release
				return nil
			})
		})
		<-held
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO vault_state (name, value) VALUES ('same', '')`)
			return err
		})
		if waited := time.Since(began); !db.IsUnavailable(err) || waited > 2*time.Second {
			t.Errorf("got %v after %s, want it away at the deadline of 100ms", err, waited)
		}
		close(release)
		wg.Wait()
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO vault_state (name, value) VALUES ('same', '')`)
			return err
		})
		if !db.IsUnique(err) || db.IsUnavailable(err) {
			t.Errorf("after the lock: got %v, want a unique violation", err)
		}
	})
}

func TestCancelledCallerIsNotAnOutage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Write(ctx, func(tx *db.Tx) error {
			cancel()
			_, err := tx.ExecContext(ctx, `INSERT INTO vault_state (name, value) VALUES ('a', '')`)
			return err
		})
		if err == nil || db.IsUnavailable(err) {
			t.Errorf("got %v, want an error that does not blame the database", err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { put(t, tx, "b"); return nil }); err != nil {
			t.Errorf("the next transaction: %v", err)
		}
	})
}

func TestFullDiskIsAway(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`PRAGMA max_page_count = 1`); err != nil {
			t.Error(err)
		}
		_, err := tx.Exec(`INSERT INTO vault_state (name, value) VALUES ('big', $1)`, strings.Repeat("x", 1<<20))
		return err
	})
	if !db.IsUnavailable(err) {
		t.Errorf("got %v, want it to count as away", err)
	}
}

func TestPostgresThatStoppedIsAway(t *testing.T) {
	server, err := peer.StartPostgres(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	d := dbtest.OpenURL(t, db.Options{URL: server.URL()})
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		server.Stop()
		_, err := tx.Exec(`INSERT INTO vault_state (name, value) VALUES ('a', '')`)
		return err
	})
	again := d.Write(t.Context(), func(*db.Tx) error { return nil })
	if check := d.Check(t.Context()); !db.IsUnavailable(err) || !db.IsUnavailable(again) || !db.IsUnavailable(check) {
		t.Errorf("in the transaction: %v; the next: %v; check: %v; want all away", err, again, check)
	}
}
