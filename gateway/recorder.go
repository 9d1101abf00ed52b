package gateway

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// recorder notes what was answered and keeps a slow reader from holding a
// connection forever. It unwraps for http.ResponseController, so that flushing,
// WebSockets and deadlines work as without it.
type recorder struct {
	http.ResponseWriter
	status   int
	bytes    int64
	hijacked bool
	closing  bool // the connection ends with this answer
	old      bool // an HTTP/1.0 client, which knows no 1xx (RFC 9110, 15.2)
	deadline time.Time
}

// A client must take something within writeTimeout; the deadline is moved no
// more often than every deadlineStep.
const (
	writeTimeout = 60 * time.Second
	deadlineStep = 5 * time.Second
)

func newRecorder(w http.ResponseWriter) *recorder { return &recorder{ResponseWriter: w} }

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
	w.extend()
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
	w.extend()
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// extend gives the client more time. An error means that this writer has no
// deadlines, as in tests.
func (w *recorder) extend() {
	now := time.Now()
	if w.deadline.Sub(now) > writeTimeout-deadlineStep {
		return
	}
	w.deadline = now.Add(writeTimeout)
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(w.deadline)
}
