package orient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"noren"
)

// Limits of list files. The largest known list of data centres has some 60,000
// networks.
const (
	maxListBytes    = 64 << 20
	maxListNetworks = 1_000_000
	maxListFaults   = 20
)

// parseList reads networks and addresses, one per line; # and ; begin comments.
// Every faulty line is reported.
func parseList(file string, data []byte) ([]netip.Prefix, error) {
	if len(data) > maxListBytes {
		return nil, noren.Errorf(noren.Invalid, "%s: %d bytes are over the limit of %d", file, len(data), maxListBytes)
	}
	var out []netip.Prefix
	var faults []error
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(withoutComment(string(line)))
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" {
			continue
		}
		p, err := parseNetwork(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, n, err))
			if len(faults) == maxListFaults {
				faults = append(faults, fmt.Errorf("%s: further faults are not shown", file))
				break
			}
			continue
		}
		if out = append(out, p); len(out) > maxListNetworks {
			return nil, noren.Errorf(noren.Invalid, "%s:%d: more than %d networks", file, n, maxListNetworks)
		}
	}
	if len(faults) > 0 {
		return nil, noren.Errorf(noren.Invalid, "%w", errors.Join(faults...))
	}
	return out, nil
}

func withoutComment(line string) string {
	if i := strings.IndexAny(line, "#;"); i >= 0 {
		return line[:i]
	}
	return line
}

// parseNetwork reads 192.0.2.0/24, 2001:db8::/32 or a single address. A network
// with bits beyond its length is refused: it may mean one address or all.
func parseNetwork(s string) (netip.Prefix, error) {
	if len(s) > 64 {
		return netip.Prefix{}, noren.Errorf(noren.Invalid, "line is too long for an address or network")
	}
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, noren.Errorf(noren.Invalid, "%q is not an address or network, such as 192.0.2.7 or 2001:db8::/32", s)
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, noren.Errorf(noren.Invalid, "%q is not an address or network, such as 192.0.2.7 or 2001:db8::/32", s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, noren.Errorf(noren.Invalid, "%q has bits beyond its length; write %s or %s", s, p.Masked(), p.Addr())
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, noren.Errorf(noren.Invalid, "%q mixes IPv4 and IPv6; write an IPv4 network", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, nil
}

// parseRanges reads the published ranges of a search engine: JSON as Google,
// Bing and Apple publish it, or one network per line.
func parseRanges(file string, data []byte) ([]netip.Prefix, error) {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return parseList(file, data)
	}
	if len(data) > maxListBytes {
		return nil, noren.Errorf(noren.Invalid, "%s: %d bytes are over the limit of %d", file, len(data), maxListBytes)
	}
	var doc struct {
		Prefixes []struct {
			V4 string `json:"ipv4Prefix"`
			V6 string `json:"ipv6Prefix"`
		} `json:"prefixes"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, noren.Errorf(noren.Invalid, "%s: %w", file, err)
	}
	var out []netip.Prefix
	for i, entry := range doc.Prefixes {
		p, err := parseNetwork(entry.V4 + entry.V6)
		if err != nil || entry.V4 != "" && entry.V6 != "" {
			return nil, noren.Errorf(noren.Invalid, "%s: prefixes[%d] is not one ipv4Prefix or ipv6Prefix", file, i)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, noren.Errorf(noren.Invalid, "%s: holds no prefixes", file)
	}
	return out, nil
}

// builtinPrivate are networks nobody on the internet has: loopback, private
// use (RFC 1918, RFC 4193), link-local, carrier-grade NAT (RFC 6598).
func builtinPrivate() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
		"::1/128", "fc00::/7", "fe80::/10",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}
