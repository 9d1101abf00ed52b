package lab

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2shape is one request over HTTP/2, frame by frame.
type h2shape struct {
	fields   []hpack.HeaderField
	data     []byte
	trailers []hpack.HeaderField
}

// overH2 sends a shape on one stream and an ordinary request on the next. When
// the shape ends the connection, the second one is never read.
func (m *smuggler) overH2(s shape) outcome {
	path, _ := m.next()
	o := outcome{over: "h2", next: path}
	c, err := tls.Dial("tcp", m.door.Secure, &tls.Config{ServerName: labHost, InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		o.err = err
		return o
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(labPatience))
	h := newH2Client(c)
	err = errors.Join(h.start(), h.request(1, *s.h2), h.request(3, h2shape{fields: h2fields("GET", path)}))
	if err != nil {
		o.err = err
	}
	var status int
	if status, err = h.answers(1, 3); err != nil {
		o.err = err
	}
	if status != 0 {
		o.statuses = []int{status}
	}
	o.received, o.inspected = m.shop.take(), m.door.Inspected()
	return o
}

// h2fields are the header fields of an ordinary request and more.
func h2fields(method, path string, more ...string) []hpack.HeaderField {
	out := []hpack.HeaderField{
		{Name: ":method", Value: method}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: labHost}, {Name: ":path", Value: path},
		{Name: "user-agent", Value: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0"}, {Name: "accept", Value: "text/html"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		out = append(out, hpack.HeaderField{Name: more[i], Value: more[i+1]})
	}
	return out
}

// h2Client writes frames and reads answers; it checks nothing it sends.
type h2Client struct {
	conn   net.Conn
	framer *http2.Framer
	buf    bytes.Buffer
	enc    *hpack.Encoder
}

func newH2Client(c net.Conn) *h2Client {
	h := &h2Client{conn: c, framer: http2.NewFramer(c, c)}
	h.framer.AllowIllegalWrites = true
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.enc = hpack.NewEncoder(&h.buf)
	return h
}

func (h *h2Client) start() error {
	if _, err := h.conn.Write([]byte(http2.ClientPreface)); err != nil {
		return err
	}
	return h.framer.WriteSettings()
}

func (h *h2Client) block(fields []hpack.HeaderField) []byte {
	h.buf.Reset()
	for _, f := range fields {
		_ = h.enc.WriteField(f) // into memory
	}
	return bytes.Clone(h.buf.Bytes())
}

func (h *h2Client) request(stream uint32, s h2shape) error {
	errs := []error{h.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: h.block(s.fields), EndHeaders: true, EndStream: s.data == nil && s.trailers == nil,
	})}
	if s.data != nil {
		errs = append(errs, h.framer.WriteData(stream, s.trailers == nil, s.data))
	}
	if s.trailers != nil {
		errs = append(errs, h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: h.block(s.trailers), EndHeaders: true, EndStream: true}))
	}
	return errors.Join(errs...)
}

// answers reads until every stream has ended and returns the first one's status,
// 0 when it was reset or the connection ended.
func (h *h2Client) answers(streams ...uint32) (status int, err error) {
	open := map[uint32]bool{}
	for _, s := range streams {
		open[s] = true
	}
	for len(open) > 0 {
		f, err := h.framer.ReadFrame()
		if err != nil {
			return status, err
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID == streams[0] && status == 0 {
				status, _ = strconv.Atoi(f.PseudoValue("status"))
			}
			if f.StreamEnded() {
				delete(open, f.StreamID)
			}
		case *http2.DataFrame:
			if f.StreamEnded() {
				delete(open, f.StreamID)
			}
		case *http2.RSTStreamFrame:
			delete(open, f.StreamID)
		case *http2.SettingsFrame:
			if !f.IsAck() {
				if err := h.framer.WriteSettingsAck(); err != nil {
					return status, err
				}
			}
		case *http2.GoAwayFrame:
			return status, errors.New("GOAWAY " + f.ErrCode.String())
		}
	}
	return status, nil
}

// h2Shapes: what HTTP/2 says twice, or must not say at all (RFC 9113, 8.2, 8.3).
func h2Shapes() (out []shape) {
	const g = "HTTP/2"
	add := func(name string, status int, h h2shape, line, body string, then fate) *shape {
		out = append(out, shape{group: g, name: name, h2: &h, status: status, line: line, body: body, then: then, lacks: []string{"Transfer-Encoding"}})
		return &out[len(out)-1]
	}
	gets := func(name string, status int, line string, more ...string) *shape {
		return add(name, status, h2shape{fields: h2fields("GET", "/", more...)}, line, "", served)
	}
	swap := func(name, pseudo, value string, status int) {
		fields := h2fields("GET", "/")
		for i := range fields {
			if fields[i].Name == pseudo {
				fields[i].Value = value
			}
		}
		add(name, status, h2shape{fields: fields}, "", "", served)
	}
	post := func(name string, status int, length, data, line, body string) {
		fields := h2fields("POST", "/contact", "content-type", "application/x-www-form-urlencoded")
		if length != "" {
			for v := range strings.SplitSeq(length, "|") {
				fields = append(fields, hpack.HeaderField{Name: "content-length", Value: v})
			}
		}
		then := served
		if line == "" {
			then = maybe // what comes behind an ended stream may end the connection
		}
		add(name, status, h2shape{fields: fields, data: []byte(data)}, line, body, then)
	}
	gets("an ordinary request", 200, homeLine)
	post("a form with its length", 200, "3", "a=1", contactLine, "a=1")
	post("a form without a length", 200, "", "a=1", contactLine, "a=1")
	post("less than the length says", 400, "9", "a=1", "", "")
	post("more than the length says", 0, "2", "a=1", "", "")
	post("a length that is no number", 400, "abc", "a=1", "", "")
	post("a length with a plus", 0, "+3", "a=1", "", "")
	post("two lengths", 400, "3|4", "a=1", "", "")
	post("a request in the body", 403, "", "a=1\r\n\r\nGET /admin HTTP/1.1\r\nHost: x\r\n\r\n", "", "")
	gets("a length and no body", 400, "", "content-length", "3")
	gets("Transfer-Encoding", 400, "", "transfer-encoding", "chunked")
	gets("Connection", 400, "", "connection", "close")
	gets("Keep-Alive", 400, "", "keep-alive", "timeout=5")
	gets("Proxy-Connection", 400, "", "proxy-connection", "keep-alive")
	gets("Upgrade", 400, "", "upgrade", "websocket")
	gets("TE that is not trailers", 400, "", "te", "gzip")
	gets("TE: trailers", 200, homeLine, "te", "trailers")
	gets("a name in capitals", 0, "", "X-Upper", "1")
	gets("a name with a space", 0, "", "x a", "1")
	gets("a name with a colon", 0, "", "x:a", "1")
	gets("a name with a line end", 0, "", "x\r\na", "1")
	gets("an empty name", 0, "", "", "1")
	gets("a value with a line end", 0, "", "x-a", "b\r\nTransfer-Encoding: chunked")
	gets("a value with a bare LF", 0, "", "x-a", "b\nc")
	gets("a value with a NUL", 0, "", "x-a", "b\x00c")
	gets("an underscore is left out", 200, homeLine, "x_forwarded_for", "192.0.2.1").lacks = []string{"X_Forwarded_For"}
	gets("two crumbs of a cookie arrive as one", 200, homeLine, "cookie", "a=1", "cookie", "b=2").has = []string{"Cookie: a=1; b=2"}
	gets("a host that says the same", 200, homeLine, "host", labHost).has = []string{"Host: " + labHost}
	gets("a host that says something else", 400, "", "host", "evil.example")
	gets("two more hosts", 400, "", "host", labHost, "host", "evil.example")
	gets("a pseudo-header behind a header", 0, "", ":path", "/admin")
	gets("an unknown pseudo-header", 0, "", ":user", "root")
	swap("another host", ":authority", "evil.example", 421)
	swap("an authority with a user", ":authority", "user@"+labHost, 0)
	swap("an authority with a path", ":authority", labHost+"/x", 400)
	swap("a path without a slash", ":path", "admin", 0)
	swap("an empty path", ":path", "", 0)
	swap("the asterisk", ":path", "*", 400)
	swap("a path with a fragment", ":path", "/a#b", 400)
	swap("a path with a space", ":path", "/a b", 400)
	swap("a second request line in the path", ":path", "/x HTTP/1.1\r\nX: y", 0)
	swap("a version in the query", ":path", "/?x=1 HTTP/1.1", 400)
	swap("an absolute path of another host", ":path", "http://evil.example/", 400)
	swap("a method with a space", ":method", "GET /admin", 400)
	swap("a method in small letters", ":method", "get", 400)
	swap("CONNECT", ":method", "CONNECT", 0)
	swap("another scheme", ":scheme", "ftp", 0)
	add("CONNECT to somewhere", 400, h2shape{fields: []hpack.HeaderField{{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: labHost + ":443"}}}, "", "", served)
	add("a WebSocket by extended CONNECT", 0, h2shape{fields: append([]hpack.HeaderField{{Name: ":protocol", Value: "websocket"}}, h2fields("CONNECT", "/ws")...)}, "", "", served)
	add("no path", 0, h2shape{fields: append(h2fields("GET", "/")[:3:3], h2fields("GET", "/")[4:]...)}, "", "", served)
	add("two paths", 0, h2shape{fields: append([]hpack.HeaderField{{Name: ":path", Value: "/admin"}}, h2fields("GET", "/")...)}, "", "", served)
	form := h2fields("POST", "/contact", "content-type", "application/x-www-form-urlencoded")
	late := []hpack.HeaderField{{Name: "x-late", Value: "1"}}
	add("a trailer nobody announced is left out", 200, h2shape{fields: form, data: []byte("a=1"), trailers: late}, contactLine, "a=1", served).lacks = []string{"X-Late", "Trailer"}
	add("an announced trailer", 400, h2shape{fields: append(form[:len(form):len(form)], hpack.HeaderField{Name: "trailer", Value: "x-late"}), data: []byte("a=1"), trailers: late}, "", "", maybe)
	add("a pseudo-header in the trailer", 0, h2shape{fields: form, data: []byte("a=1"), trailers: []hpack.HeaderField{{Name: ":path", Value: "/admin"}}}, "", "", maybe)
	add("GET with a body", 403, h2shape{fields: h2fields("GET", "/"), data: []byte("a=1")}, "", "", maybe)
	return out
}
