// Package dbtest gives tests both engines: SQLite in a temporary file and a
// PostgreSQL of their own on a free loopback port.
package dbtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"noren/db"
	"noren/lab/peer"
)

// Engines lists both.
var engines = [...]db.Engine{db.SQLite, db.Postgres}

// Each runs f once per engine, as subtests, on a fresh migrated database.
func Each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	for _, e := range engines {
		t.Run(string(e), func(t *testing.T) { f(t, Open(t, e)) })
	}
}

// EachURL runs f once per engine with the address of a fresh empty database.
func EachURL(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	for _, e := range engines {
		t.Run(string(e), func(t *testing.T) { f(t, URL(t, e)) })
	}
}

// Open opens and migrates a fresh database, closed with the test.
func Open(t testing.TB, e db.Engine) *db.DB {
	t.Helper()
	return OpenURL(t, db.Options{URL: URL(t, e)})
}

// OpenURL opens and migrates the database of o, closed with the test. Opening
// the same URL twice gives two handles on one database, as two processes have.
func OpenURL(t testing.TB, o db.Options) *db.DB {
	t.Helper()
	o.Create = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := db.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	if err := d.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	return d
}

// URL is the address of a fresh, empty database, which goes with the test. On
// PostgreSQL it is a schema: making and dropping a database costs a checkpoint.
func URL(t testing.TB, e db.Engine) string {
	t.Helper()
	if e == db.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "noren.db")
	}
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	name := "t" + randomHex()
	if err := s.Exec("CREATE SCHEMA " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec("DROP SCHEMA " + name + " CASCADE"); err != nil {
			t.Log(err)
		}
	})
	return s.URL() + "&search_path=" + name
}

func randomHex() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// server is the PostgreSQL of this test process, started on first use. It ends
// with the process, however that ends.
var server = sync.OnceValues(func() (*peer.Postgres, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return peer.StartPostgres(ctx, "")
})
