package main

import (
	"net/url"
	"slices"
	"strings"

	"noren"
	"noren/journal"
)

func (c *Config) siteNames() []string {
	names := make([]string, len(c.Sites))
	for i, s := range c.Sites {
		names[i] = s.Name
	}
	return names
}

// site returns the site that was named, or the only one there is: for commands
// that change something.
func (c *Config) site(named string) (string, error) {
	names := c.siteNames()
	if named == "" && len(names) == 1 {
		return names[0], nil
	}
	if named == "" {
		return "", noren.WithHint(noren.Errorf(noren.Invalid, "there are %d sites", len(names)), "name one with --site: "+strings.Join(names, ", "))
	}
	if !slices.Contains(names, named) {
		return "", noren.WithHint(noren.Errorf(noren.Invalid, "no site %q in the configuration", named), "name one with --site: "+strings.Join(names, ", "))
	}
	return named, nil
}

// sitesOf returns the site that was named, or all: for commands that show.
func (c *Config) sitesOf(named string) ([]string, error) {
	if named == "" {
		return c.siteNames(), nil
	}
	site, err := c.site(named)
	return []string{site}, err
}

// siteAbout is site for a question about a page: a whole address names its site
// by its host.
func (c *Config) siteAbout(named, target string) (string, error) {
	if named != "" || !strings.Contains(target, "://") {
		return c.site(named)
	}
	u, err := url.Parse(target)
	if err != nil {
		return "", noren.Errorf(noren.Invalid, "%q is not an address: %w", target, err)
	}
	if site := c.siteOfHost(u.Hostname()); site != "" {
		return site, nil
	}
	return "", noren.WithHint(noren.Errorf(noren.Invalid, "%s is no host of any site: the gateway answers 421 there", u.Hostname()),
		"name the site with --site ("+strings.Join(c.siteNames(), ", ")+") and leave the host out")
}

// siteOfHost is the site that answers under a host name, "" for none. A name
// of its own comes before a wildcard, and that before *.
func (c *Config) siteOfHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	_, parent, _ := strings.Cut(host, ".")
	for _, name := range []string{host, "*." + parent, "*"} {
		for _, s := range c.Sites {
			if slices.ContainsFunc(s.Hosts, func(h string) bool { return strings.EqualFold(h, name) }) {
				return s.Name
			}
		}
	}
	return ""
}

// siteColumn begins a line that may be about any of several sites.
func (c *Config) siteColumn(site string) string {
	if len(c.Sites) == 1 {
		return ""
	}
	return site + "  "
}

// log1 is the log that was named, or the only site's.
func (in *instance) log1(named string) (string, error) {
	names := in.cfg.siteNames()
	if named == journal.InstanceLog || slices.Contains(names, named) {
		return named, nil
	}
	if named == "" && len(names) == 1 {
		return names[0], nil
	}
	err := noren.Errorf(noren.Invalid, "there are %d sites, each with a log of its own", len(names))
	if named != "" {
		err = noren.Errorf(noren.Invalid, "there is no log %q", named)
	}
	return "", noren.WithHint(err, "name one with --log: "+strings.Join(append(names, journal.InstanceLog), ", "))
}

// logsOf is the log that was named, or those of all sites.
func (in *instance) logsOf(named string) ([]string, error) {
	if named == "" {
		return in.cfg.siteNames(), nil
	}
	log, err := in.log1(named)
	return []string{log}, err
}
