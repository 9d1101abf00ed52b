package gateway

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"noren"
	"noren/gateway/waf"
)

// Bounds on compressed bodies. Forms and JSON shrink to a tenth, a table of
// zeroes to a thousandth: beyond freeRatio bytes nothing of a shop's does more
// than maxRatio.
const (
	maxRatio  = 100
	freeRatio = 1 << 20
)

// errEncoding says that a body is not what its Content-Encoding says; errBomb
// that it grows too much.
var (
	errEncoding = errors.New("the body is not what its Content-Encoding says")
	errBomb     = errors.New("the body grows too much when it is unpacked")
)

// acceptedEncodings is what we tell a client whose coding we do not read
// (RFC 9110, 12.5.3).
const acceptedEncodings = "gzip, deflate"

// decoded unpacks a body that came compressed. From here on the request is one
// that was never compressed: it is inspected and passed on unpacked, because a
// shop that unpacks by itself might find something else (a second gzip member,
// bytes behind the end), and most do not unpack at all.
func (x *exchange) decoded(src io.Reader) (r io.Reader, packed bool, s *stop) {
	lines := x.r.Header["Content-Encoding"]
	delete(x.r.Header, "Content-Encoding")
	coding := ""
	if len(lines) > 0 {
		coding = strings.ToLower(strings.TrimSpace(lines[0]))
	}
	switch {
	case len(lines) > 1:
		coding = "several"
	case coding == "" || coding == "identity":
		return src, false, nil
	case coding == "x-gzip":
		coding = "gzip"
	}
	if coding != "gzip" && coding != "deflate" { // br, zstd, one upon another
		x.w.Header().Set("Accept-Encoding", acceptedEncodings)
		return nil, false, &stop{cause: noren.CauseMalformed, rule: "content_encoding", status: http.StatusUnsupportedMediaType}
	}
	return &unpacker{coding: coding, limit: x.shop.bodyLimit(), packed: counter{src: src}}, true, nil
}

// unpacker reads one compressed body to its very end and no further.
type unpacker struct {
	coding string
	limit  int64
	packed counter
	in     *bufio.Reader
	plain  io.Reader
	n      int64
}

// counter counts what is read.
type counter struct {
	src io.Reader
	n   int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.src.Read(b)
	c.n += int64(n)
	return n, err
}

func (u *unpacker) open() (err error) {
	u.in = bufio.NewReader(&u.packed)
	if u.coding == "deflate" { // RFC 9110, 8.4.1.2: in the zlib format
		u.plain, err = zlib.NewReader(u.in)
		return err
	}
	z, err := gzip.NewReader(u.in)
	if err == nil {
		z.Multistream(false)
		u.plain = z
	}
	return err
}

func (u *unpacker) Read(b []byte) (int, error) {
	if u.plain == nil {
		if err := u.open(); err != nil {
			return 0, unpackFault(err)
		}
	}
	n, err := u.plain.Read(b)
	u.n += int64(n)
	switch {
	case u.n > u.limit:
		return 0, &http.MaxBytesError{Limit: u.limit}
	case u.n > freeRatio && u.n > maxRatio*u.packed.n:
		return 0, errBomb
	case errors.Is(err, io.EOF):
		if _, more := u.in.ReadByte(); !errors.Is(more, io.EOF) {
			return 0, unpackFault(errors.Join(errEncoding, more))
		}
	case err != nil:
		err = unpackFault(err)
	}
	return n, err
}

// unpackFault keeps what a connection or a limit says apart from what is wrong
// with the body.
func unpackFault(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errSlow) || timedOut(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errEncoding, err)
}

// readPacked takes in a binary upload that came compressed. It is kept, not
// streamed, so that it goes on with its true length.
func (x *exchange) readPacked(src io.Reader) (*body, error) {
	b := &body{room: &x.g.spool}
	if err := b.fill(src, x.g.opts.SpoolDir); err != nil {
		b.Close()
		return nil, err
	}
	if head := b.memory[:min(len(b.memory), waf.SniffBytes)]; waf.LooksBinary(head) {
		return b, nil
	}
	if b.file != nil || b.size > x.shop.inspectLimit(x.place.Zone) {
		b.Close()
		return nil, waf.ErrTooLarge
	}
	b.inspect = b.memory
	return b, nil
}
