package grammar

import (
	"net/netip"
	"strconv"
	"strings"
)

// inside reports whether a host is the machine itself, a private network, or what a
// cloud keeps for its machines.
func inside(host string) bool {
	if host == "" {
		return false
	}
	if a, ok := address(host); ok {
		return insideAddr(a)
	}
	switch host {
	case "localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "metadata", "metadata.google.internal", "instance-data", "host.docker.internal",
		"gateway.docker.internal", "kubernetes.docker.internal", "kubernetes", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "loopback", "broadcasthost", "readme.localtest.me":
		return true
	}
	for _, suffix := range [...]string{".localhost", ".internal", ".localtest.me", ".lvh.me", ".vcap.me", ".cluster.local", ".localdomain", ".local", ".svc", ".consul", ".lan", ".intranet", ".corp"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	for _, suffix := range [...]string{".nip.io", ".sslip.io", ".xip.io", ".traefik.me", ".rbndr.us", ".1u.ms", ".localdev.me"} {
		if name, ok := strings.CutSuffix(host, suffix); ok {
			return suffix == ".rbndr.us" || suffix == ".1u.ms" || suffix == ".localdev.me" || insideName(name)
		}
	}
	return false
}

// neighbour reports whether host is an address of a private network in its usual
// form, or a name of one.
func neighbour(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Is4() && a.IsPrivate() || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".lan")
}

// insideName finds the address in a name like app.127-0-0-1 or 0a000001.
func insideName(name string) bool {
	labels := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '-' })
	for i := range labels {
		if i+4 <= len(labels) {
			if a, err := netip.ParseAddr(strings.Join(labels[i:i+4], ".")); err == nil && insideAddr(a) {
				return true
			}
		}
		if len(labels[i]) == 8 {
			if n, err := strconv.ParseUint(labels[i], 16, 32); err == nil && insideAddr(fromNumber(uint32(n))) {
				return true
			}
		}
	}
	return strings.Contains(name, "--1")
}

// address reads an address as inet_aton and browsers do: one to four numbers,
// decimal, octal or hexadecimal, the last of which fills what is left.
func address(host string) (netip.Addr, bool) {
	if in, ok := strings.CutPrefix(host, "["); ok {
		in, _, _ = strings.Cut(strings.TrimSuffix(in, "]"), "%")
		a, err := netip.ParseAddr(in)
		return a, err == nil
	}
	if strings.Contains(host, ":") {
		a, err := netip.ParseAddr(host)
		return a, err == nil
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var n uint32
	for i, p := range parts {
		v, err := strconv.ParseUint(numeral(p), 0, 64)
		last := i == len(parts)-1
		if err != nil || !last && v > 255 {
			return netip.Addr{}, false
		}
		if last {
			n |= uint32(v) // what is too large is cut, as by some
		} else {
			n |= uint32(v) << (24 - 8*i)
		}
	}
	return fromNumber(n), true
}

// numeral is p for strconv: 0177 is octal there and here, 08 is not.
func numeral(p string) string {
	if p == "" || strings.ContainsAny(p, "_obOB+-") {
		return "x"
	}
	if len(p) > 1 && p[0] == '0' && strings.TrimLeft(p, "0") == "" {
		return "0"
	}
	if p == "0x" {
		return "0"
	}
	return p
}

func fromNumber(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func insideAddr(a netip.Addr) bool {
	if a.Is6() && !a.Is4In6() {
		b := a.As16()
		switch {
		case b[0] == 0 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b, a.Is6() && allZero(b[:12]) && !allZero(b[12:]) && b[15] != 1: // NAT64, ::127.0.0.1
			return insideAddr(netip.AddrFrom4([4]byte(b[12:])))
		case b[0] == 0x20 && b[1] == 0x02: // 6to4
			return insideAddr(netip.AddrFrom4([4]byte(b[2:6])))
		}
	}
	a = a.Unmap()
	if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() {
		return true
	}
	if !a.Is4() {
		return false
	}
	b := a.As4()
	return b[0] == 0 || b[0] == 100 && b[1]&0xC0 == 64 || b == [4]byte{192, 0, 0, 192} || b == [4]byte{168, 63, 129, 16} || b[0] == 198 && b[1]&0xFE == 18
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
