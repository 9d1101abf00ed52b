package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"noren"
)

// replay measures `noren replay` on sign-in events with the shipped policies,
// on one core.
func (b *bencher) replay() error {
	const n = 300_000
	file := filepath.Join(b.dir, "events.jsonl")
	if err := writeLogins(file, n); err != nil {
		return err
	}
	cmd := exec.CommandContext(b.ctx, b.noren, "replay", "--in", file, "--json")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("replay: %w\n%s", err, said.String())
	}
	took := time.Since(began)
	var sum struct {
		Events    int64   `json:"events"`
		PerSecond float64 `json:"events_per_second"`
	}
	if err := json.Unmarshal([]byte(said.String()), &sum); err != nil {
		return err
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	b.add("replay, sign-in events, shipped policies, one core", "≥ 20,000/s (aim 30,000)",
		fmt.Sprintf("%.0f/s of CPU time, start included", n/cpu.Seconds()), "%.0f/s (%d events in %s)", sum.PerSecond, sum.Events, took.Round(10*time.Millisecond))
	return nil
}

func writeLogins(file string, n int) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(r.IntN(400)) * time.Millisecond)
		account := fmt.Sprintf("customer%d@example.jp", r.IntN(20_000))
		ev := noren.Event{ID: fmt.Sprint("e", i), Kind: noren.LoginAttempt, At: noren.At(at), Site: "shop", Zone: noren.ZoneLogin,
			Entities: noren.Entities{noren.EntityAccount: account, noren.EntityAddress: fmt.Sprintf("198.51.%d.%d", r.IntN(100), r.IntN(250))},
			Payload:  &noren.Login{User: account}}
		if i%2 == 1 {
			ev.Kind, ev.AttemptID = noren.LoginOutcome, fmt.Sprint("e", i-1)
			ev.Payload = &noren.LoginResult{User: account, Success: r.IntN(10) > 0}
		}
		if err := json.NewEncoder(w).Encode(ev); err != nil {
			return err
		}
	}
	return w.Flush()
}

// start measures from exec to the first answered request, with an empty store
// and over many stored events.
func (b *bencher) start() error {
	shop := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go shop.Serve(l)
	defer shop.Close()
	empty := filepath.Join(b.dir, "start")
	first, err := b.startOnce(empty, l.Addr().String())
	if err != nil {
		return err
	}
	again, err := b.startOnce(empty, l.Addr().String())
	if err != nil {
		return err
	}
	b.add("start to first answered request, empty store", "≤ 2 s", fmt.Sprintf("very first start, making database and keys: %s", first.Round(time.Millisecond)), "%s", again.Round(time.Millisecond))

	events := 1_000_000
	if s := os.Getenv("NOREN_BENCH_EVENTS"); s != "" {
		if events, err = strconv.Atoi(s); err != nil {
			return err
		}
	}
	full := filepath.Join(b.store, fmt.Sprintf("events-%d", events))
	if err := b.fillStore(full, l.Addr().String(), events); err != nil {
		return err
	}
	if _, err := b.startOnce(full, l.Addr().String()); err != nil { // an older store is migrated first
		return err
	}
	took, err := b.startOnce(full, l.Addr().String())
	if err != nil {
		return err
	}
	size, _ := os.Stat(filepath.Join(full, "data", "noren.db"))
	b.add(fmt.Sprintf("the same over %d stored events", events), "≤ 2 s", fmt.Sprintf("database %.1f GiB", float64(size.Size())/(1<<30)), "%s", took.Round(time.Millisecond))
	return nil
}

// startOnce starts noren over a data directory and waits for its first answer.
func (b *bencher) startOnce(dir, upstream string) (time.Duration, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	config, err := writeConfig(dir, port, upstream)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(b.ctx, b.noren, "serve", "--config", config)
	var said strings.Builder
	cmd.Stderr = &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}()
	for time.Since(began) < 2*time.Minute {
		resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return time.Since(began), nil
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0, fmt.Errorf("noren did not answer:\n%s", said.String())
}

func writeConfig(dir string, port int, upstream string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	config := filepath.Join(dir, "noren.yaml")
	text := fmt.Sprintf("version: 1\ndata: data\nlisten: {http: \"127.0.0.1:%d\"}\nsites:\n  - name: shop\n    hosts: [\"127.0.0.1\"]\n    upstream: http://%s\n    preset: generic\n", port, upstream)
	return config, os.WriteFile(config, []byte(text), 0o600)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// fillStore makes a store of so many events once; the marker says it is whole.
func (b *bencher) fillStore(dir, upstream string, events int) error {
	marker := filepath.Join(dir, "whole")
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	os.RemoveAll(dir)
	if _, err := b.startOnce(dir, upstream); err != nil { // makes database, keys and settings
		return err
	}
	s, err := openFilled(b.ctx, dir)
	if err != nil {
		return err
	}
	defer s.close(b.ctx)
	fmt.Fprintf(os.Stderr, "making %d stored events in %s …\n", events, dir)
	var wg sync.WaitGroup
	const writers = 64
	for w := range writers {
		wg.Go(func() {
			for i := range events / writers {
				if _, err := s.journal.Append(b.ctx, entry(w, i)); err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := b.ctx.Err(); err != nil {
		return err
	}
	return os.WriteFile(marker, nil, 0o600)
}

// demo measures the memory of `noren demo` after a while of traffic.
func (b *bencher) demo() error {
	ctx, cancel := context.WithTimeout(b.ctx, 30*time.Second)
	defer cancel()
	port, err := freePort()
	if err != nil {
		return err
	}
	cmd := exec.Command(b.noren, "demo", "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	if err := cmd.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	rss, peak := memory(cmd.Process.Pid)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	b.add("memory of the demo (shop, traffic, attacks and gateway) after 30 s", "RSS ≤ 250 MiB", fmt.Sprintf("peak %d MiB", peak), "%d MiB", rss)
	return nil
}

// memory reads VmRSS and VmHWM in MiB.
func memory(pid int) (rss, peak int) {
	rss, peak = memoryKiB(pid)
	return rss / 1024, peak / 1024
}

func memoryKiB(pid int) (rss, peak int) {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(data), "\n") {
		fmt.Sscanf(line, "VmRSS: %d kB", &rss)
		fmt.Sscanf(line, "VmHWM: %d kB", &peak)
	}
	return rss, peak
}
