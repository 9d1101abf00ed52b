package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"noren/acme"
	"noren/console"
	"noren/db"
	"noren/gateway"
	"noren/policy"
	"noren/staff"
	"noren/yamlfile"
)

// ConsoleConfig says where the pages for the shop's people are.
type ConsoleConfig struct {
	Listen string           `yaml:"listen" json:"listen,omitempty" jsonschema:"description=Address of the console for browsers on this machine (loopback only); off: none,default=127.0.0.1:9080"`
	Host   string           `yaml:"host" json:"host,omitempty" jsonschema:"description=Name by which the console is reached from elsewhere\\, such as noren.example.jp; by https at listen.https only"`
	TLS    *gateway.KeyPair `yaml:"tls" json:"tls,omitempty" jsonschema:"description=Certificate for host"`

	chosen bool // Listen stands in the file
}

// consoleOff is what listen says where no console is wanted.
const consoleOff = "off"

// open reports whether there is a console on this machine.
func (c *ConsoleConfig) open() bool { return c.Listen != "" && c.Listen != consoleOff }

// pairs is the certificate for the console's name, if it is given.
func (c *ConsoleConfig) pairs() []gateway.KeyPair {
	if c.TLS == nil || c.TLS.ACME {
		return nil
	}
	return []gateway.KeyPair{*c.TLS}
}

func (c *Config) fillConsole() {
	c.Console.chosen = c.Console.Listen != ""
	setDefault(&c.Console.Listen, "127.0.0.1:9080")
	c.Console.Host = strings.ToLower(c.Console.Host)
	if t := c.Console.TLS; t != nil {
		t.Cert, t.Key = c.path(t.Cert), c.path(t.Key)
	}
}

func (c *Config) validConsole(doc *yamlfile.Doc) (errs []error) {
	fault := func(key, format string, args ...any) {
		errs = append(errs, doc.Fault(fmt.Sprintf(format, args...), "console", key))
	}
	if c.Console.open() {
		if ap, err := netip.ParseAddrPort(c.Console.Listen); err != nil || !ap.Addr().IsLoopback() {
			fault("listen", "%q is not an address of this machine such as 127.0.0.1:9080; for browsers elsewhere give the console a host: and tls:", c.Console.Listen)
		}
	}
	t := c.Console.TLS
	if c.Console.Host == "" {
		if t != nil {
			fault("tls", "tls needs host, the name it is for")
		}
		return errs
	}
	switch {
	case c.Listen.HTTPS == "":
		fault("host", "host needs listen.https: from elsewhere the console is reached by https only")
	case t == nil || !t.ACME && t.Cert == "":
		fault("host", "host needs tls: {acme: true} or a certificate of its own")
	case t.ACME && c.ACME == nil:
		fault("tls", "tls.acme needs the block acme: with email and agree: true")
	case t.ACME && acme.ValidHost(c.Console.Host, c.ACME.Directory) != nil:
		fault("host", "%v", acme.ValidHost(c.Console.Host, c.ACME.Directory))
	}
	for _, s := range c.Sites {
		for _, h := range s.Hosts {
			if strings.EqualFold(h, c.Console.Host) {
				fault("host", "%s is a host of site %s; the console needs a name of its own", c.Console.Host, s.Name)
			}
		}
	}
	return errs
}

// openConsole makes the console.
func (s *server) openConsole() (*console.Console, error) {
	in, g, h := s.in, s.gateway, house{s.in, s.takeSettings}
	c, err := console.New(console.Options{
		Staff: in.staff, Journal: in.journal, Gateway: g, Lists: in.lists, Modes: in.modes, Places: in.places, Emergency: in.stops,
		Notify: in.notify, Untold: in.untold, About: in.about, Sites: g.Sites, Decider: in.loop,
		Conditions: in.conditions(), Version: version,
		Sheet: in.vault.Alarm, SheetDone: in.vault.ConfirmBackup, Host: in.consoleHost, Away: db.IsUnavailable, Log: in.log,
		Settings: in.settings, Desk: desk{s}, SettingsInForce: in.rulesHash, PoliciesInForce: in.policiesOf,
		EventOptions: in.eventPages(),
		Matters:      []func(context.Context, string) []console.Matter{checkMatters(s.checks.Last)},
		Checks:       s.checks, House: h, Gate: h, Bell: h, Trial: trial{s}, Firewall: exclusions{s},
	}, in.feed)
	if err == nil {
		in.onClose(func(context.Context) error { c.Close(); return nil }) // before what it reads
	}
	return c, err
}

// consoleHost is the name by which the console is reached from elsewhere.
func (in *instance) consoleHost() string { return in.present().Console.Host }

// policiesOf are the policies in force at a site.
func (in *instance) policiesOf(site string) []policy.Info {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.rules == nil {
		return nil
	}
	return in.rules.policies.For(site).Policies()
}

// untold reports whether nobody is told of a site's high alarms.
func (in *instance) untold(site string) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	what, _ := in.now.untold(in.rules.notify, site)
	return what.Ja != ""
}

// about is what the console shows of an address.
func (in *instance) about(a netip.Addr) console.About {
	in.mu.Lock()
	defer in.mu.Unlock()
	i := in.addresses.Lookup(a)
	return console.About{Country: i.Country, ASN: i.ASN, Name: i.ASNName, Class: i.Network, Bot: i.Bot}
}

// consoleDoor hands requests for the console's name to it, by https alone, and all
// others to the gateway.
func (in *instance) consoleDoor(pages, shops http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := in.consoleHost()
		if name == "" || r.TLS == nil || !strings.EqualFold(r.TLS.ServerName, name) || !strings.EqualFold(hostName(r.Host), name) {
			shops.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// sayFirstOwner tells how the first owner gets into the console. The link itself is
// a secret and is printed by the command, not into the log.
func (s *server) sayFirstOwner(ctx context.Context) {
	l := s.listeners[socketConsole]
	if l == nil {
		return
	}
	if has, err := s.in.staff.HasOwner(ctx); err == nil && !has {
		s.in.log.Info("nobody can sign in to the console yet", "console", "http://"+l.Addr().String(), "hint", "noren staff link prints the first owner's one-time link")
	}
}

// ownerLink is the address at which the first owner joins; "" where there is one,
// or no console.
func (s *server) ownerLink(ctx context.Context) (string, error) {
	l := s.listeners[socketConsole]
	if l == nil {
		return "", nil
	}
	has, err := s.in.staff.HasOwner(ctx)
	if err != nil || has {
		return "", err
	}
	link, err := s.in.staff.OwnerLink(ctx, staff.AtMachine(operator()))
	if err != nil {
		return "", err
	}
	return "http://" + l.Addr().String() + staff.LinkPath(link.Token), nil
}
