package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"noren"
	"noren/gateway"
	"noren/journal"
	"noren/yamlfile"
)

// Config is noren.yaml: what the machine needs. Everything else (policies,
// limits, lists) is a settings set with versions of its own. Six lines suffice:
//
//	version: 1
//	sites:
//	  - name: shop
//	    hosts: [shop.example.jp]
//	    upstream: http://127.0.0.1:3000
//	    preset: eccube4
type Config struct {
	Version int `yaml:"version" json:"version" jsonschema:"enum=1,description=Format of this file; always 1"`
	// Data is the directory of everything Noren writes; relative to this file.
	Data        string              `yaml:"data" json:"data,omitempty" jsonschema:"description=Directory of everything Noren writes; relative to this file,default=noren-data"`
	Listen      Listen              `yaml:"listen" json:"listen,omitempty"`
	Connections gateway.Connections `yaml:"connections" json:"connections,omitzero"`
	Console     ConsoleConfig       `yaml:"console" json:"console,omitzero"`
	Database    Database            `yaml:"database" json:"database,omitempty"`
	Shared      string              `yaml:"shared" json:"shared,omitempty" jsonschema:"description=Valkey or Redis for several nodes (redis:// or rediss://; file: or env: reference for one with a password); empty: memory of this process"`
	RootKey     string              `yaml:"root_key" json:"root_key,omitempty" jsonschema:"description=Reference to the root key: file:PATH or env:NAME or credential:NAME,default=file:<data>/root.key"`
	Erasures    string              `yaml:"erasures" json:"erasures,omitempty" jsonschema:"description=File that lists erased people (keyed; no names); keep it out of backups of the data directory so that a restored backup is erased again,default=<data>/erasures.jsonl"`
	Settings    SettingsConfig      `yaml:"settings" json:"settings,omitempty"`
	Journal     JournalConfig       `yaml:"journal" json:"journal,omitempty"`
	Lookup      LookupConfig        `yaml:"addresses" json:"addresses,omitempty"`
	ACME        *ACMEConfig         `yaml:"acme" json:"acme,omitempty" jsonschema:"description=The authority that gives certificates to sites with tls.acme"`
	Access      AccessConfig        `yaml:"access_log" json:"access_log,omitempty"`
	Keep        KeepConfig          `yaml:"keep" json:"keep,omitempty"`
	Logs        []LogConfig         `yaml:"logs" json:"logs,omitempty"`
	Mail        *MailConfig         `yaml:"mail" json:"mail,omitempty" jsonschema:"description=The server that takes Noren's mail to the shop's people"`
	Hooks       []HookConfig        `yaml:"hooks" json:"hooks,omitempty" jsonschema:"description=Webhooks that notify.yaml names"`
	Sites       []gateway.Site      `yaml:"sites" json:"sites" jsonschema:"minItems=1"`

	dir string // of the file, for relative paths
}

// Listen says where visitors come in.
type Listen struct {
	HTTP  string `yaml:"http" json:"http,omitempty" jsonschema:"description=Address for plain HTTP; empty with https set: none,default=127.0.0.1:8080"`
	HTTPS string `yaml:"https" json:"https,omitempty" jsonschema:"description=Address for HTTPS (HTTP/1.1 and HTTP/2); sites need tls certificates"`
	HTTP3 bool   `yaml:"http3" json:"http3,omitempty" jsonschema:"description=Speak HTTP/3 as well\\, by UDP at the address of https"`
}

// Database says where rows live.
type Database struct {
	URL         string `yaml:"url" json:"url,omitempty" jsonschema:"description=sqlite:PATH or postgres://… (file: or env: reference for one with a password),default=sqlite:<data>/noren.db"`
	AllowUnsafe bool   `yaml:"allow_unsafe" json:"allow_unsafe,omitempty" jsonschema:"description=Accept a PostgreSQL that does not sync before it answers (fsync or synchronous_commit off); entries may then be lost"`
}

// SettingsConfig says where the settings set is edited.
type SettingsConfig struct {
	Mode string `yaml:"mode" json:"mode,omitempty" jsonschema:"enum=console,enum=files,default=console,description=console: versions in the database; files: the directory below is the truth"`
	Dir  string `yaml:"dir" json:"dir,omitempty" jsonschema:"description=Directory of the settings set in mode files; relative to this file"`
}

// JournalConfig says how the record is kept and witnessed.
type JournalConfig struct {
	Origin          string   `yaml:"origin" json:"origin,omitempty" jsonschema:"description=Name in the signed checkpoints; a host name of yours,default=noren.local"`
	CheckpointEvery string   `yaml:"checkpoint_every" json:"checkpoint_every,omitempty" jsonschema:"description=How often a new checkpoint is signed and sent out,default=10m"`
	CheckpointTo    []string `yaml:"checkpoint_to" json:"checkpoint_to,omitempty" jsonschema:"description=Where checkpoints leave the machine: directories (another disk or a mounted share) or https:// addresses"`
	SpoolMiB        int64    `yaml:"spool_mib" json:"spool_mib,omitempty" jsonschema:"description=Room for entries while the database is away,default=256"`
}

// LookupConfig names the operator's data about addresses; all are optional.
type LookupConfig struct {
	Country     string            `yaml:"country" json:"country,omitempty" jsonschema:"description=MMDB file with countries"`
	ASN         string            `yaml:"asn" json:"asn,omitempty" jsonschema:"description=MMDB file with autonomous systems"`
	Private     string            `yaml:"private" json:"private,omitempty" jsonschema:"description=Networks of your own\\, one per line"`
	Datacentre  string            `yaml:"datacentre" json:"datacentre,omitempty" jsonschema:"description=Networks of hosting providers\\, one per line"`
	Tor         string            `yaml:"tor" json:"tor,omitempty" jsonschema:"description=Tor exit addresses\\, one per line"`
	Mobile      string            `yaml:"mobile" json:"mobile,omitempty" jsonschema:"description=Networks of mobile carriers; one per line"`
	Residential string            `yaml:"residential" json:"residential,omitempty" jsonschema:"description=Networks of home connections; one per line"`
	Lists       map[string]string `yaml:"lists" json:"lists,omitempty" jsonschema:"description=Further named lists of networks\\, for the fact address.listed"`
	Bots        map[string]string `yaml:"bots" json:"bots,omitempty" jsonschema:"description=Published ranges of search engines: name to file"`
	ReverseDNS  bool              `yaml:"reverse_dns" json:"reverse_dns,omitempty" jsonschema:"description=Verify search engines by forward-confirmed reverse DNS"`
}

// AccessConfig bounds the access log.
type AccessConfig struct {
	Dir      string `yaml:"dir" json:"dir,omitempty" jsonschema:"description=Directory of the access log,default=<data>/access"`
	FileMiB  int64  `yaml:"file_mib" json:"file_mib,omitempty" jsonschema:"description=Size at which a file is rotated and compressed,default=64"`
	TotalMiB int64  `yaml:"total_mib" json:"total_mib,omitempty" jsonschema:"description=Room for all files; the oldest goes first,default=4096"`
}

// KeepConfig is how long personal data stays readable.
type KeepConfig struct {
	Months int `yaml:"months" json:"months,omitempty" jsonschema:"minimum=1,maximum=120,description=Months after which the keys of personal data are destroyed,default=13"`
}

// configPaths are tried when no file is named.
var configPaths = [...]string{"noren.yaml", "/etc/noren/noren.yaml"}

// findConfig returns the file that was named, or the first of the usual ones.
func findConfig(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	for _, p := range configPaths {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", noren.WithHint(noren.Errorf(noren.NotFound, "no configuration: neither %s exists", strings.Join(configPaths[:], " nor ")),
		"have one written: noren init http://WHERE-THE-SHOP-LISTENS --host shop.example.jp; or name one with --config FILE")
}

// loadConfig reads and checks a configuration file; every fault is reported at
// once, with line and column.
func loadConfig(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, noren.WithHint(noren.Errorf(noren.NotFound, "read configuration: %w", err), "name the file with --config FILE")
	}
	return parseConfig(path, data)
}

func parseConfig(path string, data []byte) (*Config, error) {
	var c Config
	doc, err := yamlfile.Decode(path, data, &c)
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "%w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	c.dir = filepath.Dir(abs)
	c.fill()
	if err := c.valid(doc); err != nil {
		return nil, noren.Errorf(noren.Invalid, "%w", err)
	}
	return &c, nil
}

// fill sets what was left out.
func (c *Config) fill() {
	setDefault(&c.Data, "noren-data")
	c.Data = c.path(c.Data)
	if c.Listen.HTTP == "" && c.Listen.HTTPS == "" {
		c.Listen.HTTP = "127.0.0.1:8080"
	}
	setDefault(&c.Database.URL, "sqlite:"+filepath.Join(c.Data, "noren.db"))
	if file, ok := strings.CutPrefix(c.Database.URL, "sqlite:"); ok {
		c.Database.URL = "sqlite:" + c.path(file)
	}
	setDefault(&c.RootKey, "file:"+filepath.Join(c.Data, "root.key"))
	if file, ok := strings.CutPrefix(c.RootKey, "file:"); ok {
		c.RootKey = "file:" + c.path(file)
	}
	setDefault(&c.Erasures, filepath.Join(c.Data, "erasures.jsonl"))
	c.Erasures = c.path(c.Erasures)
	for _, ref := range []*string{&c.Database.URL, &c.Shared} {
		if file, ok := strings.CutPrefix(*ref, "file:"); ok {
			*ref = "file:" + c.path(file)
		}
	}
	c.fillConsole()
	c.fillACME()
	for i := range c.Sites {
		if file, ok := strings.CutPrefix(c.Sites[i].OriginSecret, "file:"); ok {
			c.Sites[i].OriginSecret = "file:" + c.path(file)
		}
		if t := c.Sites[i].UpstreamTLS; t != nil {
			for _, file := range []*string{&t.CA, &t.Cert, &t.Key} {
				if *file != "" {
					*file = c.path(*file)
				}
			}
		}
		if pair := c.Sites[i].TLS; pair != nil {
			pair.Cert, pair.Key = c.path(pair.Cert), c.path(pair.Key)
		}
	}
	c.fillLogs()
	c.fillNotify()
	setDefault(&c.Settings.Mode, "console")
	if c.Settings.Dir != "" {
		c.Settings.Dir = c.path(c.Settings.Dir)
	}
	setDefault(&c.Journal.Origin, "noren.local")
	setDefault(&c.Journal.CheckpointEvery, "10m")
	if c.Journal.SpoolMiB == 0 {
		c.Journal.SpoolMiB = 256
	}
	setDefault(&c.Access.Dir, filepath.Join(c.Data, "access"))
	c.Access.Dir = c.path(c.Access.Dir)
	if c.Access.FileMiB == 0 {
		c.Access.FileMiB = 64
	}
	if c.Access.TotalMiB == 0 {
		c.Access.TotalMiB = 4096
	}
	if c.Keep.Months == 0 {
		c.Keep.Months = 13
	}
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// path makes a path of the file absolute.
func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.dir, p)
}

// valid reports every fault, each at its line.
func (c *Config) valid(doc *yamlfile.Doc) error {
	var errs []error
	fault := func(at []any, format string, args ...any) {
		errs = append(errs, doc.Fault(fmt.Sprintf(format, args...), at...))
	}
	if c.Version != 1 {
		fault([]any{"version"}, "version must be 1")
	}
	if len(c.Sites) == 0 {
		fault([]any{"sites"}, "no sites: name at least one shop with name, hosts and upstream")
	}
	for key, addr := range map[string]string{"http": c.Listen.HTTP, "https": c.Listen.HTTPS} {
		if addr == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(addr); err != nil {
			fault([]any{"listen", key}, "%q is not an address and port such as 127.0.0.1:8080", addr)
		}
	}
	if c.Settings.Mode != "console" && c.Settings.Mode != "files" {
		fault([]any{"settings", "mode"}, "mode %q is neither console nor files", c.Settings.Mode)
	}
	if c.Settings.Mode == "files" && c.Settings.Dir == "" {
		fault([]any{"settings"}, "mode files needs dir, the directory of the settings set")
	}
	if d, err := time.ParseDuration(c.Journal.CheckpointEvery); err != nil || d < time.Second {
		fault([]any{"journal", "checkpoint_every"}, "%q is not a duration of at least 1s, such as 10m", c.Journal.CheckpointEvery)
	}
	if err := journal.ValidOrigin(c.Journal.Origin); err != nil {
		fault([]any{"journal", "origin"}, "%v", err)
	}
	for i, to := range c.Journal.CheckpointTo {
		if strings.Contains(to, "://") {
			if _, err := journal.NewWebhookSink(journal.WebhookOptions{URL: to}); err != nil {
				fault([]any{"journal", "checkpoint_to", i}, "%v", err)
			}
		}
	}
	for _, n := range []struct {
		at          []any
		value, most int64
	}{
		{[]any{"journal", "spool_mib"}, c.Journal.SpoolMiB, 1 << 20},
		{[]any{"access_log", "file_mib"}, c.Access.FileMiB, 1 << 20},
		{[]any{"access_log", "total_mib"}, c.Access.TotalMiB, 1 << 30},
		{[]any{"keep", "months"}, int64(c.Keep.Months), 120},
	} {
		if n.value < 1 || n.value > n.most {
			fault(n.at, "%v is %d, and must be from 1 to %d", n.at[1], n.value, n.most)
		}
	}
	for key, ref := range map[string]string{"database": c.Database.URL, "shared": c.Shared} {
		if u, err := url.Parse(ref); err == nil && u.User != nil {
			if _, has := u.User.Password(); has {
				fault([]any{key}, "the address holds a password; keep the whole address in a file and write file:PATH, or env:NAME")
			}
		}
	}
	if err := c.Connections.Valid(); err != nil {
		for _, e := range unjoin(err) {
			fault([]any{"connections"}, "%v", e)
		}
	}
	if c.Listen.HTTP3 && c.Listen.HTTPS == "" {
		fault([]any{"listen", "http3"}, "http3 needs listen.https, whose address it shares")
	}
	errs = append(errs, c.validConsole(doc)...)
	errs = append(errs, c.validAuthority(doc)...)
	errs = append(errs, c.validSites(doc)...)
	errs = append(errs, c.validLogs(doc)...)
	errs = append(errs, c.validNotify(doc)...)
	return errors.Join(errs...)
}

// ownListener reports whether an upstream is one of our own listeners: every
// request would come round again.
func (c *Config) ownListener(upstream string) bool {
	u, err := url.Parse(upstream)
	if err != nil {
		return false
	}
	to, err := netip.ParseAddrPort(u.Host)
	if err != nil {
		return false
	}
	for _, l := range []string{c.Listen.HTTP, c.Listen.HTTPS} {
		own, err := netip.ParseAddrPort(l)
		if err == nil && own.Port() == to.Port() && (own.Addr() == to.Addr() || own.Addr().IsUnspecified() && to.Addr().IsLoopback()) {
			return true
		}
	}
	return false
}

func (c *Config) validSites(doc *yamlfile.Doc) []error {
	var errs []error
	names, hosts := map[string]bool{}, map[string]string{}
	for i := range c.Sites {
		s := &c.Sites[i]
		if s.Name == "instance" || names[s.Name] {
			errs = append(errs, doc.Fault(fmt.Sprintf("site name %q is taken", s.Name), "sites", i, "name"))
		}
		names[s.Name] = true
		for j, h := range s.Hosts {
			if other, dup := hosts[strings.ToLower(h)]; dup {
				errs = append(errs, doc.Fault(fmt.Sprintf("host %s belongs to site %s already", h, other), "sites", i, "hosts", j))
			}
			hosts[strings.ToLower(h)] = s.Name
		}
		if err := s.Valid(); err != nil {
			for _, e := range unjoin(err) {
				errs = append(errs, doc.Fault(e.Error(), "sites", i))
			}
		}
		if ref := s.OriginSecret; ref != "" && !strings.HasPrefix(ref, "file:") && !strings.HasPrefix(ref, "env:") {
			errs = append(errs, doc.Fault("origin_secret is a secret: keep it in a file and write file:PATH, or env:NAME", "sites", i, "origin_secret"))
		}
		errs = append(errs, c.validACME(doc, i)...)
		for _, b := range s.Backends() {
			if c.ownListener(b.URL) {
				errs = append(errs, doc.Fault(fmt.Sprintf("upstream %s is where Noren itself listens", b.URL), "sites", i, "upstream"))
			}
		}
		if c.Listen.HTTPS != "" && c.Listen.HTTP == "" && s.TLS == nil {
			errs = append(errs, doc.Fault("listen has https only, so the site needs tls with cert and key", "sites", i))
		}
	}
	return errs
}

// unjoin takes apart what errors.Join put together, at every depth.
func unjoin(err error) []error {
	j, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range j.Unwrap() {
		all = append(all, unjoin(e)...)
	}
	return all
}

// lostDatabase is the error of a SQLite file that is gone while its root key is
// still here: a new one would look like a shop without bans and without a record.
func (c *Config) lostDatabase() error {
	file, sqlite := strings.CutPrefix(c.Database.URL, "sqlite:")
	key, inFile := strings.CutPrefix(c.RootKey, "file:")
	if !sqlite || !inFile {
		return nil
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(key); err != nil {
		return nil
	}
	// A key that was put there before the first start is no sign of a loss.
	if _, err := os.Stat(c.Access.Dir); err != nil {
		return nil
	}
	return noren.WithHint(noren.Errorf(noren.NotFound, "database %s is gone, and its root key %s is still there", file, key),
		"restore the database from a backup (docs/operate/backup.md); to begin anew, move the root key away first")
}

// secretRef resolves file: and env: references, so that no password stands in
// the configuration itself.
func secretRef(ref string, getenv func(string) string) (string, error) {
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		if v := getenv(name); v != "" {
			return v, nil
		}
		return "", noren.Errorf(noren.Invalid, "environment variable %s is empty", name)
	}
	if path, ok := strings.CutPrefix(ref, "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", noren.Errorf(noren.NotFound, "read reference: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	return ref, nil
}
