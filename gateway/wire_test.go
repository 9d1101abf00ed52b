package gateway

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// A request without a body reaches the shop as one: no length, no encoding and
// no byte after its header, whatever the transport is told to keep it from
// repeating the request. The connection serves the next one.
func TestRequestsWithoutABodyOnTheWire(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	heads := make(chan string, 8)
	conns := make(chan struct{}, 8)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- struct{}{}
			go answerHeads(c, heads)
		}
	}()
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = "http://" + ln.Addr().String() })
	for _, method := range []string{"GET", "HEAD", "GET"} {
		res, body := s.do(method, "/products/list", "")
		if res.StatusCode != 200 || method == "GET" && body != "ok" {
			t.Fatalf("%s: %d %q", method, res.StatusCode, body)
		}
		head := <-heads
		if !strings.HasPrefix(head, method+" /products/list HTTP/1.1\r\n") {
			t.Errorf("what came where a request line belongs: %q", head)
		}
		for _, name := range []string{"transfer-encoding:", "content-length:", "identity"} {
			if strings.Contains(strings.ToLower(head), name) {
				t.Errorf("%s has %s\n%s", method, name, head)
			}
		}
	}
	if n := len(conns); n > 2 { // the kept one may have been idle too long on a slow machine
		t.Errorf("%d connections for three requests", n)
	}
}

// answerHeads is a shop that reads header after header, so that a stray byte
// between them spoils the next request line.
func answerHeads(c net.Conn, heads chan<- string) {
	defer c.Close()
	in := bufio.NewReader(c)
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if head.WriteString(line); line != "\r\n" {
			continue
		}
		answer := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n"
		if !strings.HasPrefix(head.String(), "HEAD") {
			answer += "ok"
		}
		heads <- head.String()
		head.Reset()
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}
