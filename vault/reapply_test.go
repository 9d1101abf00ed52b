package vault_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

// backup is every row of the vault, as pg_dump or a copied file would hold it.
type backup struct {
	tables []*db.Table
	rows   []db.Row
}

func takeBackup(t *testing.T, d *db.DB) *backup {
	t.Helper()
	b := &backup{tables: []*db.Table{
		{Name: "vault_keys", Columns: []string{"id", "purpose", "state", "wrapped", "created_at"}},
		{Name: "vault_subject_keys", Columns: []string{"id", "site", "subject", "month", "wrapped", "created_at"}},
		{Name: "vault_erasures", Columns: []string{"id", "site", "subject", "at", "reason", "keys"}},
		{Name: "vault_state", Columns: []string{"name", "value"}},
	}}
	for _, table := range b.tables {
		rows, err := d.Read().Query(`SELECT * FROM ` + table.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			values := make([]any, len(table.Columns))
			into := make([]any, len(values))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			b.rows = append(b.rows, db.Row{Table: table, Values: values})
		}
	}
	return b
}

func (b *backup) restore(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, table := range b.tables {
			if _, err := tx.Exec(`DELETE FROM ` + table.Name); err != nil {
				return err
			}
		}
		return tx.Insert(t.Context(), b.rows)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (n *node) wantReapplied(want int) {
	n.t.Helper()
	got, err := n.Reapply(n.t.Context())
	if err != nil || got != want {
		n.t.Errorf("Reapply: got %d and %v, want %d", got, err, want)
	}
}

func TestARestoredBackupIsErasedAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		n.store(taro, april, "taro")
		before := n.erase(taro) // in the backup already
		sealed := n.store(hanako, march, "hanako")
		kept := n.store(taro, march, "taro")
		b := takeBackup(t, d)
		n.erase(hanako)
		n.erase(noren.Subject{Kind: "device", ID: "d1"})

		b.restore(t, d)
		n.reopen()
		n.wantPlain(sealed, "hanako") // as a restored backup is
		var tokens [][]byte
		n.OnEraseToken(func(_ context.Context, _ *db.Tx, site string, token []byte) error {
			tokens = append(tokens, token)
			return nil
		})
		n.wantReapplied(2)
		if len(tokens) != 2 || !bytes.Equal(tokens[0], n.Token("shop", "account", hanako.ID)) {
			t.Errorf("the parts were told of %d erasures", len(tokens))
		}
		n.wantCode(sealed, noren.Erased)
		n.wantPlain(kept, "taro")
		if got := n.count(`SELECT COUNT(*) FROM vault_erasures`); got != 3 {
			t.Errorf("got %d erasures on record, want %s and the two of before", got, before.ID)
		}
		n.wantReapplied(0)
		n.reopen()
		n.wantReapplied(0)
		n.wantCode(sealed, noren.Erased)
		n.wantPlain(n.store(hanako, march, "back"), "back")
	})
}

// Somebody put a backup in place under a running node.
func TestABackupRestoredUnderARunningNode(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		b := takeBackup(t, d)
		n.erase(hanako)
		n.erase(taro)
		late, rows := n.seal(hanako, march, "sealed before the restore")
		b.restore(t, d)
		n.clock.forward(10 * time.Second)
		n.wantPlain(n.store(taro, march, "after"), "after")
		n.erase(hanako)
		n.insert(rows)
		n.wantCode(late, noren.Erased)
		n.wantPlain(n.store(hanako, march, "new"), "new")
	})
}

// The same over a real copy of a real file.
func TestARestoredSQLiteFileIsErasedAgain(t *testing.T) {
	dir := t.TempDir()
	openFile := func(name string) *db.DB {
		t.Helper()
		return dbtest.OpenURL(t, db.Options{URL: "sqlite:" + filepath.Join(dir, name)})
	}
	d := openFile("noren.db")
	n := open(t, d, vault.NewRootKey())
	sealed := n.store(hanako, march, "x")
	for _, suffix := range []string{"", "-wal"} { // nobody writes: the copy is consistent
		data, err := os.ReadFile(filepath.Join(dir, "noren.db"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "backup.db"+suffix), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.erase(hanako)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	n.d = openFile("backup.db")
	n.reopen()
	n.wantPlain(sealed, "x")
	n.wantReapplied(1)
	n.wantCode(sealed, noren.Erased)
}

// The process ended between the erasures file and the database.
func TestAnErasureThatWasBrokenOffIsEnded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		sealed := n.store(hanako, march, "x")
		n.OnErase(func(context.Context, *db.Tx, string, noren.Subject) error { return context.Canceled })
		if _, err := n.Erase(t.Context(), "shop", hanako, ""); err == nil {
			t.Fatal("Erase reports success")
		}
		n.wantPlain(sealed, "x")
		n.reopen()
		n.wantReapplied(1)
		n.wantCode(sealed, noren.Erased)
	})
}

func TestEveryNodesFileIsCompleteAfterItsStart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		sealed := a.store(hanako, march, "x")
		bk := takeBackup(t, d)
		a.erase(hanako)
		a.erase(taro)
		b.wantReapplied(0)
		b.wantReapplied(0)
		lines, err := os.ReadFile(b.file)
		if err != nil || bytes.Count(lines, []byte("\n")) != 2 {
			t.Fatalf("got file %q and %v, want the two erasures of the other node", lines, err)
		}
		bk.restore(t, d) // and a's machine is lost
		b.reopen()
		b.wantReapplied(2)
		b.wantCode(sealed, noren.Erased)
	})
}

func TestErasuresOfAnotherDatabaseAreLeftAlone(t *testing.T) {
	n := open(t, dbtest.Open(t, db.SQLite), vault.NewRootKey())
	n.erase(hanako)
	other := open(t, dbtest.Open(t, db.SQLite), n.root)
	other.file = n.file
	other.reopen()
	sealed := other.store(hanako, march, "x")
	other.wantReapplied(0)
	other.wantPlain(sealed, "x")
}

func TestADamagedErasuresFileStillErases(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	n := open(t, d, vault.NewRootKey())
	sealed, other := n.store(hanako, march, "x"), n.store(taro, march, "y")
	b := takeBackup(t, d)
	n.erase(hanako)
	f, err := os.OpenFile(n.file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("garbage\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	n.erase(taro)
	b.restore(t, d)
	n.reopen()
	got, err := n.Reapply(t.Context())
	if got != 2 || noren.CodeOf(err) != noren.Tampered || noren.HintOf(err) == "" {
		t.Errorf("got %d and %v, want both erasures and an error that names the line", got, err)
	}
	n.wantCode(sealed, noren.Erased)
	n.wantCode(other, noren.Erased)
}

func TestRetain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		sealed := map[string]noren.Sealed{}
		for _, at := range []time.Time{march.AddDate(-2, 0, 0), march.AddDate(0, -14, 0), march.AddDate(0, -13, 0), march} {
			s := a.store(hanako, at, "x")
			b.wantPlain(s, "x")
			sealed[at.Format("2006-01")] = s
		}
		retain := func(now time.Time, keep time.Duration, want int) {
			t.Helper()
			got, err := a.Retain(t.Context(), now, keep)
			if err != nil || got != want {
				t.Errorf("Retain: got %d and %v, want %d", got, err, want)
			}
			a.clock.forward(10 * time.Second)
			b.clock.forward(10 * time.Second)
		}
		retain(march, 0, 2) // 13 months before 15 March 2026 is in February 2025
		for _, n := range []*node{a, b} {
			n.wantCode(sealed["2024-03"], noren.Erased)
			n.wantCode(sealed["2025-01"], noren.Erased)
			n.wantPlain(sealed["2025-02"], "x")
			n.wantPlain(sealed["2026-03"], "x")
		}
		retain(march, 0, 0)
		retain(march.AddDate(0, 1, 0), 0, 1)
		b.wantCode(sealed["2025-02"], noren.Erased)
		retain(march.AddDate(0, 1, 0), 10*24*time.Hour, 1)
		b.wantCode(sealed["2026-03"], noren.Erased)
		if _, err := a.Retain(t.Context(), march, -time.Hour); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("a negative term: got %v, want invalid", err)
		}
	})
}

func TestRetainInBatches(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		var rows []db.Row
		for i := range 2500 {
			_, r := n.seal(noren.Subject{Kind: "device", ID: time.Duration(i).String()}, march.AddDate(-3, 0, 0), "x")
			rows = append(rows, r...)
		}
		n.insert(rows)
		kept := n.store(hanako, march, "kept")
		got, err := n.Retain(t.Context(), march, 0)
		if err != nil || got != 2500 {
			t.Errorf("got %d and %v, want 2500", got, err)
		}
		n.wantPlain(kept, "kept")
	})
}
