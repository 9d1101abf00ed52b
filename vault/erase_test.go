package vault_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

func TestEraseDestroysOneSubjectOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		inMarch, inApril := n.store(hanako, march, "march"), n.store(hanako, april, "april")
		unstored, _ := n.seal(hanako, march.AddDate(0, 2, 0), "not stored yet")
		other := n.store(taro, march, "taro")
		mall, rows, err := n.Seal("mall", hanako, march, []byte("mall"), []byte("aad"))
		if err != nil {
			t.Fatal(err)
		}
		n.insert(rows)

		e := n.erase(hanako)
		if e.Keys != 2 || e.Site != "shop" || !bytes.Equal(e.Subject, n.Token("shop", "account", hanako.ID)) {
			t.Errorf("got %+v, want two keys of the subject destroyed", e)
		}
		check := func() {
			t.Helper()
			n.wantCode(inMarch, noren.Erased)
			n.wantCode(inApril, noren.Erased)
			n.wantCode(unstored, noren.Erased)
			n.wantPlain(other, "taro")
			n.wantPlain(mall, "mall")
		}
		check()
		after := n.store(hanako, march, "came back")
		if after.Key == inMarch.Key {
			t.Error("the destroyed key seals again")
		}
		n.wantPlain(after, "came back")
		n.reopen()
		check()
		n.wantPlain(after, "came back")
		if got := n.erase(hanako); got.Keys != 1 || got.Number <= e.Number {
			t.Errorf("second erasure: got %d keys and number %d after %d", got.Keys, got.Number, e.Number)
		}
		n.wantCode(after, noren.Erased)
	})
}

func TestEraseStoresNoPlainID(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		n.store(hanako, march, "x")
		n.erase(hanako)
		file, err := os.ReadFile(n.file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(file), hanako.ID) {
			t.Error("the erasures file names the subject")
		}
		if got := n.count(`SELECT COUNT(*) FROM vault_erasures`); got != 1 {
			t.Errorf("got %d erasures on record, want 1", got)
		}
	})
}

// A key that was on its way when its subject was erased must open nothing,
// however late it arrives and however wrong clocks are.
func TestKeysThatArriveAfterTheErasureAreDead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		b.clock.forward(24 * time.Hour) // a wrong clock
		inSpool, rows := b.seal(hanako, march, "in the spool of another node")
		inFlight, rowsA := a.seal(hanako, march, "in a transaction under way")
		a.erase(hanako)
		a.insert(rowsA)
		b.insert(rows)
		b.clock.forward(5 * time.Second)
		for _, n := range []*node{a, b} {
			n.wantCode(inSpool, noren.Erased)
			n.wantCode(inFlight, noren.Erased)
		}
		fresh := b.store(hanako, march, "new")
		a.wantPlain(fresh, "new")
		if got := a.count(`SELECT COUNT(*) FROM vault_subject_keys`); got != 3 {
			t.Fatalf("got %d keys stored, want the two dead ones and the new one", got)
		}
		if _, err := a.Retain(t.Context(), march, 0); err != nil {
			t.Fatal(err)
		}
		if got := a.count(`SELECT COUNT(*) FROM vault_subject_keys`); got != 1 {
			t.Errorf("got %d keys stored after Retain, want the new one", got)
		}
		a.wantPlain(fresh, "new")
	})
}

func TestOtherNodesStopUsingErasedKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		ofA, ofB := a.store(hanako, march, "a"), b.store(hanako, march, "b")
		other := b.store(taro, march, "taro")
		b.wantPlain(ofA, "a") // now in b's cache of keys that open
		a.erase(hanako)

		b.clock.forward(10 * time.Second) // idle: the next call waits for the answer
		b.wantCode(ofA, noren.Erased)
		b.wantCode(ofB, noren.Erased)
		next, rows := b.seal(hanako, march, "next")
		if next.Key == ofB.Key || len(rows) != 1 {
			t.Error("b still seals with the destroyed key")
		}
		b.insert(rows)
		a.wantPlain(next, "next")
		kept, rows := b.seal(taro, march, "taro again")
		if kept.Key != other.Key || rows != nil {
			t.Error("another subject's key was dropped with the erased one's")
		}
	})
}

func TestBusyNodesStopUsingErasedKeysWithinASecondOrSo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		old := b.store(hanako, march, "b")
		a.erase(hanako)
		b.clock.forward(1100 * time.Millisecond) // the next call asks, without waiting
		deadline := time.Now().Add(10 * time.Second)
		for {
			sealed, _ := b.seal(hanako, march, "x")
			if sealed.Key != old.Key {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("b goes on with the destroyed key")
			}
		}
	})
}

// Whoever keeps something in memory is told of every erasure that ended, here or
// on another node, also while nobody uses that node.
func TestPartsAreToldOfErasures(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		var fail error
		a.OnErase(func(context.Context, *db.Tx, string, noren.Subject) error { return fail })
		var atA []bool
		a.OnErased(func(done bool) { atA = append(atA, done) })
		told := make(chan bool, 10)
		b.OnErased(func(done bool) { told <- done })
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		defer running.Wait()
		defer stop()

		fail = errors.New("a part cannot delete")
		if _, err := a.Erase(t.Context(), "shop", hanako, ""); !errors.Is(err, fail) {
			t.Fatal(err)
		}
		fail = nil
		a.erase(hanako)
		if !slices.Equal(atA, []bool{false, true}) {
			t.Errorf("the node that erased was told %v, want of one that failed and one that was done", atA)
		}
		b.clock.forward(10 * time.Second)
		select {
		case done := <-told:
			if !done || len(told) > 0 {
				t.Errorf("the other node was told %v and %d more, want of the one that was done", done, len(told))
			}
		case <-time.After(time.Minute):
			t.Error("the other node was not told")
		}
	})
}

func TestEraseRefuses(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	n := open(t, d, vault.NewRootKey())
	tests := []struct {
		name, site string
		s          noren.Subject
		reason     string
	}{
		{"the site itself", "shop", noren.Subject{}, ""},
		{"no id", "shop", noren.Subject{Kind: "account"}, ""},
		{"a bad site", "Shop!", hanako, ""},
		{"an endless reason", "shop", hanako, strings.Repeat("x", vault.MaxReason+1)},
		{"a reason that is not text", "shop", hanako, "\xff"},
		{"a reason that PostgreSQL cannot hold", "shop", hanako, "a\x00b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := n.Erase(t.Context(), tt.site, tt.s, tt.reason); noren.CodeOf(err) != noren.Invalid {
				t.Errorf("got %v, want invalid", err)
			}
			if _, err := os.Stat(n.file); err == nil {
				t.Error("it is in the erasures file")
			}
		})
	}
	o := n.options()
	o.ErasuresFile = ""
	v, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Erase(t.Context(), "shop", hanako, ""); noren.CodeOf(err) != noren.Invalid || noren.HintOf(err) == "" {
		t.Errorf("without an erasures file: got %v, want an error with a hint", err)
	}
}

func TestErasersRunInTheSameTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		sealed := n.store(hanako, march, "x")
		var fail error
		var got []noren.Subject
		n.OnErase(func(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
			got = append(got, s)
			_, err := tx.ExecContext(ctx, `INSERT INTO nodes (id, seen_at, ahead) VALUES ($1, 0, 0)`, site)
			return errors.Join(err, fail)
		})
		var tokens [][]byte
		n.OnEraseToken(func(_ context.Context, _ *db.Tx, _ string, token []byte) error {
			tokens = append(tokens, token)
			return nil
		})

		fail = errors.New("a part cannot delete")
		if _, err := n.Erase(t.Context(), "shop", hanako, ""); !errors.Is(err, fail) || noren.HintOf(err) == "" {
			t.Errorf("got %v, want the part's error and a hint", err)
		}
		if n.count(`SELECT COUNT(*) FROM nodes`) != 0 || n.count(`SELECT COUNT(*) FROM vault_erasures`) != 0 {
			t.Error("a failed erasure left rows")
		}
		n.wantPlain(sealed, "x")

		fail = nil
		n.erase(hanako)
		if n.count(`SELECT COUNT(*) FROM nodes`) != 1 || len(got) != 2 || got[1] != hanako || len(tokens) != 1 {
			t.Errorf("erasers ran for %v and %d tokens", got, len(tokens))
		}
		n.wantCode(sealed, noren.Erased)
	})
}

// The answer to the commit is lost: Erase reports an error, and no key of before
// may be used from memory.
func TestEraseWhoseAnswerIsLost(t *testing.T) {
	lost := false
	d, err := db.Open(t.Context(), db.Options{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "noren.db"), Create: true,
		Faults: func(p db.FaultPoint) db.Fault { return db.Fault{FailPersisted: lost && p.Op == "commit"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := open(t, d, vault.NewRootKey())
	sealed := n.store(hanako, march, "x")
	lost = true
	if _, err := n.Erase(t.Context(), "shop", hanako, ""); noren.CodeOf(err) != noren.Unavailable || noren.HintOf(err) == "" {
		t.Errorf("got %v, want unavailable with a hint", err)
	}
	lost = false
	n.wantCode(sealed, noren.Erased)
	n.clock.forward(10 * time.Second)
	n.wantPlain(n.store(hanako, march, "new"), "new")
	if again, err := n.Reapply(t.Context()); err != nil || again != 0 {
		t.Errorf("Reapply: got %d and %v, want nothing to do", again, err)
	}
}

// Nothing of a subject's key may be left in SQLite's files: whoever finds the
// root key later must find nothing to open with it.
func TestErasedKeysLeaveSQLitesFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "noren.db")
	d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + file, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := open(t, d, vault.NewRootKey())
	const marker = "MARKER-東京都千代田区-0123456789"
	err = d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`CREATE TABLE sealed (key TEXT, data BYTEA)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var wrapped [][]byte
	for i := range 300 {
		s := noren.Subject{Kind: "account", ID: "user" + string(rune('a'+i%26)) + string(rune('a'+i/26))}
		if i%3 == 0 {
			s = hanako
		}
		sealed, rows := n.seal(s, march.AddDate(0, i%12, 0), marker)
		if s == hanako && i < 36 {
			wrapped = append(wrapped, rows[0].Values[4].([]byte))
		}
		n.insert(append(rows, db.Row{Table: sealedTable, Values: []any{sealed.Key, sealed.Data}}))
	}
	for _, w := range wrapped {
		if !inFiles(t, file, w) {
			t.Fatal("the test looks in the wrong place: a live key is not in the files")
		}
	}
	n.erase(hanako)
	for i, w := range wrapped {
		if inFiles(t, file, w) || inFiles(t, file, w[len(w)-30:]) {
			t.Errorf("key %d is still in the database's files", i)
		}
	}
	for _, s := range []string{marker, hanako.ID, "userab"} {
		if inFiles(t, file, []byte(s)) {
			t.Errorf("%q is in the database's files in the clear", s)
		}
	}
}

// A long export reads while somebody is erased: the erasure neither waits for it
// nor holds up writers for long, and the log is emptied later.
func TestEraseWhileSomebodyReads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "noren.db")
	d := dbtest.OpenURL(t, db.Options{URL: "sqlite:" + file})
	n := open(t, d, vault.NewRootKey())
	_, rows := n.seal(hanako, march, "x")
	n.insert(rows)
	wrapped := rows[0].Values[4].([]byte)
	reader, err := d.Read().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Rollback()
	var count int
	if err := reader.QueryRow(`SELECT COUNT(*) FROM vault_subject_keys`).Scan(&count); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	n.erase(hanako)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the erasure took %s", took)
	}
	if !inFiles(t, file, wrapped) {
		t.Fatal("the reader did not keep the old page; the test shows nothing")
	}
	if err := reader.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Retain(t.Context(), march, 0); err != nil {
		t.Fatal(err)
	}
	if inFiles(t, file, wrapped) {
		t.Error("the destroyed key is still in the files")
	}
}

// sealedTable stands for any part's table with sealed data.
var sealedTable = &db.Table{Name: "sealed", Columns: []string{"key", "data"}}

func inFiles(t *testing.T, file string, what []byte) bool {
	t.Helper()
	names, err := filepath.Glob(file + "*")
	if err != nil || len(names) < 2 {
		t.Fatalf("got files %v and %v, want the database and its log", names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, what) {
			return true
		}
	}
	return false
}
