package gateway

import (
	"encoding/binary"
	"slices"
	"strings"
)

// maxHello bounds a ClientHello. Browsers send 0.5 to 2 KiB, with post-quantum
// keys; nothing that visits a shop comes near this.
const maxHello = 16 << 10

// clientHello is the first message of a TLS client, as far as it tells who the
// client is (RFC 8446, 4.1.2).
type clientHello struct {
	version    uint16   // the highest offered
	ciphers    []uint16 // without GREASE, like all lists here
	extensions []uint16
	signatures []uint16
	alpn       []string
	hasSNI     bool
	name       string // of the host asked for; "" when there is none or it is no name
}

// Extensions that are looked into.
const (
	extServerName        = 0x0000
	extSignatures        = 0x000d
	extHeartbeat         = 0x000f // RFC 6520
	extALPN              = 0x0010
	extSupportedVersions = 0x002b
)

// parseHello reads the body of a ClientHello strictly: every length must fit
// and nothing may be left over. crypto/tls reads it again on its own, so what
// is refused here is unknown and nothing more.
func parseHello(body []byte) (*clientHello, bool) {
	if len(body) > maxHello {
		return nil, false
	}
	h, r := &clientHello{}, reader{body, true}
	h.version = r.u16()
	r.take(32) // random
	if session := r.vector(1); len(session) > 32 {
		return nil, false
	}
	ciphers := r.vector(2)
	h.ciphers = known(ciphers)
	compressions := r.vector(1)
	if !r.ok || len(ciphers) < 2 || len(ciphers)%2 != 0 || len(compressions) == 0 {
		return nil, false
	}
	if len(r.rest) == 0 { // before TLS 1.2 there may be no extensions
		return h, true
	}
	extensions := reader{r.vector(2), true}
	if !r.ok || len(r.rest) != 0 {
		return nil, false
	}
	return h, h.readExtensions(&extensions)
}

func (h *clientHello) readExtensions(r *reader) bool {
	seen := map[uint16]bool{}
	for len(r.rest) > 0 {
		kind, data := r.u16(), r.vector(2)
		if !r.ok || seen[kind] {
			return false // RFC 8446, 4.2: no more than one of a type
		}
		seen[kind] = true
		if grease(kind) {
			continue
		}
		h.extensions = append(h.extensions, kind)
		if !h.readExtension(kind, reader{data, true}) {
			return false
		}
	}
	return true
}

func (h *clientHello) readExtension(kind uint16, r reader) bool {
	switch kind {
	case extServerName:
		return h.readName(&r)
	case extALPN:
		return h.readALPN(&r)
	case extSignatures:
		list := r.vector(2)
		h.signatures = known(list)
		return r.done() && len(list)%2 == 0
	case extSupportedVersions:
		list := r.vector(1)
		if versions := known(list); len(versions) > 0 {
			h.version = slices.Max(versions)
		}
		return r.done() && len(list)%2 == 0
	}
	return true
}

// readName reads server_name (RFC 6066, 3).
func (h *clientHello) readName(r *reader) bool {
	h.hasSNI = true
	names := reader{r.vector(2), true}
	for len(names.rest) > 0 {
		kind, name := names.u8(), names.vector(2)
		if kind == 0 && h.name == "" && names.ok && validHost(string(name)) == nil {
			h.name = strings.ToLower(string(name))
		}
		if !names.ok {
			return false
		}
	}
	return r.done()
}

// readALPN reads the protocols offered (RFC 7301, 3.1).
func (h *clientHello) readALPN(r *reader) bool {
	list := reader{r.vector(2), true}
	for len(list.rest) > 0 {
		p := list.vector(1)
		if !list.ok {
			return false
		}
		if len(p) == 2 && grease(binary.BigEndian.Uint16(p)) {
			continue
		}
		h.alpn = append(h.alpn, string(p))
	}
	return r.done()
}

// grease reports whether v is one of the values that clients send to be ignored
// (RFC 8701).
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// known is a list of numbers without GREASE.
func known(list []byte) []uint16 {
	out := make([]uint16, 0, len(list)/2)
	for ; len(list) >= 2; list = list[2:] {
		if v := binary.BigEndian.Uint16(list); !grease(v) {
			out = append(out, v)
		}
	}
	return out
}

// reader takes values off the front of a message. After the first that does not
// fit, ok is false and everything is empty.
type reader struct {
	rest []byte
	ok   bool
}

// done reports whether everything was read and fitted.
func (r *reader) done() bool { return r.ok && len(r.rest) == 0 }

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.rest, r.ok = nil, false
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u8() int {
	if b := r.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// vector takes a list behind its length of so many bytes.
func (r *reader) vector(size int) []byte {
	n := 0
	for _, b := range r.take(size) {
		n = n<<8 | int(b)
	}
	return r.take(n)
}
