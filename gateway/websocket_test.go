package gateway

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
)

// socketCase is one conversation: frames of the client, whole or in pieces.
type socketCase struct {
	name   string
	lines  string // more of the handshake
	frames [][]byte
	half   bool // the client closes its direction and listens on
}

func text(s string) []byte {
	return frame{fin: true, op: wsText, masked: true, payload: []byte(s)}.bytes()
}

func part(fin bool, op byte, s string) []byte {
	return frame{fin: fin, op: op, masked: true, payload: []byte(s)}.bytes()
}

func closing(code uint16, reason string) []byte {
	return part(true, wsClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// socketCases are after the groups of the Autobahn test suite.
func socketCases() []socketCase {
	bye := closing(1000, "")
	var cases []socketCase
	add := func(name string, frames ...[]byte) {
		cases = append(cases, socketCase{name: name, frames: frames})
	}
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20, 16 << 20} {
		add(fmt.Sprintf("1: text of %d bytes", n), text(strings.Repeat("a", n)), bye)
		add(fmt.Sprintf("1: binary of %d bytes", n), part(true, wsBinary, strings.Repeat("\xfe", n)), bye)
	}
	add("1: a message cut into TCP pieces", append(chop(text(strings.Repeat("のれん", 500)), 97), bye)...)
	add("2: ping with a payload", part(true, wsPing, "payload"), bye)
	add("2: ping of 125 bytes", part(true, wsPing, strings.Repeat("p", 125)), bye)
	add("2: ping of 126 bytes", part(true, wsPing, strings.Repeat("p", 126)))
	add("2: ten pings", append(repeat(part(true, wsPing, "x"), 10), bye)...)
	add("2: a pong nobody asked for", part(true, wsPong, "x"), text("a"), bye)
	add("2: ping byte by byte", append(chop(part(true, wsPing, "slowly"), 1), bye)...)
	for rsv := byte(1); rsv < 8; rsv++ {
		add(fmt.Sprintf("3: reserved bits %03b", rsv), frame{fin: true, rsv: rsv, op: wsText, masked: true, payload: []byte("x")}.bytes())
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		add(fmt.Sprintf("4: opcode %d", op), text("before"), part(true, op, "x"))
	}
	add("5: in fragments", part(false, wsText, "frag"), part(false, wsContinue, "men"), part(true, wsContinue, "ts"), bye)
	add("5: a ping between fragments", part(false, wsText, "a"), part(true, wsPing, "p"), part(true, wsContinue, "b"), bye)
	add("5: a thousand fragments", append(append([][]byte{part(false, wsBinary, "x")}, repeat(part(false, wsContinue, "y"), 1000)...), part(true, wsContinue, "z"), bye)...)
	add("5: a ping in fragments", part(false, wsPing, "a"), part(true, wsContinue, "b"))
	add("5: a continuation of nothing", part(true, wsContinue, "x"))
	add("5: a message inside a message", part(false, wsText, "a"), text("b"))
	add("6: UTF-8", text("暖簾 κόσμε 🏮"), bye)
	add("6: UTF-8 cut inside a character", part(false, wsText, "\xe6\x9a"), part(true, wsContinue, "\x96"), bye)
	add("6: not UTF-8", text("\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited"))
	add("6: overlong", text("\xc0\xaf"))
	add("7: close without a code", part(true, wsClose, ""))
	add("7: close with half a code", part(true, wsClose, "x"))
	add("7: close with a reason", closing(1001, "さようなら"))
	add("7: close with a reason that is not UTF-8", closing(1000, "\xff"))
	add("7: a message behind the close", closing(1000, ""), text("too late"))
	add("7: two closes", bye, bye)
	for _, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 4999, 0, 999, 1004, 1005, 1006, 1016, 2000, 5000, 65535} {
		add(fmt.Sprintf("7: close code %d", code), closing(code, ""))
	}
	add("8: unmasked", frame{fin: true, op: wsText, payload: []byte("x")}.bytes())
	add("10: three messages in one write", bytes.Join([][]byte{text("one"), text("two"), text("three"), bye}, nil))
	deflated := packMessage("のれん " + strings.Repeat("squeeze ", 2000))
	cases = append(cases,
		socketCase{name: "12: permessage-deflate", lines: "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", frames: [][]byte{frame{fin: true, rsv: 4, op: wsText, masked: true, payload: deflated}.bytes(), bye}},
		socketCase{name: "12: compressed without the extension", frames: [][]byte{frame{fin: true, rsv: 4, op: wsText, masked: true, payload: deflated}.bytes()}},
		socketCase{name: "a subprotocol", lines: "Sec-WebSocket-Protocol: chat, superchat\r\n", frames: [][]byte{text("x"), bye}},
		socketCase{name: "half closed: the shop still answers", frames: [][]byte{text("last words")}, half: true},
		socketCase{name: "half closed inside a frame", frames: [][]byte{text("last words")[:5]}, half: true},
	)
	return cases
}

func repeat(b []byte, n int) (out [][]byte) {
	for range n {
		out = append(out, b)
	}
	return out
}

func chop(b []byte, n int) (out [][]byte) {
	for len(b) > n {
		out, b = append(out, b[:n]), b[n:]
	}
	return append(out, b)
}

func packMessage(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{0, 0, 0xff, 0xff})
}

// TestWebSocketsAsWithoutUs holds every conversation through the gateway, in the
// clear and over TLS, against the same one with the shop itself, frame by frame.
func TestWebSocketsAsWithoutUs(t *testing.T) {
	shop := shopServer(t, echoSocket)
	s := stand(t, func(o *Options) { o.KV, o.Settings.Sites[0].Upstream = nil, shop })
	secure := s.secure(t)
	plain := func(addr string) func() (net.Conn, error) {
		return func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(addr, "http://")) }
	}
	overTLS := func() (net.Conn, error) {
		return tls.Dial("tcp", secure, &tls.Config{ServerName: "x", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	for _, c := range socketCases() {
		t.Run(c.name, func(t *testing.T) {
			want := c.play(t, plain(shop))
			for name, dial := range map[string]func() (net.Conn, error){"plain": plain(s.url), "TLS": overTLS} {
				if got := c.play(t, dial); got != want {
					t.Errorf("%s: through the gateway\n%s\nwithout it\n%s", name, got, want)
				}
			}
		})
	}
	if n := len(s.loop.of(noren.HTTPRequest)); n != 2*len(socketCases()) {
		t.Errorf("%d requests were decided, want one for each of %d sockets", n, 2*len(socketCases()))
	}
}

// play returns what the client saw: the handshake's answer and every frame.
func (c socketCase) play(t *testing.T, dial func() (net.Conn, error)) string {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	in, seen := c.shake(t, conn)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, f := range c.frames {
			if _, err := conn.Write(f); err != nil {
				return
			}
		}
		if half, ok := conn.(interface{ CloseWrite() error }); ok && c.half {
			_ = half.CloseWrite()
		}
	}()
	for {
		f, err := readFrame(in)
		if err != nil {
			fmt.Fprintf(seen, "end: %v\n", err)
			break
		}
		sum := fnv.New64a()
		_, _ = sum.Write(f.payload)
		fmt.Fprintf(seen, "fin %v rsv %d op %d masked %v %d bytes %x\n", f.fin, f.rsv, f.op, f.masked, len(f.payload), sum.Sum64())
	}
	conn.Close()
	<-sent
	return seen.String()
}

func (c socketCase) shake(t *testing.T, conn net.Conn) (*bufio.Reader, *strings.Builder) {
	t.Helper()
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nAccept: */*\r\nOrigin: http://x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", browserUA, c.lines)
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	fmt.Fprintln(&seen, res.StatusCode)
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		fmt.Fprintf(&seen, "%s: %q\n", name, res.Header[name])
	}
	return in, &seen
}

// Both sides of a socket talk at once, and neither waits for the other.
func TestWebSocketBothWaysAtOnce(t *testing.T) {
	const messages = 2000
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = shopServer(t, echoSocket) })
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	in, _ := socketCase{}.shake(t, conn)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range messages {
			if _, err := conn.Write(text(fmt.Sprint(i, strings.Repeat("x", 1000)))); err != nil {
				return
			}
		}
	})
	for i := range messages {
		f, err := readFrame(in)
		if err != nil || string(f.payload) != fmt.Sprint(i, strings.Repeat("x", 1000)) {
			t.Fatalf("message %d: %.20q, %v", i, f.payload, err)
		}
	}
	wg.Wait()
}

// A socket's beginning is a request: bans, zones and the firewall hold for it.
func TestWebSocketsPassTheSteps(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].Upstream = shopServer(t, echoSocket) })
	open := func(target string) string {
		return s.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\nUser-Agent: " + browserUA + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	}
	for target, want := range map[string]string{"/ws": "101", "/ws?q=%3Cscript%3Ealert(1)%3C/script%3E": "403", "/.git/ws": "403", "/vendor/ws": "403"} {
		if got := open(target); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %s", target, got, want)
		}
	}
}
