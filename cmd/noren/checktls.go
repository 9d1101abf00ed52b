package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"noren/gateway"
	"noren/gateway/grade"
)

// door is where a site's visitors come in, as far as a check can reach it.
type door struct {
	secure, plain string // addresses; plain is "" without a listener of HTTP
	running       bool   // by a noren that serves
}

// checkTLS grades a site: its certificates, how the listener speaks, and what it
// tells browsers. Where noren does not serve, the same listener is opened for the
// moment of the check.
func (e *env) checkTLS(fs *findings, cfg *Config, s *gateway.Site) {
	what := "tls " + s.Name
	if s.TLS == nil {
		return
	}
	d, closeDoor, err := openDoor(e.ctx, cfg, s)
	if err != nil {
		fs.add(what, err, "")
		return
	}
	defer closeDoor()
	if d.secure == "" {
		fs.add(what, nil, "noren is not running; its certificates are obtained and looked at while it serves")
		return
	}
	*fs = append(*fs, gradeSite(e.ctx, what, d, s, e.lang))
}

func gradeSite(ctx context.Context, what string, d door, s *gateway.Site, lang string) finding {
	points, until := gradeHosts(ctx, d, s)
	if grade.Of(points) < grade.F || !allCode(points, "none") {
		points = append(points, grade.Probe(ctx, d.secure, d.plain, someHost(s.Hosts[0])).Judge()...)
	}
	f := finding{What: what, Grade: grade.Of(points), Points: points}
	f.OK = f.Grade <= grade.B
	lines := []string{string(f.Grade)}
	if !until.IsZero() {
		lines[0] += ", valid until " + shown(until, toDay)
	}
	if !d.running {
		lines[0] += " (noren is not running; looked at as it would serve)"
	}
	var mends []string
	for _, p := range points {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Grade, p.Host, p.Reason.In(lang))))
		mends = append(mends, p.Mend.In(lang))
	}
	f.Text, f.Hint = strings.Join(lines, "\n"), strings.Join(mends, " ")
	return f
}

// gradeHosts looks at the certificate of each host, and returns the first day one
// of them ends.
func gradeHosts(ctx context.Context, d door, s *gateway.Site) (points []grade.Finding, until time.Time) {
	for _, h := range s.Hosts {
		if h == "*" {
			continue
		}
		c := grade.Certificate{Host: someHost(h), ACME: s.TLS.ACME}
		c.Chain, _ = grade.Chain(ctx, d.secure, c.Host)
		for _, leaf := range c.Chain[:min(len(c.Chain), 1)] {
			if until.IsZero() || leaf.NotAfter.Before(until) {
				until = leaf.NotAfter
			}
		}
		points = append(points, c.Judge(time.Now(), nil)...)
	}
	return points, until
}

func allCode(points []grade.Finding, code string) bool {
	for _, p := range points {
		if p.Code != code {
			return false
		}
	}
	return true
}

// someHost is a name that a pattern covers.
func someHost(pattern string) string { return strings.Replace(pattern, "*", "any", 1) }

// openDoor finds the listeners of a noren that serves, or opens some like them on
// this machine. Certificates by ACME are only where noren serves.
func openDoor(ctx context.Context, cfg *Config, s *gateway.Site) (d door, closeDoor func(), err error) {
	closeDoor = func() {}
	if addr := reachable(cfg.Listen.HTTPS); addr != "" && answers(ctx, addr) {
		d = door{secure: addr, running: true}
		if cfg.Listen.HTTP != "" {
			d.plain = reachable(cfg.Listen.HTTP)
		}
		return d, closeDoor, nil
	}
	if s.TLS.ACME {
		return d, closeDoor, nil
	}
	g, err := gateway.New(gateway.Options{Settings: gateway.Settings{Sites: []gateway.Site{*s}}, HTTPSPort: portOf(cfg.Listen.HTTPS)})
	if err != nil {
		return d, closeDoor, err
	}
	var ls [2]net.Listener
	server := g.Server()
	closeDoor = func() { server.Close() }
	for i := range ls {
		if ls[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			closeDoor()
			return d, func() {}, err
		}
	}
	go server.ServeTLS(ls[0], "", "")
	d.secure = ls[0].Addr().String()
	if cfg.Listen.HTTP == "" {
		ls[1].Close()
		return d, closeDoor, nil
	}
	go server.Serve(ls[1])
	d.plain = ls[1].Addr().String()
	return d, closeDoor, nil
}

// reachable is a listen address as a client of this machine writes it.
func reachable(addr string) string {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsUnspecified() {
		return addr
	}
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if ap.Addr().Is6() && !ap.Addr().Is4In6() {
		local = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(local, ap.Port()).String()
}

func answers(ctx context.Context, addr string) bool {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
