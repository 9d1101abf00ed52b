package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"noren"
)

// Times given to a shop.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 3 * time.Minute // an export or a payment may take its time
	retryShop     = 30 * time.Second
	// idlePost is how long a connection is kept that carries what cannot be sent
	// again: far below idleShop, because on a busy machine a second is nothing.
	idlePost = time.Second
	// idleShop is below the 5 s after which Apache and Node close a kept
	// connection: a POST that meets a closing one is lost, and sending it again
	// might place an order twice.
	idleShop = 4 * time.Second
)

// reserved is the path prefix of visitor pages; shops never see it.
const reserved = "/.noren/"

// NewTransport is how the gateway reaches shops: kept connections, no proxy
// from the environment, answers passed on as they are. It speaks HTTP/1.1, where
// it is known what was written and when; over HTTP/2 the standard library sends
// some requests again by the server's word alone.
func NewTransport() *http.Transport {
	return &http.Transport{
		DialContext:           dialShop,
		DialTLSContext:        dialTLS(&tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}),
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: time.Second,
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       idleShop,
		DisableCompression:    true,
	}
}

// proxy is made per request: its hooks know their exchange.
func (x *exchange) proxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:  x.shop.pool,
		BufferPool: buffers,
		ErrorLog:   x.g.proxyLog,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = "http", "" // the pool's to say
			p.Out.Host = p.In.Host
			// ReverseProxy drops parameters it cannot parse (a raw ;). The shop
			// receives what was inspected.
			p.Out.URL.RawQuery = p.In.URL.RawQuery
			x.forwardOver(p.Out)
		},
		ModifyResponse: x.answered,
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { x.upstreamFailed(err) },
	}
}

// forwarded are the headers by which the shop knows its visitor. The client's own
// were dropped by cleanHeaders.
func (x *exchange) forwarded(out *http.Request) []headerLine {
	say := append(x.say[:0],
		headerLine{"X-Forwarded-For", x.clientText}, headerLine{"X-Real-Ip", x.clientText},
		headerLine{"X-Forwarded-Proto", x.scheme}, headerLine{"X-Forwarded-Host", x.r.Host}, headerLine{hopHeader, x.g.hop})
	return x.lockOrigin(out, say)
}

// dropAnswered drops what was answered by us: the body is here already, and what
// is read of the answer must not be packed.
func (x *exchange) dropAnswered(h http.Header) {
	if x.attempt != nil && x.attempt.ReadsBody {
		delete(h, "Accept-Encoding")
	}
	delete(h, "Expect")
}

// forwardOver is all that is sent beside the visitor's own, for ReverseProxy.
func (x *exchange) forwardOver(out *http.Request) {
	for _, h := range x.forwarded(out) {
		out.Header[h.name] = []string{h.value}
	}
	x.dropAnswered(out.Header)
	if b := x.body; b != nil && b.stream == nil {
		// Lets the transport begin again on a new connection when nothing was
		// sent on the kept one yet.
		out.GetBody = func() (io.ReadCloser, error) { return b.reader(), nil }
	}
}

// forward hands the request to the shop, or to the visitor pages.
func (x *exchange) forward() {
	if x.own() {
		x.serveCheck()
		return
	}
	if strings.HasPrefix(x.r.URL.Path, reserved) {
		if x.g.opts.Pages == nil {
			http.NotFound(x.w, x.r)
			return
		}
		x.g.opts.Pages.ServeHTTP(x.w, x.r)
		return
	}
	x.reached = time.Now()
	if x.carries() {
		x.carry()
		return
	}
	x.proxy().ServeHTTP(x.w, x.r)
}

// upstreamFailed answers for a shop that does not.
func (x *exchange) upstreamFailed(err error) {
	x.upstream = time.Since(x.reached)
	if w, ok := errors.AsType[*withheld](err); ok {
		x.refuse(w.stop)
		return
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		x.refuse(tooLarge("body_limit"))
		return
	}
	if errors.Is(err, errSlow) {
		x.refuse(bodyStop(err))
		return
	}
	if errors.Is(err, context.Canceled) && x.r.Context().Err() != nil {
		x.note, x.w.status = "client_gone", statusClientGone
		return
	}
	s := &stop{status: http.StatusBadGateway, retry: retryShop, ticket: noren.NewTicket()}
	if unsent(err) {
		s.status, s.shopDown = http.StatusServiceUnavailable, true
	} else if timedOut(err) {
		s.status = http.StatusGatewayTimeout
	}
	x.note = "upstream"
	x.g.alarm("shop does not answer", x.shop.Name, "upstream", x.shop.pool.names(), "status", s.status, "ticket", s.ticket, "err", err)
	x.g.opts.Log.Debug("shop does not answer", "site", x.shop.Name, "status", s.status, "ticket", s.ticket, "err", err)
	x.stopped = s
	x.answer(s)
}

// statusClientGone is nginx's 499: the visitor left before the answer.
const statusClientGone = 499

func refused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func timedOut(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// bufferPool lends copying buffers.
type bufferPool struct{ pool sync.Pool }

// buffers is shared by all proxies; it holds no state but spare memory.
var buffers = &bufferPool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

// Get lends a buffer.
func (p *bufferPool) Get() []byte { return p.pool.Get().(*[32 << 10]byte)[:] }

// Put takes it back.
func (p *bufferPool) Put(b []byte) {
	if len(b) == 32<<10 {
		p.pool.Put((*[32 << 10]byte)(b))
	}
}
