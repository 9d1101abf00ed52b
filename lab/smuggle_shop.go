package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// rawShop is an upstream that keeps every byte it gets. It reads by its own
// strict parser and not by net/http's, so that nothing the gateway's library
// forgives is forgiven here.
type rawShop struct {
	listener net.Listener

	mu   sync.Mutex
	got  []received
	open sync.WaitGroup
}

// received is one request as it came over the wire.
type received struct {
	line   string
	header []headerLine
	body   []byte
	odd    string // what a strict reader minds, "" for nothing
}

type headerLine struct{ name, value string }

// values are the header's values by lower-case name.
func (r *received) values(name string) (out []string) {
	for _, h := range r.header {
		if strings.EqualFold(h.name, name) {
			out = append(out, h.value)
		}
	}
	return out
}

// target is the second word of the request line.
func (r *received) target() string {
	_, rest, _ := strings.Cut(r.line, " ")
	target, _, _ := strings.Cut(rest, " ")
	return target
}

func startRawShop() (*rawShop, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &rawShop{listener: l}
	s.open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.open.Go(func() { s.serve(c) })
		}
	})
	return s, nil
}

func (s *rawShop) url() string { return "http://" + s.listener.Addr().String() }

// close ends the shop; connections of the gateway end with their deadline.
func (s *rawShop) close() { s.listener.Close() }

// take returns what was received since the last call.
func (s *rawShop) take() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

func (s *rawShop) note(r received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, r)
}

func (s *rawShop) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		r, err := readRaw(in)
		if r.line != "" {
			if err != nil && r.odd == "" {
				r.odd = err.Error()
			}
			s.note(r)
		}
		if err != nil || r.odd != "" {
			return
		}
		answer := "ok"
		if strings.HasPrefix(r.line, "HEAD ") {
			answer = ""
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n%s", answer); err != nil {
			return
		}
	}
}

const rawHeadMost = 256 << 10

// readRaw reads one request. An error means that nothing more can be read.
func readRaw(in *bufio.Reader) (r received, err error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		b, err := in.ReadByte()
		if err != nil {
			if len(head) > 0 {
				r.line, r.odd = string(head), "the head breaks off"
			}
			return r, err
		}
		if head = append(head, b); len(head) > rawHeadMost {
			return r, errors.New("an endless head")
		}
	}
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	r.line = lines[0]
	if words := strings.Split(r.line, " "); len(words) != 3 || words[2] != "HTTP/1.1" {
		r.odd = "the request line is not three words"
	}
	for _, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		if !ok || !token(name) || strings.ContainsAny(l, "\r\n\x00") {
			r.odd = fmt.Sprintf("the header line %q", l)
		}
		r.header = append(r.header, headerLine{name, strings.Trim(value, " \t")})
	}
	return r, r.readBody(in)
}

func token(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func (r *received) readBody(in *bufio.Reader) error {
	length, coding := r.values("Content-Length"), r.values("Transfer-Encoding")
	switch {
	case len(r.values("Host")) != 1:
		r.odd = "not one Host"
	case len(length) > 1 || len(coding) > 1 || len(length)+len(coding) > 1:
		r.odd = "framed in two ways"
	case len(coding) == 1 && coding[0] != "chunked":
		r.odd = "another transfer coding"
	case len(coding) == 1:
		return r.readChunks(in)
	case len(length) == 1:
		n, err := strconv.ParseUint(length[0], 10, 31)
		if err != nil || strconv.FormatUint(n, 10) != length[0] {
			r.odd = "the length " + length[0]
			return nil
		}
		r.body = make([]byte, n)
		_, err = io.ReadFull(in, r.body)
		return err
	}
	return nil
}

func (r *received) readChunks(in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		n, perr := strconv.ParseUint(strings.TrimSuffix(line, "\r\n"), 16, 31)
		if perr != nil || !strings.HasSuffix(line, "\r\n") {
			r.odd = fmt.Sprintf("the chunk size line %q", line)
			return nil
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return err
		}
		if string(chunk[n:]) != "\r\n" {
			r.odd = "a trailer, or a chunk without its end"
			return nil
		}
		if r.body = append(r.body, chunk[:n]...); n == 0 {
			return nil
		}
	}
}
