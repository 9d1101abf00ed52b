package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	heavyPosters = 8
	heavyField   = 24 << 10 // a field that keeps the firewall busy
)

// heavyPaths are where the heavy forms go: a page, and where payment providers
// call, which no mode of the shop may close.
var heavyPaths = [...]string{"/products/hojicha", "/payment/notify/cards"}

// post keeps a shop's firewall as busy as it can be, one form after the other
// from an address that no limit stops.
func (f *flooder) post(ctx context.Context, i int) {
	over := transport(netip.AddrFrom4([4]byte{127, 60, byte(i), 1}))
	defer over.CloseIdleConnections()
	form := "note=" + strings.Repeat("a+b%2F", heavyField/6)
	for ctx.Err() == nil {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.shop.JoinPath(heavyPaths[i%len(heavyPaths)]).String(), strings.NewReader(form))
		if err != nil {
			return
		}
		req.Header.Set("User-Agent", profiles()[i%len(profiles())].agent)
		req.Header.Set("Accept", "text/html")
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if res, err := over.RoundTrip(req); err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			f.mu.Lock()
			f.heavy[res.StatusCode]++
			f.mu.Unlock()
		} else if !errors.Is(err, context.Canceled) {
			wait(ctx, 10*time.Millisecond)
		}
	}
}

// floodChild is the attackers' process. They are elsewhere on the Internet: what
// they compute must not slow the shop, so the process gives way to all others.
type floodChild struct {
	cmd *exec.Cmd
	out strings.Builder
}

// startAttackers attacks shop at the rate of p, with so many senders of heavy
// forms beside.
func startAttackers(ctx context.Context, exe, shop string, p Params, heavy int) (*floodChild, error) {
	c := &floodChild{cmd: exec.CommandContext(ctx, exe, "lab-flood", "--shop", shop, "--seed", strconv.FormatUint(p.Seed, 10),
		"--rate", strconv.Itoa(p.Rate), "--heavy", strconv.Itoa(heavy), "--for", floodChildFor.String())}
	c.cmd.Stdout, c.cmd.Stderr = &c.out, os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c, c.cmd.Start()
}

// sinkChild is a program that takes every request and answers at once: what the
// same attack costs the machine when Noren has nothing to do with it.
type sinkChild struct {
	cmd  *exec.Cmd
	in   io.Closer
	addr string
}

func startSink(ctx context.Context, exe string) (*sinkChild, error) {
	c := &sinkChild{cmd: exec.CommandContext(ctx, exe, "lab-sink")}
	c.cmd.Stderr, c.cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.in = in
	if c.addr, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		c.stop()
		return nil, fmt.Errorf("the program beside Noren does not start: %w", err)
	}
	c.addr = strings.TrimSpace(c.addr)
	return c, nil
}

func (c *sinkChild) stop() {
	c.in.Close()
	c.cmd.Wait()
}

// Sink is that program: it says its address and serves until in ends.
func Sink(in io.Reader, out io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, "<!doctype html><title>お店</title>")
	})}
	go s.Serve(l)
	defer s.Close()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}
