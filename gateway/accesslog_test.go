package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
)

func openAccess(t testing.TB, o AccessOptions) *AccessLog {
	t.Helper()
	a, err := OpenAccessLog(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func flushed(t testing.TB, a *AccessLog) {
	t.Helper()
	if err := a.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// logged reads every line of a log directory, rotated files included.
func logged(t testing.TB, dir string) []Line {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "access*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []Line
	for _, n := range names {
		err := eachLine(n, func(b []byte) error {
			var l Line
			if err := json.Unmarshal(b, &l); err != nil {
				return fmt.Errorf("%s: %q: %w", n, b, err)
			}
			out = append(out, l)
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	return out
}

func TestAccessLogLine(t *testing.T) {
	dir := t.TempDir()
	a := openAccess(t, AccessOptions{Dir: dir})
	s := stand(t, func(o *Options) { o.Access = a })
	s.do("GET", "/products/list?name=x&password=hunter2", "", "Referer: https://www.example.jp/?q=4111111111111111")
	res, body := s.do("GET", "/.env", "")
	flushed(t, a)
	raw, err := os.ReadFile(filepath.Join(dir, currentFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "4111111111111111"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%s stands in the log", secret)
		}
	}
	got := logged(t, dir)
	if len(got) != 2 {
		t.Fatalf("%d lines, want 2", len(got))
	}
	if got[0].UpstreamMS <= 0 || got[0].Bytes == 0 || got[0].Millis <= 0 {
		t.Errorf("figures are missing: %+v", got[0])
	}
	want := []Line{
		{Site: "shop", Zone: noren.ZoneSearch, Address: "127.0.0.1", Method: "GET", Host: "127.0.0.1", Path: "/products/list", Query: "name=x&password=[redacted]",
			Proto: "HTTP/1.1", Status: 200, Verdict: noren.Allow, UA: browserUA, Referer: "https://www.example.jp/?q=411111%2A%2A%2A%2A%2A%2A1111"},
		{Site: "shop", Zone: noren.ZoneForbidden, Address: "127.0.0.1", Method: "GET", Host: "127.0.0.1", Path: "/.env",
			Proto: "HTTP/1.1", Status: res.StatusCode, Verdict: noren.Block, Cause: "must_be_403", Rule: "*/.env", UA: browserUA},
	}
	if !strings.Contains(body, got[1].Ticket) {
		t.Errorf("the ticket %q is not on the page", got[1].Ticket)
	}
	for i := range got {
		got[i].At, got[i].Bytes, got[i].Millis, got[i].UpstreamMS, got[i].Ticket = noren.Time{}, 0, 0, 0, ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{`"at":`, `"site":`, `"zone":`, `"address":`, `"method":`, `"path":`, `"status":`, `"verdict":`, `"cause":`, `"rule":`, `"ticket":`, `"bytes":`, `"ms":`, `"upstream_ms":`, `"ua":`, `"referer":`, `"proto":`} {
		if !strings.Contains(string(raw), key) {
			t.Errorf("key %s is missing", key)
		}
	}
}

func TestAccessLogRotatesCompressesAndIsBounded(t *testing.T) {
	dir := t.TempDir()
	o := AccessOptions{Dir: dir, FileBytes: 20 << 10, TotalBytes: 30 << 10}
	a := openAccess(t, o)
	for i := range 3000 {
		a.Write(Line{At: noren.At(time.Now()), Site: "shop", Address: fmt.Sprintf("203.0.113.%d", i%250), Path: fmt.Sprintf("/products/detail/%d", i), Verdict: noren.Allow, UA: noren.NewTicket()})
	}
	flushed(t, a)
	a.Close()
	// What is left when the program ends is compressed when it starts again.
	time.Sleep(settled + 100*time.Millisecond)
	a = openAccess(t, o)
	deadline := time.Now().Add(5 * time.Second)
	for {
		plain, _ := filepath.Glob(filepath.Join(dir, rotatedPrefix+"*"+plainSuffix))
		if len(plain) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not compressed: %v", plain)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := a.tidy(); err != nil {
		t.Fatal(err)
	}
	var total int64
	names, _ := filepath.Glob(filepath.Join(dir, "access*"))
	for _, n := range names {
		if info, err := os.Stat(n); err == nil {
			total += info.Size()
		}
	}
	if total > o.TotalBytes {
		t.Errorf("%d bytes in %d files, bound %d", total, len(names), o.TotalBytes)
	}
	lines := logged(t, dir)
	if n := len(lines); n == 0 || n >= 3000 || a.Dropped() != 0 {
		t.Errorf("%d lines kept, %d dropped; want some, the newest, and none lost", n, a.Dropped())
	}
	last := false
	for _, l := range lines {
		last = last || l.Path == "/products/detail/2999"
	}
	if !last {
		t.Error("the newest line is gone")
	}
}

// A flood of blocked requests leaves ten lines a client and minute, and counts.
func TestAccessLogSamplesBlocks(t *testing.T) {
	dir := t.TempDir()
	a := openAccess(t, AccessOptions{Dir: dir})
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for i := range 1000 {
		a.Write(Line{At: noren.At(at.Add(time.Duration(i) * time.Millisecond)), Site: "shop", Address: "203.0.113.7", Verdict: noren.Challenge, Cause: "waf"})
		a.Write(Line{At: noren.At(at.Add(time.Duration(i) * time.Millisecond)), Site: "shop", Address: "203.0.113.8", Verdict: noren.Allow})
	}
	a.Write(Line{At: noren.At(at.Add(time.Minute)), Site: "shop", Address: "203.0.113.7", Verdict: noren.Block, Cause: "waf"})
	flushed(t, a)
	blocked, allowed, counted := 0, 0, int64(0)
	for _, l := range logged(t, dir) {
		switch {
		case l.Count > 0:
			counted += l.Count
		case l.Verdict != noren.Allow:
			blocked++
		default:
			allowed++
		}
	}
	if blocked != perMinute+1 || allowed != 1000 || counted != 1000-perMinute {
		t.Errorf("blocked %d, allowed %d, counted %d", blocked, allowed, counted)
	}
}

func TestAccessLogErase(t *testing.T) {
	dir := t.TempDir()
	server := openAccess(t, AccessOptions{Dir: dir, FileBytes: 4 << 10})
	line := func(site, addr, query string) {
		server.Write(Line{At: noren.At(time.Now()), Site: site, Address: addr, Query: query, Verdict: noren.Allow})
	}
	for range 50 {
		line("shop", "203.0.113.7", "")
		line("shop", "203.0.113.77", "")
		line("other", "203.0.113.7", "")
		line("shop", "203.0.113.8", "user=hanako")
	}
	flushed(t, server)
	// A command in another process erases while the server goes on writing.
	command := openAccess(t, AccessOptions{Dir: dir, FileBytes: 4 << 10})
	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			line("shop", "203.0.113.9", "")
			n++
			time.Sleep(time.Millisecond)
		}
		wrote <- n
	}()
	n, err := command.Erase(t.Context(), "shop", noren.Subject{Kind: noren.EntityAddress, ID: "203.0.113.7"})
	if err != nil || n != 50 {
		t.Errorf("erased %d lines, %v; want 50", n, err)
	}
	n, err = command.Erase(t.Context(), "shop", noren.Subject{Kind: noren.EntityAccount, ID: "Hanako"})
	if err != nil || n != 50 {
		t.Errorf("erased %d lines of the account, %v; want 50", n, err)
	}
	stop()
	kept := <-wrote
	command.Close()
	server.Close()
	count := map[string]int{}
	for _, l := range logged(t, dir) {
		count[l.Site+" "+l.Address]++
	}
	want := map[string]int{"shop 203.0.113.77": 50, "other 203.0.113.7": 50, "shop 203.0.113.9": kept}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Error(diff)
	}
}

// TestAccessLogErasesUnwrittenLines: the running server's line is still in its
// memory when a command erases, and the file still empty.
func TestAccessLogErasesUnwrittenLines(t *testing.T) {
	dir := t.TempDir()
	server := openAccess(t, AccessOptions{Dir: dir})
	server.Write(Line{At: noren.At(time.Now()), Site: "shop", Address: "203.0.113.7", Verdict: noren.Allow})
	command := openAccess(t, AccessOptions{Dir: dir})
	n, err := command.Erase(t.Context(), "shop", noren.Subject{Kind: noren.EntityAddress, ID: "203.0.113.7"})
	if err != nil || n != 1 {
		t.Errorf("erased %d lines, %v; want 1", n, err)
	}
	command.Close()
	server.Close()
	if left := logged(t, dir); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// A full disk costs lines, not requests, and the log goes on when there is room.
func TestAccessLogOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	current := filepath.Join(dir, currentFile)
	if err := os.Symlink("/dev/full", current); err != nil {
		t.Fatal(err)
	}
	a := openAccess(t, AccessOptions{Dir: dir})
	s := stand(t, func(o *Options) { o.Access = a })
	if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
		t.Errorf("status %d with a full disk", res.StatusCode)
	}
	flushed(t, a)
	if a.Dropped() == 0 {
		t.Error("no line is counted as lost")
	}
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if err := a.call(t.Context(), a.follow); err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/again", "")
	flushed(t, a)
	if got := logged(t, dir); len(got) != 1 || got[0].Path != "/again" {
		t.Errorf("after the disk has room: %+v", got)
	}
}

func TestAccessLogAfterClose(t *testing.T) {
	a := openAccess(t, AccessOptions{Dir: t.TempDir()})
	a.Close()
	a.Write(Line{})
	if err := a.Flush(t.Context()); noren.CodeOf(err) != noren.Unavailable {
		t.Errorf("flush after close: %v", err)
	}
}
