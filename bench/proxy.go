package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"noren/lab/peer"
)

// contender is one proxy before the shop, in a process of its own.
type contender struct {
	name          string
	plain, secure string // addresses
	goal          string
	pids          []int
	stop          func()
	rounds        []loadResult
}

const (
	proxyRounds = 7
	proxyWarm   = 700 * time.Millisecond
	proxyWindow = 3 * time.Second
)

// proxy measures the whole way over loopback: the gateway, with and without its
// firewall, beside the standard library's reverse proxy and nginx with
// libmodsecurity, in rounds that take turns.
func (b *bencher) proxy() error {
	shop, pair, err := b.startShop()
	if err != nil {
		return err
	}
	defer shop.stop()
	all, err := b.startContenders(shop.said, pair)
	for _, c := range all {
		defer c.stop()
	}
	if err != nil {
		return err
	}
	round := 0
	for _, way := range []struct {
		name           string
		ca             string
		conns, streams int
	}{{"HTTP/1.1", "", 64, 1}, {"HTTP/2 over TLS", pair.cert, 32, 2}} {
		for _, c := range all {
			c.rounds = nil
		}
		for n := range proxyRounds {
			for i := range all {
				c := all[(n+i)%len(all)] // nobody is always first
				plan := loadPlan{Addr: c.plain, CA: way.ca, Round: round, Conns: way.conns, Streams: way.streams,
					Warm: proxyWarm, Window: proxyWindow, PIDs: c.pids}
				if way.ca != "" {
					plan.Addr = c.secure
				}
				if err := c.measure(b, plan); err != nil {
					return fmt.Errorf("%s, %s: %w", way.name, c.name, err)
				}
			}
			round++
		}
		b.compare(way.name, all)
	}
	return nil
}

// startShop starts the shop behind every proxy, and makes their certificate.
func (b *bencher) startShop() (shop *child, pair certificate, err error) {
	if shop, err = startChild(b.ctx, "", "shop"); err != nil {
		return nil, pair, err
	}
	if pair, err = makeCertificate(filepath.Join(b.dir, "tls")); err != nil {
		shop.stop()
	}
	return shop, pair, err
}

// startContenders starts the peer first, and nginx last where it is installed.
func (b *bencher) startContenders(shop string, pair certificate) ([]*contender, error) {
	peer, err := b.startPlain(shop, pair)
	if err != nil {
		return nil, err
	}
	all := []*contender{peer}
	for _, waf := range []string{"off", "on"} {
		c, err := b.startNoren("proxy-waf-"+waf, shop, pair, waf)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	all[1].name, all[1].goal = "gateway, everything on but the WAF", "≥ 0.75 × requests/s, p99 ≤ 1.5 ×"
	all[2].name = "gateway with the WAF"
	switch c, err := b.startNginx(shop, pair); {
	case errors.Is(err, errMissing):
		fmt.Fprintln(os.Stderr, "nginx with libmodsecurity is not installed and not measured: apt-get install --no-install-recommends libnginx-mod-http-modsecurity")
		b.add("proxy: nginx + libmodsecurity", "", "", "not installed (libnginx-mod-http-modsecurity)")
	case err != nil:
		return all, err
	default:
		all = append(all, c)
	}
	return all, nil
}

func (b *bencher) startPlain(shop string, pair certificate) (*contender, error) {
	peer, err := startChild(b.ctx, "", "plain", shop, pair.cert, pair.key)
	if err != nil {
		return nil, err
	}
	plain, secure, _ := strings.Cut(peer.said, " ")
	return &contender{name: "plain httputil.ReverseProxy", plain: plain, secure: secure, pids: []int{peer.cmd.Process.Pid}, stop: peer.stop}, nil
}

// startNoren starts the real program with a site as `noren init` writes it. The
// switch to the attack mode is by hand: a load test is what it is there for.
func (b *bencher) startNoren(name, shop string, pair certificate, waf string) (*contender, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	var ports [2]int
	var err error
	for i := range ports {
		if ports[i], err = peer.FreePort(); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(dir, "noren.yaml")
	text := fmt.Sprintf(`version: 1
data: data
listen: {http: "%s", https: "%s"}
sites:
  - name: shop
    hosts: [%s]
    upstream: http://%s
    preset: eccube4
    tls: {cert: %s, key: %s}
    attack_mode: by_hand
    waf: %s
`, local(ports[0]), local(ports[1]), shopHost, shop, pair.cert, pair.key, waf)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(b.ctx, b.noren, "serve", "--config", config)
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &contender{plain: local(ports[0]), secure: local(ports[1]), pids: []int{cmd.Process.Pid}, stop: func() { interrupt(cmd) }}
	if err := awaitAnswer(b.ctx, c.plain); err != nil {
		c.stop()
		return nil, fmt.Errorf("noren: %w\n%s", err, said.String())
	}
	return c, nil
}

func interrupt(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
}

// measure runs one round against c, from a process of its own.
func (c *contender) measure(b *bencher, plan loadPlan) error {
	text, err := json.Marshal(plan)
	if err != nil {
		return err
	}
	load, err := startChild(b.ctx, string(text), "load")
	if err != nil {
		return err
	}
	defer load.stop()
	var r loadResult
	if err := json.Unmarshal([]byte(load.said), &r); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  %-45s %6.0f/s  p50 %-9s p99 %-9s %5.0f µs of CPU each, others %v\n", c.name, r.perSecond(), r.P50, r.P99, r.cpuEach(), r.Other)
	c.rounds = append(c.rounds, r)
	return nil
}

// compare enters one line for each, and beside it the median of the ratios to
// the first within the same round: neighbours of the machine that come and go
// between rounds do not move those.
func (b *bencher) compare(way string, all []*contender) {
	rate, p50 := loadResult.perSecond, func(r loadResult) float64 { return float64(r.P50) }
	p99 := func(r loadResult) float64 { return float64(r.P99) }
	for i, c := range all {
		beside := ""
		if i > 0 {
			beside = fmt.Sprintf("of the plain one: %.2f × requests/s, %.2f × p99, %.2f × CPU", c.against(all[0], rate), c.against(all[0], p99), c.against(all[0], loadResult.cpuEach))
		}
		b.add("proxy, "+way+": "+c.name, c.goal, beside, "%.0f/s, p50 %s, p99 %s, CPU %.0f µs%s", c.median(rate),
			time.Duration(c.median(p50)).Round(10*time.Microsecond), time.Duration(c.median(p99)).Round(10*time.Microsecond), c.median(loadResult.cpuEach), c.refused())
	}
}

func (c *contender) median(of func(loadResult) float64) float64 {
	var all []float64
	for _, r := range c.rounds {
		all = append(all, of(r))
	}
	return middle(all)
}

func (c *contender) against(peer *contender, of func(loadResult) float64) float64 {
	var all []float64
	for i, r := range c.rounds {
		all = append(all, of(r)/of(peer.rounds[i]))
	}
	return middle(all)
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// refused tells of answers that were not the shop's page.
func (c *contender) refused() string {
	n := 0
	for _, r := range c.rounds {
		for _, k := range r.Other {
			n += k
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d refused", n)
}

// certificate names PEM files.
type certificate struct{ cert, key string }

// makeCertificate makes one for shopHost and loopback that is trusted by itself.
func makeCertificate(dir string) (certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: shopHost}, DNSNames: []string{shopHost}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return certificate{}, err
	}
	pair := certificate{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	return pair, errors.Join(
		os.MkdirAll(dir, 0o755),
		os.WriteFile(pair.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(pair.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}
