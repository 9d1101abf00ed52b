package db

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"

	"noren"
)

// readers is how many connections read at once; SQLite in WAL mode reads while
// one writes.
const readers = 8

func openSQLite(ctx context.Context, file string, o Options) (*DB, error) {
	if err := prepareFile(file, o.Create); err != nil {
		return nil, err
	}
	w, err := sqlite.NewConnector(dsn(file, false))
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "open %s: %w", file, err)
	}
	r, err := sqlite.NewConnector(dsn(file, true))
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "open %s: %w", file, err)
	}
	d := &DB{engine: SQLite, file: file, log: o.Log, write: sql.OpenDB(withFaults(w, o.Faults)), read: sql.OpenDB(r)}
	d.write.SetMaxOpenConns(1)
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	if err := d.pingSQLite(ctx); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *DB) pingSQLite(ctx context.Context) error {
	for _, pool := range []*sql.DB{d.write, d.read} {
		var n int
		if err := pool.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&n); err != nil {
			return sqliteOpenError(d.file, err)
		}
	}
	id, err := idOf(d.file)
	d.inode = id
	return err
}

// prepareFile makes the file with owner-only rights, or says that it is missing.
func prepareFile(file string, create bool) error {
	_, err := os.Stat(file)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return noren.Errorf(noren.Unavailable, "open database: %w", err)
	}
	if !create {
		return noren.WithHint(noren.Errorf(noren.NotFound, "database %s does not exist", file),
			"check the path; `noren serve` makes a new one")
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return noren.Errorf(noren.Unavailable, "make the database's directory: %w", err)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "make database: %w", err)
	}
	return f.Close()
}

// dsn sets what must hold for every pooled connection; a PRAGMA sent once would
// hold for one of them only. secure_delete overwrites what is deleted, so that
// an erased row is not left in a free page.
func dsn(file string, readOnly bool) string {
	q := url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"secure_delete(ON)", "cache_size(-16384)", "temp_store(MEMORY)",
	}}
	if readOnly {
		q.Add("_pragma", "query_only(ON)")
	} else {
		q.Set("_txlock", "immediate")
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: q.Encode()}
	return u.String()
}

func sqliteOpenError(file string, err error) error {
	return noren.WithHint(noren.Errorf(noren.Unavailable, "open database %s: %w", file, err),
		"is it a Noren database, readable and writable by this user, on a disk with room?")
}

type fileID struct{ dev, ino uint64 }

func idOf(file string) (fileID, error) {
	info, err := os.Stat(file)
	if err != nil {
		return fileID{}, noren.Errorf(noren.Unavailable, "database file is gone: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, nil
	}
	return fileID{uint64(st.Dev), st.Ino}, nil
}

func (d *DB) checkFile() error {
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
