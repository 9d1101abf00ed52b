package waf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"regexp"
	"strings"
)

// The one form of multipart/form-data that every parser reads alike. Browsers
// and common clients send exactly this; the rest is refused, because a shop's
// parser may see fields that ours does not (duplicate headers, two boundaries,
// bare line feeds, RFC 2231 names).
var (
	multipartType = regexp.MustCompile(`(?i)^multipart/form-data *; *(?:charset=[A-Za-z0-9_-]+ *; *)?boundary=(?:"([0-9A-Za-z'()+_,./:=?-]{1,70})"|([0-9A-Za-z'+_.-]{1,70}))(?: *; *charset=[A-Za-z0-9_-]+)?$`)
	disposition   = regexp.MustCompile(`(?i)^form-data *; *name=(?:"([^"\\\r\n]*)"|([0-9A-Za-z_.\[\]-]+))(?: *; *filename=(?:"((?:[^"\\\r\n]|\\[^"\r\n])*)"|([0-9A-Za-z_.-]+)))?$`)
)

// maxParts bounds the parts of one body.
const maxParts = 1000

// Reduce reads a multipart/form-data body to its end and returns it with the
// contents of its files left out, which is what is inspected. ErrAmbiguous
// means that another parser may find other parts; ErrTooLarge that there is
// more than limit bytes besides the files' contents.
func Reduce(body io.Reader, contentType string, limit int64) ([]byte, error) {
	m := multipartType.FindStringSubmatch(strings.TrimSpace(contentType))
	if m == nil {
		return nil, fmt.Errorf("%w: Content-Type %q", ErrAmbiguous, cut(contentType, maxField))
	}
	boundary := m[1] + m[2]
	scan := newDelimiterScan(boundary)
	out := &bytes.Buffer{}
	parts, err := copyParts(out, multipart.NewReader(io.TeeReader(body, scan), boundary), boundary, limit)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(scan, body); err != nil { // what the reader left unread
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if err := scan.check(parts); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func copyParts(out *bytes.Buffer, mr *multipart.Reader, boundary string, limit int64) (parts int, err error) {
	for ; ; parts++ {
		p, err := mr.NextRawPart()
		if err == io.EOF { // wrapped, it would mean that the body broke off
			fmt.Fprintf(out, "--%s--\r\n", boundary)
			return parts, nil
		}
		if err != nil {
			return parts, multipartFault(err)
		}
		if parts == maxParts {
			return parts, fmt.Errorf("%w: more than %d parts", ErrTooLarge, maxParts)
		}
		file, err := copyHeader(out, p, boundary, limit)
		if err != nil {
			return parts, err
		}
		if err := copyContent(out, p, file, limit); err != nil {
			return parts, err
		}
	}
}

// multipartFault tells a body that breaks off or makes no sense from a
// connection that broke.
func multipartFault(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.HasPrefix(err.Error(), "multipart:") || strings.Contains(err.Error(), "malformed MIME header") {
		return fmt.Errorf("%w: %w", ErrAmbiguous, err)
	}
	return fmt.Errorf("read the body: %w", err)
}

// copyHeader writes the part's header back in the form it was understood.
func copyHeader(out *bytes.Buffer, p *multipart.Part, boundary string, limit int64) (file bool, err error) {
	fmt.Fprintf(out, "--%s\r\n", boundary)
	var d []string
	for name, values := range p.Header {
		if len(values) != 1 {
			return false, fmt.Errorf("%w: part header %s twice", ErrAmbiguous, name)
		}
		switch name {
		case "Content-Disposition":
			d = disposition.FindStringSubmatch(values[0])
		case "Content-Transfer-Encoding":
			if v := strings.ToLower(values[0]); v != "binary" && v != "8bit" && v != "7bit" {
				return false, fmt.Errorf("%w: a part is encoded as %q", ErrAmbiguous, cut(v, maxField))
			}
		case "Content-Type":
			if strings.HasPrefix(strings.ToLower(values[0]), "multipart/") {
				return false, fmt.Errorf("%w: multipart in multipart", ErrAmbiguous)
			}
		}
		fmt.Fprintf(out, "%s: %s\r\n", name, values[0])
	}
	if d == nil {
		return false, fmt.Errorf("%w: a part without a plain Content-Disposition", ErrAmbiguous)
	}
	out.WriteString("\r\n")
	if int64(out.Len()) > limit {
		return false, fmt.Errorf("%w: the part headers are over %d bytes", ErrTooLarge, limit)
	}
	return d[3]+d[4] != "", nil
}

func copyContent(out *bytes.Buffer, p *multipart.Part, file bool, limit int64) error {
	dst := io.Writer(out)
	if file {
		dst = io.Discard
	} else {
		defer out.WriteString("\r\n")
	}
	src := io.Reader(p)
	if !file {
		src = io.LimitReader(p, limit-int64(out.Len())+1)
	}
	if _, err := io.Copy(dst, src); err != nil {
		return multipartFault(err)
	}
	if int64(out.Len()) > limit {
		return fmt.Errorf("%w: the fields are over %d bytes", ErrTooLarge, limit)
	}
	return nil
}

// delimiterScan counts every place where any parser could see the boundary,
// independently of how the parser in use splits the body. They agree only when
// each stands on a line of its own between CR LF.
type delimiterScan struct {
	needle  []byte
	carry   []byte // the end of what was seen, in which a delimiter may begin
	buf     []byte // lent to Write, which is called a million times for a film
	found   int
	closed  bool
	oddness string
}

func newDelimiterScan(boundary string) *delimiterScan {
	// A line end before the body lets its first line be judged like the others.
	return &delimiterScan{needle: []byte("--" + boundary), carry: []byte("\r\n")}
}

// Write takes the next bytes of the body. It never fails.
func (s *delimiterScan) Write(p []byte) (int, error) {
	if s.closed {
		s.epilogue(p)
		return len(p), nil
	}
	buf := append(append(s.buf[:0], s.carry...), p...)
	s.buf = buf
	pos := 0
	for {
		i := bytes.Index(buf[pos:], s.needle)
		if i < 0 {
			break
		}
		i += pos
		end := i + len(s.needle)
		if len(buf) < end+2 { // wait for what follows
			s.carry = append(s.carry[:0], buf[max(i-2, 0):]...)
			return len(p), nil
		}
		s.judge(buf, i, end)
		if s.closed {
			s.carry = nil
			s.epilogue(buf[end+2:])
			return len(p), nil
		}
		pos = end
	}
	keep := min(len(buf)-pos, len(s.needle)+2)
	s.carry = append(s.carry[:0], buf[len(buf)-keep:]...)
	return len(p), nil
}

func (s *delimiterScan) judge(buf []byte, i, end int) {
	s.found++
	before := i >= 2 && buf[i-2] == '\r' && buf[i-1] == '\n'
	after := string(buf[end : end+2])
	switch {
	case !before:
		s.oddness = "a boundary inside a line"
	case after == "--":
		s.closed = true
	case after != "\r\n":
		s.oddness = "a boundary line with something behind it"
	}
}

// epilogue judges what stands behind the last boundary: a line end at most.
func (s *delimiterScan) epilogue(rest []byte) {
	if len(bytes.Trim(rest, "\r\n")) > 0 {
		s.oddness = "something behind the last boundary"
	}
}

// check compares what the scan saw with the parts that were read.
func (s *delimiterScan) check(parts int) error {
	if len(s.carry) > 0 && bytes.Contains(s.carry, s.needle) {
		s.oddness = "the body ends inside a boundary"
	}
	switch {
	case s.oddness != "":
		return fmt.Errorf("%w: %s", ErrAmbiguous, s.oddness)
	case !s.closed:
		return fmt.Errorf("%w: the last boundary is missing", ErrAmbiguous)
	case s.found != parts+1:
		return fmt.Errorf("%w: %d boundaries for %d parts", ErrAmbiguous, s.found, parts)
	}
	return nil
}
