package gateway

import (
	"bufio"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// clientFor reaches the standing gateway over HTTP/1.1 in the clear or HTTP/2.
func (s *standing) clientFor(t *testing.T, version int) (*http.Client, string) {
	t.Helper()
	if version == 1 {
		return &http.Client{Timeout: 60 * time.Second}, s.url
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "x", InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Timeout: 60 * time.Second, Transport: tr}, "https://" + s.secure(t)
}

// TestEventStreams: with the firewall and the access log on, and whether the
// shop compresses or not, each event is with the visitor before the shop sends
// the next. The shop waits for the visitor to say so.
func TestEventStreams(t *testing.T) {
	const events = 5
	for _, version := range []int{1, 2} {
		for _, packed := range []bool{false, true} {
			t.Run(fmt.Sprintf("HTTP%d gzip %v", version, packed), func(t *testing.T) {
				seen := make(chan struct{})
				shop := shopServer(t, func(w http.ResponseWriter, r *http.Request) { sendEvents(w, r, events, packed, seen) })
				access, err := OpenAccessLog(AccessOptions{Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				defer access.Close()
				s := stand(t, func(o *Options) { o.Access, o.Settings.Sites[0].Upstream = access, shop })
				client, base := s.clientFor(t, version)
				direct := readEvents(t, http.DefaultClient, shop, packed, events, seen)
				through := readEvents(t, client, base, packed, events, seen)
				t.Logf("first event after %s, direct after %s", through.Round(time.Microsecond), direct.Round(time.Microsecond))
			})
		}
	}
}

func sendEvents(w http.ResponseWriter, r *http.Request, n int, packed bool, seen <-chan struct{}) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	out, flush := io.Writer(w), rc.Flush
	if packed {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		out, flush = z, func() error { _ = z.Flush(); return rc.Flush() }
	}
	for i := range n {
		fmt.Fprintf(out, "data: %d\n\n", i)
		_ = flush()
		select {
		case <-seen:
		case <-r.Context().Done():
			return
		}
	}
}

// readEvents reads every event and tells the shop; it returns how long the first
// took.
func readEvents(t *testing.T, c *http.Client, base string, packed bool, n int, seen chan<- struct{}) (first time.Duration) {
	t.Helper()
	req, _ := http.NewRequest("GET", base+"/events", nil)
	req.Host = "x"
	req.Header.Set("User-Agent", browserUA)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "gzip")
	began := time.Now()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := io.Reader(res.Body)
	if packed {
		if body, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewReader(body)
	for i := range n {
		line, err := in.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("event %d: %q, %v", i, line, err)
		}
		if i == 0 {
			first = time.Since(began)
		}
		_, _ = in.ReadString('\n')
		seen <- struct{}{}
	}
	return first
}

// watchedReader looks at the memory with every mebibyte that passes.
type watchedReader struct {
	io.Reader
	passed, looked, most int64
}

func (w *watchedReader) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.passed += int64(n)
	if w.passed-w.looked >= 1<<20 || err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.looked, w.most = w.passed, max(w.most, int64(m.HeapAlloc))
	}
	return n, err
}

// TestLargeTransfersInBoundedMemory: 64 MiB up as a file, up in a form, and down,
// within 24 MiB of memory for gateway, shop and visitor together.
func TestLargeTransfersInBoundedMemory(t *testing.T) {
	const size, ceiling = 64 << 20, 24 << 20
	s := stand(t, func(o *Options) {
		o.Settings.Sites[0].BodyLimit = 2 * size
		o.SpoolDir = t.TempDir()
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				_, _ = io.CopyN(w, zeroes{}, size)
				return
			}
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%d %v", n, err)
		})
	})
	form, formType, formSize := formOf(t, size)
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // what is thrown away does not count
	for _, version := range []int{1, 2} {
		client, base := s.clientFor(t, version)
		for _, tt := range []struct {
			name, method, contentType string
			body                      io.Reader
			want                      string
		}{
			{"up as a file", "PUT", "image/png", io.LimitReader(zeroes{}, size), fmt.Sprintf("%d <nil>", size)},
			{"up in a form", "POST", formType, form(), fmt.Sprintf("%d <nil>", formSize)},
			{"down", "GET", "", nil, ""},
		} {
			t.Run(fmt.Sprintf("HTTP%d %s", version, tt.name), func(t *testing.T) {
				before := heap()
				up := &watchedReader{Reader: tt.body}
				var body io.Reader = up
				if tt.body == nil {
					body = nil
				}
				req, _ := http.NewRequest(tt.method, base+"/large", body)
				req.Host = "x"
				req.Header = http.Header{"User-Agent": {browserUA}, "Accept": {"*/*"}}
				if tt.contentType != "" {
					req.Header.Set("Content-Type", tt.contentType)
				}
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				down := &watchedReader{Reader: res.Body}
				head := make([]byte, 64)
				k, _ := io.ReadFull(down, head)
				n, err := io.Copy(io.Discard, down)
				if err != nil || res.StatusCode != 200 || tt.want == "" && n+int64(k) != size || tt.want != "" && string(head[:k]) != tt.want {
					t.Errorf("status %d, %d bytes, %q, %v", res.StatusCode, n+int64(k), head[:k], err)
				}
				grown := max(up.most, down.most) - before
				if grown > ceiling {
					t.Errorf("memory grew by %d MiB", grown>>20)
				}
				t.Logf("memory grew by at most %d KiB", grown>>10)
			})
		}
	}
}

// formOf is a form with one file of size bytes, made as it is read.
func formOf(t *testing.T, size int64) (form func() io.Reader, contentType string, length int64) {
	t.Helper()
	var boundary string
	build := func() io.Reader {
		r, w := io.Pipe()
		mw := multipart.NewWriter(w)
		if boundary != "" {
			_ = mw.SetBoundary(boundary)
		}
		boundary, contentType = mw.Boundary(), mw.FormDataContentType()
		go func() {
			part, _ := mw.CreateFormFile("photo", "a.jpg")
			_, _ = io.CopyN(part, zeroes{}, size)
			_ = mw.Close()
			_ = w.Close()
		}()
		return r
	}
	length, err := io.Copy(io.Discard, build())
	if err != nil {
		t.Fatal(err)
	}
	return build, contentType, length
}
