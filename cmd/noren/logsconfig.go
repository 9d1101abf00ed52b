package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"noren/gateway"
	"noren/watch/logs"
	"noren/yamlfile"
)

// LogConfig is a log beside Noren.
type LogConfig struct {
	Site     string `yaml:"site" json:"site,omitempty" jsonschema:"description=Site the log belongs to; may be left out with one site"`
	Path     string `yaml:"path" json:"path" jsonschema:"description=File the server writes; rotated files are found by themselves"`
	Format   string `yaml:"format" json:"format" jsonschema:"enum=nginx,enum=apache,enum=combined,enum=postfix,enum=dovecot,enum=exim,enum=custom,description=nginx apache combined: the web servers' own formats; postfix dovecot: mail.log (both kinds of lines); exim; custom: see pattern"`
	Pattern  string `yaml:"pattern" json:"pattern,omitempty" jsonschema:"description=For format custom: the line of log_format (nginx) or LogFormat (Apache) as it stands in the server's configuration"`
	From     string `yaml:"from" json:"from,omitempty" jsonschema:"enum=end,enum=start,default=end,description=Where a log is begun that was never read"`
	TimeZone string `yaml:"time_zone" json:"time_zone,omitempty" jsonschema:"description=Time zone of times that name none (mail logs) such as Asia/Tokyo; default the machine's"`
}

// fillLogs sets what was left out.
func (c *Config) fillLogs() {
	for i := range c.Logs {
		l := &c.Logs[i]
		l.Path = c.path(l.Path)
		if l.Site == "" && len(c.Sites) == 1 {
			l.Site = c.Sites[0].Name
		}
	}
}

// validLogs reports every fault of the logs.
func (c *Config) validLogs(doc *yamlfile.Doc) (errs []error) {
	seen := map[LogConfig]bool{}
	for i, l := range c.Logs {
		fault := func(key, format string, args ...any) {
			errs = append(errs, doc.Fault(fmt.Sprintf(format, args...), "logs", i, key))
		}
		if !slices.Contains(c.siteNames(), l.Site) {
			fault("site", "no site %q", l.Site)
		}
		if l.Path == "" {
			errs = append(errs, doc.Fault("a log needs its path", "logs", i))
		}
		if key := (LogConfig{Site: l.Site, Path: filepath.Clean(l.Path)}); seen[key] {
			fault("path", "%s stands twice for site %s; postfix and dovecot read both kinds of lines", l.Path, l.Site)
		} else {
			seen[key] = true
		}
		if l.From != "" && l.From != "start" && l.From != "end" {
			fault("from", "from %q is neither start nor end", l.From)
		}
		log := l.log()
		if err := log.Valid(); err != nil {
			fault("format", "%v", err)
		}
		if l.Path != "" && strings.HasPrefix(l.Path, c.Access.Dir+string(filepath.Separator)) {
			fault("path", "%s is Noren's own access log", l.Path)
		}
	}
	return errs
}

func (l *LogConfig) log() logs.Log {
	return logs.Log{Site: l.Site, Path: filepath.Clean(l.Path), Format: l.Format, Pattern: l.Pattern, FromStart: l.From == "start", TimeZone: l.TimeZone}
}

func (c *Config) logList() []logs.Log {
	var out []logs.Log
	for i := range c.Logs {
		out = append(out, c.Logs[i].log())
	}
	return out
}

// shopMaps are the sites' shop maps for the readers of logs.
type shopMaps struct {
	mu    sync.Mutex
	sites map[string]*gateway.ShopMap
}

func (m *shopMaps) set(sites []gateway.Site) error {
	next := map[string]*gateway.ShopMap{}
	for _, s := range sites {
		shop, err := gateway.NewShopMap(s)
		if err != nil {
			return err
		}
		next[s.Name] = shop
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sites = next
	return nil
}

func (m *shopMaps) shop(site string) logs.Shop {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.sites[site]; s != nil {
		return s
	}
	return nil
}

// openLogs makes the reader of the logs beside Noren. There is one also without
// logs, because a reload may bring some.
func (in *instance) openLogs(cfg *Config) error {
	if err := in.shopMaps.set(cfg.Sites); err != nil {
		return err
	}
	in.logSeen.Use(len(cfg.Logs) > 0)
	own := &ownAddresses{}
	in.logs = logs.New(logs.Options{
		DB: in.db, Node: in.node, Decider: in.loop, Shop: in.shopMaps.shop, Own: own.has, Seen: in.logSeen,
		Log: in.log, LockFile: filepath.Join(in.cfg.Data, "logs.lock"),
	}, cfg.logList())
	return nil
}

// applyLogs follows a reload.
func (in *instance) applyLogs(cfg *Config) error {
	if in.logs == nil {
		return nil
	}
	if err := in.shopMaps.set(cfg.Sites); err != nil {
		return err
	}
	in.logSeen.Use(len(cfg.Logs) > 0)
	in.logs.Set(cfg.logList())
	return nil
}

// ownAddresses are this machine's, looked up again now and then.
type ownAddresses struct {
	mu    sync.Mutex
	at    time.Time
	addrs map[netip.Addr]bool
}

func (o *ownAddresses) has(a netip.Addr) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) > time.Minute {
		o.at, o.addrs = time.Now(), map[netip.Addr]bool{}
		nets, _ := net.InterfaceAddrs() // without them only loopback is known
		for _, n := range nets {
			if p, err := netip.ParsePrefix(n.String()); err == nil {
				o.addrs[p.Addr().Unmap().WithZone("")] = true
			}
		}
	}
	return o.addrs[a]
}
