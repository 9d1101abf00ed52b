package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// JA4 of a TLS client, version 1, by John Althouse, FoxIO: which TLS library
// with which settings says hello. Thousands of visitors share one value; it
// tells a script that calls itself a browser from the browser. Only this part
// of JA4+ is under the BSD licence, and only this part is here.
// https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md

// overTCP is the first letter of the fingerprint of a hello that came over TCP.
// One out of QUIC's CRYPTO frames has q, and is otherwise read and written alike.
const overTCP = 't'

// emptyHash stands for the hash of nothing.
const emptyHash = "000000000000"

func (h *clientHello) ja4(transport byte) string {
	name := 'i'
	if h.hasSNI {
		name = 'd'
	}
	return fmt.Sprintf("%c%s%c%02d%02d%s_%s_%s", transport, tlsVersion(h.version), name,
		min(len(h.ciphers), 99), min(len(h.extensions), 99), h.firstALPN(),
		hash12(hexList(slices.Sorted(slices.Values(h.ciphers)))), hash12(h.extensionText()))
}

// extensionText is the sorted extensions without those that follow from the
// site (name, protocols), then the signature algorithms in the client's order.
func (h *clientHello) extensionText() string {
	var kept []uint16
	for _, e := range h.extensions {
		if e != extServerName && e != extALPN {
			kept = append(kept, e)
		}
	}
	slices.Sort(kept)
	text := hexList(kept)
	if len(h.signatures) > 0 {
		text += "_" + hexList(h.signatures)
	}
	return text
}

func tlsVersion(v uint16) string {
	switch v {
	case 0x0304:
		return "13"
	case 0x0303:
		return "12"
	case 0x0302:
		return "11"
	case 0x0301:
		return "10"
	case 0x0300:
		return "s3"
	case 0x0002:
		return "s2"
	}
	return "00"
}

// firstALPN is the first and last character of the first protocol, or of its
// hexadecimal form when one of the two is no letter or digit.
func (h *clientHello) firstALPN() string {
	if len(h.alpn) == 0 || h.alpn[0] == "" {
		return "00"
	}
	p := h.alpn[0]
	first, last := p[0], p[len(p)-1]
	if !alphanumeric(first) || !alphanumeric(last) {
		x := hex.EncodeToString([]byte(p))
		first, last = x[0], x[len(x)-1]
	}
	return string([]byte{first, last})
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func hexList(list []uint16) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = fmt.Sprintf("%04x", v)
	}
	return strings.Join(out, ",")
}

func hash12(text string) string {
	if text == "" {
		return emptyHash
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:12]
}
