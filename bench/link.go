package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// A link is a far line to a server on this machine: a relay that lets everything
// travel for half a round trip and no faster than the line. Browsers can pretend to
// be on a slow line, but then setting up a connection, and the handshake of TLS, cost
// nothing; through this they cost what they do.
//
// It does as TCP does: what a visitor sends waits until the connection is made, one
// round trip; all connections share the line, each packet with its headers; and a
// server sends ten packets and then as many more as were acknowledged (slow start,
// RFC 5681 and 6928). Nothing is lost on it.
type link struct {
	listener net.Listener
	to       string
	far      time.Duration // one way
	up, down lane
}

const (
	packet   = 1460 // bytes of a packet's content
	headers  = 40   // of IP and TCP
	atFirst  = 10 * packet
	onTheWay = 4096 // packets of one connection
)

// openLink listens for connections to be carried to an address, until ctx ends.
func openLink(ctx context.Context, to string, roundTrip time.Duration, bitsPerSecond float64) (*link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	perByte := time.Duration(8 * float64(time.Second) / bitsPerSecond)
	k := &link{listener: listener, to: to, far: roundTrip / 2, up: lane{perByte: perByte}, down: lane{perByte: perByte}}
	context.AfterFunc(ctx, func() { listener.Close() })
	go k.serve(ctx)
	return k, nil
}

func (k *link) serve(ctx context.Context) {
	for {
		here, err := k.listener.Accept()
		if err != nil {
			return
		}
		go k.carry(ctx, here, time.Now().Add(2*k.far))
	}
}

// carry moves both ways of one connection, which is made at a time.
func (k *link) carry(ctx context.Context, here net.Conn, made time.Time) {
	defer here.Close()
	there, err := net.Dial("tcp", k.to)
	if err != nil {
		return
	}
	defer there.Close()
	stop := context.AfterFunc(ctx, func() { here.Close(); there.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { k.move(&k.up, there, here, made, nil) })
	wg.Go(func() { k.move(&k.down, here, there, made, newWindow()) })
	wg.Wait()
}

type sent struct {
	bytes   []byte
	arrives time.Time
}

// move carries one way until it ends; w is nil for a way whose packets are few.
func (k *link) move(l *lane, to, from net.Conn, made time.Time, w *window) {
	way := make(chan sent, onTheWay)
	go func() {
		defer close(way)
		for {
			b := make([]byte, packet)
			n, err := from.Read(b)
			if n > 0 {
				w.wait(n)
				left := l.send(n+headers, made)
				way <- sent{b[:n], left.Add(k.far)}
			}
			if err != nil {
				return
			}
		}
	}()
	for s := range way {
		time.Sleep(time.Until(s.arrives))
		if _, err := to.Write(s.bytes); err != nil {
			from.Close() // so that the reader ends
			for range way {
			}
			return
		}
		time.AfterFunc(k.far, func() { w.acknowledged(len(s.bytes)) })
	}
	to.(*net.TCPConn).CloseWrite()
}

// lane is one direction of the line.
type lane struct {
	perByte time.Duration
	mu      sync.Mutex
	free    time.Time
}

// send says when bytes that are ready now, but not before a time, have left.
func (l *lane) send(bytes int, notBefore time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range []time.Time{time.Now(), notBefore} {
		if l.free.Before(t) {
			l.free = t
		}
	}
	l.free = l.free.Add(time.Duration(bytes) * l.perByte)
	return l.free
}

// window is how much of a connection may be under way.
type window struct {
	mu          sync.Mutex
	opened      *sync.Cond
	size, under int
}

func newWindow() *window {
	w := &window{size: atFirst}
	w.opened = sync.NewCond(&w.mu)
	return w
}

func (w *window) wait(bytes int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.under+bytes > w.size {
		w.opened.Wait()
	}
	w.under += bytes
}

func (w *window) acknowledged(bytes int) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.under -= bytes
	w.size += bytes
	w.opened.Broadcast()
}
