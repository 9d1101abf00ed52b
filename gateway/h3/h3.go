// Package h3 serves the gateway's visitors by HTTP/3 (RFC 9114), beside HTTP/1.1
// and HTTP/2 and with the same handler and limits.
package h3

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Options are what a Server needs; all of them.
type Options struct {
	Handler        http.Handler
	TLS            *tls.Config // certificates and resumption; version and protocol are ours
	Conn           net.PacketConn
	MaxHeaderBytes int
	MaxStreams     int64 // requests at once on one connection
	Idle           time.Duration
	Log            *slog.Logger
}

// Windows of flow control: what one visitor may make us keep.
const (
	streamWindow     = 256 << 10
	connectionWindow = 1 << 20
	// uniStreams are control and two of QPACK, with room for a greasing client.
	uniStreams       = 8
	handshakeTimeout = 5 * time.Second
	// freely is how many new connections a second are taken without asking the
	// visitor to show first that its address is its own (RFC 9000, 8.1.2).
	freely = 50
)

// Server speaks HTTP/3 on one UDP socket.
type Server struct {
	http     *http3.Server
	quic     *quic.Transport
	listener *quic.Listener
	conn     net.PacketConn
}

// New opens a server on o.Conn, which becomes its own.
//
// 0-RTT stays off: what it carries can be recorded and sent again by others (RFC
// 8470), and a gateway cannot know which of a shop's GETs changes something.
func New(o Options) (*Server, error) {
	s := &Server{conn: o.Conn, quic: &quic.Transport{Conn: o.Conn, VerifySourceAddress: new(gauge).busy}}
	var err error
	s.listener, err = s.quic.Listen(http3.ConfigureTLSConfig(o.TLS), &quic.Config{
		HandshakeIdleTimeout: handshakeTimeout, MaxIdleTimeout: o.Idle, Allow0RTT: false,
		InitialStreamReceiveWindow: streamWindow / 4, MaxStreamReceiveWindow: streamWindow,
		InitialConnectionReceiveWindow: connectionWindow / 4, MaxConnectionReceiveWindow: connectionWindow,
		MaxIncomingStreams: o.MaxStreams, MaxIncomingUniStreams: uniStreams,
	})
	if err != nil {
		return nil, err
	}
	s.http = &http3.Server{Handler: o.Handler, MaxHeaderBytes: o.MaxHeaderBytes, IdleTimeout: o.Idle, Logger: quieter(o.Log)}
	return s, nil
}

// quieter keeps what clients do wrong out of the log, as for HTTP/1 and 2.
func quieter(log *slog.Logger) *slog.Logger {
	if log == nil || !log.Enabled(context.Background(), slog.LevelDebug) {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

// Serve serves until Shutdown.
func (s *Server) Serve() error {
	err := s.http.ServeListener(s.listener)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, quic.ErrServerClosed) {
		return http.ErrServerClosed
	}
	return err
}

// Shutdown takes no new connections, tells the open ones to go elsewhere (GOAWAY),
// lets requests under way finish within ctx, and closes the socket.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // the rest was cut off
	}
	return errors.Join(err, s.listener.Close(), s.quic.Close(), s.conn.Close())
}

// gauge counts connections in the present second.
type gauge struct{ second, n atomic.Int64 }

func (g *gauge) busy(net.Addr) bool {
	now := time.Now().Unix()
	if g.second.Swap(now) != now {
		g.n.Store(0)
	}
	return g.n.Add(1) > freely
}

// Advertise tells visitors who come by TLS over TCP that HTTP/3 is spoken (RFC
// 7838), at the port they came to, while on says so.
func Advertise(next http.Handler, on func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && r.ProtoMajor < 3 && on() {
			w.Header().Set("Alt-Svc", `h3=":`+portOf(r.Host)+`"; ma=86400`)
		}
		next.ServeHTTP(w, r)
	})
}

func portOf(host string) string {
	if _, port, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return port
		}
	}
	return "443"
}
