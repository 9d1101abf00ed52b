package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/db"
	"noren/gateway"
	"noren/gateway/grade"
	"noren/gateway/pagewalk"
	"noren/kv/valkey"
	"noren/settings"
	"noren/vault"
)

type checkCmd struct {
	Exposure bool `help:"Look instead at what this machine shows to others: databases, panels, the shop itself past Noren."`
	JSON     bool `name:"json" help:"Print findings as JSON."`
	Pages    bool `help:"Walk the shops' own pages as well, for parts and forms that go by plain http. GET only, nothing is changed."`
	Most     int  `name:"max-pages" default:"50" help:"How many pages of each site are read."`
}

// Help says what is looked at.
func (checkCmd) Help() string {
	return "Looks at the configuration, the root key, the database, the settings, every shop and every certificate,\nand changes nothing. Exit 1 when something is wrong."
}

// finding is one thing that was looked at.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Note bool   `json:"note,omitempty"` // in order, and worth knowing all the same
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
	// Lines are a block to be copied as it is.
	Lines string `json:"lines,omitempty"`
	// Grade and Points are what a site's TLS is worth.
	Grade  grade.Letter    `json:"grade,omitempty"`
	Points []grade.Finding `json:"points,omitempty"`
	// Walk is what was found on the site's pages.
	Walk *pagewalk.Result `json:"walk,omitempty"`
}

// findings collects them.
type findings []finding

func (fs *findings) add(what string, err error, good string, args ...any) {
	if err != nil {
		*fs = append(*fs, finding{What: what, Text: err.Error(), Hint: noren.HintOf(err)})
		return
	}
	*fs = append(*fs, finding{What: what, OK: true, Text: fmt.Sprintf(good, args...)})
}

func (fs findings) bad() (n int) {
	for _, f := range fs {
		if !f.OK {
			n++
		}
	}
	return n
}

func (c checkCmd) Run(e *env) error {
	if c.Exposure {
		return c.exposure(e)
	}
	path, err := findConfig(e.config)
	if err != nil {
		return err
	}
	var fs findings
	cfg, err := loadConfig(path)
	fs.add("configuration", err, "%s can be used", path)
	if err == nil {
		e.checkMachine(&fs, cfg)
		secrets, err := originSecrets(cfg.Sites, e.getenv)
		if err != nil {
			fs.add("origin secrets", err, "")
		}
		for i := range cfg.Sites {
			checkSite(e.ctx, &fs, &cfg.Sites[i], secrets[cfg.Sites[i].Name])
			checkProgram(e.ctx, &fs, &cfg.Sites[i], secrets[cfg.Sites[i].Name], e.lang)
			e.checkTLS(&fs, cfg, &cfg.Sites[i])
			if c.Pages {
				e.checkPages(&fs, &cfg.Sites[i], secrets[cfg.Sites[i].Name], c.Most)
			}
		}
		checkLogs(&fs, cfg)
	}
	return c.print(e, fs)
}

func (c checkCmd) print(e *env, fs findings) error {
	if c.JSON {
		if err := printJSON(e.io.out, fs); err != nil {
			return err
		}
	} else {
		for _, f := range fs {
			mark := "ok  "
			switch {
			case !f.OK:
				mark = "BAD "
			case f.Note:
				mark = "note"
			}
			fmt.Fprintf(e.io.out, "%s %-24s %s\n", mark, f.What, strings.ReplaceAll(f.Text, "\n", "\n                              "))
			if f.Hint != "" {
				fmt.Fprintf(e.io.out, "     %-24s → %s\n", "", f.Hint)
			}
			if f.Lines != "" {
				fmt.Fprint(e.io.out, f.Lines)
			}
		}
	}
	if n := fs.bad(); n > 0 {
		fmt.Fprintf(e.io.err, "%d of %d %s not in order\n", n, len(fs), isAre(n))
		return errFindings
	}
	return nil
}

// checkMachine looks at keys, database, shared state and settings.
func (e *env) checkMachine(fs *findings, cfg *Config) {
	set, d := e.checkDatabase(fs, cfg)
	e.checkRootKey(fs, cfg, d)
	if d != nil {
		d.Close()
	}
	if set == nil {
		set = shippedSettings()
	}
	err := checkSettings(set, cfg)
	fs.add("settings", err, "%d files, version %s", len(set), set.Hash())
	checkAccess(fs, set, cfg)
	e.checkNotify(fs, set, cfg)
	_, err = loadAddresses(&cfg.Lookup, cfg.path, e.log)
	fs.add("address data", err, "can be read")
	if cfg.ACME != nil {
		_, _, err := cfg.ACME.secrets(e.getenv)
		fs.add("acme", err, "certificates for %s", strings.Join(cfg.acmeHosts(), ", "))
	}
	if cfg.Shared != "" {
		fs.add("shared", e.pingShared(cfg), "Valkey/Redis answers")
	}
}

// checkRootKey reads the root key and compares it with the database's.
func (e *env) checkRootKey(fs *findings, cfg *Config, d *db.DB) {
	file, isFile := strings.CutPrefix(cfg.RootKey, "file:")
	_, err := os.Stat(file)
	if missing := isFile && os.IsNotExist(err); missing && (d == nil || vault.IsNew(e.ctx, d)) {
		fs.add("root key", nil, "%s does not exist yet; `noren serve` makes it", file)
		return
	}
	root, err := vault.LoadRootKey(cfg.RootKey)
	if err == nil && d != nil {
		err = vault.FitsRoot(e.ctx, d, root)
	}
	fs.add("root key", err, "can be read")
}

// checkDatabase opens it and returns the settings in force, nil for those that
// are not there.
func (e *env) checkDatabase(fs *findings, cfg *Config) (settings.Set, *db.DB) {
	d := e.openForCheck(fs, cfg)
	if cfg.Settings.Mode == "files" {
		set, err := settings.ReadDir(cfg.Settings.Dir)
		fs.add("settings directory", err, "%s", cfg.Settings.Dir)
		return set, d
	}
	if d == nil {
		return nil, nil
	}
	store, err := settings.Open(settings.Options{DB: d, Mode: settings.Console})
	if err != nil {
		return nil, d
	}
	set, err := store.Current(e.ctx)
	if err != nil {
		return nil, d // a database without settings is a new one
	}
	return set, d
}

func (e *env) openForCheck(fs *findings, cfg *Config) *db.DB {
	if err := cfg.lostDatabase(); err != nil {
		fs.add("database", err, "")
		return nil
	}
	if file, ok := strings.CutPrefix(cfg.Database.URL, "sqlite:"); ok {
		if _, err := os.Stat(file); os.IsNotExist(err) {
			fs.add("database", nil, "%s does not exist yet; `noren serve` makes it", file)
			return nil
		}
	}
	url, err := secretRef(cfg.Database.URL, e.getenv)
	if err != nil {
		fs.add("database", err, "")
		return nil
	}
	d, err := db.Open(e.ctx, db.Options{URL: url, AllowUnsafe: cfg.Database.AllowUnsafe})
	fs.add("database", err, "answers")
	if err != nil {
		return nil
	}
	return d
}

func (e *env) pingShared(cfg *Config) error {
	url, err := secretRef(cfg.Shared, e.getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, 3*time.Second)
	defer cancel()
	s, err := valkey.Open(ctx, url)
	if err != nil {
		return err
	}
	return s.Close()
}

// checkSite asks the shop itself.
func checkSite(ctx context.Context, fs *findings, s *gateway.Site, secret string) {
	for _, b := range s.Backends() {
		status, err := gateway.AskServer(ctx, s, b, secret, true)
		fs.add("shop "+s.Name, err, "%s answers %d", b.URL, status)
		if err == nil {
			how, err := checkOrigin(ctx, s, b, secret)
			fs.add("way past Noren "+s.Name, err, "%s", how)
		}
	}
}

// checkOrigin sees whether visitors could reach a server of the shop past Noren.
func checkOrigin(ctx context.Context, s *gateway.Site, b gateway.Backend, secret string) (how string, err error) {
	mutual := s.UpstreamTLS != nil && s.UpstreamTLS.Cert != ""
	if secret == "" && !mutual {
		if ownNetwork(ctx, b.URL) {
			return "none: the shop listens on this machine or a private network; keep its port closed to the world", nil
		}
		return "", noren.WithHint(noren.Errorf(noren.Invalid, "%s can be reached by everybody, and so can the shop without Noren", b.URL),
			"let the shop listen on a private address, or lock it with origin_secret or upstream_tls (docs/operate/origin.md)")
	}
	// Without the secret and without the certificate, as a stranger asks.
	status, err := gateway.AskServer(ctx, s, b, "", false)
	switch {
	case status == http.StatusForbidden || status == http.StatusUnauthorized || errors.Is(err, io.EOF), // nginx's 444 closes
		mutual && (status == http.StatusBadRequest || gateway.RefusedTLS(err)): // nginx answers 400 to who shows no certificate
		return "locked: the shop refuses requests that are not Noren's", nil
	case err != nil:
		return "", fmt.Errorf("cannot tell whether the shop is locked: %w", err)
	}
	return "", noren.WithHint(noren.Errorf(noren.Invalid, "the shop answers %d to a stranger, so the lock is not in place", status),
		"add the rule for its web server: docs/operate/origin.md")
}

// ownNetwork reports whether every address of an upstream is loopback or private.
func ownNetwork(ctx context.Context, upstream string) bool {
	u, err := url.Parse(upstream)
	if err != nil || u.Scheme == "unix" {
		return err == nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	return err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool {
		a = a.Unmap()
		return !a.IsLoopback() && !a.IsPrivate() && !a.IsLinkLocalUnicast()
	})
}
