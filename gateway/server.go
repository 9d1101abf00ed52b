package gateway

import (
	"crypto/tls"
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

// Server returns a server for the gateway's visitors, with every limit set.
// Serve a plain listener with Serve(g.Listen(l, false)) and a TLS listener with
// ServeTLS(g.Listen(l, true), "", ""); the certificates come from the sites. One server may
// serve several listeners.
func (g *Gateway) Server() *http.Server {
	connections := g.state.Load().connections
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	return &http.Server{
		Handler:           g,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		ConnContext:       meet,
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: g.certs.get,
			NextProtos:     []string{"h2", "http/1.1"},
		},
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          connections.Streams,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			SendPingTimeout:               30 * time.Second,
			PingTimeout:                   15 * time.Second,
			WriteByteTimeout:              connections.Stalled,
		},
		// What net/http says here is about clients: broken handshakes, resets.
		ErrorLog: slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	}
}
