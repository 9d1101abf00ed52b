package e2e

import (
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLargeStreams sends a file, a form with a file, and a download through a
// noren of its own and looks at the most memory that process ever had. 64 MiB,
// or $NOREN_STREAM_MIB: make soak VERB=stream sends 5 GiB.
func TestLargeStreams(t *testing.T) {
	mib, err := strconv.ParseInt(os.Getenv("NOREN_STREAM_MIB"), 10, 64)
	if err != nil {
		mib = 64
	}
	size := mib << 20
	const ceiling = 64 << 10 // KiB above what it had before
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/down" {
			_, _ = io.CopyN(w, endless{}, size)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	}))
	t.Cleanup(shop.Close)
	public, pid := largeShop(t, shop.URL, 2*size)
	before := peakKiB(t, pid)
	for _, tt := range []struct {
		name string
		ask  func() (int64, error)
		want int64
	}{
		{"up as a file", func() (int64, error) {
			return send(public, "PUT", "/up", "application/octet-stream", io.LimitReader(endless{}, size))
		}, size},
		{"up in a form", func() (int64, error) {
			body, contentType := form(size)
			n, err := send(public, "POST", "/up", contentType, body)
			return n / (1 << 20), err // without the form's own few bytes
		}, mib},
		{"down", func() (int64, error) { return send(public, "GET", "/down", "", nil) }, size},
	} {
		began := time.Now()
		got, err := tt.ask()
		if err != nil || got != tt.want {
			t.Fatalf("%s: %d bytes arrived of %d: %v", tt.name, got, tt.want, err)
		}
		grown := peakKiB(t, pid) - before
		if grown > ceiling {
			t.Errorf("%s: %d MiB of memory more than before", tt.name, grown>>10)
		}
		t.Logf("%s: %d MiB in %s; peak of memory %d MiB, before %d MiB", tt.name, mib, time.Since(began).Round(time.Millisecond), (before+grown)>>10, before>>10)
	}
}

// largeShop starts a noren that takes bodies up to limit.
func largeShop(t *testing.T, upstream string, limit int64) (public string, pid int) {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	config := filepath.Join(t.TempDir(), "noren.yaml")
	text := fmt.Sprintf("version: 1\nlisten: {http: %q}\nsites:\n  - {name: shop, hosts: [\"127.0.0.1\"], upstream: %q, body_limit: %d}\n", address, upstream, limit)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, noren(t), "serve", "--config", config)
	public = "http://" + address
	awaitHTTP(t, public+"/", 20*time.Second)
	return public, p.cmd.Process.Pid
}

// peakKiB is the most memory a process ever had.
func peakKiB(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no VmHWM in %s", status)
	}
	n, _ := strconv.Atoi(string(m[1])) // digits
	return n
}

// send returns how many bytes arrived, at the shop or here.
func send(public, method, path, contentType string, body io.Reader) (int64, error) {
	req, err := http.NewRequest(method, public+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.0.0")
	req.Header.Set("Accept", "*/*")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s", res.Status)
	}
	if method == "GET" {
		return io.Copy(io.Discard, res.Body)
	}
	said, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	count, fault, _ := strings.Cut(string(said), " ")
	if fault != "<nil>" {
		return 0, fmt.Errorf("the shop read: %s", said)
	}
	return strconv.ParseInt(count, 10, 64)
}

func form(size int64) (io.Reader, string) {
	r, w := io.Pipe()
	mw := multipart.NewWriter(w)
	go func() {
		part, err := mw.CreateFormFile("movie", "a.mp4")
		if err == nil {
			_, err = io.CopyN(part, endless{}, size)
		}
		if err == nil {
			err = mw.Close()
		}
		_ = w.CloseWithError(err)
	}()
	return r, mw.FormDataContentType()
}

// endless is bytes that no parser takes for text.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(i) | 0x80
	}
	b[0] = 0
	return len(b), nil
}
