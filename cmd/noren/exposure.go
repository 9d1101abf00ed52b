package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/gateway"
	"noren/orient"
	"noren/watch/exposure"
)

// exposureReport is what this machine shows to others.
type exposureReport struct {
	Findings []exposure.Finding `json:"findings"`
	Firewall noren.Text         `json:"firewall"`
}

// lookAtMachine finds what listens for others, and database tools on the web
// server behind Noren.
func lookAtMachine(ctx context.Context, cfg *Config) (*exposureReport, error) {
	sockets, err := exposure.Listening("/proc")
	if err != nil {
		return nil, err
	}
	r := &exposureReport{Findings: exposure.Assess(sockets, cfg.known()), Firewall: exposure.Hidden("/")}
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if !ownNetwork(ctx, s.Upstream) {
			continue
		}
		for _, path := range exposure.Panels(ctx, s.Upstream, strings.TrimPrefix(s.Hosts[0], "*.")) {
			r.Findings = append([]exposure.Finding{exposure.Panel(s.Upstream, path)}, r.Findings...)
		}
	}
	return r, nil
}

// known is who is meant to be seen and who is not.
func (c *Config) known() exposure.Known {
	var k exposure.Known
	for _, l := range []string{c.Listen.HTTP, c.Listen.HTTPS} {
		if at, err := netip.ParseAddrPort(l); err == nil {
			k.Own = append(k.Own, at)
		}
	}
	for _, s := range c.Sites {
		if at, ok := upstreamAt(s.Upstream); ok {
			k.Upstreams = append(k.Upstreams, at)
		}
	}
	return k
}

// upstreamAt is where an upstream on this machine listens.
func upstreamAt(upstream string) (netip.AddrPort, bool) {
	u, err := url.Parse(upstream)
	if err != nil {
		return netip.AddrPort{}, false
	}
	host, port := u.Hostname(), u.Port()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	at, err := netip.ParseAddrPort(netipHost(host) + ":" + port)
	return at, err == nil
}

func netipHost(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func (r *exposureReport) print(w io.Writer, lang string) {
	fmt.Fprintf(w, "%s: %s\n", noren.Text{Ja: "ファイアウォール", En: "firewall"}.In(lang), r.Firewall.In(lang))
	if len(r.Findings) == 0 {
		fmt.Fprintln(w, noren.Text{Ja: "外から届くものは、のれんのほかに見つかりませんでした", En: "nothing but Noren can be reached from outside"}.In(lang))
	}
	words := map[exposure.Severity]noren.Text{exposure.Danger: {Ja: "危険", En: "DANGER"}, exposure.Warn: {Ja: "注意", En: "WARN"}, exposure.Note: {Ja: "確認", En: "note"}}
	for _, f := range r.Findings {
		where := ""
		if f.At.IsValid() {
			where = fmt.Sprintf(" %s/%s", f.At, f.Proto)
		}
		if f.Process != "" {
			where += " (" + printable(f.Process) + ")"
		}
		if f.Reach == "network" {
			where += noren.Text{Ja: "  社内・サーバー会社のネットワークから", En: "  from the private network"}.In(lang)
		}
		fmt.Fprintf(w, "%s  %s%s\n    %s\n    → %s\n", words[f.Severity].In(lang), f.Service, where, f.Why.In(lang), f.Mend.In(lang))
	}
}

// serious is what somebody should mend; notes are only to be looked at.
func (r *exposureReport) serious() int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity != exposure.Note {
			n++
		}
	}
	return n
}

func (c checkCmd) exposure(e *env) error {
	path, err := findConfig(e.config)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	r, err := lookAtMachine(e.ctx, cfg)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(e.io.out, r); err != nil {
			return err
		}
	} else {
		r.print(e.io.out, e.lang)
	}
	if r.serious() > 0 {
		return errFindings
	}
	return nil
}

// watchMachine looks once an hour what this machine shows, and says what is new:
// a database that was opened for a moment is forgotten easily.
func (in *instance) watchMachine(ctx context.Context) {
	next := time.NewTimer(time.Minute)
	defer next.Stop()
	said := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			in.sayExposed(ctx, said)
			next.Reset(time.Hour)
		}
	}
}

func (in *instance) sayExposed(ctx context.Context, said map[string]bool) {
	sockets, err := exposure.Listening("/proc")
	if err != nil || ctx.Err() != nil {
		return
	}
	now := map[string]bool{}
	for _, f := range exposure.Assess(sockets, in.present().known()) {
		if f.Severity != exposure.Danger {
			continue
		}
		key := fmt.Sprint(f.Service, f.Proto, f.At.Port())
		if now[key] = true; !said[key] {
			in.log.Error("something that must be hidden can be reached from outside", "alarm", true, "service", f.Service, "at", f.At.String()+"/"+f.Proto, "process", f.Process, "hint", f.Mend.En)
		}
	}
	clear(said)
	for k := range now {
		said[k] = true
	}
}

type firewallCmd struct {
	Print firewallPrintCmd `cmd:"" help:"Print rules that let in the shop and SSH and drop everything else."`
}

type firewallPrintCmd struct {
	AllowSSHFrom []string `name:"allow-ssh-from" placeholder:"NET" help:"Networks that may use SSH, or names of the configuration's address lists (private, or one of addresses.lists). Default: everybody, slowly."`
	SSHPort      uint16   `name:"ssh-port" help:"Port of SSH (default: where sshd listens, else 22)."`
	AllowPort    []uint16 `name:"allow-port" placeholder:"PORT" help:"Further TCP ports, such as 25 and 993 of a mail server."`
	HTTP3        bool     `name:"http3" help:"Let HTTP/3 in (UDP 443)."`
	Bans         bool     `help:"Put the networks that are banned now into the rules."`
	Format       string   `enum:"nft,ufw,cloud,all" default:"nft" help:"nft: a file for nft -f. ufw: commands. cloud: a table for a provider's security group."`
}

// Help shows examples.
func (firewallPrintCmd) Help() string {
	return `Nothing is applied. Look at the result, then apply it with the way back that stands in it.
Examples:
  noren firewall print --allow-ssh-from 198.51.100.0/28 > noren.nft && nft -c -f noren.nft
  noren firewall print --format ufw --allow-port 25,587,993`
}

func (c firewallPrintCmd) Run(e *env) error {
	path, err := findConfig(e.config)
	var cfg *Config
	if err == nil {
		cfg, err = loadConfig(path)
	} else if e.config == "" && !c.Bans {
		cfg, err = &Config{}, nil
	}
	if err != nil {
		return err
	}
	plan, err := c.plan(e, cfg)
	if err != nil {
		return err
	}
	if warn := plan.LocksOut(sshClient(e.getenv)); warn != (noren.Text{}) {
		fmt.Fprintf(e.io.err, "noren: %s\n", warn.In(e.lang))
	}
	if c.Format == "nft" || c.Format == "all" {
		fmt.Fprint(e.io.out, plan.NFT())
	}
	if c.Format == "ufw" || c.Format == "all" {
		fmt.Fprint(e.io.out, plan.UFW())
	}
	if c.Format == "cloud" || c.Format == "all" {
		fmt.Fprint(e.io.out, plan.Cloud(e.lang))
	}
	return nil
}

func (c firewallPrintCmd) plan(e *env, cfg *Config) (*exposure.Plan, error) {
	p := &exposure.Plan{SSHPort: c.SSHPort, More: c.AllowPort, HTTP3: c.HTTP3, Web: webPorts(cfg)}
	if p.SSHPort == 0 {
		var sure bool
		if p.SSHPort, sure = sshPort(e.getenv, "/"); !sure {
			fmt.Fprintf(e.io.err, "noren: %s\n", noren.Text{
				Ja: "SSH のポートが分からないため 22 としました。違う場合は --ssh-port で指定してください（誤ると SSH でつながらなくなります）",
				En: "the port of SSH is not known and taken to be 22; give --ssh-port if it is another, or you lock yourself out",
			}.In(e.lang))
		}
	}
	for _, from := range c.AllowSSHFrom {
		nets, err := cfg.place(from)
		if err != nil {
			return nil, err
		}
		p.SSHFrom = append(p.SSHFrom, nets...)
	}
	if c.Bans {
		if err := e.withReader(func(_ context.Context, in *instance) error {
			for _, s := range cfg.Sites {
				for _, entry := range in.lists.List(s.Name) {
					if entry.List == gateway.ListBan && !slices.Contains(p.Banned, entry.Prefix) {
						p.Banned = append(p.Banned, entry.Prefix)
					}
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return p, p.Valid()
}

// webPorts are those the shop is visited on.
func webPorts(cfg *Config) []uint16 {
	var out []uint16
	for _, l := range []string{cfg.Listen.HTTP, cfg.Listen.HTTPS} {
		if at, err := netip.ParseAddrPort(l); err == nil && !at.Addr().IsLoopback() {
			out = append(out, at.Port())
		}
	}
	if len(out) == 0 {
		return []uint16{80, 443}
	}
	return out
}

// place reads a network, or the name of a list of them.
func (c *Config) place(s string) ([]netip.Prefix, error) {
	p, err := gateway.ParsePrefix(s)
	if err == nil {
		return []netip.Prefix{p}, nil
	}
	file := c.Lookup.Lists[s]
	if s == "private" {
		file = c.Lookup.Private
	}
	if file == "" {
		return nil, noren.WithHint(err, "name a network, or a list of addresses.lists in noren.yaml")
	}
	return orient.ReadNetworks(c.path(file))
}

// sshPort is where SSH is reached: the port the operator is connected to, else
// where sshd is seen or told to listen. sure is false when it is the usual 22 for
// want of anything better.
func sshPort(getenv func(string) string, root string) (port uint16, sure bool) {
	if f := strings.Fields(getenv("SSH_CONNECTION")); len(f) == 4 {
		if n, err := strconv.ParseUint(f[3], 10, 16); err == nil && n > 0 {
			return uint16(n), true
		}
	}
	sockets, _ := exposure.Listening(filepath.Join(root, "proc"))
	for _, s := range sockets {
		if s.Process == "sshd" && s.Proto == "tcp" && !s.At.Addr().IsLoopback() {
			return s.At.Port(), true
		}
	}
	files, _ := filepath.Glob(filepath.Join(root, "etc/ssh/sshd_config.d/*.conf"))
	for _, file := range append(files, filepath.Join(root, "etc/ssh/sshd_config")) {
		b, _ := os.ReadFile(file) // one that may not be read tells nothing
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) == 2 && strings.EqualFold(f[0], "Port") {
				if n, err := strconv.ParseUint(f[1], 10, 16); err == nil && n > 0 {
					return uint16(n), true
				}
			}
		}
	}
	return 22, false
}

// sshClient is where the operator is connected from.
func sshClient(getenv func(string) string) netip.Addr {
	first, _, _ := strings.Cut(getenv("SSH_CONNECTION"), " ")
	a, err := netip.ParseAddr(first)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
