package gateway

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scriptedShop answers every question with the same bytes.
type scriptedShop struct {
	answer string
	hangUp bool
	addr   string

	mu    sync.Mutex
	asked []string
	conns atomic.Int64
}

func newScriptedShop(t testing.TB, answer string, hangUp bool) *scriptedShop {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scriptedShop{answer: answer, hangUp: hangUp, addr: ln.Addr().String()}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			t.Cleanup(func() { c.Close() })
			go s.serve(c)
		}
	}()
	return s
}

func (s *scriptedShop) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		var asked strings.Builder
		for !strings.HasSuffix(asked.String(), "\r\n\r\n") {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			asked.WriteString(line)
		}
		s.mu.Lock()
		s.asked = append(s.asked, asked.String())
		s.mu.Unlock()
		if _, err := io.WriteString(c, s.answer); err != nil || s.hangUp || strings.Contains(asked.String(), "Connection: close") {
			return
		}
	}
}

// before is a gateway before the shop; over says which way it asks.
func (s *scriptedShop) before(t testing.TB, lined bool) *standing {
	t.Helper()
	no := false
	g := stand(t, func(o *Options) {
		site := &o.Settings.Sites[0]
		site.Upstream, site.Preset, site.WAF, site.DeviceCookie = "http://"+s.addr, "generic", WAFOff, &no
		o.KV = nil
	})
	p := g.state.Load().shops["shop"].pool
	if !p.lined {
		t.Fatal("the server has no lines")
	}
	p.lined = lined
	return g
}

var changing = regexp.MustCompile(`(?m)^(Date: .*|Noren-Hop: .*)\r\n|[0-9A-Z]{5}-[0-9A-Z]{5}`)

// wholeAnswer is everything that comes back, but for what is never the same.
func (s *standing) wholeAnswer(request string) string {
	s.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		s.t.Fatal(err)
	}
	b, _ := io.ReadAll(c) // what came before a reset counts too
	out := changing.ReplaceAllString(string(b), "")
	if status := out[min(len(out), len("HTTP/1.1 ")):]; strings.HasPrefix(status, "502") {
		return status[:3] // our own page
	}
	return out
}

// TestCarryIsLikeReverseProxy: whatever the shop answers, the visitor gets the
// same bytes as over httputil.ReverseProxy and http.Transport, and so does the
// shop.
func TestCarryIsLikeReverseProxy(t *testing.T) {
	long := strings.Repeat("お茶をどうぞ。", 20_000)
	// Where ReverseProxy passes an answer of unknown length on, a timer races with
	// the first bytes; with a Content-Type nothing is guessed from them.
	answers := []struct {
		name, answer string
		hangUp       bool
	}{
		{"a page", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nabc", false},
		{"a long page", fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long), false},
		{"nothing", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false},
		{"chunks", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", false},
		{"chunks and a length", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n3\r\nabc\r\n0\r\n\r\n", false},
		{"trailers", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", false},
		{"trailers unannounced", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", false},
		{"a forbidden trailer", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", false},
		{"chunks broken later", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\nabc\r\n0\r\n\r\n", true},
		{"chunks broken off", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true},
		{"a body broken off", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", true},
		{"two encodings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", true},
		{"until the end", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nabc", true},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nabc", true},
		{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", false},
		{"HTTP/0.9", "abc", true},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", true},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", true},
		{"more than it says", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", false},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 5\r\n\r\n", false},
		{"no content", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", false},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: /cart\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n", false},
		{"hints", "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false},
		{"continue unasked", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false},
		{"switching unasked", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", true},
		{"hop by hop", "HTTP/1.1 200 OK\r\nConnection: X-Own, keep-alive\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: x\r\nUpgrade: h2c\r\nAlt-Svc: h3\r\nContent-Length: 0\r\n\r\n", false},
		{"closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", true},
		{"pragma", "HTTP/1.1 200 OK\r\nPragma: no-cache\r\nContent-Length: 0\r\n\r\n", false},
		{"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", true},
		{"bare line feeds", "HTTP/1.1 200 OK\nX: a\nContent-Length: 3\n\nabc", true},
		{"no colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", true},
		{"a space before the colon", "HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n", true},
		{"events", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\ndata: x\n\n", true},
		{"an odd status", "HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n", false},
		{"a short status", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", true},
		{"nothing at all", "", true},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le", true},
	}
	requests := []string{
		"GET /products/12?a=b;c=%zz&d HTTP/1.1\r\nHost: shop.example.jp\r\nUser-Agent: x\r\nTE: trailers, deflate\r\nConnection: close, te\r\nX-Two: 1\r\nX-Two: 2\r\nX-Empty:\r\n\r\n",
		"HEAD /%41%2f HTTP/1.1\r\nHost: shop.example.jp:8080\r\nConnection: close\r\nAccept-Encoding: gzip\r\nContent-Length: 0\r\nX-Forwarded-For: 1.2.3.4\r\nNoren-Hop: 1\r\nnoren-origin: 1\r\n\r\n",
		"OPTIONS /x HTTP/1.1\r\nHost: shop.example.jp\r\nConnection: close\r\nUser-Agent:\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: shop.example.jp\r\n\r\n",
	}
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			var said, heard [2][]string
			for i := range 2 {
				shop := newScriptedShop(t, a.answer, a.hangUp)
				g := shop.before(t, i == 1)
				for _, r := range append(requests, requests[0]) {
					said[i] = append(said[i], g.wholeAnswer(r))
				}
				for _, r := range shop.asked {
					heard[i] = append(heard[i], changing.ReplaceAllString(strings.ReplaceAll(r, "Connection: close\r\n", ""), ""))
				}
				heard[i] = slices.Compact(heard[i]) // asked once more or not, as a broken connection is noticed
			}
			for n := range said[0] {
				if said[0][n] != said[1][n] {
					t.Errorf("request %d:\n%.2000s\nover ReverseProxy:\n%.2000s", n, said[1][n], said[0][n])
				}
			}
			if strings.Join(heard[0], "") != strings.Join(heard[1], "") {
				t.Errorf("the shop was asked\n%s\nover ReverseProxy\n%s", heard[1], heard[0])
			}
		})
	}
}

// FuzzLineWritesLikeHTTP: what goes to the shop is what net/http would write.
func FuzzLineWritesLikeHTTP(f *testing.F) {
	f.Add("GET", "/a%2fb", "x=1&y", "shop.example", "User-Agent", "x", "Cookie", "a=b; c")
	f.Add("OPTIONS", "/", "", "[::1]:80", "Accept", "", "X-A", "\ttab ")
	f.Add("HEAD", "/é", "%zz", "a:1", "Content-Length", "0", "Te", "trailers")
	f.Add("GET", "/x\r\nEvil: 1", "", "h", "X", "a\r\nEvil: 1", "Y\r\nZ", "b")
	f.Fuzz(func(t *testing.T, method, path, query, host, name1, value1, name2, value2 string) {
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawPath: path, RawQuery: query}, Host: host, Body: emptyBody{},
			TransferEncoding: identity[:], Header: http.Header{"User-Agent": {value2}}}
		r.Header[http.CanonicalHeaderKey(name1)] = []string{value1, value2}
		r.Header[http.CanonicalHeaderKey(name2)] = []string{value2}
		c := &line{keeps: true}
		if c.write(&inquiry{Request: r}) != nil {
			return // refused, which is always safe
		}
		var want bytes.Buffer
		if err := r.Write(&want); err != nil {
			t.Fatalf("net/http refuses it: %v", err)
		}
		if !bytes.Equal(c.out, want.Bytes()) {
			t.Fatalf("%q\nnet/http writes\n%q", c.out, want.Bytes())
		}
		back, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.out)))
		if err != nil {
			return // a path that only shops take
		}
		if back.Method != method || back.RequestURI != r.URL.RequestURI() || len(back.Header) > len(r.Header) || back.ContentLength != 0 {
			t.Fatalf("%q is read as %+v", c.out, back)
		}
	})
}

// asking is the lines of a server without a gateway.
func asking(t *testing.T, shop *scriptedShop, wait time.Duration) (*lines, func(ctx context.Context) (string, error)) {
	tr := NewTransport()
	tr.ResponseHeaderTimeout, tr.MaxIdleConnsPerHost = wait, 2
	l := newLines(tr, "http", shop.addr, new(atomic.Int64))
	return l, func(ctx context.Context) (string, error) {
		r, err := http.NewRequestWithContext(ctx, "GET", "http://"+shop.addr+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := l.ask(&inquiry{Request: r}, false)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return string(b), err
	}
}

const page3 = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

func TestLinesAreKept(t *testing.T) {
	shop := newScriptedShop(t, page3, false)
	l, ask := asking(t, shop, time.Minute)
	for range 5 {
		if b, err := ask(t.Context()); b != "abc" || err != nil {
			t.Fatal(b, err)
		}
	}
	if n := shop.conns.Load(); n != 1 {
		t.Errorf("%d connections for five questions in a row", n)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { _, _ = ask(t.Context()) })
	}
	wg.Wait()
	if n, all := len(l.free), l.kept.Load(); n > 2 || int64(n) != all {
		t.Errorf("%d are kept, %d counted; at most 2", n, all)
	}
	l.keep = 20 * time.Millisecond
	l.sweepIn(l.keep)
	eventually(t, "the old ones are dropped", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.free) > 0 || l.swept || l.kept.Load() != 0 {
			return fmt.Errorf("%d are kept, %d counted", len(l.free), l.kept.Load())
		}
		return nil
	})
}

// TestNothingUnaskedIsAnAnswer: what a server sends on a connection between two
// questions, or behind an answer, is never the answer to the next (response
// smuggling).
func TestNothingUnaskedIsAnAnswer(t *testing.T) {
	shop := newScriptedShop(t, page3+"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", false)
	_, ask := asking(t, shop, time.Minute)
	for range 3 {
		if b, err := ask(t.Context()); b != "abc" || err != nil {
			t.Fatal(b, err)
		}
	}
	if n := shop.conns.Load(); n != 3 {
		t.Errorf("%d connections; each is spoilt by its answer", n)
	}
	here, there := net.Pipe()
	defer there.Close()
	if (newLine(nil, here, true)).quiet() {
		t.Error("a connection that cannot be looked at is taken for quiet")
	}
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	defer ln.Close()
	mine, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	theirs, _ := ln.Accept()
	c := newLine(nil, mine, true)
	if !c.quiet() {
		t.Error("a quiet connection is not quiet")
	}
	_, _ = theirs.Write([]byte("x"))
	eventually(t, "what was sent is noticed", func() error {
		if c.quiet() {
			return fmt.Errorf("quiet")
		}
		return nil
	})
}

// Who leaves is not waited for, whether the shop has begun or not; and a shop
// that does not begin is given up.
func TestLinesAreGivenUp(t *testing.T) {
	silent := newScriptedShop(t, "", false)
	half := newScriptedShop(t, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", false)
	for _, shop := range []*scriptedShop{silent, half} {
		l, ask := asking(t, shop, time.Minute)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, leave)
		if _, err := ask(ctx); err != context.Canceled {
			t.Errorf("left: %v", err)
		}
		if len(l.free) != 0 {
			t.Error("a connection that was cut is kept")
		}
	}
	_, ask := asking(t, silent, 50*time.Millisecond)
	if _, err := ask(t.Context()); !timedOut(err) {
		t.Errorf("a silent shop: %v", err)
	}
	slow := newFront(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		time.Sleep(200 * time.Millisecond) // longer than a header may take: bodies take their time
		_, _ = io.WriteString(w, "done")
	})
	_, ask = asking(t, &scriptedShop{addr: slow.addr}, 100*time.Millisecond)
	if b, err := ask(t.Context()); b != "done" || err != nil {
		t.Errorf("a slow body: %q %v", b, err)
	}
}

func TestLongAnswerHeadersAreGivenUp(t *testing.T) {
	shop := newScriptedShop(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 100_000)+"\r\nContent-Length: 0\r\n\r\n", true)
	l, ask := asking(t, shop, time.Minute)
	if _, err := ask(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.header = 50_000
	if _, err := ask(t.Context()); err == nil {
		t.Error("a header over the bound is read")
	}
}

// TestEveryVersionIsCarried: over HTTP/2 a request without a body has a reader of
// one, and must not take the long way for it. What has a body does.
func TestEveryVersionIsCarried(t *testing.T) {
	shop := newScriptedShop(t, page3, false)
	s := shop.before(t, true)
	kept := func() int64 { return s.keptLines.Load() }
	for _, version := range []int{1, 2} {
		client, base := s.clientFor(t, version)
		p := s.state.Load().shops["shop"].pool
		for _, tt := range []struct {
			method, body string
			carried      bool
		}{{"GET", "", true}, {"OPTIONS", "", true}, {"POST", "a=b", false}, {"POST", "", false}, {"GET", "a=b", false}} {
			p.backends[0].lines.dropAll()
			r, err := http.NewRequest(tt.method, base+"/x", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != "abc" || (kept() == 1) != tt.carried {
				t.Errorf("HTTP/%d %s %q: %q, %d lines kept; carried %v", version, tt.method, tt.body, b, kept(), tt.carried)
			}
		}
	}
}

func (l *lines) dropAll() {
	for c := l.pop(); c != nil; c = l.pop() {
		c.close()
	}
}
