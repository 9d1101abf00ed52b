package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
)

// wireShop keeps the request lines of everything that reaches it, read by a
// reader that only knows the one plain form.
type wireShop struct {
	mu    sync.Mutex
	lines []string
	odd   string
}

func (w *wireShop) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go w.read(c)
	}
}

func (w *wireShop) read(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		line, head, n, err := plainHead(in)
		if line == "" && err != nil {
			return // closed, or the visitor left while the head was written
		}
		w.mu.Lock()
		w.lines = append(w.lines, line)
		if err != nil && w.odd == "" {
			w.odd = fmt.Sprintf("%v in %q", err, head)
		}
		w.mu.Unlock()
		if err != nil {
			return
		}
		if n < 0 {
			err = skipChunks(in)
		} else {
			_, err = io.CopyN(io.Discard, in, n)
		}
		if err != nil {
			return // the gateway gave up: the visitor's body broke off
		}
		answer := "HTTP/1.1 204 No Content\r\n\r\n"
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

// plainHead reads a head; n is the body's length, -1 for chunks.
func plainHead(in *bufio.Reader) (line, head string, n int64, err error) {
	var b []byte
	for !bytes.HasSuffix(b, []byte("\r\n\r\n")) {
		c, err := in.ReadByte()
		if err != nil {
			return "", string(b), 0, err
		}
		b = append(b, c)
	}
	head = string(b)
	lines := strings.Split(strings.TrimSuffix(head, "\r\n\r\n"), "\r\n")
	framed := 0
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ": ")
		switch {
		case !ok || strings.ContainsAny(l, "\r\n\x00") || !plainName(name):
			return lines[0], head, 0, fmt.Errorf("an odd header %q", l)
		case name == "Content-Length":
			framed++
			if _, err := fmt.Sscanf(value, "%d", &n); err != nil || fmt.Sprint(n) != value {
				return lines[0], head, 0, fmt.Errorf("the length %q", value)
			}
		case name == "Transfer-Encoding":
			framed++
			n = -1
		}
	}
	if len(strings.Split(lines[0], " ")) != 3 || framed > 1 {
		return lines[0], head, 0, fmt.Errorf("a request line %q, framed %d times", lines[0], framed)
	}
	return lines[0], head, n, nil
}

func skipChunks(in *bufio.Reader) error {
	for {
		var n int64
		if _, err := fmt.Fscanf(in, "%x\r\n", &n); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, in, n+2); err != nil || n == 0 {
			return err
		}
	}
}

// FuzzRawRequests sends any bytes to a gateway. The shop never sees a request
// that the gateway did not log as one let through, in order, line by line.
func FuzzRawRequests(f *testing.F) {
	const h = "Host: x\r\nUser-Agent: Mozilla/5.0 Firefox/128.0\r\nAccept: */*\r\n"
	for _, seed := range []string{
		"GET / HTTP/1.1\r\n" + h + "\r\n",
		"POST /contact HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\na=1GET /next HTTP/1.1\r\n" + h + "\r\n",
		"POST /contact HTTP/1.1\r\n" + h + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /next HTTP/1.1\r\n" + h + "\r\n",
		"POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Type: image/png\r\n\r\n4;a=b\r\n\x89PN\x00\r\n0\r\nX: y\r\n\r\nGET /next HTTP/1.1\r\n" + h + "\r\n",
		"GET http://x/a|b%2fc?d;e=%zz HTTP/1.0\r\n" + h + "Connection: keep-alive, Cookie\r\nA: b\r\n c\r\n\r\n",
		"GET //x/..;/%2e%2e/ HTTP/1.1\r\n" + h + "X-A: b\nX-C: d\r\nX_D: e\r\n\r\n",
		"GET /ws HTTP/1.1\r\n" + h + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\nGET /next HTTP/1.1\r\n\r\n",
		"POST / HTTP/1.1\r\n" + h + "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
	} {
		f.Add([]byte(seed))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { l.Close() })
	shop := &wireShop{}
	go shop.serve(l)
	s := stand(f, func(o *Options) {
		o.Settings.Connections = Connections{Most: 1_000_000, PerClient: 1_000_000, Rate: Rate{1_000_000, time.Second}, Burst: 1_000_000} // a fuzzer comes faster than any visitor
		o.Settings.Sites[0].Upstream, o.KV, o.Inspector = "http://"+l.Addr().String(), nil, nil
	})
	logged := map[string]int{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, line := range s.wire(t, raw) {
			logged[line]++
		}
		shop.mu.Lock()
		defer shop.mu.Unlock()
		if shop.odd != "" {
			t.Fatalf("the shop met %s", shop.odd)
		}
		for _, line := range shop.lines {
			words := strings.Split(line, " ")
			path, _, _ := strings.Cut(words[1], "?")
			if line = words[0] + " " + cutText(path, maxLoggedPath); logged[line] == 0 {
				t.Fatalf("the shop saw %q, which was not logged", line)
			}
			logged[line]--
		}
		shop.lines = nil
	})
}

// wire sends raw on a connection of its own until the gateway has answered
// everything in it, and returns what was let through by what was logged. A
// request is logged before the shop sees it; one whose visitor left may reach
// the shop late or never.
func (s *standing) wire(t *testing.T, raw []byte) (sent []string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = c.Write(raw)
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
	s.loop.mu.Lock()
	defer s.loop.mu.Unlock()
	for _, ev := range s.loop.events {
		if r, ok := ev.Payload.(*noren.Request); ok {
			sent = append(sent, r.Method+" "+r.Path)
		}
	}
	s.loop.events = nil
	return sent
}
