package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"noren"
)

const (
	// readers is how many connections read at once; SQLite in WAL mode reads
	// while one writes.
	readers = 8
	// lockWait is how long a transaction waits for another process's.
	lockWait = 5 * time.Second
)

func openSQLite(ctx context.Context, file string, o Options) (*DB, error) {
	file, err := prepareFile(file, o)
	if err != nil {
		return nil, err
	}
	d := &DB{engine: SQLite, file: file, log: o.Log}
	if err := d.connectSQLite(o); err != nil {
		return nil, err
	}
	if err := d.pingSQLite(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *DB) connectSQLite(o Options) error {
	writer, err := sqliteConnector(d.file, sqliteWriter)
	if err != nil {
		return err
	}
	reader, err := sqliteConnector(d.file, sqliteReader)
	if err != nil {
		return err
	}
	keeper, err := sqliteConnector(d.file, sqliteKeeper)
	if err != nil {
		return err
	}
	if d.admin, err = sqliteConnector(d.file, sqliteAdmin); err != nil {
		return err
	}
	d.write = sql.OpenDB(withFaults(writer, o.Faults))
	d.write.SetMaxOpenConns(1)
	d.read = sql.OpenDB(reader)
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	ctx, stop := context.WithCancel(context.Background())
	d.stop = stop
	d.background.Go(func() {
		pool := sql.OpenDB(keeper)
		defer pool.Close()
		pool.SetMaxOpenConns(1)
		d.keepWAL(ctx, pool)
	})
	return nil
}

func (d *DB) pingSQLite(ctx context.Context) error {
	var mode string
	if err := d.write.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return sqliteOpenError(d.file, err)
	}
	if mode != "wal" {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "open database %s: the disk cannot keep a write-ahead log", d.file),
			"put the database on a local disk; a network file system will not do")
	}
	var n int
	if err := d.read.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&n); err != nil {
		return sqliteOpenError(d.file, err)
	}
	id, err := idOf(d.file)
	d.inode = id
	return err
}

// prepareFile makes the file with owner-only rights, or says that it is
// missing. The absolute path it returns outlives a change of directory.
func prepareFile(file string, o Options) (string, error) {
	abs, err := filepath.Abs(file)
	if file == "" || err != nil {
		return "", noren.WithHint(noren.Errorf(noren.Invalid, "database address sqlite:%s has no path", file), "write sqlite:/var/lib/noren/noren.db")
	}
	info, err := os.Stat(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return abs, createFile(abs, o.Create)
	}
	if err != nil {
		return "", sqliteOpenError(abs, err)
	}
	if !info.Mode().IsRegular() {
		return "", sqliteOpenError(abs, errors.New("not a file"))
	}
	if info.Mode().Perm()&0o077 != 0 {
		o.Log.Warn("others on this machine may read the database", "file", abs, "mode", info.Mode().String(), "hint", "chmod 600 "+abs)
	}
	return abs, nil
}

func createFile(file string, create bool) error {
	if !create {
		return noren.WithHint(noren.Errorf(noren.NotFound, "database %s does not exist", file),
			"check the path; `noren serve` makes a new one")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return sqliteOpenError(file, err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return sqliteOpenError(file, err)
	}
	if err := errors.Join(f.Close(), syncDir(filepath.Dir(file))); err != nil {
		return sqliteOpenError(file, err)
	}
	return nil
}

// syncDir makes the name of a new file outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func sqliteOpenError(file string, err error) error {
	hint := "is it readable and writable by this user, its directory too, on a disk with room?"
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == lib.SQLITE_NOTADB {
		hint = "the file is no SQLite database: check the path, or restore the file from a backup"
	}
	return noren.WithHint(noren.Errorf(noren.Unavailable, "open database %s: %w", file, err), hint)
}

// sqliteRole is what a connection is for.
type sqliteRole int

const (
	sqliteWriter sqliteRole = iota
	sqliteReader
	sqliteAdmin
	sqliteKeeper
)

// dsn sets what must hold for every pooled connection; a PRAGMA sent once would
// hold for one of them only. secure_delete overwrites what is deleted, so that
// an erased row is not left in a free page.
func dsn(file string, role sqliteRole) string {
	q := url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"secure_delete(ON)", "temp_store(MEMORY)", fmt.Sprintf("wal_autocheckpoint(%d)", walMost), "journal_size_limit(67108864)",
	}}
	// A file that vanished must not be made anew, and empty, by the next
	// connection of a pool.
	q.Set("mode", "rw")
	if role == sqliteReader {
		q["_pragma"] = append(q["_pragma"], "query_only(ON)", "cache_size(-4096)")
	} else {
		q["_pragma"] = append(q["_pragma"], "cache_size(-16384)")
		q.Set("_txlock", "immediate")
	}
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
}

// beginImmediate waits for the write lock in steps of its own. SQLite's busy
// timeout would not notice that ctx ended, and sleeps up to 100 ms at a time:
// beside a process that writes without pause it hardly ever finds the gap.
func (d *DB) beginImmediate(ctx context.Context) (*sql.Tx, error) {
	for began := time.Now(); ; {
		tx, err := d.write.BeginTx(ctx, nil)
		if err == nil {
			return tx, nil
		}
		if ctx.Err() != nil {
			return nil, during("begin a transaction", ctx.Err())
		}
		if !isBusy(err) {
			return nil, during("begin a transaction", err)
		}
		if time.Since(began) > lockWait {
			return nil, noren.WithHint(noren.Errorf(noren.Unavailable, "begin a transaction: another process holds %s: %w", d.file, err),
				"find it with: fuser "+d.file)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond/2 + rand.N(2*time.Millisecond)):
		}
	}
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == lib.SQLITE_BUSY
}

// fileID tells one file from another that took its name.
type fileID struct{ dev, ino uint64 }

func idOf(file string) (fileID, error) {
	info, err := os.Stat(file)
	if err != nil {
		return fileID{}, noren.WithHint(noren.Errorf(noren.Unavailable, "database file is gone: %w", err),
			"restart noren when the disk is back; what was written since is in a file without a name, lost when the process ends")
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, nil
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

// checkFile notices a SQLite file that was deleted or replaced.
func (d *DB) checkFile() error {
	if d.engine != SQLite {
		return nil
	}
	id, err := idOf(d.file)
	if err != nil {
		return err
	}
	if id != d.inode {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "database file %s was replaced while it was open", d.file),
			"restart noren; entries written since then are in the old file, which is gone when the process ends")
	}
	return nil
}
