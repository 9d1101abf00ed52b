package vault_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

func (n *node) rotate(purpose string) {
	n.t.Helper()
	if err := n.Rotate(n.t.Context(), purpose); err != nil {
		n.t.Fatal(err)
	}
}

// sealedBy is the id of the seal key that wrapped a stored subject key.
func (n *node) sealedBy(s noren.Sealed) string {
	n.t.Helper()
	var wrapped []byte
	if err := n.d.Read().QueryRow(`SELECT wrapped FROM vault_subject_keys WHERE id = $1`, s.Key).Scan(&wrapped); err != nil {
		n.t.Fatal(err)
	}
	return string(wrapped[9:35])
}

func TestRotatingTheSealKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		old := a.store(hanako, march, "old")
		b.store(taro, march, "taro")
		a.clock.forward(time.Second)
		a.rotate(vault.PurposeSeal)
		keys := a.Keys(vault.PurposeSeal)
		if len(keys) != 2 || keys[0].State != vault.Active || keys[1].State != vault.Retired || keys[0].Public != nil {
			t.Fatalf("got keys %+v, want the new one active and the old one retired", keys)
		}
		next := a.store(hanako, march, "new")
		if a.sealedBy(old) != keys[1].ID || a.sealedBy(next) != keys[0].ID {
			t.Error("new data is not under the new key, or old data no longer under the old one")
		}
		b.wantPlain(next, "new") // b has not heard of the key yet and asks
		b.clock.forward(10 * time.Second)
		if ofB := b.store(taro, march, "taro"); b.sealedBy(ofB) != keys[0].ID {
			t.Error("the other node still seals with the retired key")
		}
		a.reopen()
		a.wantPlain(old, "old")
		a.wantPlain(next, "new")
	})
}

func TestRotatingSecretsAndSignatures(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		cookie, err := a.Secret(t.Context(), vault.PurposeCookie)
		if err != nil {
			t.Fatal(err)
		}
		id, signer, err := a.SigningKey(t.Context(), vault.PurposeCheckpoint)
		if err != nil {
			t.Fatal(err)
		}
		signed := ed25519.Sign(signer, []byte("checkpoint"))
		again, same, err := b.SigningKey(t.Context(), vault.PurposeCheckpoint)
		if err != nil || again != id || !same.Equal(signer) {
			t.Errorf("the other node signs with another key: %v", err)
		}

		a.clock.forward(time.Second)
		a.rotate(vault.PurposeCookie)
		a.rotate(vault.PurposeCheckpoint)
		b.clock.forward(10 * time.Second)
		for _, n := range []*node{a, b} {
			secrets, err := n.Secrets(t.Context(), vault.PurposeCookie)
			if err != nil || len(secrets) != 2 || bytes.Equal(secrets[0], cookie) || !bytes.Equal(secrets[1], cookie) {
				t.Errorf("got %d secrets and %v, want a new one, then the old one", len(secrets), err)
			}
			newID, newSigner, err := n.SigningKey(t.Context(), vault.PurposeCheckpoint)
			if err != nil || newID == id || newSigner.Equal(signer) {
				t.Errorf("the signing key is the old one: %v", err)
			}
			keys := n.Keys(vault.PurposeCheckpoint)
			if len(keys) != 2 || keys[1].ID != id || !ed25519.Verify(keys[1].Public, []byte("checkpoint"), signed) {
				t.Error("the retired key does not verify what it signed")
			}
		}
		if got := strings.Join(a.Purposes(), " "); got != "checkpoint cookie seal search" {
			t.Errorf("got purposes %q", got)
		}
	})
}

func TestPurposesThatAreRefused(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	n := open(t, d, vault.NewRootKey())
	token := n.Token("shop", "mail", "x")
	err := n.Rotate(t.Context(), vault.PurposeSearch)
	if noren.CodeOf(err) != noren.Denied || noren.HintOf(err) == "" {
		t.Errorf("rotating the search key: got %v, want a refusal with an explanation", err)
	}
	if !bytes.Equal(token, n.Token("shop", "mail", "x")) {
		t.Error("tokens changed")
	}
	if err := n.Rotate(t.Context(), "nothing"); noren.CodeOf(err) != noren.NotFound {
		t.Errorf("rotating what is not there: got %v", err)
	}
	for _, purpose := range []string{vault.PurposeSeal, vault.PurposeSearch} {
		if _, err := n.Secret(t.Context(), purpose); noren.CodeOf(err) != noren.Denied {
			t.Errorf("asking for the %s key: got %v, want denied", purpose, err)
		}
	}
	if _, err := n.Secret(t.Context(), "No Name"); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
}

func TestWrongRootKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		other := vault.NewRootKey()
		o := n.options()
		o.Root = other
		_, err := vault.Open(t.Context(), o)
		if noren.CodeOf(err) != noren.Invalid || noren.HintOf(err) == "" {
			t.Fatalf("got %v, want an error with a hint", err)
		}
		if !strings.Contains(err.Error(), n.root.ID()) || !strings.Contains(err.Error(), other.ID()) {
			t.Errorf("%q does not name both keys", err)
		}
		noSecret(t, err.Error(), other.Text())
	})
}

func TestDamagedRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := func(query string, args ...any) {
			t.Helper()
			err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(query, args...); return err })
			if err != nil {
				t.Fatal(err)
			}
		}
		n := open(t, d, vault.NewRootKey())
		a, b := n.store(hanako, march, "a"), n.store(taro, march, "b")
		var wrapped []byte
		if err := d.Read().QueryRow(`SELECT wrapped FROM vault_subject_keys WHERE id = $1`, a.Key).Scan(&wrapped); err != nil {
			t.Fatal(err)
		}
		for i := range wrapped {
			bad := bytes.Clone(wrapped)
			bad[i] ^= 1
			exec(`UPDATE vault_subject_keys SET wrapped = $1 WHERE id = $2`, bad, a.Key)
			n.reopen()
			n.wantCode(a, noren.Tampered)
		}
		exec(`UPDATE vault_subject_keys SET wrapped = $1 WHERE id = $2`, wrapped, b.Key)
		n.reopen()
		n.wantCode(b, noren.Tampered) // another row's key
		for column, value := range map[string]any{"site": "mall", "month": "2026-04", "subject": make([]byte, 16), "wrapped": []byte("x")} {
			exec(`UPDATE vault_subject_keys SET site = 'shop', month = '2026-03', subject = $1, wrapped = $2 WHERE id = $3`,
				n.Token("shop", "account", hanako.ID), wrapped, a.Key)
			n.reopen()
			n.wantPlain(a, "a")
			exec(fmt.Sprintf(`UPDATE vault_subject_keys SET %s = $1 WHERE id = $2`, column), value, a.Key)
			n.reopen()
			n.wantCode(a, noren.Tampered)
		}

		exec(`UPDATE vault_keys SET wrapped = $1 WHERE purpose = 'seal'`, []byte("short"))
		_, err := vault.Open(t.Context(), n.options())
		if noren.CodeOf(err) != noren.Tampered || noren.HintOf(err) == "" {
			t.Errorf("a damaged purpose key: got %v, want an error with a hint", err)
		}
	})
}

func TestRewrapRoot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		stale := open(t, d, n.root)
		sealed := n.store(hanako, march, "x")
		token := n.Token("shop", "mail", "x")
		old, next := n.root, vault.NewRootKey()
		for range 2 {
			if err := n.RewrapRoot(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		n.wantPlain(sealed, "x")
		o := n.options()
		if _, err := vault.Open(t.Context(), o); noren.CodeOf(err) != noren.Invalid || !strings.Contains(err.Error(), next.ID()) {
			t.Errorf("the old root key: got %v, want a refusal that names the new one", err)
		}
		n.root = next
		n.reopen()
		n.wantPlain(sealed, "x")
		if !bytes.Equal(token, n.Token("shop", "mail", "x")) {
			t.Error("tokens changed")
		}
		n.rotate(vault.PurposeSeal)

		// A node that still holds the old key goes on but changes nothing.
		stale.clock.forward(10 * time.Second)
		stale.wantPlain(sealed, "x")
		stale.wantPlain(stale.store(hanako, march, "y"), "y")
		if err := stale.Rotate(t.Context(), vault.PurposeSeal); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("rotating under the old root key: got %v, want a refusal", err)
		}
		if err := stale.RewrapRoot(t.Context(), old); err != nil {
			t.Errorf("rewrapping with its own key: %v", err)
		}
		if err := stale.RewrapRoot(t.Context(), vault.NewRootKey()); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("rewrapping from the old root key: got %v, want a refusal", err)
		}
	})
}

func TestRotateRootFile(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	path := filepath.Join(t.TempDir(), "root.key")
	if err := vault.GenerateRootKey(path); err != nil {
		t.Fatal(err)
	}
	first, err := vault.LoadRootKey("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	n := open(t, d, first)
	sealed := n.store(hanako, march, "x")

	second, err := n.RotateRootFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	n.root, err = vault.LoadRootKey("file:" + path)
	if err != nil || n.root.ID() != second.ID() || second.ID() == first.ID() {
		t.Fatalf("the file holds %v (%v), want the new key %s", n.root, err, second.ID())
	}
	kept, err := vault.LoadRootKey("file:" + path + "." + first.ID())
	if err != nil || kept.ID() != first.ID() {
		t.Errorf("the old key is not kept for old backups: %v", err)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("the new key lies about twice")
	}
	n.reopen()
	n.wantPlain(sealed, "x")

	// Broken off after the database took the new key: the same call ends it.
	if err := vault.GenerateRootKey(path + ".new"); err != nil {
		t.Fatal(err)
	}
	pending, err := vault.LoadRootKey("file:" + path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.RewrapRoot(t.Context(), pending); err != nil {
		t.Fatal(err)
	}
	third, err := n.RotateRootFile(t.Context(), path)
	if err != nil || third.ID() != pending.ID() {
		t.Fatalf("got key %v and %v, want the one of the broken-off rotation", third, err)
	}
	n.root = third
	n.reopen()
	n.wantPlain(sealed, "x")
}
