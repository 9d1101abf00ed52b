package exposure

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"noren"
)

// Finding is one thing that listens for others.
type Finding struct {
	Socket
	Service  string     `json:"service"`
	Severity Severity   `json:"severity"`
	Reach    string     `json:"reach"` // world, or network: an address of a private network
	Why      noren.Text `json:"why"`
	Mend     noren.Text `json:"mend"`
}

// Known is what the configuration tells: who is meant to be seen, and who not.
type Known struct {
	Own       []netip.AddrPort // where Noren itself listens
	Upstreams []netip.AddrPort // shops that should be reached through Noren alone
}

// Assess says what of all that listens others can reach, the worst first. One
// program on several addresses is one finding.
func Assess(sockets []Socket, known Known) []Finding {
	var out []Finding
	seen := map[string]bool{}
	for _, s := range sockets {
		a := s.At.Addr()
		if a.IsLoopback() || isOwn(known.Own, s) {
			continue
		}
		f := judge(s, known)
		if f.Service == unknownService && s.Proto == "udp" && s.At.Port() >= firstEphemeral {
			continue // a client that waits for an answer
		}
		if f.Reach = "world"; a.IsPrivate() || a.IsLinkLocalUnicast() {
			f.Reach = "network"
			f.Severity = milder(f.Severity)
		}
		key := fmt.Sprint(f.Service, f.Proto, f.At.Port(), f.Reach)
		if !seen[key] {
			seen[key] = true
			out = append(out, f)
		}
	}
	rank := map[Severity]int{Danger: 0, Warn: 1, Note: 2}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Severity], rank[b.Severity]), cmp.Compare(a.At.Port(), b.At.Port()))
	})
	return out
}

const (
	unknownService = "unknown"
	firstEphemeral = 32768 // net.ipv4.ip_local_port_range
)

func isOwn(own []netip.AddrPort, s Socket) bool {
	return slices.ContainsFunc(own, func(o netip.AddrPort) bool {
		return s.Proto == "tcp" && o.Port() == s.At.Port() && (o.Addr() == s.At.Addr() || o.Addr().IsUnspecified()) || s.Proto == "udp" && o.Port() == s.At.Port() && o.Port() == 443
	})
}

func milder(s Severity) Severity {
	if s == Danger {
		return Warn
	}
	return Note
}

func judge(s Socket, known Known) Finding {
	f := Finding{Socket: s}
	if s.Proto == "tcp" && slices.ContainsFunc(known.Upstreams, func(u netip.AddrPort) bool { return covers(s.At, u) }) {
		f.Service, f.Severity = "the shop itself", Warn
		f.Why = noren.Text{Ja: "お店の本体が、のれんを通らずに外から見えます。のれんの守りがすべて素通しになります", En: "The shop can be reached past Noren, and with it past every defence Noren has"}
		f.Mend = noren.Text{Ja: fmt.Sprintf("お店のサーバーの待ち受けを 127.0.0.1:%d にします（docs/operate/origin.md）", s.At.Port()), En: fmt.Sprintf("let the shop's server listen on 127.0.0.1:%d (docs/operate/origin.md)", s.At.Port())}
		return f
	}
	for _, sv := range services {
		// A program that is known says more than a port: Redis on 7000 is Redis.
		if sv.proto == s.Proto && (slices.Contains(sv.programs, s.Process) || slices.Contains(sv.ports, s.At.Port())) {
			f.Service, f.Severity, f.Why, f.Mend = sv.name, sv.severity, sv.why, sv.mend
			return f
		}
	}
	f.Service, f.Severity = unknownService, Note
	if s.At.Port() == 80 || s.At.Port() == 443 {
		f.Service = "web"
	}
	f.Why = noren.Text{Ja: "外から見えています。お客様に必要なものか確かめてください", En: "It can be reached from outside; make sure that it is meant to be"}
	f.Mend = noren.Text{Ja: "要らなければ止めるか、待ち受けを 127.0.0.1 にします", En: "stop it if it is not needed, or let it listen on 127.0.0.1"}
	return f
}

// covers reports whether a socket takes connections for an upstream's address.
func covers(at, upstream netip.AddrPort) bool {
	return at.Port() == upstream.Port() && (at.Addr() == upstream.Addr() || at.Addr().IsUnspecified())
}
