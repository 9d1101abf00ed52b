package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"noren"
	"noren/gateway"
	"noren/gateway/h3"
)

// udpDoor is HTTP/3. A socket of UDP is not handed over: a connection's
// packets would reach either process by chance. The old process says GOAWAY and
// finishes what is under way, the new one opens the port when the old one has
// left it; in between visitors come by TCP, as their browsers do by themselves
// whenever UDP does not answer.
type udpDoor struct {
	server atomic.Pointer[h3.Server] // nil until the port is ours
}

const (
	udpEvery  = 100 * time.Millisecond
	udpWithin = drainWithin + 10*time.Second
)

// open opens the port, in the background when a predecessor still has it.
func (s *udpDoor) open(ctx context.Context, in *instance, g *gateway.Gateway, successor bool, failed chan<- error) error {
	addr := in.cfg.Listen.HTTPS
	err := s.listen(addr, g, failed)
	if err == nil || !successor || !errors.Is(err, syscall.EADDRINUSE) {
		return udpError(addr, err)
	}
	go func() {
		tick := time.NewTicker(udpEvery)
		defer tick.Stop()
		for end := time.Now().Add(udpWithin); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			err = s.listen(addr, g, failed)
		}
		if err != nil {
			in.log.Error("HTTP/3 is not served; visitors come by HTTP/2", "alarm", true, "address", addr, "err", err)
		}
	}()
	return nil
}

func udpError(addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return noren.WithHint(noren.Errorf(noren.Conflict, "listen on UDP %s: the address is in use", addr),
			"another program listens there: find it with `ss -lunp`, or take out listen.http3")
	}
	return err
}

func (s *udpDoor) listen(addr string, g *gateway.Gateway, failed chan<- error) error {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	server, err := g.HTTP3(conn)
	if err != nil {
		conn.Close()
		return err
	}
	s.server.Store(server)
	go func() {
		if err := server.Serve(); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return nil
}

// on reports whether it is served, which is when visitors are told.
func (s *udpDoor) on() bool { return s.server.Load() != nil }

// close ends it within ctx; visitors are told no more.
func (s *udpDoor) close(ctx context.Context) error {
	if server := s.server.Swap(nil); server != nil {
		return server.Shutdown(ctx)
	}
	return nil
}
