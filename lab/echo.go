package lab

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
	"time"
)

// What RFC 6455 asks of a shop with a WebSocket and of a browser that uses it,
// as far as short text messages go.
const (
	socketKey   = "dGhlIHNhbXBsZSBub25jZQ=="
	socketGUID  = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	maxMessage  = 125 // what fits in the short length
	textFrame   = 0x81
	answerFrame = 2 * time.Second
)

func socketAccept(key string) string {
	sum := sha1.Sum([]byte(key + socketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// echoSocket answers each text message with the same text.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprintf(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		socketAccept(r.Header.Get("Sec-WebSocket-Key")))
	if buffered.Flush() != nil {
		return
	}
	for {
		text, err := readFrame(buffered.Reader)
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{textFrame, byte(len(text))}, text...)); err != nil {
			return
		}
	}
}

// readFrame reads one short text message, masked or not.
func readFrame(r *bufio.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n, masked := int(head[1]&0x7f), head[1]&0x80 != 0
	if head[0] != textFrame || n > maxMessage {
		return nil, errors.New("not a short text message")
	}
	var mask [4]byte
	if masked {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return nil, err
		}
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return text, nil
}

// socket is the browser's end.
type socket struct {
	conn net.Conn
	r    *bufio.Reader
}

func dialSocket(addr string) (*socket, error) {
	conn, err := net.DialTimeout("tcp", addr, answerFrame)
	if err != nil {
		return nil, err
	}
	s := &socket{conn, bufio.NewReader(conn)}
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n",
		addr, profiles()[3].agent, socketKey)
	res, err := http.ReadResponse(s.r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != socketAccept(socketKey) {
		conn.Close()
		return nil, fmt.Errorf("no WebSocket: %v %v", res, err)
	}
	return s, nil
}

// say sends a text and wants it back.
func (s *socket) say(text string) error {
	s.conn.SetDeadline(time.Now().Add(10 * answerFrame))
	frame := []byte{textFrame, 0x80 | byte(len(text)), 0, 0, 0, 0}
	binary.BigEndian.PutUint32(frame[2:], 0x6e6f7265)
	for i := range len(text) {
		frame = append(frame, text[i]^frame[2+i%4])
	}
	if _, err := s.conn.Write(frame); err != nil {
		return err
	}
	back, err := readFrame(s.r)
	if err == nil && string(back) != text {
		err = fmt.Errorf("said %q, heard %q", text, back)
	}
	return err
}
