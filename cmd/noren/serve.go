package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"noren/console"
	"noren/gateway"
	"noren/gateway/h3"
	"noren/loop"
	"noren/vault"
)

type serveCmd struct{}

// Help says how the running program is told things.
func (serveCmd) Help() string {
	return `A changed configuration is taken over within two seconds; the old one stays in force when the new one is wrong.
Signals: HUP reads configuration, settings and certificates again at once (noren reload does it and waits); USR2 hands over to a newly started noren without losing a request; TERM ends it.`
}

// drainWithin is how long requests under way may take when noren ends.
const drainWithin = 20 * time.Second

func (serveCmd) Run(e *env) error {
	path, err := findConfig(e.config)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	lock, err := serveLock(cfg.Data, e.getenv)
	if err != nil {
		return err
	}
	defer lock.Close()
	// Before anything answers: whoever sees it serve may ask for a reload or a
	// hand-over at once, and without this the signal would end the process.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR2)
	defer signal.Stop(signals)
	in, err := openInstance(e.ctx, cfg, wants{create: true, getenv: e.getenv}, e.log)
	if err != nil {
		return err
	}
	in.file = path
	s, err := startServer(e.ctx, in, e.getenv)
	if err != nil {
		in.Close(context.WithoutCancel(e.ctx))
		return err
	}
	notePid(lock)
	e.log.Info("memory", "mib", in.memory>>20, "connections", connectionsFor(cfg.Connections, in.memory).Most)
	sayReady(e.getenv)
	s.sayFirstOwner(e.ctx)
	for name, l := range s.listeners {
		e.log.Info("serving", "protocol", name, "address", l.Addr().String(), "sites", cfg.siteNames())
	}
	return s.until(e, path, lock, signals)
}

// notePid writes this process into the lock file, for the message of the next
// one that finds it locked.
func notePid(lock *os.File) {
	lock.Truncate(0)
	lock.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
}

// server is an instance with its gateway and open listeners.
type server struct {
	in        *instance
	gateway   *gateway.Gateway
	access    *gateway.AccessLog
	http      *http.Server
	drain     *drain
	http3     udpDoor
	console   *http.Server
	checks    *checkups
	pages     *console.Console
	listeners listeners
	failed    chan error
}

// startServer opens the gateway of an instance and serves.
func startServer(ctx context.Context, in *instance, getenv func(string) string) (*server, error) {
	s := &server{in: in, checks: newCheckups(in), failed: make(chan error, 3)}
	var err error
	if err = in.openLogs(in.cfg); err != nil {
		return nil, err
	}
	if s.gateway, s.access, err = in.openGateway(); err != nil {
		return nil, err
	}
	if s.listeners, err = openListeners(in.cfg, getenv, in.log); err != nil {
		s.access.Close()
		return nil, err
	}
	in.warnUnknownPlaces(in.rules.access)
	in.warnUntold(in.cfg, in.rules)
	watch := gateway.NewCertWatch(gateway.CertWatchOptions{Gateway: s.gateway, DB: in.db, Decider: in.loop, Log: in.log})
	pages, err := s.openConsole()
	if err != nil {
		s.listeners.close()
		s.access.Close()
		return nil, err
	}
	in.run(ctx, s.watchSettings, watch.Run, s.gateway.WatchPressure, s.gateway.WatchUpstreams, in.logs.Run, in.watchMachine, pages.RunDigests, s.checks.watch, houseKeeper(getenv))
	s.http, s.console, s.pages = s.gateway.Server(), pages.Server(), pages
	s.http.Handler = in.consoleDoor(pages, s.http.Handler)
	s.drain = newDrain(s.http)
	if in.cfg.Listen.HTTP3 {
		if err := s.http3.open(ctx, in, s.gateway, getenv(envListeners) != "", s.failed); err != nil {
			s.listeners.close()
			s.access.Close()
			return nil, err
		}
		s.http.Handler = h3.Advertise(s.http.Handler, s.http3.on)
	}
	for name, l := range s.listeners {
		go func() {
			var err error
			switch name {
			case "https":
				err = s.http.ServeTLS(s.gateway.Listen(l, true), "", "")
			case socketConsole:
				err = s.console.Serve(l)
			default:
				err = s.http.Serve(s.gateway.Listen(l, false))
			}
			if !errors.Is(err, http.ErrServerClosed) {
				s.failed <- fmt.Errorf("serve %s: %w", name, err)
			}
		}()
	}
	in.manageCertificates(in.cfg) // the listeners answer challenges now
	return s, nil
}

// openGateway makes the gateway of an instance, with the firewall before the
// shops.
func (in *instance) openGateway() (*gateway.Gateway, *gateway.AccessLog, error) {
	var err error
	if in.firewall, err = openFirewall(in.rules.firewall, nil, in.log); err != nil {
		return nil, nil, err
	}
	access, err := gateway.OpenAccessLog(in.accessOptions())
	if err != nil {
		return nil, nil, err
	}
	set, err := in.gatewaySettings(in.now, in.rules)
	if err != nil {
		access.Close()
		return nil, nil, err
	}
	set.Inspector = in.firewall // of these settings: the next ones bring their own
	g, err := gateway.New(gateway.Options{
		Issuer: in.issuer(), HTTPSPort: portOf(in.cfg.Listen.HTTPS),
		Settings: set, Decider: in.loop, KV: in.kv, Lists: in.lists,
		Node: in.node, Access: access, Token: in.vault.Token, Country: in.country, ASN: in.asn, AddressFact: in.addressFact, Places: in.places, Secrets: in.visitorKeys, Modes: in.modes, Emergency: in.stops, SearchEngine: in.searchEngine, Log: in.log, SpoolDir: filepath.Join(in.cfg.Data, "bodies"),
	})
	if err != nil {
		access.Close()
		return nil, nil, err
	}
	return g, access, nil
}

// gatewaySettings reads the sites' origin secrets, again with every reload.
func (in *instance) gatewaySettings(cfg *Config, r *rules) (gateway.Settings, error) {
	secrets, err := originSecrets(cfg.Sites, in.getenv)
	return gateway.Settings{Sites: cfg.Sites, Limits: r.limits[""], SiteLimits: r.limits, Access: r.access[""], SiteAccess: r.access, Exclusions: r.excluded, OriginSecrets: secrets, Connections: connectionsFor(cfg.Connections, in.memory), Certificates: cfg.Console.pairs()}, err
}

func originSecrets(sites []gateway.Site, getenv func(string) string) (map[string]string, error) {
	secrets := map[string]string{}
	var errs []error
	for i := range sites {
		if sites[i].OriginSecret == "" {
			continue
		}
		secret, err := secretRef(sites[i].OriginSecret, getenv)
		if err != nil {
			errs = append(errs, fmt.Errorf("origin_secret of site %s: %w", sites[i].Name, err))
		}
		secrets[sites[i].Name] = secret
	}
	return secrets, errors.Join(errs...)
}

// visitorKeys sign what visitors hold.
func (in *instance) visitorKeys(ctx context.Context) ([][]byte, error) {
	return in.vault.Secrets(ctx, vault.PurposeCookie)
}

// asn is the number of an address's network.
func (in *instance) asn(addr netip.Addr) uint32 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.addresses.Lookup(addr).ASN
}

// country names an address's country, for access rules and the access log.
func (in *instance) country(addr netip.Addr) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.addresses.Lookup(addr).Country
}

// addressFact is what limits count an address by.
func (in *instance) addressFact(addr netip.Addr, name string) any {
	in.mu.Lock()
	defer in.mu.Unlock()
	info := in.addresses.Lookup(addr)
	return info.Fact(name)
}

// searchEngine names the search engine an address was verified to be.
func (in *instance) searchEngine(addr netip.Addr, agent string, at time.Time) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.addresses.SearchEngine(addr, agent, at)
}

// until serves until ctx ends, a listener fails or a successor took over.
func (s *server) until(e *env, path string, lock *os.File, signals <-chan os.Signal) error {
	looks := time.NewTicker(watchEvery)
	defer looks.Stop()
	watch := configWatch{inForce: s.stamps(path)}
	for {
		select {
		case <-e.ctx.Done():
			return s.close(e.ctx)
		case err := <-s.failed:
			s.close(e.ctx)
			return err
		case <-looks.C:
			if watch.settled(s.stamps(path)) {
				s.reload(e.ctx, path, "file changed")
			}
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				watch.inForce = s.stamps(path) // before reading: what changes meanwhile is seen
				s.reload(e.ctx, path, "asked")
				continue
			}
			e.log.Info("handing over to a new process")
			if err := handOver(e.ctx, s.listeners, lock); err != nil {
				e.log.Error("not handed over; this process goes on", "alarm", true, "err", err)
				continue
			}
			e.log.Info("handed over; finishing requests under way")
			return s.close(e.ctx)
		}
	}
}

func (s *server) stamps(path string) string { return stamps(s.in.present().watched(path)) }

// close lets requests under way finish, then closes everything.
func (s *server) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	s.listeners.close()
	s.pages.Close() // live pages would hold the requests under way open
	udp := make(chan error, 1)
	go func() { udp <- s.http3.close(ctx) }()
	s.drain.wait(ctx)
	err := errors.Join(s.http.Shutdown(ctx), <-udp, s.console.Close())
	s.access.Close()
	return errors.Join(err, s.in.Close(ctx))
}

// apply puts the sites of cfg and the current settings in force.
func (in *instance) apply(ctx context.Context, cfg *Config, g *gateway.Gateway) error {
	in.applying.Lock()
	defer in.applying.Unlock()
	return in.putInForce(ctx, cfg, g)
}

// applySettings is apply for settings that changed under the configuration in
// force. Which one that is, is asked when it is our turn: one that was taken over
// meanwhile must not be undone. took is false when these settings came with it.
func (in *instance) applySettings(ctx context.Context, hash string, g *gateway.Gateway) (took bool, err error) {
	in.applying.Lock()
	defer in.applying.Unlock()
	if hash == in.rulesHash() {
		return false, nil
	}
	return true, in.putInForce(ctx, in.present(), g)
}

func (in *instance) putInForce(ctx context.Context, cfg *Config, g *gateway.Gateway) error {
	defer func() { go giveBackMemory() }() // compiling rules leaves several times of what stays
	set, err := in.settings.Current(ctx)
	if err != nil {
		return err
	}
	rules, o, addresses, err := in.compile(set, cfg)
	if err != nil {
		return err
	}
	if err := in.applyGateway(cfg, rules, g); err != nil {
		return err
	}
	if err := in.applyLogs(cfg); err != nil {
		return err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.manageCertificates(cfg)
	in.now, in.rules, in.orient, in.addresses = cfg, rules, o, addresses
	in.warnUnknownPlaces(rules.access)
	in.setNotify(cfg, rules)
	in.loop.SetRules(loop.Rules{Orient: o, Policies: rules.policies, Settings: rules.hash})
	return nil
}

// applyGateway hands the gateway its part. The firewall that is not in force
// afterwards gives back what it holds.
func (in *instance) applyGateway(cfg *Config, r *rules, g *gateway.Gateway) error {
	next, err := in.gatewaySettings(cfg, r)
	if err != nil {
		return err
	}
	fw, err := openFirewall(r.firewall, in.firewall, in.log)
	if err != nil {
		return err
	}
	next.Inspector = fw
	idle := in.firewall
	if err = g.Apply(next); err != nil {
		idle = fw
	}
	if fw != in.firewall {
		idle.Close()
	}
	if err == nil {
		in.firewall = fw
	}
	return err
}

// settingsPoll keeps a change made elsewhere under two seconds away.
const settingsPoll = time.Second

// watchSettings takes over settings that changed in the database or in the
// settings directory. A set that does not compile is reported once and left.
func (s *server) watchSettings(ctx context.Context) {
	tick := time.NewTicker(settingsPoll)
	defer tick.Stop()
	seen := s.in.rulesHash()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		hash, err := s.in.settings.CurrentHash(ctx)
		if err != nil || hash == seen {
			continue
		}
		seen = hash
		switch took, err := s.in.applySettings(ctx, hash, s.gateway); {
		case err != nil:
			s.in.log.Error("new settings not used; the running ones stay", "alarm", true, "settings", hash, "err", err)
		case took:
			s.in.log.Info("new settings in force", "settings", hash)
		}
	}
}

// takeSettings puts settings that were stored just now in force on this node. What
// goes wrong, watchSettings meets again and tells.
func (s *server) takeSettings(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if hash, err := s.in.settings.CurrentHash(ctx); err == nil {
		s.in.applySettings(ctx, hash, s.gateway)
	}
}

// present is the configuration in force.
func (in *instance) present() *Config {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.now
}

func (in *instance) rulesHash() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.rules.hash
}
