package gateway

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// helloOf builds a ClientHello as a record from lists in hexadecimal, with
// GREASE in every place where clients put it.
func helloOf(version uint16, ciphers, extensions, signatures, alpn, name string) []byte {
	numbers := func(s string) (b []byte) {
		b = binary.BigEndian.AppendUint16(b, 0x2a2a)
		for v := range strings.SplitSeq(s, ",") {
			n, _ := strconv.ParseUint(v, 16, 16)
			b = binary.BigEndian.AppendUint16(b, uint16(n))
		}
		return b
	}
	body := binary.BigEndian.AppendUint16(nil, min(version, 0x0303))
	body = append(body, make([]byte, 32)...)
	body = append(body, 0)
	body = append(body, list16(numbers(ciphers))...)
	body = append(body, 1, 0)
	var exts []byte
	add := func(kind uint16, data []byte) {
		exts = binary.BigEndian.AppendUint16(exts, kind)
		exts = append(exts, list16(data)...)
	}
	add(0x1a1a, nil)
	for e := range strings.SplitSeq(extensions, ",") {
		n, _ := strconv.ParseUint(e, 16, 16)
		switch kind := uint16(n); kind {
		case extServerName:
			add(kind, list16(append([]byte{0}, list16([]byte(name))...)))
		case extALPN:
			add(kind, list16(append([]byte{byte(len(alpn))}, alpn...)))
		case extSignatures:
			add(kind, list16(numbers(signatures)))
		case extSupportedVersions:
			add(kind, []byte{6, 0x7a, 0x7a, byte(version >> 8), byte(version), 3, 3})
		default:
			add(kind, nil)
		}
	}
	add(0xfafa, []byte{0})
	body = append(body, list16(exts)...)
	message := append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)
	return append([]byte{recordHandshake, 3, 1}, list16(message)...)
}

func list16(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }

// fingerprint reads a client's first bytes, cut into pieces of n bytes.
func fingerprint(t testing.TB, raw []byte, n int) (ja4, name string) {
	t.Helper()
	r := &records{}
	for len(raw) > 0 {
		n = min(n, len(raw))
		s := r.feed(raw[:n])
		raw = raw[n:]
		if s.probe != "" || s.excess {
			t.Fatalf("an ordinary hello: %+v", s)
		}
		if !s.whole {
			continue
		}
		h, ok := parseHello(s.hello)
		if !ok {
			return "", ""
		}
		return h.ja4(overTCP), h.name
	}
	return "", ""
}

// The samples are FoxIO's own: its documentation and the outputs that its
// repository keeps for captures (python/test/testdata), each with the lists in
// the order of the wire (JA4_ro).
func TestPublishedFingerprints(t *testing.T) {
	const (
		chrome = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
		sigs   = "0403,0804,0401,0503,0805,0501,0806,0601"
	)
	for _, c := range []struct {
		sample, want              string
		version                   uint16
		ciphers, extensions, sigs string
		alpn                      string
	}{
		{"browsers-x509.pcapng, stream 0", "t13d1516h2_8daaf6152771_e5627efa2ab1", 0x304, chrome,
			"000d,0000,000a,0005,000b,002b,001b,ff01,0033,4469,002d,0023,0017,0012,0010,0015", sigs, "h2"},
		{"browsers-x509.pcapng, stream 2: another order", "t13d1516h2_8daaf6152771_e5627efa2ab1", 0x304, chrome,
			"0000,0033,0010,0017,ff01,0012,002b,000d,000a,002d,0005,0023,000b,4469,001b,0015", sigs, "h2"},
		{"sigalg-grease.pcapng", "t13d1517h2_8daaf6152771_cb7bf5808d99", 0x304, chrome,
			"fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012", "0904,0905,0906," + sigs, "h2"},
		{"badcurveball.pcap", "t13d1615h2_46e7e9700bed_45f260be83e2", 0x304, chrome + ",000a",
			"0000,0017,ff01,000a,000b,0023,0010,0005,000d,0012,0033,002d,002b,001b,0015", sigs + ",0201", "h2"},
		{"socks-https-example.pcap: TLS 1.0, nothing but a name", "t10d230100_6a57a6f57151_000000000000", 0x301,
			"0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,0014,0011,0008,0006,0003,00ff", "0000", "", ""},
	} {
		if got, name := fingerprint(t, helloOf(c.version, c.ciphers, c.extensions, c.sigs, c.alpn, "Shop.Example.jp"), 1<<20); got != c.want || name != "shop.example.jp" {
			t.Errorf("%s: %s for %q, published %s", c.sample, got, name, c.want)
		}
	}
}

// "ALPN Extension Value" of FoxIO's JA4.md.
func TestFirstALPN(t *testing.T) {
	for p, want := range map[string]string{
		"h2": "h2", "http/1.1": "h1", "x": "xx", "": "00", "\xab": "ab", "\xab\xcd": "ad", "0\xab": "3b", "01\xab\xcd": "3d", "0\xab\xcd1": "01",
	} {
		if got := (&clientHello{alpn: []string{p}}).firstALPN(); got != want {
			t.Errorf("%q: %s, want %s", p, got, want)
		}
	}
	if got := (&clientHello{}).firstALPN(); got != "00" {
		t.Errorf("no protocols: %s", got)
	}
}

// Hellos of real programs, recorded on the wire. Chromium's is FoxIO's sample
// sigalg-grease: it sends GREASE among the signature algorithms too, which has to
// be left out.
func TestRealHellos(t *testing.T) {
	for file, want := range map[string]string{
		"chromium-156":          "t13d1517h2_8daaf6152771_cb7bf5808d99",
		"curl-7.88.1":           "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6",
		"openssl-3.0.19-tls1.2": "t12i280600_d943125447b4_e7e480e5a997",
	} {
		raw := realHello(t, file)
		for _, n := range []int{1 << 20, 1000, 7, 1} {
			if got, _ := fingerprint(t, raw, n); got != want {
				t.Errorf("%s in pieces of %d: %s, want %s", file, n, got, want)
			}
			if got, _ := fingerprint(t, inRecords(raw, n), 1<<20); n > 1 && got != want {
				t.Errorf("%s in records of %d: %s, want %s", file, n, got, want)
			}
		}
	}
}

func realHello(t testing.TB, file string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.TrimSpace(readText(t, filepath.Join("testdata", "hello", file+".hex"))))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// inRecords cuts a message into records of at most n bytes.
func inRecords(raw []byte, n int) (out []byte) {
	for message := raw[recordHeader:]; len(message) > 0; {
		part := message[:min(n, len(message), 1<<14)]
		message = message[len(part):]
		out = append(append(out, recordHandshake, 3, 1), list16(part)...)
	}
	return out
}

// What does not fit is unknown, and nothing is made up.
func TestBrokenHellos(t *testing.T) {
	whole := realHello(t, "curl-7.88.1")[recordHeader+messageHeader:]
	for n := range len(whole) {
		if h, ok := parseHello(whole[:n]); ok && len(h.extensions) > 0 {
			t.Fatalf("the first %d bytes of a hello were read as one: %+v", n, h)
		}
	}
	if _, ok := parseHello(append(bytes.Clone(whole), 0)); ok {
		t.Error("bytes behind the hello were passed over")
	}
	twice := helloOf(0x304, "1301", "0005,0005", "", "", "")
	if got, _ := fingerprint(t, twice, 1<<20); got != "" {
		t.Errorf("an extension twice: %s", got)
	}
	for _, name := range []string{"", "a b", strings.Repeat("a", 300), "x\x00y", "../../etc"} {
		if _, got := fingerprint(t, helloOf(0x304, "1301", "0000", "", "", name), 1<<20); got != "" {
			t.Errorf("name %q was taken for %q", name, got)
		}
	}
}

// However a client's bytes are cut, the same is learnt, nothing panics and no
// more than a hello is kept.
func FuzzRecords(f *testing.F) {
	for _, file := range []string{"chromium-156", "curl-7.88.1", "openssl-3.0.19-tls1.2"} {
		f.Add(realHello(f, file), 5)
	}
	f.Add(append(realHello(f, "openssl-3.0.19-tls1.2"), 24, 3, 2, 0, 3, 1, 0x40, 0), 3)
	f.Add([]byte("\x80\x2e\x01\x00\x02GET / HTTP/1.1\r\n"), 1)
	f.Fuzz(func(t *testing.T, raw []byte, n int) {
		n = max(1, min(n, 64<<10))
		learn := func(n int) (out string) {
			r := &records{}
			for rest := raw; len(rest) > 0; {
				part := rest[:min(n, len(rest))]
				rest = rest[len(part):]
				s := r.feed(part)
				if s.whole {
					if h, ok := parseHello(s.hello); ok {
						out += h.ja4(overTCP) + h.name
						if len(h.ja4(overTCP)) != 36 {
							t.Errorf("fingerprint %q", h.ja4(overTCP))
						}
					}
					out += "|"
				}
				out += s.probe
				if s.probe != "" || s.excess {
					return out + fmt.Sprint(s.excess)
				}
				if len(r.message) > maxHello+messageHeader {
					t.Fatalf("%d bytes are kept", len(r.message))
				}
			}
			return out
		}
		if a, b := learn(len(raw)+1), learn(n); a != b {
			t.Errorf("whole: %q; in pieces of %d: %q", a, n, b)
		}
	})
}
