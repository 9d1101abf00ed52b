package gateway

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
)

// errHungUp says that the shop closed a kept connection before anything of the
// next request was written to it.
var errHungUp = errors.New("the shop has closed the kept connection")

// watchfulConn looks before it writes the first bytes of a request on a kept
// connection whether the other side has closed it. A server that has just died
// or hung up is noticed while nothing is sent yet, so that an order may safely go
// to another one; without it the order is lost in the dead connection, and
// nobody can tell whether it arrived (RFC 9110, 9.2.2).
type watchfulConn struct {
	net.Conn
	raw  syscall.RawConn
	kept atomic.Bool // something was read since the last write
}

// watchful wraps a connection whose socket can be looked at.
func watchful(c net.Conn) net.Conn {
	s, ok := c.(syscall.Conn)
	if !ok {
		return c
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return c
	}
	return &watchfulConn{Conn: c, raw: raw}
}

func (c *watchfulConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.kept.Store(true)
	}
	return n, err
}

func (c *watchfulConn) Write(p []byte) (int, error) {
	if c.kept.Swap(false) && c.hungUp() {
		return 0, errHungUp
	}
	return c.Conn.Write(p)
}

// CloseWrite ends our side alone, as WebSockets do.
func (c *watchfulConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// hungUp peeks at the socket without waiting. Nothing there is the good case;
// the end of the stream or an error is a connection that is gone.
func (c *watchfulConn) hungUp() (gone bool) {
	var b [1]byte
	// Control and not Read: the transport is reading already, to see the answer.
	err := c.raw.Control(func(fd uintptr) {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	return gone || err != nil
}
