package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"noren"
)

// certificates are the sites' certificates, chosen by the name in the TLS
// handshake and read again when their files change.
type certificates struct {
	log     *slog.Logger
	issuer  Issuer // nil: only given ones
	set     atomic.Pointer[certSet]
	checked atomic.Int64 // when the files were looked at last, Unix nanoseconds
	mu      sync.Mutex   // held while files are read
	broken  bool         // the changed files could not be used; under mu
}

type certSet struct {
	pairs  []KeyPair
	stamps []fileStamp
	list   []tls.Certificate
	byName map[string]*tls.Certificate
}

// fileStamp tells whether a file changed.
type fileStamp struct {
	mod  time.Time
	size int64
}

// checkFilesEvery bounds how often handshakes look at the files.
const checkFilesEvery = 2 * time.Second

func newCertificates(log *slog.Logger, issuer Issuer) *certificates {
	c := &certificates{log: log, issuer: issuer}
	c.set.Store(&certSet{})
	return c
}

// load reads all pairs; when one is wrong, nothing changes.
func (c *certificates) load(pairs []KeyPair) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := readCerts(pairs)
	if err != nil {
		return err
	}
	c.set.Store(next)
	c.checked.Store(time.Now().UnixNano())
	c.mended()
	return nil
}

// mended ends what refresh said of broken files: who read the alarm is told.
func (c *certificates) mended() {
	if c.broken {
		c.broken = false
		c.log.Info("certificate is good again")
	}
}

func readCerts(pairs []KeyPair) (*certSet, error) {
	s := &certSet{pairs: pairs, byName: map[string]*tls.Certificate{}, list: make([]tls.Certificate, len(pairs)), stamps: stamps(pairs)}
	var errs []error
	for i, p := range pairs {
		cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			errs = append(errs, noren.WithHint(noren.Errorf(noren.Invalid, "certificate %s with key %s: %w", p.Cert, p.Key, err),
				"Give the full chain as PEM in cert and its private key in key, readable by the user Noren runs as."))
			continue
		}
		s.list[i] = cert
		for _, name := range append(cert.Leaf.DNSNames, addresses(cert.Leaf)...) {
			if s.byName[name] == nil {
				s.byName[name] = &s.list[i]
			}
		}
	}
	return s, errors.Join(errs...)
}

func addresses(leaf *x509.Certificate) (out []string) {
	for _, ip := range leaf.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

func stamps(pairs []KeyPair) []fileStamp {
	var out []fileStamp
	for _, p := range pairs {
		for _, f := range []string{p.Cert, p.Key} {
			var s fileStamp
			if info, err := os.Stat(f); err == nil {
				s = fileStamp{info.ModTime(), info.Size()}
			}
			out = append(out, s)
		}
	}
	return out
}

// get picks the certificate for a handshake. There is no certificate for names
// that are nobody's, nor for handshakes without a name: any would tell a stranger
// who is served here. crypto/tls then answers with the alert unrecognized_name
// (RFC 6066, 3).
func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.refresh()
	name := hostOf(hello.ServerName)
	if name == "" && hello.Conn != nil { // a visitor of an address sends none
		name = addressOf(hello.Conn.LocalAddr())
	}
	if cert := c.set.Load().find(name); cert != nil {
		return cert, nil
	}
	if c.issuer == nil {
		return nil, nil
	}
	return c.issuer.GetCertificate(hello)
}

func (s *certSet) find(name string) *tls.Certificate {
	if cert := s.byName[name]; cert != nil {
		return cert
	}
	if _, parent, ok := cutLabel(name); ok {
		return s.byName["*."+parent]
	}
	return nil
}

// of is the certificate visitors of a host get, nil for none.
func (c *certificates) of(host string) *tls.Certificate {
	if cert := c.set.Load().find(host); cert != nil || c.issuer == nil {
		return cert
	}
	return c.issuer.Certificate(host)
}

func addressOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return ""
	}
	return ap.Addr().Unmap().WithZone("").String()
}

func cutLabel(name string) (label, rest string, ok bool) {
	for i := range len(name) {
		if name[i] == '.' {
			return name[:i], name[i+1:], true
		}
	}
	return name, "", false
}

// refresh reads the files again when one changed. A broken new file keeps the
// old certificate and is reported each time it is looked at.
func (c *certificates) refresh() {
	last, now := c.checked.Load(), time.Now().UnixNano()
	if now-last < int64(checkFilesEvery) || !c.checked.CompareAndSwap(last, now) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.set.Load()
	if equalStamps(stamps(old.pairs), old.stamps) {
		c.mended() // the old files were put back
		return
	}
	next, err := readCerts(old.pairs)
	if err != nil {
		c.broken = true
		c.log.Error("changed certificate cannot be used; the old one stays", "alarm", true, "err", err)
		return
	}
	c.set.Store(next)
	c.mended()
	c.log.Info("certificates read again", "pairs", len(old.pairs))
}

func equalStamps(a, b []fileStamp) bool {
	for i := range a {
		if !a[i].mod.Equal(b[i].mod) || a[i].size != b[i].size {
			return false
		}
	}
	return len(a) == len(b)
}
