package valkey_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"noren/kv"
	"noren/kv/kvtest"
	"noren/kv/valkey"
)

func open(t *testing.T, url string) *valkey.Store {
	t.Helper()
	s, err := valkey.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestValkey(t *testing.T) {
	url := kvtest.Valkey(t)
	kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, url) })
}

func TestEmptiedServerStartsAnew(t *testing.T) {
	url := kvtest.Valkey(t)
	s := open(t, url)
	op := kv.Tail{Key: "k", Keep: time.Minute, Items: [][]byte{[]byte("a")}}
	first, err := s.Do(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "redis://"), ":")
	for _, cmd := range []string{"FLUSHALL", "SCRIPT FLUSH"} {
		args := append([]string{"-p", port}, strings.Fields(cmd)...)
		if out, err := exec.CommandContext(t.Context(), "redis-cli", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", cmd, err, out)
		}
	}
	again, err := s.Do(t.Context(), kv.Tail{Key: "k", Epoch: first[0].Epoch, From: first[0].Next, Keep: time.Minute})
	if err != nil || !again[0].Fresh || again[0].Epoch == first[0].Epoch {
		t.Errorf("got %+v, %v; want a fresh log of another epoch", again, err)
	}
}

func TestFailoverFromADeadServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	url, stop, err := kvtest.StartValkey(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := valkey.Open(ctx, url)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	f := kv.NewFailover(s, "n1", nil)
	defer f.Close()
	stop()
	began := time.Now()
	if _, err := f.Do(ctx, kv.Take{Key: "k", At: began, Rate: kv.Rate{Events: 1, Per: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(began); waited > 200*time.Millisecond || !f.Degraded() {
		t.Errorf("a dead server held a visitor for %s, degraded %t", waited, f.Degraded())
	}
}
