package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"
)

var modified = time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)

// manyAnswers is a shop that answers in the ways HTTP has.
func manyAnswers(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/file":
		http.ServeContent(w, r, "a.txt", modified, strings.NewReader("0123456789abcdefghij"))
	case "/hints":
		for _, n := range []string{"a", "b"} {
			w.Header().Set("Link", "</"+n+".css>; rel=preload; as=style")
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Set("Link", "</c.css>; rel=preload; as=style")
		_, _ = io.WriteString(w, "hinted")
	case "/trailers":
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	case "/chunks":
		for range 3 {
			_, _ = io.WriteString(w, "piece ")
			_ = http.NewResponseController(w).Flush()
		}
	case "/lengthless": // ends with the connection, as old CGI scripts do
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
		_ = rw.Flush()
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/unchanged":
		w.Header().Set("Etag", `"x"`)
		w.WriteHeader(http.StatusNotModified)
	case "/cookies":
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2; Secure; HttpOnly"}
		w.Header()["X-Odd_Name"] = []string{"kept"}
		w.WriteHeader(http.StatusTeapot)
	case "/long":
		_, _ = w.Write(bytes.Repeat([]byte("のれん"), 100_000))
	}
}

// TestAnswersAsWithoutUs: what the shop answers reaches the visitor as it would
// without a gateway: statuses, headers, bodies, trailers, early hints.
func TestAnswersAsWithoutUs(t *testing.T) {
	shop := shopServer(t, manyAnswers)
	s := stand(t, func(o *Options) { o.KV, o.Settings.Sites[0].Upstream = nil, shop })
	secure, secureBase := s.clientFor(t, 2)
	for _, tt := range []struct {
		method, path string
		header       []string
	}{
		{"GET", "/file", nil},
		{"HEAD", "/file", nil},
		{"GET", "/file", []string{"Range", "bytes=0-4"}},
		{"GET", "/file", []string{"Range", "bytes=-3"}},
		{"GET", "/file", []string{"Range", "bytes=0-1,5-6"}},
		{"GET", "/file", []string{"Range", "bytes=90-"}},
		{"GET", "/file", []string{"Range", "bytes=0-4", "If-Range", modified.Format(http.TimeFormat)}},
		{"HEAD", "/file", []string{"Range", "bytes=0-4"}},
		{"GET", "/file", []string{"If-Modified-Since", modified.Format(http.TimeFormat)}},
		{"GET", "/hints", nil},
		{"GET", "/trailers", nil},
		{"GET", "/chunks", nil},
		{"HEAD", "/chunks", nil},
		{"GET", "/lengthless", nil},
		{"GET", "/none", nil},
		{"GET", "/unchanged", nil},
		{"GET", "/cookies", nil},
		{"GET", "/long", nil},
		{"HEAD", "/long", nil},
	} {
		t.Run(strings.Join(append([]string{tt.method, tt.path}, tt.header...), " "), func(t *testing.T) {
			want := askFor(t, http.DefaultClient, shop, tt.method, tt.path, tt.header)
			if got := askFor(t, http.DefaultClient, s.url, tt.method, tt.path, tt.header); got != want {
				t.Errorf("HTTP/1.1 through the gateway\n%s\nwithout it\n%s", got, want)
			}
			if got := askFor(t, secure, secureBase, tt.method, tt.path, tt.header); got != want {
				t.Errorf("HTTP/2 through the gateway\n%s\nwithout it\n%s", got, want)
			}
		})
	}
}

// askFor returns the whole answer as text, without what differs by time.
func askFor(t *testing.T, c *http.Client, base, method, path string, header []string) string {
	t.Helper()
	var out strings.Builder
	req, _ := http.NewRequest(method, base+path, nil)
	req.Host = "x"
	req.Header = http.Header{"User-Agent": {browserUA}, "Accept": {"*/*"}, "Accept-Encoding": {"identity"}}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			fmt.Fprintln(&out, code, h["Link"])
			return nil
		},
	}))
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	fmt.Fprintf(&out, "%d, %d bytes, %v\n", res.StatusCode, len(b), err)
	for _, h := range []http.Header{res.Header, res.Trailer} {
		var lines []string
		for name, vs := range h {
			// HTTP/2 may tell a length that HTTP/1 ends by chunks, and the time moves.
			if name != "Date" && name != "Content-Length" && name != "Connection" {
				lines = append(lines, fmt.Sprintf("%s: %q", name, vs))
			}
		}
		slices.Sort(lines)
		fmt.Fprintln(&out, strings.Join(lines, "\n"))
	}
	// The boundary of several ranges is drawn by lot.
	media := res.Header.Get("Content-Type")
	if _, boundary, ok := strings.Cut(media, "boundary="); ok {
		return strings.ReplaceAll(out.String()+string(b), boundary, "BOUNDARY")
	}
	if len(b) < 100 {
		out.Write(b)
	}
	return out.String()
}

// TestOldClients: who speaks HTTP/1.0 gets a body without chunks that ends with
// the connection.
func TestOldClients(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = shopServer(t, manyAnswers) })
	for path, want := range map[string]string{"/file": "0123456789abcdefghij", "/chunks": "piece piece piece ", "/lengthless": "until the end", "/trailers": "body", "/hints": "hinted"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: x\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n", path, browserUA)
		raw, err := io.ReadAll(c)
		c.Close()
		head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		if err != nil || string(body) != want || bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding")) || bytes.HasPrefix(head, []byte("HTTP/1.1 1")) {
			t.Errorf("%s: %v\n%s", path, err, raw)
		}
	}
}

// TestHintsKeepNoConnectionOpen: an early hint of the shop once took away the
// word that the connection ends after chunks, and what stood behind the body was
// read as the next request.
func TestHintsKeepNoConnectionOpen(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = shopServer(t, manyAnswers) })
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	head := "Host: x\r\nUser-Agent: " + browserUA + "\r\nAccept: */*\r\n"
	fmt.Fprintf(c, "POST /hints HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n0\r\n\r\nGET /file HTTP/1.1\r\n%s\r\n", head, head)
	raw, err := io.ReadAll(c)
	if err != nil || bytes.Contains(raw, []byte("0123456789")) || !bytes.Contains(raw, []byte("hinted")) || !bytes.Contains(raw, []byte("103 Early Hints")) {
		t.Errorf("%v\n%s", err, raw)
	}
}

// TestSlowHeadersAreCutOff: drop by drop, a head has ten seconds in all.
func TestSlowHeadersAreCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	s := stand(t, nil)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(60 * time.Second))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, bufio.NewReader(c))
	}()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n")
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			_, _ = io.WriteString(c, "X-A: b\r\n")
		case <-time.After(50 * time.Second):
			t.Fatal("the connection is still open")
		}
	}
}

// Whoever puts nginx in front and forgets to say so reads it in the log, instead
// of wondering why everybody is one visitor.
func TestUnlistedProxyIsNoticed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trusted []netip.Prefix
		header  []string
		says    bool
	}{
		{"an unlisted one", nil, []string{"X-Forwarded-For: 203.0.113.7"}, true},
		{"a listed one", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, []string{"X-Forwarded-For: 203.0.113.7"}, false},
		{"a visitor of the machine itself", nil, nil, false},
	} {
		var said strings.Builder
		s := stand(t, func(o *Options) {
			o.Log = slog.New(slog.NewTextHandler(&said, nil))
			o.Settings.Sites[0].TrustedProxies = tt.trusted
		})
		if res, _ := s.do("GET", "/", "", tt.header...); res.StatusCode != http.StatusOK {
			t.Errorf("%s: answered %d", tt.name, res.StatusCode)
		}
		if got := strings.Contains(said.String(), "trusted_proxies: [127.0.0.1/32] at the site shop"); got != tt.says {
			t.Errorf("%s: the log says %q", tt.name, said.String())
		}
	}
}
