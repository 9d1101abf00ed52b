package gateway

import (
	"net"

	"noren/gateway/h3"
)

// HTTP3 returns a server of HTTP/3 on a UDP socket, with the limits of Server.
func (g *Gateway) HTTP3(conn net.PacketConn) (*h3.Server, error) {
	return h3.New(h3.Options{
		Handler: g, TLS: g.TLSConfig(), Conn: conn, MaxHeaderBytes: maxHeaderBytes, MaxStreams: int64(g.state.Load().connections.Streams), Idle: idleTimeout, Log: g.opts.Log,
	})
}
