package gateway

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// recorder notes what was answered and keeps a client that takes nothing from
// holding a connection forever. It unwraps for http.ResponseController, so that
// WebSockets and deadlines work as without it.
type recorder struct {
	http.ResponseWriter
	status   int
	bytes    int64
	hijacked bool
	closing  bool // the connection ends with this answer
	old      bool // an HTTP/1.0 client, which knows no 1xx (RFC 9110, 15.2)
	stalled  time.Duration
	http1    bool
	by       time.Time   // HTTP/1: when the write under way is cut
	guard    *time.Timer // HTTP/2: cuts the write under way; nil before the first
}

// writeTimeout is the default of Connections.Stalled. At most 32 KiB are written
// at once, so a line of 5 kbit/s loads as long as it likes.
const writeTimeout = 60 * time.Second

// deadlineStep is how much earlier a deadline may be than it should, to be moved
// seldom.
const deadlineStep = 5 * time.Second

func newRecorder(w http.ResponseWriter, r *http.Request, stalled time.Duration) *recorder {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// The connection still has the deadline of the answer before, and net/http may
		// write 100 Continue.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
	}
	return &recorder{ResponseWriter: w, http1: r.ProtoMajor == 1, stalled: stalled}
}

// Unwrap is how http.ResponseController finds the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack hands the connection over to a WebSocket.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = err == nil
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return c, rw, err
}

// WriteHeader notes the final status; 1xx answers pass by.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.watch()
	defer w.unwatch()
	switch hint := status < 200 && status != http.StatusSwitchingProtocols; {
	case hint && w.old:
		return
	case !hint && w.closing:
		// Only now: ReverseProxy clears the header with every hint it passes on,
		// and the connection would stay open.
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.watch()
	n, err := w.ResponseWriter.Write(b)
	w.unwatch()
	w.bytes += int64(n)
	return n, err
}

// FlushError sends what was written so far.
func (w *recorder) FlushError() error {
	w.watch()
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.unwatch()
	return err
}

// watch cuts the write that follows when it takes too long. Over HTTP/1 that is a
// deadline, moved seldom. Over HTTP/2 it cannot be one set beforehand: a stream
// whose deadline passes is reset although nothing is being written, which would
// end an event stream of a shop that has no news for a minute.
func (w *recorder) watch() {
	switch {
	case w.http1:
		if now := time.Now(); w.by.Sub(now) < w.stalled {
			w.by = now.Add(w.stalled + w.stalled/16)
			_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(w.by)
		}
	case w.guard == nil:
		w.guard = time.AfterFunc(w.stalled, w.cut)
	default:
		w.guard.Reset(w.stalled)
	}
}

func (w *recorder) unwatch() {
	if w.guard != nil {
		w.guard.Stop()
	}
}

// cut ends a write under way. An error means that this writer has no deadlines,
// as in tests.
func (w *recorder) cut() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now())
}

// end bounds what net/http writes once the handler is over: the rest of its
// buffers, or the whole answer of a handler that wrote none.
func (w *recorder) end() {
	switch {
	case w.hijacked || w.status == http.StatusSwitchingProtocols:
	case w.http1:
		w.watch()
	case w.status != 0:
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.stalled))
	}
}
