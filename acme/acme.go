package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	acmewire "github.com/mholt/acmez/v3/acme"

	"noren"
	"noren/db"
)

// LetsEncrypt is the directory that is used when none is named.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Options are what a Manager needs.
type Options struct {
	DB *db.DB
	// Secrets are the keys that seal what is stored, the newest first; the vault's.
	Secrets func(context.Context) ([][]byte, error)
	// Token is a keyed hash that never changes; the vault's.
	Token func(field, value string) []byte

	Email     string         // whom the authority writes to
	Directory string         // "" is Let's Encrypt
	Roots     *x509.CertPool // to trust the directory by; nil: the system's
	EABID     string         // external account, for authorities that ask for one
	EABKey    string         // base64url, as the authority gives it
	Profile   string         // of the authority's certificate profiles; "": its default

	// HTTP and HTTPS are the addresses Noren listens on; challenges are answered
	// there. Without HTTP only tls-alpn-01 is offered, without HTTPS only http-01.
	HTTP, HTTPS string

	// Report learns what became of each try. nil: nobody does.
	Report func(Report)
	Log    *slog.Logger

	// For tests; the zero values are right otherwise.
	Backoff []time.Duration // waits between tries
	Renew   time.Duration   // how often it is seen whether a certificate is due
	Lease   time.Duration   // of locks between nodes
}

// Report says what became of obtaining or renewing a host's certificate.
type Report struct {
	Host    string
	Renewal bool
	Err     error         // nil: it is there
	Retry   time.Duration // when the next try is, 0: unknown
}

// defaultBackoff stays below the five failures an hour after which Let's Encrypt
// stops listening to a name.
var defaultBackoff = [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour}

const (
	renewEvery = 10 * time.Minute
	leaseTime  = time.Minute
	// maxLookups bounds how many challenges of other nodes are looked up in the
	// database at once: anybody can ask for one.
	maxLookups = 8
)

// Manager keeps the certificates of a set of hosts. It is safe for concurrent
// use.
type Manager struct {
	o       Options
	store   *storage
	cache   *certmagic.Cache
	magic   *certmagic.Config
	issuer  *certmagic.ACMEIssuer
	lookups chan struct{}

	mu      sync.RWMutex
	hosts   map[string]*host
	stopped bool
	ctx     context.Context
	stop    context.CancelFunc
	working sync.WaitGroup
}

// host is one name under management.
type host struct {
	stop  context.CancelFunc
	hurry chan struct{} // a new try at once
}

// Open makes a manager without hosts. Close stops it.
func Open(o Options) (*Manager, error) {
	if o.Email == "" {
		return nil, noren.Errorf(noren.Invalid, "acme needs an e-mail address the authority may write to")
	}
	o.fill()
	m := &Manager{o: o, hosts: map[string]*host{}, lookups: make(chan struct{}, maxLookups)}
	m.store = &storage{newLocks(&m.o), &m.o}
	m.ctx, m.stop = context.WithCancel(context.Background())
	log := newZap(o.Log)
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil },
		RenewCheckInterval: o.Renew, Logger: log,
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{Storage: m.store, Logger: log, OnEvent: m.event})
	issuer := certmagic.ACMEIssuer{
		CA: o.Directory, TestCA: "", Email: o.Email, Agreed: true, TrustedRoots: o.Roots, Profile: o.Profile,
		DisableHTTPChallenge: o.HTTP == "", DisableTLSALPNChallenge: o.HTTPS == "", Logger: log,
	}
	if o.EABID != "" {
		issuer.ExternalAccount = &acmewire.EAB{KeyID: o.EABID, MACKey: o.EABKey}
	}
	if err := answerAt(&issuer, o.HTTP, o.HTTPS); err != nil {
		m.cache.Stop()
		return nil, err
	}
	m.issuer = certmagic.NewACMEIssuer(m.magic, issuer)
	m.magic.Issuers = []certmagic.Issuer{m.issuer}
	m.working.Go(m.tidy)
	return m, nil
}

func (o *Options) fill() {
	if o.Directory == "" {
		o.Directory = LetsEncrypt
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Report == nil {
		o.Report = func(Report) {}
	}
	if o.Backoff == nil {
		o.Backoff = defaultBackoff[:]
	}
	if o.Renew <= 0 {
		o.Renew = renewEvery
	}
	if o.Lease <= 0 {
		o.Lease = leaseTime
	}
}

// answerAt names our own listeners as those that answer challenges. certmagic
// would open some of its own; it finds these ports taken and leaves them be.
func answerAt(i *certmagic.ACMEIssuer, plain, secure string) error {
	for _, l := range []struct {
		addr string
		port *int
	}{{plain, &i.AltHTTPPort}, {secure, &i.AltTLSALPNPort}} {
		if l.addr == "" {
			continue
		}
		host, port, err := net.SplitHostPort(l.addr)
		if err != nil {
			return noren.Errorf(noren.Invalid, "listen address %q: %w", l.addr, err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return noren.Errorf(noren.Invalid, "listen address %q: %w", l.addr, err)
		}
		*l.port, i.ListenHost = int(n), host
	}
	return nil
}

// Manage makes hosts the set of names to keep certificates for: new ones are
// obtained in the background, those that failed are tried again at once, and
// those that are gone are forgotten (their certificates stay stored).
func (m *Manager) Manage(hosts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return
	}
	want := map[string]bool{}
	for _, name := range hosts {
		want[name] = true
		if h := m.hosts[name]; h != nil {
			select {
			case h.hurry <- struct{}{}:
			default:
			}
			continue
		}
		ctx, stop := context.WithCancel(m.ctx)
		h := &host{stop: stop, hurry: make(chan struct{}, 1)}
		m.hosts[name] = h
		m.working.Go(func() { m.obtain(ctx, name, h.hurry) })
	}
	for name, h := range m.hosts {
		if !want[name] {
			h.stop()
			delete(m.hosts, name)
			m.cache.RemoveManaged([]certmagic.SubjectIssuer{{Subject: name}})
		}
	}
}

// Close stops obtaining and renewing and gives locks back. It may be called
// twice.
func (m *Manager) Close(context.Context) error {
	m.mu.Lock()
	again := m.stopped
	m.stopped = true
	m.mu.Unlock()
	if again {
		return nil
	}
	m.stop()
	m.working.Wait()
	m.cache.Stop()
	return nil
}

// knows reports whether a name is one of ours.
func (m *Manager) knows(name string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.hosts[name] != nil
}

// Certificate is the certificate in use for a host, nil when there is none yet.
func (m *Manager) Certificate(name string) *tls.Certificate {
	if !m.knows(name) {
		return nil
	}
	var best *tls.Certificate
	for _, c := range m.cache.AllMatchingCertificates(name) {
		if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = &c.Certificate
		}
	}
	return best
}

// ErrPending is the handshake's error while a host has no certificate yet.
var ErrPending = errors.New("the certificate is still being obtained")

// GetCertificate answers a handshake for one of the hosts: with its certificate,
// with the one of a challenge, with ErrPending, or with nil for strangers.
func (m *Manager) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if !m.knows(name) {
		return nil, nil
	}
	if len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == ALPN {
		if !m.enter(hello.Context()) {
			return nil, ErrPending
		}
		defer m.leave()
		return m.magic.GetCertificate(hello)
	}
	if len(m.cache.AllMatchingCertificates(name)) == 0 {
		return nil, ErrPending
	}
	return m.magic.GetCertificate(hello)
}

// ALPN is the protocol name of a tls-alpn-01 challenge (RFC 8737).
const ALPN = "acme-tls/1"

// Challenge answers an http-01 challenge of one of the hosts, and reports
// whether it was one that is under way. Another program behind Noren may have
// challenges of its own under the same path; those go on to the shop.
func (m *Manager) Challenge(w http.ResponseWriter, r *http.Request) bool {
	if !certmagic.LooksLikeHTTPChallenge(r) || !m.knows(hostOnly(r.Host)) || !m.enter(r.Context()) {
		return false
	}
	defer m.leave()
	return m.issuer.HandleHTTPChallenge(w, r)
}

func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(host)
}

// lookupWait is how long a challenge waits for its turn to be looked up.
const lookupWait = 2 * time.Second

func (m *Manager) enter(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lookupWait)
	defer cancel()
	select {
	case m.lookups <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *Manager) leave() { <-m.lookups }

// ValidHost tells why an authority would not give a certificate for a host.
func ValidHost(name, directory string) error {
	if _, err := netip.ParseAddr(name); err == nil {
		return noren.WithHint(noren.Errorf(noren.Invalid, "acme cannot get a certificate for the address %s", name), "give tls a cert and key for it")
	}
	if len(name) > 0 && name[0] == '*' {
		return noren.WithHint(noren.Errorf(noren.Invalid, "acme cannot get a certificate for %s: a wildcard is proved in the DNS, which Noren does not change", name),
			"list the hosts one by one, or give tls a cert and key that cover it")
	}
	if (directory == "" || directory == LetsEncrypt) && !certmagic.SubjectQualifiesForPublicCert(name) {
		return noren.WithHint(noren.Errorf(noren.Invalid, "no public authority gives a certificate for %s", name),
			"use a name that is registered in the DNS, or set acme.directory to an authority of your own")
	}
	return nil
}
