package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/gateway/waf"
	"noren/gateway/waf/exclusion"
	"noren/kv"
)

// Inspector inspects requests; waf.WAF is one. An error that is not
// waf.ErrOverload means that the engine failed.
type Inspector interface {
	Inspect(ctx context.Context, r *waf.Request) (waf.Result, error)
}

// Options are what a gateway needs. Only Settings is required: what is nil is
// not done, which is how commands and tests use parts of the path.
type Options struct {
	Settings  Settings
	Decider   noren.Decider
	KV        kv.Store // nil: no limits
	Lists     *Lists
	Inspector Inspector
	// Issuer obtains the certificates of sites with tls.acme; nil: nobody does.
	Issuer Issuer
	// HTTPSPort is the port of the https listener, for redirects; 0 is 443.
	HTTPSPort uint16
	// Guards read attempts after the site's own ShopGuard.
	Guards []Guard
	// Pages serves visitor pages under /.noren/; nil answers 404 there.
	Pages  http.Handler
	Access *AccessLog
	// Token makes the keyed hash that stands for a session or an account; the
	// vault's. nil: limits by session count by address.
	Token func(site, field, value string) []byte
	// Secrets are the keys that sign visitors' passes, the newest first. nil:
	// nobody is asked to pass a check, and waits instead.
	Secrets func(context.Context) ([][]byte, error)
	// Places are the named places that access rules use, and what is opened by
	// hand; nil: none.
	Places *Places
	// Modes are what sites are switched to; nil: every day is ordinary.
	Modes *ModeSwitch
	// Emergency holds what is stopped by hand; nil: nothing is.
	Emergency *Emergency
	// SearchEngine names the search engine an address was verified to be, "" for
	// none.
	SearchEngine func(addr netip.Addr, agent string, at time.Time) string
	// AddressFact is one fact about an address by its name, for limits by asn and
	// by fact; nil: those count nobody.
	AddressFact func(addr netip.Addr, name string) any
	// Country names an address's country, for access rules and the access log,
	// and ASN its network's number; "" and 0 are unknown.
	Country func(netip.Addr) string
	ASN     func(netip.Addr) uint32
	Log     *slog.Logger
	Now     func() time.Time // nil: the system clock
	// Transport goes to the shops; nil means NewTransport().
	Transport http.RoundTripper
	// SpoolDir holds the part of large multipart bodies that does not fit in
	// memory, in files without a name; "" is the system's directory.
	SpoolDir string
	// Node names this machine in the record of what happened to the shop's
	// servers.
	Node string
	// SpoolMax bounds all of them together; 0 means 2 GiB, or the largest body
	// that a site takes when that is more.
	SpoolMax int64
}

// Settings are what can change while requests run.
type Settings struct {
	Sites  []Site
	Limits []Limit // nil: the shipped ones
	// SiteLimits replace Limits for single sites, by name.
	SiteLimits map[string][]Limit
	// Access says who may enter; SiteAccess replaces it for single sites, by name.
	Access     AccessRules
	SiteAccess map[string]AccessRules
	// Exclusions are what sites took out of the firewall for customers whom it stopped
	// by mistake, by name.
	Exclusions map[string][]exclusion.Exclusion
	// OriginSecrets are the sites' origin secrets, by name.
	OriginSecrets map[string]string
	// Inspector replaces that of Options from now on; nil keeps it.
	Inspector Inspector
	// Certificates are further ones to speak TLS with, for names that are no site's.
	Certificates []KeyPair
	// Connections bound what visitors may hold open; zero values are the defaults.
	Connections Connections
}

// Gateway serves all sites. It is safe for concurrent use.
type Gateway struct {
	opts    Options
	hop     string // marks what this gateway sent on
	pages   *pages
	state   atomic.Pointer[state]
	certs   *certificates
	spool   spoolRoom
	meters  meters
	callers *callers
	probes  chan struct{} // reports of probes under way
	// lingering is how many answered clients are still sending.
	lingering atomic.Int64
	// proxyLog is where ReverseProxy complains about answers that break off.
	proxyLog *log.Logger
	slow     slowLane // requests that a limit holds back
	refusing slowLane // refusals that wait; see calmDown
	// requestFacts are those read from a request itself, for limits by fact.
	requestFacts map[string]noren.Fact
	alarms       sync.Map // *atomic.Int64 by site and message: when it was raised last
	derived      sync.Map // *transports by the shared *http.Transport
	keptLines    atomic.Int64
	changes      chan noren.Event
}

// state is one compiled version of the settings. A request keeps the one it
// began with.
type state struct {
	exact map[string]*shop // by host
	wild  map[string]*shop // "*.example.jp" by "example.jp"
	any   *shop            // "*"
	shops map[string]*shop // by name
	waf   Inspector        // nil: nothing is inspected

	connections Connections
}

const defaultSpoolMax = 2 << 30

// New makes a gateway. All faults of the settings are reported at once.
func New(o Options) (*Gateway, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		o.Transport = NewTransport()
	}
	if o.SpoolDir != "" {
		if err := os.MkdirAll(o.SpoolDir, 0o700); err != nil {
			return nil, noren.Errorf(noren.Unavailable, "make the directory for large bodies: %w", err)
		}
	}
	p, err := newPages()
	if err != nil {
		return nil, err
	}
	g := &Gateway{opts: o, changes: make(chan noren.Event, maxChanges), hop: noren.NewID(o.Now()), pages: p, certs: newCertificates(o.Log, o.Issuer), proxyLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		callers: newCallers(), probes: make(chan struct{}, maxProbeReports), requestFacts: requestFacts()}
	g.spool.resize(o.SpoolMax)
	if err := g.Apply(o.Settings); err != nil {
		return nil, err
	}
	g.opts.Settings = Settings{} // the next ones replace these, and their firewall with 20 MiB of rules
	return g, nil
}

// Apply puts new settings in force for the requests that come from now on.
// When anything in them is wrong, nothing changes.
func (g *Gateway) Apply(s Settings) error {
	next, err := g.compile(s)
	if err != nil {
		return err
	}
	pairs := slices.Clone(s.Certificates)
	for _, site := range s.Sites {
		if site.TLS != nil && !site.TLS.ACME {
			pairs = append(pairs, *site.TLS)
		}
	}
	if err := g.certs.load(pairs); err != nil {
		return err
	}
	g.state.Store(next)
	if g.opts.SpoolMax <= 0 {
		g.spool.resize(max(defaultSpoolMax, next.largestBody()))
	}
	return nil
}

func (g *Gateway) compile(s Settings) (*state, error) {
	limits := s.Limits
	if limits == nil {
		var err error
		if limits, err = ShippedLimits(); err != nil {
			return nil, err
		}
	}
	st := &state{exact: map[string]*shop{}, wild: map[string]*shop{}, shops: map[string]*shop{}, connections: s.Connections.withDefaults(), waf: g.opts.Inspector}
	if s.Inspector != nil {
		st.waf = s.Inspector
	}
	errs := append(append(validLimits(limits), validAccess(s.Access)...), s.Connections.Valid())
	for _, site := range s.Sites {
		if st.shops[site.Name] != nil {
			errs = append(errs, noren.Errorf(noren.Invalid, "site name %s stands twice", site.Name))
			continue
		}
		own := limits
		if l, ok := s.SiteLimits[site.Name]; ok {
			own = l
			errs = append(errs, validLimits(own)...)
		}
		sh, err := g.newShop(site, own)
		if err != nil {
			errs = append(errs, siteFault(&site, err))
			continue
		}
		if sh.originSecret = s.OriginSecrets[site.Name]; sh.originSecret != "" {
			if err := validOriginSecret(sh.originSecret); err != nil {
				errs = append(errs, siteFault(&site, err))
			}
			sh.pool.secret = sh.originSecret
		}
		access := s.Access
		if own, ok := s.SiteAccess[site.Name]; ok {
			access = own
			errs = append(errs, validAccess(own)...)
		}
		sh.access = access.byZone()
		sh.exclusions = exclusion.NewSet(s.Exclusions[site.Name])
		st.shops[site.Name] = sh
		errs = append(errs, st.addHosts(sh)...)
	}
	return st, errors.Join(errs...)
}

func validLimits(limits []Limit) (errs []error) {
	for i := range limits {
		errs = append(errs, limits[i].Valid())
	}
	return errs
}

func (st *state) addHosts(sh *shop) (errs []error) {
	for _, h := range sh.Hosts {
		index, key := st.exact, hostOf(h)
		switch rest, wild := strings.CutPrefix(key, "*."); {
		case key == "*":
			if st.any != nil {
				errs = append(errs, noren.Errorf(noren.Invalid, "sites %s and %s both take any host", st.any.Name, sh.Name))
			}
			st.any = sh
			continue
		case wild:
			index, key = st.wild, rest
		}
		if other := index[key]; other != nil && other != sh {
			errs = append(errs, noren.Errorf(noren.Invalid, "host %s belongs to sites %s and %s", h, other.Name, sh.Name))
		}
		index[key] = sh
	}
	return errs
}

// find returns the shop of a host as the client wrote it, nil for none.
func (st *state) find(host string) *shop {
	name := hostOf(host)
	if sh := st.exact[name]; sh != nil {
		return sh
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if sh := st.wild[parent]; sh != nil {
			return sh
		}
	}
	return st.any
}

// Sites lists the sites in force.
func (g *Gateway) Sites() []Site {
	var out []Site
	for _, sh := range g.state.Load().shops {
		out = append(out, sh.Site)
	}
	return out
}

// ServeHTTP takes one request along the path.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.answersChallenge(w, r) {
		return
	}
	if r.ProtoMajor > 1 {
		growStack(len(r.RequestURI))
	}
	x := g.begin(w, r)
	x.serve()
	x.linger()
}

func (x *exchange) serve() {
	defer x.finish()
	s := x.admit()
	x.st = nil // a WebSocket of last week must not keep last week's firewall in memory
	if s != nil {
		x.refuse(s)
		return
	}
	x.forward()
}

// alarmEvery keeps one fault from filling the log.
const alarmEvery = 10 * time.Second

// alarm logs a fault that somebody must look at, the same one at the same site
// no more often than every ten seconds. The attribute is what log watchers
// match.
func (g *Gateway) alarm(msg, site string, args ...any) {
	now := time.Now().UnixNano()
	v, _ := g.alarms.LoadOrStore(site+"|"+msg, new(atomic.Int64))
	last := v.(*atomic.Int64)
	if then := last.Load(); now-then < int64(alarmEvery) || !last.CompareAndSwap(then, now) {
		return
	}
	g.opts.Log.Error(msg, append([]any{"alarm", true, "site", site}, args...)...)
}

// siteName is the exchange's site, "" for a host that is nobody's.
func (x *exchange) siteName() string {
	if x.shop == nil {
		return ""
	}
	return x.shop.Name
}

// panicText is a short trace of where a panic came from.
func panicText(p any) string {
	buf := make([]byte, 2048)
	return fmt.Sprintf("%v\n%s", p, buf[:runtime.Stack(buf, false)])
}
