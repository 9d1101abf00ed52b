package acme

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
)

func testLocks(d *db.DB, lease time.Duration) *locks {
	o := testOptions(d, slog.New(slog.DiscardHandler))
	o.Lease = lease
	return newLocks(&o)
}

// Over two handles, as two nodes have, one holds a lock at a time, and everybody
// who waits gets it.
func TestLocksExclude(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var inside, entered atomic.Int64
		var wg sync.WaitGroup
		for range 2 {
			l := testLocks(dbtest.OpenURL(t, db.Options{URL: url}), 3*time.Second)
			for range 4 {
				wg.Go(func() {
					if err := l.Lock(t.Context(), "a"); err != nil {
						t.Error(err)
						return
					}
					if inside.Add(1) != 1 {
						t.Error("two inside")
					}
					entered.Add(1)
					inside.Add(-1)
					if err := l.Unlock(t.Context(), "a"); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if entered.Load() != 8 {
			t.Errorf("%d of 8 got in", entered.Load())
		}
	})
}

// A holder that lives is never robbed, however long it takes; one that died is
// after a lease.
func TestLocksOfTheDeadFall(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		const lease = 300 * time.Millisecond
		alive, dead, waiter := testLocks(dbtest.OpenURL(t, db.Options{URL: url}), lease), testLocks(dbtest.OpenURL(t, db.Options{URL: url}), lease), testLocks(dbtest.OpenURL(t, db.Options{URL: url}), 10*lease)
		ctx := t.Context()
		if err := errors.Join(alive.Lock(ctx, "alive"), dead.Lock(ctx, "dead")); err != nil {
			t.Fatal(err)
		}
		for _, g := range dead.held { // a process that was killed
			g.stop()
			<-g.done
		}
		if ok, err := waiter.TryLock(ctx, "alive"); ok || err != nil {
			t.Errorf("a held lock was taken: %v", err)
		}
		// The waiter's lease is ten beats and more of the living one.
		short, cancel := context.WithTimeout(ctx, 15*lease)
		defer cancel()
		if err := waiter.Lock(short, "alive"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the lock of a living holder: %v", err)
		}
		if err := waiter.Lock(ctx, "dead"); err != nil {
			t.Errorf("the lock of a dead holder: %v", err)
		}
		// Whoever wakes up late gives nothing back that is not its own.
		if err := dead.Unlock(ctx, "dead"); err != nil {
			t.Error(err)
		}
		if ok, _ := alive.TryLock(ctx, "dead"); ok {
			t.Error("a lock was given back by who had lost it")
		}
		if err := errors.Join(alive.Unlock(ctx, "alive"), waiter.Unlock(ctx, "dead")); err != nil {
			t.Error(err)
		}
		if ok, err := waiter.TryLock(ctx, "alive"); !ok || err != nil {
			t.Errorf("a free lock: %v", err)
		}
	})
}

// What certmagic asks of a store.
func TestStorage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := testOptions(d, slog.New(slog.DiscardHandler))
		o.Lease = time.Minute
		s := &storage{newLocks(&o), &o}
		ctx := t.Context()
		if _, err := s.Load(ctx, "a/b"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("load nothing: %v", err)
		}
		if _, err := s.Stat(ctx, "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("stat nothing: %v", err)
		}
		if _, err := s.List(ctx, "a", true); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("list nothing: %v", err)
		}
		for _, name := range []string{"a/b", "a/c/d", "a/c/e", "ab/c", "f"} {
			if err := errors.Join(s.Store(ctx, name, []byte("first")), s.Store(ctx, name, []byte(name))); err != nil {
				t.Fatal(err)
			}
			if v, err := s.Load(ctx, name); err != nil || string(v) != name {
				t.Errorf("%s is %q: %v", name, v, err)
			}
		}
		for _, tt := range []struct {
			dir       string
			recursive bool
			want      string
		}{{"a", true, "a/b a/c/d a/c/e"}, {"a", false, "a/b a/c"}, {"", false, "a ab f"}, {"a/c", true, "a/c/d a/c/e"}} {
			if got, err := s.List(ctx, tt.dir, tt.recursive); err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("list %q: %v, %v, want %s", tt.dir, got, err, tt.want)
			}
		}
		if i, err := s.Stat(ctx, "a/b"); err != nil || !i.IsTerminal || i.Size != 3 || time.Since(i.Modified) > time.Minute {
			t.Errorf("stat: %+v, %v", i, err)
		}
		if i, err := s.Stat(ctx, "a/c"); err != nil || i.IsTerminal {
			t.Errorf("stat of a directory: %+v, %v", i, err)
		}
		if !s.Exists(ctx, "a") || !s.Exists(ctx, "f") || s.Exists(ctx, "a/x") {
			t.Error("exists")
		}
		if err := errors.Join(s.Delete(ctx, "a/c"), s.Delete(ctx, "none")); err != nil {
			t.Error(err)
		}
		if got, _ := s.List(ctx, "a", true); !slices.Equal(got, []string{"a/b"}) {
			t.Errorf("after a deletion: %v", got)
		}
		if err := s.Store(ctx, "big", make([]byte, maxValue+1)); err == nil {
			t.Error("too much was stored")
		}
		// A row put in another one's place opens nothing.
		if err := d.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE acme_values SET sealed = (SELECT sealed FROM acme_values WHERE id = $1) WHERE id = $2`, s.id("f"), s.id("a/b"))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Load(ctx, "a/b"); err == nil {
			t.Error("a moved row was opened")
		}
		// A rotated key still opens.
		old := testKey
		o.Secrets = func(context.Context) ([][]byte, error) { return [][]byte{make([]byte, 32), old[:]}, nil }
		if v, err := s.Load(ctx, "f"); err != nil || string(v) != "f" {
			t.Errorf("after a rotation: %q, %v", v, err)
		}
	})
}

// What was sealed opens again under its id and key, and nothing else does.
func FuzzSeal(f *testing.F) {
	f.Add("acme/certificates/a.key", []byte("secret"), []byte{})
	f.Add("", []byte{}, []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, name string, value, noise []byte) {
		key := testKey[:]
		sealed, err := seal(key, "id", name, value)
		if err != nil {
			t.Fatal(err)
		}
		n, v, err := open([][]byte{make([]byte, 32), key}, "id", sealed)
		if err != nil || n != name || string(v) != string(value) {
			t.Fatalf("%q %q: %v", n, v, err)
		}
		if _, _, err := open([][]byte{key}, "other", sealed); err == nil {
			t.Fatal("opened under another id")
		}
		for i, b := range noise {
			sealed[i%len(sealed)] ^= b
		}
		if n2, v2, err := open([][]byte{key}, "id", sealed); err == nil && (n2 != name || string(v2) != string(value)) {
			t.Fatal("changed bytes were opened")
		}
	})
}
