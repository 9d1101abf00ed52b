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
		// OPTIONS * is answered by us like any other request, and logged.
		DisableGeneralOptionsHandler: true,
		TLSConfig:                    g.TLSConfig(),
		HTTP2:                        http2Limits(connections),
		// What net/http says here is about clients: broken handshakes, resets.
		ErrorLog: slog.NewLogLogger(g.opts.Log.Handler(), slog.LevelDebug),
	}
}

// http2Limits are what one HTTP/2 connection may cost. net/http bounds the rest
// by these: requests that were reset and still run count as streams and at most
// four times as many wait (rapid reset, MadeYouReset); a header block over
// MaxHeaderBytes ends the connection however many CONTINUATION frames it has;
// 10,000 control frames unanswered end it (PING, SETTINGS, RST_STREAM floods).
func http2Limits(c Connections) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          c.Streams,
		MaxReadFrameSize:              16 << 10, // the least there is; a frame is read whole into memory
		MaxDecoderHeaderTableSize:     4 << 10,
		MaxEncoderHeaderTableSize:     4 << 10,
		MaxReceiveBufferPerConnection: 1 << 20,
		MaxReceiveBufferPerStream:     256 << 10,
		SendPingTimeout:               30 * time.Second,
		PingTimeout:                   15 * time.Second,
		WriteByteTimeout:              c.Stalled,
	}
}
