package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"

	"noren/gateway"
)

// childArg begins the command line of a part that runs in a process of its own,
// so that what is measured is the proxy's process and nothing beside it.
const childArg = "child"

// runChild is the whole life of such a process: it says one line when it is
// ready, and ends when its standard input does, which happens at the latest
// when the bench itself ends.
func runChild(ctx context.Context, args []string) error {
	switch {
	case len(args) == 1 && args[0] == "shop":
		return untilEOF(serveShop())
	case len(args) == 4 && args[0] == "plain":
		return untilEOF(servePlain(args[1], args[2], args[3]))
	case len(args) == 2 && args[0] == "coraza":
		return untilEOF(serveCoraza(args[1]))
	case len(args) == 1 && args[0] == "load":
		return childLoad(ctx)
	case len(args) == 1 && args[0] == "hold":
		return childHold(ctx)
	}
	return fmt.Errorf("no such part: %q", args)
}

func untilEOF(ready string, err error) error {
	if err != nil {
		return err
	}
	fmt.Println(ready)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// child is a running part.
type child struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	said string // its first line
}

// startChild starts this very program as a part and waits until it is ready.
func startChild(ctx context.Context, input string, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, append([]string{childArg}, args...)...)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if _, err = io.WriteString(c.in, input); err == nil {
		c.said, err = c.out.ReadString('\n')
	}
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("part %s of the bench: %w", args[0], err)
	}
	c.said = strings.TrimSpace(c.said)
	return c, nil
}

func (c *child) stop() {
	c.in.Close()
	c.cmd.Wait()
}

// shopPage is what the shop answers to everything: a small page, made at once,
// so that the way there is what takes the time.
var shopPage = []byte("<!doctype html><title>Tea</title>\n" + strings.Repeat("<p>お茶をどうぞ。 A cup of tea.</p>\n", 90))

// serveShop serves the shop behind every proxy and returns its address.
func serveShop() (string, error) {
	length := fmt.Sprint(len(shopPage))
	return serveOn(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Content-Type"], h["Content-Length"] = []string{"text/html; charset=utf-8"}, []string{length}
		w.Write(shopPage)
	}))
}

// serveOn serves on a free port of loopback.
func serveOn(h http.Handler) (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, h)
	return l.Addr().String(), nil
}

// bufferPool lends copying buffers, as the gateway's does.
type bufferPool struct{ pool sync.Pool }

func newBuffers() *bufferPool {
	return &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}
}

// Get lends a buffer.
func (p *bufferPool) Get() []byte { return p.pool.Get().(*[32 << 10]byte)[:] }

// Put takes it back.
func (p *bufferPool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }

// servePlain is the peer: the standard library's reverse proxy over the
// gateway's own transport, lent buffers like the gateway's, and nothing else.
func servePlain(shop, cert, key string) (string, error) {
	u, err := url.Parse("http://" + shop)
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: &httputil.ReverseProxy{
		Transport:  gateway.NewTransport(),
		BufferPool: newBuffers(),
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(u)
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
	}}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go srv.Serve(plain)
	go srv.ServeTLS(secure, cert, key)
	return plain.Addr().String() + " " + secure.Addr().String(), nil
}
