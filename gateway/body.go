package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"noren"
	"noren/gateway/waf"
)

// body is a request's body on its way from the visitor to the shop. Text and
// multipart bodies are read to their end before the shop sees a byte, so that
// nothing uninspected ever reaches it; a binary upload is streamed.
type body struct {
	inspect []byte // what the firewall and the guards see
	memory  []byte // the whole body, or its beginning when file is not nil
	file    *os.File
	size    int64
	stream  io.Reader // a binary upload: the beginning and the rest
	room    *spoolRoom
}

// Close gives the body's memory and file back.
func (b *body) Close() {
	if b.file == nil {
		return
	}
	b.file.Close() // its name is gone already
	b.room.free.Add(b.size)
	b.file = nil
}

// reader reads the body from its beginning; only a streamed one but once.
func (b *body) reader() io.ReadCloser {
	switch {
	case b.stream != nil:
		return io.NopCloser(b.stream)
	case b.file == nil:
		return io.NopCloser(bytes.NewReader(b.memory))
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.memory), io.NewSectionReader(b.file, 0, b.size-int64(len(b.memory)))))
}

// readBody takes the request's body in, as its type demands.
func (x *exchange) readBody() *stop {
	r := x.r
	if x.body != nil {
		return nil // read already, to find the zone of its calls
	}
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		delete(r.Header, "Content-Encoding") // of nothing
		return nil
	}
	limit := x.shop.bodyLimit()
	if r.ContentLength > limit {
		return tooLarge("body_limit")
	}
	patient := &patientReader{src: http.MaxBytesReader(x.w, r.Body, limit), rc: http.NewResponseController(x.w.ResponseWriter)}
	src, packed, s := x.decoded(patient)
	if s != nil {
		return s
	}
	contentType := r.Header.Get("Content-Type")
	var err error
	switch kind := waf.KindOf(contentType); {
	case kind == waf.Multipart:
		x.body, err = x.readMultipart(src, contentType)
	case kind == waf.Binary && packed:
		x.body, err = x.readPacked(src)
	case kind == waf.Binary:
		x.body, err = x.readBinary(src)
	default:
		x.body, err = x.readText(src)
	}
	if err != nil {
		return bodyStop(err)
	}
	x.sendBody()
	return nil
}

// sendBody hands the body on to the shop, with its true length.
func (x *exchange) sendBody() {
	b := x.body
	x.r.Body = b.reader()
	x.r.Trailer = nil // one that nobody announced, known once a short body was read
	if b.stream != nil {
		return
	}
	if b.size == 0 {
		x.r.Body = http.NoBody
	}
	x.r.ContentLength, x.r.TransferEncoding = b.size, nil
	x.r.Header.Set("Content-Length", fmt.Sprint(b.size))
}

func tooLarge(rule string) *stop {
	return &stop{cause: noren.CauseMalformed, rule: rule, status: http.StatusRequestEntityTooLarge}
}

// errSlow says that a visitor sent its body too slowly; errSpool that there is
// no room to keep it.
var (
	errSlow  = errors.New("the body comes too slowly")
	errSpool = errors.New("no room to keep the body")
)

func bodyStop(err error) *stop {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge("body_limit")
	}
	switch {
	case errors.Is(err, waf.ErrTooLarge):
		return tooLarge("inspect_limit")
	case errors.Is(err, waf.ErrAmbiguous):
		return malformed("multipart")
	case errors.Is(err, errSpool):
		return &stop{cause: noren.CauseOverload, rule: "spool", status: http.StatusServiceUnavailable, retry: retryOverload}
	case errors.Is(err, errBomb):
		return tooLarge("unpacked_ratio")
	case errors.Is(err, errSlow), errors.Is(err, os.ErrDeadlineExceeded):
		return &stop{cause: noren.CauseMalformed, rule: "slow_body", status: http.StatusRequestTimeout}
	}
	if errors.Is(err, errEncoding) {
		return malformed("content_encoding")
	}
	return malformed("body")
}

// readText reads a form, JSON or anything unknown. More than may be inspected
// is refused, so there is no tail that nobody looked at.
func (x *exchange) readText(src io.Reader) (*body, error) {
	limit := x.shop.inspectLimit(x.place.Zone)
	if x.r.ContentLength > limit {
		return nil, waf.ErrTooLarge
	}
	b, err := io.ReadAll(io.LimitReader(src, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, waf.ErrTooLarge
	}
	return &body{inspect: b, memory: b, size: int64(len(b))}, nil
}

// readBinary looks at the beginning of an upload. Text that calls itself an
// image is treated as text.
func (x *exchange) readBinary(src io.Reader) (*body, error) {
	head := make([]byte, waf.SniffBytes)
	n, err := io.ReadFull(src, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	head = head[:n]
	all := io.MultiReader(bytes.NewReader(head), src)
	if waf.LooksBinary(head) {
		return &body{stream: all}, nil
	}
	return x.readText(all)
}

// readMultipart keeps the whole body, beyond spoolMemory in a file without a
// name, and reduces it to what is inspected.
func (x *exchange) readMultipart(src io.Reader, contentType string) (*body, error) {
	b := &body{room: &x.g.spool}
	err := b.fill(src, x.g.opts.SpoolDir)
	if err == nil {
		b.inspect, err = waf.Reduce(b.reader(), contentType, x.shop.inspectLimit(x.place.Zone))
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// spoolMemory is how much of a multipart body is kept in memory.
const spoolMemory = 256 << 10

// spoolRoom is what all spooled bodies may still take together.
type spoolRoom struct{ free, all atomic.Int64 }

// resize changes how much there is, also while bodies are in it.
func (s *spoolRoom) resize(n int64) { s.free.Add(n - s.all.Swap(n)) }

// largestBody is the largest body that a site takes.
func (st *state) largestBody() (n int64) {
	for _, sh := range st.shops {
		n = max(n, sh.bodyLimit())
	}
	return n
}

// take reserves n bytes.
func (s *spoolRoom) take(n int64) bool {
	if s.free.Add(-n) >= 0 {
		return true
	}
	s.free.Add(n)
	return false
}

func (b *body) fill(src io.Reader, dir string) error {
	var err error
	if b.memory, err = io.ReadAll(io.LimitReader(src, spoolMemory)); err != nil {
		return err
	}
	b.size = int64(len(b.memory))
	if b.size < spoolMemory {
		return nil
	}
	f, err := os.CreateTemp(dir, "noren-body-*")
	if err != nil {
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	// Without its name the file is gone as soon as it is closed, also when the
	// program dies.
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return fmt.Errorf("%w: %w", errSpool, err)
	}
	if !b.room.take(b.size) {
		f.Close()
		return errSpool
	}
	b.file = f
	return b.spill(src)
}

// spill copies the rest into the file, reserving room as it goes.
func (b *body) spill(src io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if !b.room.take(int64(n)) {
				return errSpool
			}
			b.size += int64(n)
			if _, werr := b.file.Write(buf[:n]); werr != nil {
				return fmt.Errorf("%w: %w", errSpool, werr)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A visitor must send something within readTimeout, and after grace at least
// slowest bytes a second on average.
const (
	readTimeout = 30 * time.Second
	grace       = 30 * time.Second
	slowest     = 1 << 10
)

// patientReader bounds how slowly a body may come.
type patientReader struct {
	src      io.Reader
	rc       *http.ResponseController
	began    time.Time
	deadline time.Time
	read     int64
}

func (p *patientReader) Read(b []byte) (int, error) {
	now := time.Now()
	if p.began.IsZero() {
		p.began = now
	}
	if waited := now.Sub(p.began); waited > grace && p.read < int64(waited.Seconds())*slowest {
		return 0, errSlow
	}
	if p.deadline.Sub(now) < readTimeout-deadlineStep {
		p.deadline = now.Add(readTimeout)
		_ = p.rc.SetReadDeadline(p.deadline) // a writer without deadlines is a test's
	}
	n, err := p.src.Read(b)
	p.read += int64(n)
	if errors.Is(err, io.EOF) {
		// Past its end the connection is only watched for the visitor's leaving;
		// a deadline there would end a shop's long answer.
		_ = p.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
