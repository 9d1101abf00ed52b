package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noren"
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
func checkTLS(ctx context.Context, fs *findings, cfg *Config, s *gateway.Site) {
	if s.TLS == nil {
		return
	}
	what := ofSite("tls", s.Name, "証明書と暗号化", "Certificates and TLS")
	d, closeDoor, err := openDoor(ctx, cfg, s)
	if err != nil {
		fs.fault(what, err, "証明書を使えません", "cert には、中間証明書まで含めた PEM を指定してください。key はその秘密鍵です")
		return
	}
	defer closeDoor()
	if d.secure == "" {
		fs.good(what, "noren が動いていません。証明書は、動いている間に取得し、調べます", "noren is not running; its certificates are obtained and looked at while it serves")
		return
	}
	*fs = append(*fs, gradeSite(ctx, what, d, s))
}

func gradeSite(ctx context.Context, what looked, d door, s *gateway.Site) finding {
	points, until := gradeHosts(ctx, d, s)
	if grade.Of(points) < grade.F || !allCode(points, "none") {
		points = append(points, grade.Probe(ctx, d.secure, d.plain, someHost(s.Hosts[0])).Judge()...)
	}
	f := what.finding(gradeText(grade.Of(points), until, d, points))
	f.Grade, f.Points = grade.Of(points), points
	f.OK = f.Grade <= grade.B
	return f
}

// gradeText is the letter, what it lost points for, and how to win them back.
func gradeText(g grade.Letter, until time.Time, d door, points []grade.Finding) (says, mend noren.Text) {
	line := noren.Text{Ja: string(g), En: string(g)}
	if !until.IsZero() {
		line.Ja += "、" + shown(until, toDay) + " まで有効"
		line.En += ", valid until " + shown(until, toDay)
	}
	if !d.running {
		line.Ja += "（noren は動いていません。動いたときの姿で調べました）"
		line.En += " (noren is not running; looked at as it would serve)"
	}
	ja, en := []string{line.Ja}, []string{line.En}
	var mendJa, mendEn []string
	for _, p := range points {
		ja = append(ja, strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Grade, p.Host, p.Reason.Ja)))
		en = append(en, strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Grade, p.Host, p.Reason.En)))
		mendJa, mendEn = append(mendJa, p.Mend.Ja), append(mendEn, p.Mend.En)
	}
	return noren.Text{Ja: strings.Join(ja, "\n"), En: strings.Join(en, "\n")},
		noren.Text{Ja: strings.Join(slices.Compact(mendJa), ""), En: strings.Join(mendEn, " ")}
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
