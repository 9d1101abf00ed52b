package noren

import (
	"net/netip"
	"slices"
)

// PlainAddr undoes the ways of writing an IPv4 address as IPv6: mapped (RFC 4291
// section 2.5.5.2) and NAT64 (RFC 6052 section 2.1).
func PlainAddr(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	nat64 := netip.MustParsePrefix("64:ff9b::/96")
	if b := a.As16(); a.Is6() && nat64.Contains(a) {
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// InnerAddr reports addresses that only the machine itself, its link or its cloud's
// metadata service answers at: no call that others can steer may go there.
func InnerAddr(a netip.Addr) bool {
	a = PlainAddr(a)
	if a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsInterfaceLocalMulticast() {
		return true
	}
	metadata := []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
		netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure
		netip.MustParsePrefix("fd00:ec2::254/128"),  // AWS
		netip.MustParsePrefix("fd20:ce::254/128"),   // Google Cloud
	}
	return slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(a) })
}

// OwnNetAddr reports addresses of networks that are nobody else's: InnerAddr, and
// the private ones (RFC 1918, RFC 4193, RFC 6598).
func OwnNetAddr(a netip.Addr) bool {
	a = PlainAddr(a)
	return InnerAddr(a) || a.IsPrivate() || netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}
