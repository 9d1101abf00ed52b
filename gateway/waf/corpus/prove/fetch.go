package prove

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// fetchPrograms fetch an address that a visitor names. It must lead into the
// machine, its network or its cloud's metadata, as the libraries that programs
// use read addresses: numbers of one to four parts in any base, IPv6 in all
// forms, wide digits and dots.
func fetchPrograms() map[string]program {
	return map[string]program{
		"fetch": reachesInside,
		"host":  func(v string) (string, error) { return reachesInside("http://" + v) },
		"allowed": func(v string) (string, error) { // a check that the shop's name is in it
			if !strings.Contains(v, "shop.example") {
				return "", invalid("the check refuses it")
			}
			return reachesInside(v)
		},
	}
}

func reachesInside(v string) (string, error) {
	v = strings.TrimSpace(strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(v))
	if rest, ok := strings.CutPrefix(strings.ToLower(v), "url:"); ok {
		v = rest
	}
	scheme, rest, ok := strings.Cut(v, ":")
	if !ok && !strings.HasPrefix(v, "//") {
		return "", invalid("no address")
	}
	if strings.HasPrefix(v, "//") {
		scheme, rest = "http", v
	}
	switch strings.ToLower(scheme) {
	case "file", "netdoc":
		if how, err := opens("/" + strings.TrimLeft(strings.TrimPrefix(strings.TrimLeft(rest, "/"), "localhost"), "/")); err == nil {
			return how, nil
		}
		return "", invalid("no such file")
	case "http", "https", "gopher", "dict", "ftp", "ldap", "tftp", "sftp", "ws", "wss", "jar":
	default:
		return "", invalid("no scheme %q", clip(scheme))
	}
	rest = strings.TrimLeft(strings.ReplaceAll(rest, `\`, "/"), "/")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	host, err := url.PathUnescape(rest)
	if err != nil {
		return "", err
	}
	return inside(host)
}

func inside(host string) (string, error) {
	host = strings.ToLower(norm.NFKC.String(strings.ReplaceAll(host, "。", ".")))
	if end := strings.LastIndexByte(host, ']'); end > 0 && strings.HasPrefix(host, "[") {
		host = host[1:end]
	} else if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Count(host, ":") == 1 {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	addr, ok := readAddr(host)
	if !ok {
		addr, ok = resolve(host)
	}
	if !ok {
		return "", invalid("%s is outside", clip(host))
	}
	if a := embedded(addr); a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.String() == "100.100.100.200" {
		return "asks " + a.String(), nil
	}
	return "", invalid("%s is outside", addr)
}

// resolve knows the names that lead inside, and the services that answer with
// the address in a name.
func resolve(host string) (netip.Addr, bool) {
	switch {
	case host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "localtest.me" || strings.HasSuffix(host, ".localtest.me") || host == "lvh.me" || host == "localhost.localdomain" || host == "ip6-localhost" || host == "vcap.me":
		return netip.MustParseAddr("127.0.0.1"), true
	case host == "metadata.google.internal" || host == "metadata" || host == "instance-data":
		return netip.MustParseAddr("169.254.169.254"), true
	case host == "kubernetes.default.svc" || host == "host.docker.internal":
		return netip.MustParseAddr("10.0.0.1"), true
	}
	for _, service := range []string{".nip.io", ".sslip.io", ".xip.io"} {
		if name, ok := strings.CutSuffix(host, service); ok {
			parts := strings.Split(strings.ReplaceAll(name, "-", "."), ".")
			if len(parts) >= 4 {
				a, err := netip.ParseAddr(strings.Join(parts[len(parts)-4:], "."))
				return a, err == nil
			}
		}
	}
	return netip.Addr{}, false
}

// readAddr reads an address as inet_aton does: one to four parts, decimal, octal
// or hexadecimal; else as IPv6.
func readAddr(host string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.WithZone(""), true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var n uint64
	for i, p := range parts {
		base := 10
		if strings.HasPrefix(p, "0x") {
			p, base = p[2:], 16
		} else if len(p) > 1 && p[0] == '0' {
			base = 8
		}
		v, err := strconv.ParseUint(p, base, 40)
		if err != nil {
			return netip.Addr{}, false
		}
		if i == len(parts)-1 {
			n = n<<(8*(4-i)) | v&(1<<(8*(4-i))-1)
		} else {
			n = n<<8 | v&0xFF
		}
	}
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), true
}

// embedded is the IPv4 address inside forms of IPv6 that carry one.
func embedded(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is4() {
		return a
	}
	b := a.As16()
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a), netip.MustParsePrefix("::/96").Contains(a) && !a.IsLoopback() && !a.IsUnspecified():
		return v4(12)
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return v4(2)
	}
	return a
}
