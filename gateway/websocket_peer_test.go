package gateway

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Opcodes of RFC 6455, 5.2.
const (
	wsContinue = 0
	wsText     = 1
	wsBinary   = 2
	wsClose    = 8
	wsPing     = 9
	wsPong     = 10
)

// frame is one WebSocket frame on the wire; rsv is its three reserved bits.
type frame struct {
	fin     bool
	rsv     byte
	op      byte
	masked  bool
	payload []byte
}

func (f frame) bytes() []byte {
	b := []byte{f.rsv<<4 | f.op, 0}
	if f.fin {
		b[0] |= 0x80
	}
	switch n := len(f.payload); {
	case n < 126:
		b[1] = byte(n)
	case n < 1<<16:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if !f.masked {
		return append(b, f.payload...)
	}
	b[1] |= 0x80
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i, c := range f.payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func readFrame(in io.Reader) (f frame, err error) {
	var h [2]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return f, err
	}
	f.fin, f.rsv, f.op, f.masked = h[0]&0x80 != 0, h[0]>>4&7, h[0]&15, h[1]&0x80 != 0
	n := uint64(h[1] & 0x7F)
	if n >= 126 {
		var ext [8]byte
		size := 2 + 6*int(n-126)
		if _, err := io.ReadFull(in, ext[8-size:]); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(ext[:])
	}
	if n > 64<<20 {
		return f, errors.New("an endless frame")
	}
	var key [4]byte
	if f.masked {
		if _, err := io.ReadFull(in, key[:]); err != nil {
			return f, err
		}
	}
	f.payload = make([]byte, n)
	if _, err := io.ReadFull(in, f.payload); err != nil {
		return f, err
	}
	for i := range f.payload {
		f.payload[i] ^= key[i%4]
	}
	return f, nil
}

// echoSocket is a strict WebSocket server: it echoes messages, answers pings,
// and closes with the code of RFC 6455, 7.4.1 for what is wrong.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		http.Error(w, "a WebSocket is wanted", http.StatusUpgradeRequired)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	packed := strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
	if packed {
		fmt.Fprint(rw, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n")
	}
	if p := r.Header.Get("Sec-WebSocket-Protocol"); p != "" {
		first, _, _ := strings.Cut(p, ",")
		fmt.Fprintf(rw, "Sec-WebSocket-Protocol: %s\r\n", strings.TrimSpace(first))
	}
	fmt.Fprint(rw, "\r\n")
	s := &socket{c: c, in: rw.Reader, packed: packed}
	if rw.Flush() == nil {
		s.serve()
	}
}

type socket struct {
	c       net.Conn
	in      *bufio.Reader
	packed  bool
	op, rsv byte // of the message under way
	message []byte
}

func (s *socket) serve() {
	for {
		f, err := readFrame(s.in)
		if errors.Is(err, io.EOF) { // the visitor has nothing more to say, and may still listen
			s.send(wsText, 0, []byte("you left"))
			return
		}
		if err != nil {
			return
		}
		if code := s.take(f); code != 0 {
			s.send(wsClose, 0, binary.BigEndian.AppendUint16(nil, code))
			// As RFC 6455, 7.1.1 says the server closes; what still comes is read, so
			// that no reset overtakes the close frame.
			if tcp, ok := s.c.(*net.TCPConn); ok {
				_ = tcp.CloseWrite()
			}
			_, _ = io.Copy(io.Discard, s.in)
			return
		}
	}
}

func (s *socket) send(op, rsv byte, payload []byte) {
	_, _ = s.c.Write(frame{fin: true, rsv: rsv, op: op, payload: payload}.bytes())
}

// take handles a frame; a code ends the connection.
func (s *socket) take(f frame) (code uint16) {
	control := f.op >= 8
	switch {
	case !f.masked, control && (!f.fin || len(f.payload) > 125), f.op > wsPong, f.op > wsBinary && f.op < wsClose:
		return 1002
	case f.rsv != 0 && !(s.packed && f.rsv == 4 && !control && f.op != wsContinue):
		return 1002
	case f.op == wsPing:
		s.send(wsPong, 0, f.payload)
		return 0
	case f.op == wsPong:
		return 0
	case f.op == wsClose:
		return closeCode(f.payload)
	case f.op == wsContinue && s.op == 0, f.op != wsContinue && s.op != 0:
		return 1002
	}
	if f.op != wsContinue {
		s.op, s.rsv = f.op, f.rsv
	}
	if s.message = append(s.message, f.payload...); len(s.message) > 32<<20 {
		return 1009
	}
	if !f.fin {
		return 0
	}
	if s.op == wsText && s.rsv == 0 && !utf8.Valid(s.message) {
		return 1007
	}
	s.send(s.op, s.rsv, s.message)
	s.op, s.message = 0, nil
	return 0
}

// closeCode answers a close frame with its own code when that is one.
func closeCode(payload []byte) uint16 {
	if len(payload) == 0 {
		return 1000
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return 1002
	}
	code := binary.BigEndian.Uint16(payload)
	if code < 1000 || code >= 1004 && code <= 1006 || code >= 1015 && code < 3000 || code > 4999 {
		return 1002
	}
	return code
}
