package gateway

import (
	"log/slog"
	"net/http"
	"time"
)

// Times of a connection. Bodies and answers have rolling deadlines of their own
// (patientReader, recorder), so that a long download is no fault and a stuck
// one is.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 90 * time.Second
)

// maxStreams is how many requests one HTTP/2 connection may have at once.
const maxStreams = 100

// Server returns a server for the gateway's visitors, with every limit set.
// Serve a plain listener with Serve(l) and a TLS listener with
// ServeTLS(l, "", ""); the certificates come from the sites. One server may
// serve several listeners.
func (g *Gateway) Server() *http.Server {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		TLSConfig:         g.TLSConfig(),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			SendPingTimeout:               30 * time.Second,
			PingTimeout:                   15 * time.Second,
			WriteByteTimeout:              writeTimeout,
		},
		// What net/http says here is about clients: broken handshakes, resets.
		ErrorLog: slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	}
}
