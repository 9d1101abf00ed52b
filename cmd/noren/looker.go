package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console"
	"noren/db"
	"noren/gateway"
	"noren/kv/valkey"
	"noren/settings"
	"noren/vault"
)

// looker looks at a configuration and what belongs to it, and changes nothing.
// `noren check` and the console's 「いま点検する」 run the same steps.
type looker struct {
	cfg    *Config
	getenv func(string) string
	log    *slog.Logger
	set    settings.Set // in force; nil before the first start
	db     *db.DB       // nil where there is none yet
	fs     findings

	secrets map[string]string // of origins, by site
}

// step is one thing that is looked at.
type step struct {
	name noren.Text
	do   func(context.Context)
}

// machine are the steps about Noren itself.
func (l *looker) machine() []step {
	if l.set == nil {
		l.set = shippedSettings()
	}
	return []step{
		{noren.Text{Ja: "鍵", En: "keys"}, l.rootKey},
		{noren.Text{Ja: "方針と設定", En: "settings"}, func(context.Context) { l.settings() }},
		{noren.Text{Ja: "だれに知らせるか", En: "who is told"}, func(context.Context) { checkNotify(&l.fs, l.set, l.cfg, l.getenv) }},
		{noren.Text{Ja: "国とネットワークの資料", En: "address data"}, func(context.Context) { l.addresses() }},
		{noren.Text{Ja: "複数台の連携", En: "shared state"}, l.shared},
	}
}

// site are the steps about one shop.
func (l *looker) site(s *gateway.Site) []step {
	if l.secrets == nil {
		var err error
		if l.secrets, err = originSecrets(l.cfg.Sites, l.getenv); err != nil {
			l.fs.fault(ofMachine("origin secrets", "お店との合言葉", "Origin secrets"), err, "お店との合言葉（origin_secret）を読めません", "")
		}
	}
	secret := l.secrets[s.Name]
	return []step{
		{noren.Text{Ja: "お店のサーバー", En: "the shop's servers"}, func(ctx context.Context) { checkSite(ctx, &l.fs, s, secret) }},
		{noren.Text{Ja: "お店のプログラム", En: "the shop's program"}, func(ctx context.Context) { checkProgram(ctx, &l.fs, s, secret) }},
		{noren.Text{Ja: "攻撃を止める設定", En: "the firewall"}, func(context.Context) { checkFirewall(&l.fs, s) }},
		{noren.Text{Ja: "証明書と暗号化", En: "certificates"}, func(ctx context.Context) { checkTLS(ctx, &l.fs, l.cfg, s) }},
	}
}

// rootKey reads the root key and compares it with the database's.
func (l *looker) rootKey(ctx context.Context) {
	what := ofMachine("root key", "復旧の元になる鍵", "Root key")
	file, isFile := strings.CutPrefix(l.cfg.RootKey, "file:")
	_, err := os.Stat(file)
	if missing := isFile && os.IsNotExist(err); missing && (l.db == nil || vault.IsNew(ctx, l.db)) {
		l.fs.good(what, file+" はまだありません。`noren serve` が作ります", file+" does not exist yet; `noren serve` makes it")
		return
	}
	root, err := vault.LoadRootKey(l.cfg.RootKey)
	if err == nil && l.db != nil {
		err = vault.FitsRoot(ctx, l.db, root)
	}
	l.fs.add(what, err, noren.Text{Ja: "読めます", En: "can be read"}, noren.Text{Ja: "鍵を読めないか、データベースのものと違います"}, noren.Text{})
}

func (l *looker) settings() {
	err := checkSettings(l.set, l.cfg)
	l.fs.add(ofMachine("settings", "方針と制限", "Policies and limits"), err,
		noren.Text{Ja: fmt.Sprintf("%d個のファイル、版 %s", len(l.set), l.set.Hash()), En: fmt.Sprintf("%d files, version %s", len(l.set), l.set.Hash())},
		noren.Text{Ja: "方針や制限のファイルに誤りがあります"}, noren.Text{})
	checkAccess(&l.fs, l.set, l.cfg)
}

func (l *looker) addresses() {
	_, err := loadAddresses(&l.cfg.Lookup, l.cfg.path, l.log)
	l.fs.add(ofMachine("address data", "国とネットワークの資料", "Address data"), err, noren.Text{Ja: "読めます", En: "can be read"},
		noren.Text{Ja: "アドレスの資料を読めません"}, noren.Text{Ja: "noren.yaml の addresses: に書いたファイルを確かめてください"})
	if l.cfg.ACME != nil {
		_, _, err := l.cfg.ACME.secrets(l.getenv)
		hosts := strings.Join(l.cfg.acmeHosts(), ", ")
		l.fs.add(ofMachine("acme", "証明書の自動取得", "Automatic certificates"), err, noren.Text{Ja: "証明書を取る名前: " + hosts, En: "certificates for " + hosts},
			noren.Text{Ja: "証明書の自動取得に使う鍵を読めません"}, noren.Text{})
	}
}

func (l *looker) shared(ctx context.Context) {
	if l.cfg.Shared == "" {
		return
	}
	l.fs.add(ofMachine("shared", "複数台の連携", "Shared state"), l.pingShared(ctx), noren.Text{Ja: "Valkey/Redis は応答しています", En: "Valkey/Redis answers"},
		noren.Text{Ja: "Valkey/Redis につながりません。その間は、この機械だけで数えます"}, noren.Text{})
}

func (l *looker) pingShared(ctx context.Context) error {
	url, err := secretRef(l.cfg.Shared, l.getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
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
		what := ofSite("shop", s.Name, "お店の応答", "The shop's answer")
		status, err := gateway.AskServer(ctx, s, b, secret, true)
		if err != nil {
			fs.fault(what, err, b.URL+" のお店が応答していません", "お店を起動するか、noren.yaml のこのお店の upstream: を直してください。5xx と答えるときは、お店のエラーログを見てください")
			continue
		}
		fs.good(what, fmt.Sprintf("%s は %d と答えました", b.URL, status), fmt.Sprintf("%s answers %d", b.URL, status))
		checkOrigin(ctx, fs, s, b, secret)
	}
}

// checkOrigin sees whether visitors could reach a server of the shop past Noren.
func checkOrigin(ctx context.Context, fs *findings, s *gateway.Site, b gateway.Backend, secret string) {
	what := ofSite("way past Noren", s.Name, "Noren を通らない抜け道", "Way past Noren")
	mutual := s.UpstreamTLS != nil && s.UpstreamTLS.Cert != ""
	if secret == "" && !mutual {
		if ownNetwork(ctx, b.URL) {
			fs.good(what, "ありません。お店はこの機械か社内の網だけで待っています。そのポートを外へ開けないでください",
				"none: the shop listens on this machine or a private network; keep its port closed to the world")
			return
		}
		fs.bad(what, noren.Text{Ja: b.URL + " はだれでも開けます。Noren を通らずに、お店へ入れてしまいます", En: b.URL + " can be reached by everybody, and so can the shop without Noren"},
			noren.Text{Ja: "お店を外から届かないアドレスで待たせるか、origin_secret か upstream_tls で鍵をかけてください（docs/operate/origin.md）",
				En: "let the shop listen on a private address, or lock it with origin_secret or upstream_tls (docs/operate/origin.md)"})
		return
	}
	// Without the secret and without the certificate, as a stranger asks.
	status, err := gateway.AskServer(ctx, s, b, "", false)
	switch {
	case status == http.StatusForbidden || status == http.StatusUnauthorized || errors.Is(err, io.EOF), // nginx's 444 closes
		mutual && (status == http.StatusBadRequest || gateway.RefusedTLS(err)): // nginx answers 400 to who shows no certificate
		fs.good(what, "鍵がかかっています。お店は、Noren からではない通信を断ります", "locked: the shop refuses requests that are not Noren's")
	case err != nil:
		fs.fault(what, fmt.Errorf("cannot tell whether the shop is locked: %w", err), "お店に鍵がかかっているか分かりません", "")
	default:
		fs.bad(what, noren.Text{Ja: fmt.Sprintf("お店は、知らない相手にも %d と答えます。鍵が効いていません", status), En: fmt.Sprintf("the shop answers %d to a stranger, so the lock is not in place", status)},
			noren.Text{Ja: "お店のウェブサーバーに規則を加えてください（docs/operate/origin.md）", En: "add the rule for its web server: docs/operate/origin.md"})
	}
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

// checkFirewall tells whether what the firewall finds is stopped.
func checkFirewall(fs *findings, s *gateway.Site) {
	what := ofSite("firewall", s.Name, "攻撃を止める設定（WAF）", "Firewall (WAF)")
	switch s.WAF {
	case gateway.WAFShadow:
		fs.note(what, console.FirewallSays(s.WAF),
			noren.Text{Ja: "数日見て誤りがなければ、noren.yaml のこのお店を waf: on に変えてください", En: "after some days without false alarms write waf: on at the site in noren.yaml"}, "")
	case gateway.WAFOff:
		fs.note(what, console.FirewallSays(s.WAF),
			noren.Text{Ja: "noren.yaml のこのお店を waf: shadow（記録だけ）か waf: on に変えてください", En: "write waf: shadow, or waf: on, at the site in noren.yaml"}, "")
	default:
		says := console.FirewallSays(s.WAF)
		fs.good(what, says.Ja, says.En)
	}
}
