package gateway

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// carry takes a request that only asks to the shop and the answer to the
// visitor. It does what httputil.ReverseProxy does for such a request
// (TestCarryIsLikeReverseProxy), but makes no copy of it: the request is ours and
// over when the shop has it.
func (x *exchange) carry() {
	r := x.r
	endHops(r.Header)
	x.dropAnswered(r.Header)
	res, err := x.shop.pool.overLines(&inquiry{Request: r, say: x.forwarded(r), hint: x.hint})
	if err != nil {
		x.upstreamFailed(err)
		return
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		dropHops(res.Header)
	}
	if err := x.answered(res); err != nil {
		res.Body.Close()
		x.upstreamFailed(err)
		return
	}
	if res.StatusCode == http.StatusSwitchingProtocols { // nobody asked for it
		res.Body.Close()
		x.upstreamFailed(fmt.Errorf("the shop switches to protocol %q unasked", res.Header.Get("Upgrade")))
		return
	}
	x.deliver(res)
}

// carries reports whether carry can take the request. One that ends with its
// header has no body, although net/http gives it a reader of one over HTTP/2.
func (x *exchange) carries() bool {
	if x.r.ContentLength == 0 {
		x.r.Body = http.NoBody
	}
	return safe(x.r) && x.shop.pool.lined
}

// hint passes an answer of the kind 1xx on. Its headers are its own.
func (x *exchange) hint(status int, h http.Header) {
	to := x.w.Header()
	addAll(to, h)
	x.w.WriteHeader(status)
	clear(to)
}

// hopByHop are headers that end at each station (RFC 9110, 7.6.1), and those that
// the first HTTP/1.1 counted among them.
var hopByHop = [...]string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// endHops drops what ends here of a request. That it takes trailers is said again
// by ourselves.
func endHops(h http.Header) {
	trailers := false
	for _, line := range h["Te"] {
		for token := range strings.SplitSeq(line, ",") {
			trailers = trailers || strings.EqualFold(textproto.TrimString(token), "trailers")
		}
	}
	dropHops(h)
	if trailers {
		h["Te"] = []string{"trailers"}
	}
}

func dropHops(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				h.Del(name)
			}
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// deliver writes the shop's answer. One that breaks off must not look whole to
// the visitor, so the connection breaks off too.
func (x *exchange) deliver(res *http.Response) {
	h := x.w.Header()
	addAll(h, res.Header)
	announced := len(res.Trailer)
	if announced > 0 {
		h["Trailer"] = []string{strings.Join(slices.Sorted(maps.Keys(res.Trailer)), ", ")}
	}
	x.w.WriteHeader(res.StatusCode)
	if err := x.copyBody(res); err != nil {
		x.g.opts.Log.Debug("the answer broke off", "site", x.shop.Name, "err", err)
		res.Body.Close()
		panic(http.ErrAbortHandler)
	}
	res.Body.Close()
	if len(res.Trailer) == 0 {
		return
	}
	_ = x.w.FlushError() // in chunks, although it may be short
	if len(res.Trailer) == announced {
		addAll(h, res.Trailer)
		return
	}
	for name, values := range res.Trailer { // not announced
		for _, v := range values {
			h.Add(http.TrailerPrefix+name, v)
		}
	}
}

// copyBody passes the body on. What comes without a length or is a stream of
// events is passed on as it comes.
func (x *exchange) copyBody(res *http.Response) error {
	if res.Body == http.NoBody {
		return nil
	}
	flush := res.ContentLength == -1 || isEventStream(res.Header)
	if flush && !ahead(res.Body) {
		_ = x.w.FlushError() // the next write tells
	}
	buf := buffers.Get()
	defer buffers.Put(buf)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if _, werr := x.w.Write(buf[:n]); werr != nil {
				return werr
			}
			if flush {
				_ = x.w.FlushError()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ahead reports whether some of a body has come with its header, so that the two
// leave together.
func ahead(body io.Reader) bool {
	b, ok := body.(interface{ Buffered() int })
	return ok && b.Buffered() > 0
}

func isEventStream(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// addAll adds src to dst; where dst has nothing of a name it takes the values as
// they are.
func addAll(dst, src http.Header) {
	for name, values := range src {
		if have := dst[name]; len(have) > 0 {
			values = append(have[:len(have):len(have)], values...)
		}
		dst[name] = values
	}
}

// answered is what is done with every answer of the shop before it leaves.
func (x *exchange) answered(res *http.Response) error {
	x.upstream = time.Since(x.reached)
	m := x.g.meters.of(x.shop.Name)
	m.answered.Add(1)
	m.shop.Add(int64(x.upstream))
	x.reportOutcome(res)
	if err := x.reportAnswered(res); err != nil {
		return err
	}
	x.giveDevice(res)
	x.dress(res)
	return nil
}
