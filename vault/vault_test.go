package vault_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

var (
	march  = time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	april  = time.Date(2026, 4, 15, 12, 0, 0, 0, time.UTC)
	hanako = noren.Subject{Kind: noren.EntityAccount, ID: "hanako@example.jp"}
	taro   = noren.Subject{Kind: noren.EntityAccount, ID: "taro@example.jp"}
)

// clock is a time that moves when the test says so.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// node is one process's vault.
type node struct {
	*vault.Vault
	t     *testing.T
	d     *db.DB
	clock *clock
	file  string
	root  *vault.RootKey
}

func open(t *testing.T, d *db.DB, root *vault.RootKey) *node {
	t.Helper()
	n := &node{t: t, d: d, clock: &clock{at: march}, file: filepath.Join(t.TempDir(), "erasures.jsonl"), root: root}
	n.reopen()
	return n
}

// reopen is a restart of the process.
func (n *node) reopen() {
	n.t.Helper()
	v, err := vault.Open(n.t.Context(), n.options())
	if err != nil {
		n.t.Fatal(err)
	}
	v.BePatient(time.Minute) // the machine may be busy with other tests
	n.Vault = v
}

func (n *node) options() vault.Options {
	return vault.Options{DB: n.d, Root: n.root, Now: n.clock.now, ErasuresFile: n.file, Location: "sqlite:/var/lib/noren/noren.db"}
}

// seal seals and does not store the rows.
func (n *node) seal(s noren.Subject, at time.Time, plain string) (noren.Sealed, []db.Row) {
	n.t.Helper()
	sealed, rows, err := n.Seal("shop", s, at, []byte(plain), []byte("aad"))
	if err != nil {
		n.t.Fatal(err)
	}
	return sealed, rows
}

func (n *node) insert(rows []db.Row) {
	n.t.Helper()
	if err := n.d.Write(n.t.Context(), func(tx *db.Tx) error { return tx.Insert(n.t.Context(), rows) }); err != nil {
		n.t.Fatal(err)
	}
}

// store seals and commits, as the journal does.
func (n *node) store(s noren.Subject, at time.Time, plain string) noren.Sealed {
	n.t.Helper()
	sealed, rows := n.seal(s, at, plain)
	n.insert(rows)
	n.Confirm(sealed.Key)
	return sealed
}

func (n *node) erase(s noren.Subject) vault.Erasure {
	n.t.Helper()
	e, err := n.Erase(n.t.Context(), "shop", s, "customer's request")
	if err != nil {
		n.t.Fatal(err)
	}
	return e
}

func (n *node) wantPlain(s noren.Sealed, want string) {
	n.t.Helper()
	got, err := n.Vault.Open(n.t.Context(), s, []byte("aad"))
	if err != nil {
		n.t.Fatalf("open: %v", err)
	}
	if string(got) != want {
		n.t.Errorf("got %q, want %q", got, want)
	}
}

func (n *node) wantCode(s noren.Sealed, want noren.Code) {
	n.t.Helper()
	got, err := n.Vault.Open(n.t.Context(), s, []byte("aad"))
	if noren.CodeOf(err) != want || got != nil {
		n.t.Errorf("got %q and %v, want code %q", got, err, want)
	}
}

func (n *node) count(query string, args ...any) int {
	n.t.Helper()
	var c int
	if err := n.d.Read().QueryRowContext(n.t.Context(), query, args...).Scan(&c); err != nil {
		n.t.Fatal(err)
	}
	return c
}

func TestSealedTextsOpenAfterARestart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		tests := []struct {
			s     noren.Subject
			plain string
		}{
			{hanako, "東京都千代田区1-1"}, {hanako, ""}, {taro, "x"}, {noren.Subject{}, "the site itself"},
			{noren.Subject{Kind: noren.EntityAddress, ID: "2001:db8::1"}, strings.Repeat("long ", 10_000)},
		}
		var sealed []noren.Sealed
		for _, tt := range tests {
			s := n.store(tt.s, march, tt.plain)
			if len(tt.plain) > 8 && bytes.Contains(s.Data, []byte(tt.plain[:8])) {
				t.Error("the plain text shows in the sealed one")
			}
			n.wantPlain(s, tt.plain)
			sealed = append(sealed, s)
		}
		n.reopen()
		for i, tt := range tests {
			n.wantPlain(sealed[i], tt.plain)
		}
	})
}

func TestOpenRefusesWhatWasNotSealed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		a, b := n.store(hanako, march, "secret"), n.store(taro, march, "secret")
		if _, err := n.Vault.Open(t.Context(), a, []byte("other entry")); noren.CodeOf(err) != noren.Tampered {
			t.Errorf("another aad: got %v, want tampered", err)
		}
		n.wantCode(noren.Sealed{Key: b.Key, Data: a.Data}, noren.Tampered)
		for i := range a.Data {
			data := bytes.Clone(a.Data)
			data[i] ^= 1
			n.wantCode(noren.Sealed{Key: a.Key, Data: data}, noren.Tampered)
		}
		for i := range a.Data {
			n.wantCode(noren.Sealed{Key: a.Key, Data: a.Data[:i]}, noren.Tampered)
		}
		for _, key := range []string{"", "x", strings.ToLower(a.Key), a.Key + "0", "' OR 1=1 --", "\x00" + a.Key[1:]} {
			n.wantCode(noren.Sealed{Key: key, Data: a.Data}, noren.Tampered)
		}
	})
}

func TestOneKeyPerSiteSubjectAndMonth(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		key := func(site string, s noren.Subject, at time.Time) string {
			sealed, _, err := n.Seal(site, s, at, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			return sealed.Key
		}
		first := key("shop", hanako, march)
		tokyo := time.FixedZone("JST", 9*60*60)
		same := []string{
			key("shop", hanako, march.AddDate(0, 0, 10)),
			key("shop", hanako, time.Date(2026, 4, 1, 8, 59, 0, 0, tokyo)), // still March in UTC
		}
		other := []string{
			key("shop", hanako, april), key("shop", hanako, march.AddDate(1, 0, 0)), key("shop", taro, march), key("mall", hanako, march),
			key("shop", noren.Subject{Kind: noren.EntityDevice, ID: hanako.ID}, march), key("shop", noren.Subject{}, march), key("", hanako, march),
		}
		seen := map[string]bool{first: true}
		for i, k := range same {
			if k != first {
				t.Errorf("same month, %d: got another key", i)
			}
		}
		for i, k := range other {
			if seen[k] {
				t.Errorf("%d: got a key that is another's", i)
			}
			seen[k] = true
		}
	})
}

func TestSealRefuses(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	n := open(t, d, vault.NewRootKey())
	tests := []struct {
		name  string
		site  string
		s     noren.Subject
		at    time.Time
		plain int
	}{
		{"no time", "shop", hanako, time.Time{}, 1},
		{"a time out of range", "shop", hanako, march.AddDate(500, 0, 0), 1},
		{"too much at once", "shop", hanako, march, vault.MaxPlain + 1},
		{"a site that no row could hold", "shop\x00", hanako, march, 1},
		{"an endless subject", "shop", noren.Subject{Kind: "account", ID: strings.Repeat("x", 5000)}, march, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, rows, err := n.Seal(tt.site, tt.s, tt.at, make([]byte, tt.plain), nil)
			if noren.CodeOf(err) != noren.Invalid || rows != nil {
				t.Errorf("got %v, want invalid", err)
			}
		})
	}
}

func TestRowsComeWithEveryTextUntilConfirmed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		first, rows1 := n.seal(hanako, march, "lost")
		second, rows2 := n.seal(hanako, march, "kept")
		if first.Key != second.Key || len(rows1) != 1 || len(rows2) != 1 {
			t.Fatalf("got keys %s %s with %d and %d rows, want one key and its row twice", first.Key, second.Key, len(rows1), len(rows2))
		}
		failed := errors.New("the caller's transaction fails")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			return errors.Join(tx.Insert(t.Context(), rows1), failed)
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		n.insert(rows2)
		n.insert(append(rows1, rows2...)) // and again, e.g. from the spool
		third, rows3 := n.seal(hanako, march, "third")
		if len(rows3) != 1 {
			t.Error("the row is gone although nobody confirmed it")
		}
		n.Confirm("unknown", first.Key)
		fourth, rows4 := n.seal(hanako, march, "fourth")
		if fourth.Key != first.Key || rows4 != nil {
			t.Errorf("after Confirm: got key %s with %d rows, want %s with none", fourth.Key, len(rows4), first.Key)
		}
		n.reopen()
		n.wantPlain(first, "lost")
		n.wantPlain(second, "kept")
		n.wantPlain(third, "third")
		n.wantPlain(fourth, "fourth")
	})
}

func TestTwoNodesEachWithAKeyForTheSameMonth(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := open(t, d, vault.NewRootKey())
		b := open(t, d, a.root)
		ofA, ofB := a.store(hanako, march, "from a"), b.store(hanako, march, "from b")
		if ofA.Key == ofB.Key {
			t.Fatal("two nodes have one key")
		}
		for _, n := range []*node{a, b} {
			n.wantPlain(ofA, "from a")
			n.wantPlain(ofB, "from b")
		}
		if e := a.erase(hanako); e.Keys != 2 {
			t.Errorf("destroyed %d keys, want both", e.Keys)
		}
		b.clock.forward(5 * time.Second)
		for _, n := range []*node{a, b} {
			n.wantCode(ofA, noren.Erased)
			n.wantCode(ofB, noren.Erased)
		}
	})
}

func TestNodesStartingTogetherAgreeOnTheirKeys(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		root := vault.NewRootKey()
		const nodes = 8
		var wg sync.WaitGroup
		tokens, secrets, instances := make([]string, nodes), make([]string, nodes), make([]string, nodes)
		for i := range nodes {
			wg.Go(func() {
				v, err := vault.Open(t.Context(), vault.Options{DB: d, Root: root})
				if err != nil {
					t.Error(err)
					return
				}
				secret, err := v.Secret(t.Context(), vault.PurposeCookie)
				if err != nil {
					t.Error(err)
				}
				tokens[i], secrets[i], instances[i] = string(v.Token("shop", "account", "x")), string(secret), v.Instance()
			})
		}
		wg.Wait()
		for i := range nodes {
			if tokens[i] != tokens[0] || secrets[i] != secrets[0] || instances[i] != instances[0] || instances[i] == "" {
				t.Fatalf("node %d has other keys than node 0", i)
			}
		}
	})
}

func TestToken(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	a := open(t, d, vault.NewRootKey())
	b := open(t, d, a.root)
	base := a.Token("shop", "mail", "hanako@example.jp")
	if len(base) != 16 || !bytes.Equal(base, b.Token("shop", "mail", "hanako@example.jp")) {
		t.Fatal("the same value has two tokens, or one of another length")
	}
	stranger := open(t, dbtest.Open(t, db.SQLite), vault.NewRootKey())
	for i, other := range [][]byte{
		a.Token("mall", "mail", "hanako@example.jp"), a.Token("shop", "phone", "hanako@example.jp"), a.Token("shop", "mail", "taro@example.jp"),
		a.Token("shopmail", "", "hanako@example.jp"), a.Token("shop", "mailhanako", "@example.jp"), a.Token("", "", ""),
		stranger.Token("shop", "mail", "hanako@example.jp"),
	} {
		if bytes.Equal(base, other) {
			t.Errorf("%d: another value has the same token", i)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if !bytes.Equal(base, a.Token("shop", "mail", "hanako@example.jp")) {
					t.Error("concurrent calls mix")
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestSealWorksWhileTheDatabaseIsAway(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		known := n.store(hanako, march, "before")
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		n.clock.forward(time.Hour)
		began := time.Now()
		again, rows := n.seal(hanako, march, "while away")
		if again.Key != known.Key || rows != nil {
			t.Errorf("known subject: got key %s with %d rows, want %s with none", again.Key, len(rows), known.Key)
		}
		fresh, rows := n.seal(taro, march, "new subject")
		if len(rows) != 1 {
			t.Errorf("new subject: got %d rows, want its key's", len(rows))
		}
		n.wantPlain(known, "before")
		n.wantPlain(again, "while away")
		n.wantPlain(fresh, "new subject")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %s without a database", took)
		}
		gone := noren.Sealed{Key: noren.NewID(march), Data: known.Data}
		if _, err := n.Vault.Open(t.Context(), gone, nil); err == nil || noren.CodeOf(err) == noren.Erased {
			t.Errorf("a key that cannot be asked for: got %v, want an error that does not say erased", err)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 200 {
					s := []noren.Subject{hanako, taro, {Kind: "device", ID: string(rune('a' + i%20))}}[(w+i)%3]
					sealed, rows, err := n.Seal("shop", s, march, []byte("x"), nil)
					if err != nil {
						t.Error(err)
						return
					}
					if i%50 == 0 {
						n.insert(rows)
						n.Confirm(sealed.Key)
					}
					if _, err := n.Vault.Open(ctx, sealed, nil); err != nil && noren.CodeOf(err) != noren.Erased {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Go(func() {
			for range 5 {
				n.clock.forward(2 * time.Second)
				if err := n.Rotate(ctx, vault.PurposeSeal); err != nil {
					t.Error(err)
				}
				if _, err := n.Erase(ctx, "shop", hanako, ""); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		n.wantPlain(n.store(hanako, march, "after all"), "after all")
	})
}
