package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"noren"
	"noren/journal"
)

// During a hand-over no request fails and no entry is lost, while the old and
// the new process append to one journal.
func TestHandOver(t *testing.T) {
	h := newHandOver(t)
	first := h.serve(t)
	stop := h.load(t)
	await(t, "requests pass", func() bool { return h.answered.Load() > 100 })
	before := time.Now()

	if err := first.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(first); err != nil {
		t.Fatalf("the old process: %v\n%s", err, h.said(t))
	}
	after := time.Now()
	second := h.pid(t)
	if second == first.Process.Pid {
		t.Fatalf("the lock names process %d still\n%s", second, h.said(t))
	}
	t.Cleanup(func() { syscall.Kill(second, syscall.SIGKILL) })
	passed := h.answered.Load()
	await(t, "the new process serves alone", func() bool { return h.answered.Load() > passed+100 })
	stop()
	h.end(t, second)

	if n := h.failed.Load(); n > 0 {
		t.Errorf("%d of %d requests failed, the first: %v", n, h.answered.Load()+n, h.first.Load())
	}
	h.checkRecord(t, before, after)
}

// After the last visitor of the old process nobody comes for a while: it ends all
// the same, and takes no later visitor with it.
func TestHandOverWithoutVisitors(t *testing.T) {
	h := newHandOver(t)
	first := h.serve(t)
	http.DefaultClient.CloseIdleConnections()
	if err := first.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	await(t, "the hand-over begins", func() bool { return strings.Contains(h.said(t), "handing over") })
	for i := range 3 { // on a connection of its own, while the successor starts
		h.request(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, 5, i)
	}
	if err := waitFor(first); err != nil {
		t.Errorf("the old process: %v\n%s", err, h.said(t))
	}
	second := h.pid(t)
	t.Cleanup(func() { syscall.Kill(second, syscall.SIGKILL) })
	for i := range 5 {
		h.request(http.DefaultClient, 5, i)
	}
	if h.failed.Load() > 0 {
		t.Errorf("%d of 8 requests around a hand-over failed: %v", h.failed.Load(), h.first.Load())
	}
	h.end(t, second)
}

// handOverRun is a served instance under load.
type handOverRun struct {
	dir, config, url string
	answered, failed atomic.Int64
	probes           atomic.Int64 // requests that must be on record
	first            atomic.Value // error text
}

func newHandOver(t *testing.T) *handOverRun {
	t.Helper()
	port, err := new(ports).free()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	h := &handOverRun{dir: dir, config: filepath.Join(dir, "noren.yaml"), url: "http://127.0.0.1:" + port}
	// Each request comes from a visitor of its own, so that each that is stopped
	// has an entry of its own.
	text := fmt.Sprintf("version: 1\nlisten: {http: \"127.0.0.1:%s\"}\nsites:\n  - name: shop\n    hosts: [127.0.0.1]\n    upstream: %s\n    trusted_proxies: [127.0.0.1/32]\n",
		port, startShop(t, "shop"))
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *handOverRun) log() string { return filepath.Join(h.dir, "serve.log") }

func (h *handOverRun) said(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(h.log())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// serve starts the first process and waits until it answers.
func (h *handOverRun) serve(t *testing.T) *exec.Cmd {
	t.Helper()
	log, err := os.Create(h.log())
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("noren", "--config", h.config, "serve")
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	await(t, "noren serves", func() bool {
		resp, err := http.Get(h.url + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return cmd
}

// load sends requests until stop is called: on kept connections and on new ones,
// some to the shop and some that are stopped and recorded.
func (h *handOverRun) load(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for w := range 6 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: w%2 == 0}, Timeout: patience}
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				h.request(client, w, i)
			}
		})
	}
	done := func() { cancel(); wg.Wait() }
	t.Cleanup(done)
	return done
}

func (h *handOverRun) request(client *http.Client, w, i int) {
	path, want := "/", http.StatusOK
	if w < 2 {
		path, want = "/.env", http.StatusForbidden
	}
	err := h.get(client, path, fmt.Sprintf("198.18.%d.%d", (w*40+i/250)%256, 1+i%250), want)
	if err != nil {
		h.failed.Add(1)
		h.first.CompareAndSwap(nil, err.Error())
		return
	}
	h.answered.Add(1)
	if w < 2 {
		h.probes.Add(1)
	}
}

func (h *handOverRun) get(client *http.Client, path, visitor string, want int) error {
	req, err := http.NewRequest(http.MethodGet, h.url+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Forwarded-For", visitor)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != want {
		return fmt.Errorf("%s answered %d, want %d", path, resp.StatusCode, want)
	}
	return nil
}

func waitFor(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		return fmt.Errorf("did not end within %s", patience)
	}
}

// pid is the serving process, as the lock file tells systemd.
func (h *handOverRun) pid(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "noren-data", "serve.lock"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// end stops a process that is not our child and waits until it is gone.
func (h *handOverRun) end(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await(t, "the new process ends", func() bool { return !running(pid) })
}

// running is false for a process that is gone or a zombie nobody waits for.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// checkRecord opens the record when both processes are gone: every stopped
// request is there, from before, during and after, and it verifies.
func (h *handOverRun) checkRecord(t *testing.T, before, after time.Time) {
	t.Helper()
	cfg, err := loadConfig(h.config)
	if err != nil {
		t.Fatal(err)
	}
	in := open(t, instanceWants{cfg: cfg})
	in.flush(t)
	var total, old, young int64
	for s, err := range in.journal.Query(t.Context(), journal.Filter{Log: "shop", Kinds: []noren.Kind{noren.HTTPBlocked}}) {
		if err != nil {
			t.Fatal(err)
		}
		total += s.Entry.Count
		switch {
		case s.Entry.Event.At.Before(before):
			old++
		case s.Entry.Event.At.After(after):
			young++
		}
	}
	if total != h.probes.Load() {
		t.Errorf("%d stopped requests on record, %d were answered\n%s", total, h.probes.Load(), h.said(t))
	}
	if old == 0 || young == 0 {
		t.Errorf("%d entries of the old process, %d of the new one; want both", old, young)
	}
	rep, err := in.journal.Verify(t.Context(), journal.VerifyOptions{})
	if err != nil || !rep.Clean() {
		t.Errorf("verify: %v %+v", err, rep.Findings)
	}
}
