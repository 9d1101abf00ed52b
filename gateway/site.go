package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"noren"
)

// Site is one shop behind the gateway. Name, hosts and upstream suffice; the
// zero value of the rest is usable.
type Site struct {
	Name     string   `yaml:"name" json:"name" jsonschema:"description=Short name: lower-case letters\\, digits\\, hyphens"`
	Hosts    []string `yaml:"hosts" json:"hosts" jsonschema:"minItems=1,description=Host names visitors use; *.example.jp covers one level and * every host"`
	Upstream string   `yaml:"upstream" json:"upstream" jsonschema:"description=Where the shop listens: http://127.0.0.1:3000 or https://HOST or unix:/run/shop.sock; or a list of its servers; {url: …\\, backup: true} for one that is asked only while none of the others is well"`
	// Upstreams are several servers, instead of Upstream.
	Upstreams   []Backend    `yaml:"upstream,list" json:"upstreams,omitempty"`
	UpstreamTLS *UpstreamTLS `yaml:"upstream_tls" json:"upstream_tls,omitempty" jsonschema:"description=For https upstreams: a CA of your own and the certificate Noren shows (mTLS)"`
	Health      *Health      `yaml:"health" json:"health,omitempty" jsonschema:"description=How Noren looks whether the shop's servers are well; with several servers or when this is given"`
	// OriginSecret is a reference; Settings hold the secret itself.
	OriginSecret string   `yaml:"origin_secret" json:"origin_secret,omitempty" jsonschema:"description=file: or env: reference to a secret that Noren sends to the shop as Noren-Origin; the shop's web server then refuses requests without it\\, so that nobody reaches the shop past Noren"`
	Preset       string   `yaml:"preset" json:"preset,omitempty" jsonschema:"description=What the shop runs on: eccube4\\, eccube2\\, woocommerce\\, welcart\\, magento2\\, vendure\\, sampleshop or generic,default=generic"`
	TLS          *KeyPair `yaml:"tls" json:"tls,omitempty" jsonschema:"description=Certificate for this site's hosts"`
	// HTTPSOnly and Headers are opt-in: the shop's own ways stay as they are.
	HTTPSOnly bool    `yaml:"https_only" json:"https_only,omitempty" jsonschema:"description=Send visitors who come by plain HTTP to HTTPS (308)"`
	Headers   Headers `yaml:"headers" json:"headers,omitzero" jsonschema:"description=Response headers to add where the shop sends none"`
	// AdminPrefix replaces the preset's.
	AdminPrefix string `yaml:"admin_prefix" json:"admin_prefix,omitempty" jsonschema:"description=Path of the shop's admin when it was moved\\, such as /kanri"`
	// Zones add patterns to the preset's, and take some out with "!".
	Zones map[noren.Zone][]string `yaml:"zones" json:"zones,omitempty" jsonschema:"description=Further patterns by zone; a leading ! takes paths out of the zone"`
	Guard GuardConfig             `yaml:"guard" json:"guard,omitempty" jsonschema:"description=Where customers sign in and pay\\, when the preset does not know"`
	Cards CardConfig              `yaml:"cards" json:"cards,omitzero" jsonschema:"description=What a card payment looks like\\, for the emergency switch that stops them\\, when the preset does not know"`
	// GraphQL adds to the preset's.
	GraphQL []GraphQLMap `yaml:"graphql" json:"graphql,omitempty" jsonschema:"description=GraphQL APIs of the shop: which field belongs to which zone"`
	// Session and Encodings replace the preset's.
	Session   []string `yaml:"session" json:"session,omitempty" jsonschema:"description=Names of the shop's session cookies; * at the end allowed"`
	Encodings []string `yaml:"encodings" json:"encodings,omitempty" jsonschema:"description=Encodings of form values besides utf-8: shift_jis\\, euc-jp"`

	// Charsets replace Encodings in a zone.
	Charsets map[noren.Zone][]string `yaml:"charsets" json:"charsets,omitempty" jsonschema:"description=Encodings of form values by zone\\, where a zone receives others than the site: payment_callback: [shift_jis]. Without it payment_callback takes utf-8\\, shift_jis and euc-jp\\, and every other zone what encodings says"`

	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" json:"trusted_proxies,omitempty" jsonschema:"description=Networks of the proxies or the CDN in front of Noren; only they are believed about a visitor's address"`
	BodyLimit      int64          `yaml:"body_limit" json:"body_limit,omitempty" jsonschema:"description=Largest body in bytes; default 64 MiB"`
	InspectLimit   int64          `yaml:"inspect_limit" json:"inspect_limit,omitempty" jsonschema:"description=Largest form or JSON in bytes; default 64 KiB\\, four times as much in the admin"`
	AttackMode     AttackMode     `yaml:"attack_mode" json:"attack_mode,omitempty" jsonschema:"enum=auto,enum=by_hand,default=auto,description=Whether the site switches itself to the attack mode when very many strangers make it slow"`
	WAF            WAFMode        `yaml:"waf" json:"waf,omitempty" jsonschema:"enum=on,enum=shadow,enum=off,default=on,description=Web application firewall: on stops what it finds; shadow records it and lets it pass"`
	// WAFZones is the same for single zones, so that a site goes from recording to
	// stopping zone by zone.
	WAFZones     map[noren.Zone]WAFMode `yaml:"waf_zones" json:"waf_zones,omitempty" jsonschema:"description=The same for single zones (on or shadow)\\, such as {checkout: on} while the rest only records"`
	DeviceCookie *bool                  `yaml:"device_cookie" json:"device_cookie,omitempty" jsonschema:"description=Give visitors a signed first-party cookie that tells their device apart,default=true"`
	Contact      noren.Text             `yaml:"contact" json:"contact,omitempty" jsonschema:"description=How a visitor who was stopped reaches the shop\\, printed on the page they see"`
	Title        noren.Text             `yaml:"title" json:"title,omitempty" jsonschema:"description=The shop's name on the page of a visitor who was stopped"`
}

// KeyPair names a certificate and its key, PEM files, or says that they are
// obtained by ACME.
type KeyPair struct {
	Cert string `yaml:"cert" json:"cert,omitempty" jsonschema:"description=PEM file with the full chain\\, the site's certificate first"`
	Key  string `yaml:"key" json:"key,omitempty" jsonschema:"description=PEM file with its private key"`
	ACME bool   `yaml:"acme" json:"acme,omitempty" jsonschema:"description=Obtain and renew the certificate by ACME\\, instead of cert and key"`
}

// AttackMode says who switches the site to the attack mode.
type AttackMode string

// Values of AttackMode.
const (
	AttackAuto   AttackMode = "auto"    // the site itself, under pressure
	AttackByHand AttackMode = "by_hand" // people only
)

// WAFMode says what a finding of the web application firewall does.
type WAFMode string

// Modes of the firewall.
const (
	WAFOn     WAFMode = "on"     // a finding stops the request
	WAFShadow WAFMode = "shadow" // a finding is recorded and passes
	WAFOff    WAFMode = "off"
)

// Default limits on bodies.
const (
	DefaultBodyLimit    = 64 << 20
	DefaultInspectLimit = 64 << 10
	// staffFactor: the shop's own people save long product pages.
	staffFactor = 4
	// maxInspectLimit is what the firewall's own fence allows at most.
	maxInspectLimit = 512 << 10
)

// WAFIn is what the firewall does in a zone.
func (s *Site) WAFIn(z noren.Zone) WAFMode {
	if m, ok := s.WAFZones[z]; ok {
		return m
	}
	if s.WAF == "" {
		return WAFOn
	}
	return s.WAF
}

// Valid reports everything that is wrong with s, joined.
func (s *Site) Valid() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, noren.Errorf(noren.Invalid, format, args...)) }
	if !noren.ValidName(s.Name) {
		fault("site name %q is not lower-case letters, digits and hyphens", s.Name)
	}
	if len(s.Hosts) == 0 {
		fault("site %s has no hosts", s.Name)
	}
	for _, h := range s.Hosts {
		if err := validHost(h); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, s.validUpstreams()...)
	errs = append(errs, s.validTLS()...)
	switch s.WAF {
	case "", WAFOn, WAFShadow, WAFOff:
	default:
		fault("waf %q is not on, shadow or off", s.WAF)
	}
	for z, m := range s.WAFZones {
		if _, ok := z.Info(); !ok || m != WAFOn && m != WAFShadow {
			fault("waf_zones: %s: %q: expected a zone, and on or shadow", z, m)
		}
	}
	switch s.AttackMode {
	case "", AttackAuto, AttackByHand:
	default:
		fault("attack_mode %q is not auto or by_hand", s.AttackMode)
	}
	if s.BodyLimit < 0 || s.InspectLimit < 0 || s.InspectLimit > maxInspectLimit {
		fault("body_limit and inspect_limit must be positive, inspect_limit at most %d", maxInspectLimit)
	}
	if p := s.AdminPrefix; p != "" && (!strings.HasPrefix(p, "/") || p == "/" || strings.ContainsAny(p, "*?#% ")) {
		fault("admin_prefix %q is not a path such as /kanri", p)
		return errors.Join(errs...) // every zone below it would be wrong too
	}
	errs = append(errs, s.validMap()...)
	return errors.Join(errs...)
}

// validMap checks what needs the preset.
func (s *Site) validMap() []error {
	preset, err := LookupPreset(s.Preset)
	if err != nil {
		return []error{err}
	}
	var errs []error
	if _, err := s.zoneMap(preset); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.guards(preset); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.graphqlAPIs(preset); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.cardMap(preset); err != nil {
		errs = append(errs, err)
	}
	return append(errs, s.charsetFaults()...)
}

func (s *Site) zoneMap(preset Preset) (*zoneMap, error) {
	return compileZones(s.adminPrefix(preset), forbidden(), preset.Zones, s.Zones)
}

func (s *Site) adminPrefix(preset Preset) string {
	if s.AdminPrefix != "" {
		return strings.TrimSuffix(s.AdminPrefix, "/")
	}
	return preset.AdminPrefix
}

// validHost accepts a name, an address, *.name, or * for every host; a port is
// not part of it.
func validHost(h string) error {
	if h == "*" {
		return nil
	}
	name := strings.TrimPrefix(h, "*.")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && name == h {
		return nil
	}
	ok := name != "" && len(name) <= 253
	for label := range strings.SplitSeq(name, ".") {
		ok = ok && label != "" && len(label) <= 63 && label[0] != '-' && strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	}
	if ok {
		return nil
	}
	return noren.WithHint(noren.Errorf(noren.Invalid, "host %q is not a host name", h),
		"Give names without scheme, port or path; write a Japanese domain in its xn-- form.")
}

func parseUpstream(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err == nil && u.Scheme == "unix":
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" || u.Fragment != "" || len(u.Path) > 100 {
			return nil, noren.Errorf(noren.Invalid, "upstream %q is not a socket such as unix:/run/shop.sock", s)
		}
		return u, nil
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, noren.Errorf(noren.Invalid, "upstream %q is not an address such as http://127.0.0.1:3000", s)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, noren.Errorf(noren.Invalid, "upstream %q holds more than scheme, host and port", s)
	}
	return u, nil
}

// hostOf is the host a client asked for as sites name it: lower case, without
// port, dot at the end or brackets.
func hostOf(host string) string {
	if strings.IndexByte(host, ':') < 0 { // SplitHostPort would make an error of it
		return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
}

// siteFault names the site in an error about it.
func siteFault(s *Site, err error) error { return fmt.Errorf("site %s: %w", s.Name, err) }
