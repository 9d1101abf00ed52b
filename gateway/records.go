package gateway

import "encoding/binary"

// Types of TLS records (RFC 8446, 5.1; RFC 6520, 6).
const (
	recordCCS       = 20
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
	recordHeartbeat = 24
)

const recordHeader = 5

// Probes: what no visitor's program sends, and every scanner does.
const (
	// A heartbeat that asks for more than it brought: Heartbleed, CVE-2014-0160.
	probeHeartbleed = "heartbleed"
	// Any other heartbeat. We never agree to heartbeats, so RFC 6520 forbids the
	// other side to send one; encrypted ones cannot be told apart further.
	probeHeartbeat = "heartbeat"
	// A hello of SSL 2.0 alone, which no browser speaks since 2006. The 2.0 form
	// that offers SSL 3.0 or TLS is an old program's and no probe.
	probeSSLv2 = "sslv2"
)

// records follows a client's side of a TLS connection by its record headers,
// however it is cut into segments, and keeps the ClientHello until it is whole.
// The zero value begins a connection.
type records struct {
	header  [recordHeader]byte
	have    int // bytes of the header, or of its beginning
	left    int // bytes of the record still to come
	kind    byte
	size    int
	first   bool // the first header was feeding
	off     bool // not TLS, or nothing to learn any more
	cipher  bool // the client changed to encrypted records
	beat    [3]byte
	beaten  int
	message []byte // handshake bytes until the hello is whole
	told    bool   // the hello was handed out, or will never be
}

// feeding is what feed learnt: at most one of its fields is set first.
type feeding struct {
	hello  []byte // body of the ClientHello, once; nil when it cannot be read
	whole  bool   // the hello is over, readable or not
	probe  string // "" for none
	excess bool   // the hello is larger than we read
}

// feed takes what came next from the client. After a probe or excess nothing
// more must be fed.
func (r *records) feed(p []byte) (s feeding) {
	for len(p) > 0 && !r.off {
		if r.left == 0 && !r.readHeader(&p, &s) {
			return s
		}
		n := min(r.left, len(p))
		r.readBody(p[:n], &s)
		p, r.left = p[n:], r.left-n
		if s.probe != "" || s.excess {
			return s
		}
	}
	return s
}

// readHeader completes a record's header; false when it is not complete yet or
// ends what can be learnt.
func (r *records) readHeader(p *[]byte, s *feeding) bool {
	n := copy(r.header[r.have:], *p)
	*p, r.have = (*p)[n:], r.have+n
	if r.have < recordHeader {
		return false
	}
	r.have, r.beaten = 0, 0
	if !r.first {
		r.first = true
		if s.probe = r.notTLS(); r.off || s.probe != "" {
			r.off = true
			return false
		}
	}
	r.kind, r.size = r.header[0], int(binary.BigEndian.Uint16(r.header[3:]))
	r.left = r.size
	switch {
	case r.kind == recordCCS:
		r.cipher = true
	case r.kind == recordHeartbeat && (r.cipher || r.size < len(r.beat)):
		s.probe, r.off = probeHeartbeat, true
		return false
	}
	return true
}

// notTLS looks at the first bytes of a connection: a program that speaks
// something else by mistake is none of our business.
func (r *records) notTLS() (probe string) {
	h := r.header
	if h[0]&0x80 != 0 && h[2] == 1 && h[3] == 0 && h[4] == 2 { // SSL 2.0: length, CLIENT-HELLO, version 0.2
		return probeSSLv2
	}
	r.off = h[0] < recordCCS || h[0] > recordHeartbeat || h[1] != 3
	return ""
}

func (r *records) readBody(b []byte, s *feeding) {
	switch {
	case r.kind == recordHeartbeat:
		r.beaten += copy(r.beat[r.beaten:], b)
		if r.beaten == len(r.beat) {
			s.probe, r.off = r.heartbeat(), true
		}
	case r.kind == recordHandshake && !r.told:
		r.collect(b, s)
	case r.kind != recordAlert && !r.told: // the hello must come first
		r.told, s.whole = true, true
	}
}

// heartbeat tells a heartbeat that asks for more than it brought: type, length
// and at least 16 bytes of padding must fit in the record (RFC 6520, 4).
func (r *records) heartbeat() string {
	asked := int(binary.BigEndian.Uint16(r.beat[1:]))
	if 1+2+asked+16 > r.size {
		return probeHeartbleed
	}
	return probeHeartbeat
}

// unfinished is the probe that a heartbeat is which broke off too early to tell
// more, "" for none.
func (r *records) unfinished() string {
	if r.kind == recordHeartbeat && r.left > 0 && !r.off {
		return probeHeartbeat
	}
	return ""
}

const messageHeader = 4 // type, length in three bytes

func (r *records) collect(b []byte, s *feeding) {
	need := messageHeader
	if len(r.message) >= messageHeader {
		need += r.helloSize()
	}
	for len(b) > 0 && len(r.message) < need {
		n := min(need-len(r.message), len(b))
		r.message, b = append(r.message, b[:n]...), b[n:]
		if len(r.message) == messageHeader {
			if r.message[0] != 1 { // not a ClientHello
				r.tell(nil, s)
				return
			}
			if r.helloSize() > maxHello {
				s.excess, r.off, r.message = true, true, nil
				return
			}
			need += r.helloSize()
		}
	}
	if len(r.message) >= messageHeader && len(r.message) == need {
		r.tell(r.message[messageHeader:], s)
	}
}

func (r *records) helloSize() int {
	return int(r.message[1])<<16 | int(r.message[2])<<8 | int(r.message[3])
}

func (r *records) tell(hello []byte, s *feeding) {
	s.hello, s.whole = hello, true
	r.told, r.message = true, nil
}
