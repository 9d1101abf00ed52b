package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A client that is still sending when its answer is there must not lose it: a
// connection closed over unread bytes is reset, and the reset overtakes the
// answer (RFC 9112, 9.6). So what it goes on sending is thrown away for a while,
// bounded in bytes, in time and in how many clients this is done for at once.
const (
	lingerBytes = 64 << 20
	lingerTime  = 10 * time.Second
	lingerIdle  = 3 * time.Second
	lingerMost  = 256
)

// incoming is a request's body as it comes from the connection. It knows
// whether it was read to its end. The transport may still be reading when the
// handler goes on, so reads are one at a time.
type incoming struct {
	io.ReadCloser
	reading     sync.Mutex
	begun, done atomic.Bool
}

func (b *incoming) Read(p []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.begun.Store(true)
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.done.Store(true)
	}
	return n, err
}

// takeBody puts ours between the connection's body and everybody who reads it.
// Answer and body may cross: without full duplex net/http would swallow the rest
// of a body that the shop is still reading, as soon as the shop begins to
// answer, and the shop would take the beginning for the whole.
func (x *exchange) takeBody() {
	if x.r.Body == nil || x.r.Body == http.NoBody {
		return
	}
	x.in = &incoming{ReadCloser: x.r.Body}
	x.r.Body = x.in
	if x.r.ProtoMajor == 1 {
		_ = http.NewResponseController(x.w.ResponseWriter).EnableFullDuplex() // a writer that cannot is a test's
	}
}

// unread reports whether an HTTP/1 client may still be sending.
func (x *exchange) unread() bool {
	return x.in != nil && x.r.ProtoMajor == 1 && !x.in.done.Load() && !x.w.hijacked
}

// linger runs after the answer was written. It reads on what still comes, so
// that the client reads the answer. HTTP/2 needs none of it: a stream is ended
// by a frame.
func (x *exchange) linger() {
	if !x.unread() {
		return
	}
	if !x.in.begun.Load() && strings.EqualFold(x.r.Header.Get("Expect"), "100-continue") {
		return // it waits for our word and sends nothing
	}
	rc := http.NewResponseController(x.w.ResponseWriter)
	if rc.Flush() != nil {
		return
	}
	defer x.g.lingering.Add(-1)
	if x.g.lingering.Add(1) > lingerMost {
		return
	}
	x.discard(rc)
}

func (x *exchange) discard(rc *http.ResponseController) {
	end := time.Now().Add(lingerTime)
	buf := buffers.Get()
	defer buffers.Put(buf)
	for n := 0; n < lingerBytes; {
		now := time.Now()
		if now.After(end) || rc.SetReadDeadline(now.Add(lingerIdle)) != nil {
			return
		}
		k, err := x.in.Read(buf)
		n += k
		if err != nil {
			return
		}
	}
}
