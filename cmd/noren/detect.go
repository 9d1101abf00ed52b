package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"noren"
	"noren/gateway"
)

// detectCmd tells what a shop runs on.
type detectCmd struct {
	URL  string `arg:"" optional:"" help:"Where the shop listens, such as http://127.0.0.1:3000; without it the shops of the configuration."`
	Host string `help:"Host name to ask for, when the shop answers to its own name only."`
	JSON bool   `name:"json" help:"Print the findings as JSON."`
}

// Help says what is asked.
func (detectCmd) Help() string {
	return `Sends at most eight plain GETs to the shop and tells which program it is, how sure that is and by what it
was known. Nothing is changed. Example: noren detect http://127.0.0.1:3000 --host shop.example.jp`
}

func (c detectCmd) Run(e *env) error {
	sites, secrets, err := c.sites(e)
	if err != nil {
		return err
	}
	found := map[string]gateway.Detected{}
	for i := range sites {
		d, err := gateway.Detect(e.ctx, &sites[i], secrets[sites[i].Name])
		if err != nil {
			return err
		}
		found[sites[i].Name] = d
		if !c.JSON {
			printDetected(e.io.out, &sites[i], d, e.lang)
		}
	}
	switch {
	case !c.JSON:
		return nil
	case c.URL != "":
		return printJSON(e.io.out, found["shop"])
	}
	return printJSON(e.io.out, found)
}

func (c detectCmd) sites(e *env) ([]gateway.Site, map[string]string, error) {
	if c.URL != "" {
		site, err := probedSite(c.URL, c.Host)
		return []gateway.Site{site}, nil, err
	}
	path, err := findConfig(e.config)
	if err != nil {
		return nil, nil, noren.WithHint(err, "name the shop: noren detect http://127.0.0.1:3000")
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, nil, err
	}
	secrets, err := originSecrets(cfg.Sites, e.getenv)
	return cfg.Sites, secrets, err
}

// probedSite is a site of which only the address is known.
func probedSite(upstream, host string) (gateway.Site, error) {
	site := gateway.Site{Name: "shop", Hosts: []string{"*"}, Upstream: strings.TrimSuffix(upstream, "/")}
	if host != "" {
		site.Hosts = []string{host}
	}
	return site, site.Valid()
}

var detectWords = struct {
	looksLike, unknown, other, host            noren.Text
	sure, likely                               noren.Text
	adminDefault, adminMoved, robots, redirect noren.Text
}{
	looksLike:    noren.Text{Ja: "%s は %s のようです（%s）\n", En: "%s looks like %s (%s)\n"},
	unknown:      noren.Text{Ja: "%s は、知っているどのプログラムにも似ていません。preset: generic から始めて、zones を足してください\n", En: "%s looks like no program that is known; begin with preset: generic and add zones\n"},
	sure:         noren.Text{Ja: "確か", En: "sure"},
	likely:       noren.Text{Ja: "おそらく", En: "likely"},
	other:        noren.Text{Ja: "  ほかに似ているもの: %s\n", En: "  it also looks like: %s\n"},
	host:         noren.Text{Ja: "  お店は自分を %s と名乗っています\n", En: "  the shop calls itself %s\n"},
	adminDefault: noren.Text{Ja: "  管理画面のログインは、いつもの場所 %s にあります\n", En: "  the admin's sign-in is where it usually is: %s\n"},
	adminMoved:   noren.Text{Ja: "  管理画面が %s に見当たりません。移してあるなら admin_prefix: に書いてください\n", En: "  no admin at %s; if it was moved, name it in admin_prefix:\n"},
	robots:       noren.Text{Ja: "  robots.txt が %s を挙げています。管理画面なら admin_prefix: に書き、robots.txt からは消してください（誰でも読めます）\n", En: "  robots.txt names %s; if that is the admin, write it into admin_prefix: and take it out of robots.txt, which everybody can read\n"},
	redirect:     noren.Text{Ja: "  お店は %s へ転送します。--host でその名前を指定すると、より確かになります\n", En: "  the shop redirects to %s; with --host and that name the finding is better\n"},
}

func printDetected(w io.Writer, s *gateway.Site, d gateway.Detected, lang string) {
	words, where := &detectWords, s.Backends()[0].URL
	if d.Confidence == gateway.Unknown {
		fmt.Fprintf(w, words.unknown.In(lang), where)
	} else {
		how := words.likely
		if d.Confidence == gateway.Sure {
			how = words.sure
		}
		fmt.Fprintf(w, words.looksLike.In(lang), where, d.Title.In(lang), how.In(lang))
		fmt.Fprintf(w, "  preset: %s\n", d.Preset)
	}
	for _, why := range d.Why {
		fmt.Fprintf(w, "  + %s\n", why.In(lang))
	}
	if len(d.Other) > 0 {
		fmt.Fprintf(w, words.other.In(lang), strings.Join(d.Other, ", "))
	}
	if d.Host != "" {
		fmt.Fprintf(w, words.host.In(lang), d.Host)
	}
	for _, h := range d.Hints {
		fmt.Fprintf(w, hintWords(h.Kind).In(lang), h.Path)
	}
}

func hintWords(kind string) noren.Text {
	switch kind {
	case "admin_default":
		return detectWords.adminDefault
	case "admin_not_default":
		return detectWords.adminMoved
	case "robots":
		return detectWords.robots
	}
	return detectWords.redirect
}

// checkProgram compares what the shop looks like with what the configuration
// says. Whoever wrote zones of their own knows better.
func checkProgram(ctx context.Context, fs *findings, s *gateway.Site, secret string) {
	d, err := gateway.Detect(ctx, s, secret)
	what := ofSite("program", s.Name, "お店のプログラム", "The shop's program")
	said := s.Preset
	if said == "" {
		said = "generic"
	}
	switch {
	case err != nil || d.Confidence == gateway.Unknown:
		fs.good(what, "preset は "+said+"。お店の応答からは、プログラムの名前は分かりません", "preset "+said+"; the shop's answers name no program")
	case d.Preset == said:
		fs.good(what, "preset の "+said+" で合っています（"+d.Title.Ja+" のようです）", "preset "+said+" fits: it looks like "+d.Title.En)
	case d.Confidence == gateway.Sure && len(s.Zones) == 0:
		fs.bad(what, noren.Text{Ja: d.Title.Ja + " のようですが、設定は preset: " + said + " です", En: "it looks like " + d.Title.En + ", and the configuration says preset: " + said},
			noren.Text{Ja: "noren.yaml に preset: " + d.Preset + " と書いてください（理由は noren detect で）", En: "write preset: " + d.Preset + " (noren detect says why)"})
	default:
		fs.good(what, "preset は "+said+"。"+d.Title.Ja+" かもしれません（理由は noren detect で）", "preset "+said+"; it may be "+d.Title.En+" (noren detect says why)")
	}
}

// initCmd writes the first configuration.
type initCmd struct {
	URL   string   `arg:"" help:"Where the shop listens, such as http://127.0.0.1:3000."`
	Host  []string `help:"Host name that visitors use; may be given several times. Without it the name the shop gives itself."`
	Name  string   `help:"Short name of the site (default: from the host)."`
	Admin string   `name:"admin" help:"Path of the shop's admin when it was moved."`
	Data  string   `help:"Directory of everything Noren writes (default: noren-data beside the file)."`

	BehindProxy bool `help:"nginx, Apache or another proxy on this machine stands before Noren and tells who the visitor is."`
	Shadow      bool `help:"The firewall records what it finds and stops nothing, for the first days."`
}

// Help says what it does.
func (initCmd) Help() string {
	return `Looks at the shop (noren detect) and writes noren.yaml, or the file named with --config. A file that is there
already is never overwritten. Example: noren init http://127.0.0.1:3000 --host shop.example.jp`
}

func (c initCmd) Run(e *env) error {
	path := e.config
	if path == "" {
		path = "noren.yaml"
	}
	if _, err := os.Lstat(path); err == nil {
		return existsAlready(path)
	}
	host := ""
	if len(c.Host) > 0 {
		host = c.Host[0]
	}
	probe, err := probedSite(c.URL, host)
	if err != nil {
		return err
	}
	d, err := gateway.Detect(e.ctx, &probe, "")
	if err != nil {
		return err
	}
	printDetected(e.io.err, &probe, d, e.lang)
	hosts := c.Host
	if len(hosts) == 0 {
		if d.Host == "" {
			return noren.WithHint(noren.Errorf(noren.Invalid, "the shop does not say what it is called"), "add --host and the name visitors use, such as --host shop.example.jp")
		}
		hosts = []string{d.Host}
	}
	text, err := c.file(hosts, probe.Upstream, d)
	if err != nil {
		return err
	}
	if _, err := parseConfig(path, text); err != nil {
		return err
	}
	if err := writeNew(path, text); err != nil {
		return err
	}
	fmt.Fprintf(e.io.out, initWords.In(e.lang), path)
	return nil
}

var initWords = noren.Text{
	Ja: "%s を書きました。次は: noren check、それから noren serve\n",
	En: "%s is written. Next: noren check, then noren serve\n",
}

func existsAlready(path string) error {
	return noren.WithHint(noren.Errorf(noren.Invalid, "%s is there already and is not overwritten", path), "name another file with --config FILE, or edit this one")
}

// writeNew writes a file that must not be there; nothing is left half written.
func writeNew(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return noren.Errorf(noren.Unavailable, "write configuration: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return existsAlready(path)
	}
	if err != nil {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "write configuration: %w", err), "name a place you may write to with --config FILE")
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return noren.Errorf(noren.Unavailable, "write configuration: %w", err)
	}
	return nil
}

const sixLines = `version: 1
{{with .Data}}data: {{printf "%q" .}}
{{end}}sites:
  - name: {{.Name}}
    hosts: [{{range $i, $h := .Hosts}}{{if $i}}, {{end}}{{printf "%q" $h}}{{end}}]
    upstream: {{printf "%q" .Upstream}}   # where the shop answers
    preset: {{.Preset}}{{with .What}}   # {{.}}{{end}}
{{with .Admin}}    admin_prefix: {{printf "%q" .}}
{{end}}{{if .Proxy}}    trusted_proxies: [127.0.0.1/32, "::1/128"]   # the proxy on this machine tells who the visitor is
{{end}}{{if .Shadow}}    waf: shadow   # findings are recorded, nothing is stopped by the firewall; later: on
{{end}}`

func (c initCmd) file(hosts []string, upstream string, d gateway.Detected) ([]byte, error) {
	name := c.Name
	if name == "" {
		name = siteNameOf(hosts[0])
	}
	what := d.Title.En
	if d.Confidence != gateway.Sure {
		what = "not sure; noren detect says why"
	}
	t, err := template.New("noren.yaml").Parse(sixLines)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Name": name, "Hosts": hosts, "Upstream": upstream, "Preset": d.Preset, "What": what, "Admin": c.Admin, "Data": c.Data, "Proxy": c.BehindProxy, "Shadow": c.Shadow})
	return b.Bytes(), err
}

// siteNameOf makes a short name of a host: shop.example.jp is shop, www.tea.jp tea.
func siteNameOf(host string) string {
	if u, err := url.Parse("//" + host); err == nil && strings.Trim(u.Hostname(), "0123456789.:") == "" {
		return "shop"
	}
	for label := range strings.SplitSeq(strings.ToLower(host), ".") {
		if label != "www" && label != "*" && noren.ValidName(label) && label != "instance" {
			return label
		}
	}
	return "shop"
}
