package journal_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// TestCheckpointIsStandard reads a checkpoint with the library's own reader.
func TestCheckpointIsStandard(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		appendN(t, j, "shop", 0, 10)
		msg, err := j.Checkpoint(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		key, err := j.VerifierKey("shop")
		if err != nil {
			t.Fatal(err)
		}
		v, err := note.NewVerifier(key)
		if err != nil {
			t.Fatal(err)
		}
		n, err := note.Open(msg, note.VerifierList(v))
		if err != nil {
			t.Fatal(err)
		}
		heads, err := j.Logs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := "noren/test/shop\n10\n" + heads[0].Root.String() + "\n"
		if n.Text != want {
			t.Errorf("checkpoint says %q, want %q", n.Text, want)
		}
		root, err := tlog.TreeHash(10, storedHashes(t, leavesOf(t, d, 10)))
		if err != nil || root != heads[0].Root {
			t.Errorf("root %v, the library computes %v (%v)", heads[0].Root, root, err)
		}
		again, err := j.Checkpoint(t.Context(), "shop")
		if err != nil || string(again) != string(msg) {
			t.Errorf("signed again without growth: %v", err)
		}
		if _, err := j.Checkpoint(t.Context(), "nowhere"); noren.CodeOf(err) != noren.NotFound {
			t.Errorf("checkpoint of no log = %v, want code not_found", err)
		}
	})
}

// flaky is a sink that can be away.
type flaky struct {
	mu    sync.Mutex
	away  bool
	notes []string
}

func (f *flaky) Name() string { return "flaky" }

func (f *flaky) Put(_ context.Context, _ string, note []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return errors.New("nobody there")
	}
	f.notes = append(f.notes, string(note))
	return nil
}

func TestSinkFailureIsRetried(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	sink := &flaky{away: true}
	o := options(d, newSealer())
	o.Outside = []journal.CheckpointSink{sink}
	j := start(t, o)
	appendN(t, j, "shop", 0, 10)
	msg, err := j.Checkpoint(t.Context(), "shop")
	if err == nil || msg == nil {
		t.Fatalf("Checkpoint = %q, %v; want a checkpoint and the sink's error", msg, err)
	}
	sink.away = false
	if err := j.CheckpointAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := j.CheckpointAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(sink.notes) != 1 || sink.notes[0] != string(msg) {
		t.Errorf("the sink got %d notes, want the one it missed, once", len(sink.notes))
	}
	appendN(t, j, "shop", 10, 11)
	if err := j.CheckpointAll(t.Context()); err != nil || len(sink.notes) != 2 {
		t.Errorf("after growth the sink has %d notes (%v), want 2", len(sink.notes), err)
	}
}

// TestNoSignatureForAnotherHistory: a head that contradicts what was signed
// before is never signed, wherever the earlier checkpoint is known from.
func TestNoSignatureForAnotherHistory(t *testing.T) {
	histories := map[string]func(t *testing.T, d *db.DB){
		"rolled back": func(t *testing.T, d *db.DB) { truncate(t, d, 5) },
		"rewritten":   func(t *testing.T, d *db.DB) { rewriteFrom(t, d, 3) },
	}
	for name, tamper := range histories {
		for _, known := range []string{"stored", "process", "outside"} {
			t.Run(name+", known from "+known, func(t *testing.T) {
				d := dbtest.Open(t, db.SQLite)
				sink, err := journal.NewDirectorySink(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				o := options(d, newSealer())
				if known == "outside" {
					o.Outside = []journal.CheckpointSink{sink}
				}
				j := start(t, o)
				appendN(t, j, "shop", 0, 10)
				if _, err := j.Checkpoint(t.Context(), "shop"); err != nil {
					t.Fatal(err)
				}
				tamper(t, d)
				if known != "stored" {
					sqlDo(t, d, `DELETE FROM journal_checkpoints`)
				}
				if known != "process" {
					j = start(t, o)
				}
				_, err = j.Checkpoint(t.Context(), "shop")
				if noren.CodeOf(err) != noren.Tampered || noren.HintOf(err) == "" {
					t.Errorf("Checkpoint = %v, want code tampered and a hint", err)
				}
				if latest, _ := sink.Latest(t.Context(), "noren/test/shop"); known == "outside" && !strings.Contains(string(latest), "\n10\n") {
					t.Errorf("the sink now holds %q", latest)
				}
			})
		}
	}
}

func TestKeyRotation(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j := open(t, d)
	appendN(t, j, "shop", 0, 10)
	first, err := j.Checkpoint(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	o := options(d, newSealer())
	o.OldKeys = []ed25519.PublicKey{o.SigningKey.Public().(ed25519.PublicKey)}
	_, o.SigningKey, _ = ed25519.GenerateKey(nil)
	j = start(t, o)
	appendN(t, j, "shop", 10, 20)
	if _, err := j.Checkpoint(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	rep := verify(t, j, journal.VerifyOptions{Log: "shop", Checkpoint: first})
	if !rep.Clean() || rep.Logs[0].Checkpoints != 2 {
		t.Errorf("after a rotation: %+v", rep)
	}
}

// TestVerifyAsksTheSinks: a directory of checkpoints shows a roll-back by itself.
func TestVerifyAsksTheSinks(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	sink, err := journal.NewDirectorySink(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := options(d, newSealer())
	o.Outside = []journal.CheckpointSink{sink}
	j := start(t, o)
	appendN(t, j, "shop", 0, 10)
	if err := j.CheckpointAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rep := verify(t, j, journal.VerifyOptions{}); !rep.Clean() || rep.Logs[0].Outside != 1 || len(rep.Warnings) != 1 {
		t.Errorf("before: %+v; want one checkpoint from outside, and the warning, for a directory is no outside", rep)
	}
	truncate(t, d, 5)
	sqlDo(t, d, `DELETE FROM journal_checkpoints`)
	wantFinding(t, verify(t, j, journal.VerifyOptions{}), journal.FoundRollback, 5)
}

func TestRunCheckpoints(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	sink := &flaky{away: true}
	o := options(d, newSealer())
	o.Outside = []journal.CheckpointSink{sink}
	j := start(t, o)
	appendN(t, j, "shop", 0, 3)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); j.RunCheckpoints(ctx, 10*time.Millisecond) }()
	eventually(t, "a checkpoint was signed", func() bool { rep := verify(t, j, journal.VerifyOptions{}); return rep.Logs[0].Checkpoints == 1 })
	sink.mu.Lock()
	sink.away = false
	sink.mu.Unlock()
	eventually(t, "the first checkpoint left", func() bool { sink.mu.Lock(); defer sink.mu.Unlock(); return len(sink.notes) == 1 })
	cancel()
	<-done
}

func TestDirectorySink(t *testing.T) {
	dir := t.TempDir()
	sink, err := journal.NewDirectorySink(dir)
	if err != nil {
		t.Fatal(err)
	}
	put := func(size int, root byte, origin string) error {
		return sink.Put(t.Context(), origin, fakeNote(origin, size, root))
	}
	const origin = "noren/test/shop"
	for _, step := range []struct {
		name string
		err  error
		want noren.Code
	}{
		{"first", put(10, 1, origin), ""},
		{"the same again", put(10, 1, origin), ""},
		{"another of the same size", put(10, 2, origin), noren.Tampered},
		{"newer", put(20, 3, origin), ""},
		{"an older one that came late", put(15, 4, origin), ""},
		{"another of an older size", put(10, 5, origin), noren.Tampered},
		{"another instance", put(30, 6, "noren/elsewhere/shop"), noren.Conflict},
		{"not a checkpoint", sink.Put(t.Context(), origin, []byte("hello")), noren.Invalid},
		{"another log", put(1, 7, "noren/test/instance"), ""},
	} {
		if noren.CodeOf(step.err) != step.want {
			t.Errorf("%s: %v, want code %q", step.name, step.err, step.want)
		}
	}
	latest, err := sink.Latest(t.Context(), origin)
	if err != nil || !strings.HasPrefix(string(latest), origin+"\n20\n") {
		t.Errorf("latest = %q, %v; want size 20", latest, err)
	}
	if none, err := sink.Latest(t.Context(), "noren/test/none"); none != nil || err != nil {
		t.Errorf("latest of no log = %q, %v", none, err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 6 {
		t.Errorf("files %v, want shop 10, 15, 20 and latest, instance 1 and latest", names)
	}
	if info, err := os.Stat(filepath.Join(dir, "shop.latest")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600 (%v)", info.Mode(), err)
	}
}

func fakeNote(origin string, size int, root byte) []byte {
	var h tlog.Hash
	h[0] = root
	return []byte(strings.Join([]string{origin, itoa(size), h.String(), "", "— " + origin + " AAAAAA==", ""}, "\n"))
}

func TestWebhookSink(t *testing.T) {
	var got, auth, kind string
	answer := http.StatusNoContent
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, auth, kind = string(b), r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		if answer == http.StatusFound {
			w.Header().Set("Location", "http://169.254.169.254/")
		}
		w.WriteHeader(answer)
	}))
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	o := journal.WebhookOptions{URL: srv.URL + "/hook/s3cret", Authorization: "Bearer t0ken", RootCAs: roots}
	refused, err := journal.NewWebhookSink(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Put(t.Context(), "noren/test/shop", []byte("x")); noren.CodeOf(err) == "" || got != "" {
		t.Errorf("a loopback address was called: %v", err)
	}
	o.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	sink, err := journal.NewWebhookSink(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Put(t.Context(), "noren/test/shop", []byte("note")); err != nil {
		t.Fatal(err)
	}
	if got != "note" || auth != "Bearer t0ken" || !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("received %q with %q and %q", got, auth, kind)
	}
	for _, answer = range []int{http.StatusFound, http.StatusForbidden, http.StatusInternalServerError} {
		err := sink.Put(t.Context(), "noren/test/shop", []byte("note"))
		if noren.CodeOf(err) != noren.Unavailable || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("answer %d gives %v; want code unavailable and no secret", answer, err)
		}
	}
	for _, url := range []string{"http://example.com/", "https://", "https://user:pw@example.com/", "ftp://example.com", "://"} {
		if _, err := journal.NewWebhookSink(journal.WebhookOptions{URL: url}); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("webhook to %s: %v, want code invalid", url, err)
		}
	}
}
