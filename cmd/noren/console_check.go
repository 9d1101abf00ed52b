package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/console"
	"noren/console/ui"
	"noren/gateway"
	"noren/watch/exposure"
)

// checkWithin ends a check of the console: an upstream that swallows connections
// would hold it up for ever.
const checkWithin = 2 * time.Minute

// checkEvery is how often sites are looked at without being asked.
const (
	firstCheck = 20 * time.Second
	checkEvery = 6 * time.Hour
)

// checkups run the check for the console, one at a time on a site, and keep the
// last result in the data directory: it is about this machine.
type checkups struct {
	in   *instance
	file string

	asked  chan string // sites, to the one who looks
	mu     sync.Mutex
	bySite map[string]*console.Checkup
}

func newCheckups(in *instance) *checkups {
	c := &checkups{in: in, file: filepath.Join(in.cfg.Data, "check.json"), asked: make(chan string, 16), bySite: map[string]*console.Checkup{}}
	if b, err := os.ReadFile(c.file); err == nil && json.Unmarshal(b, &c.bySite) != nil {
		c.bySite = map[string]*console.Checkup{} // of another version: the next look makes it anew
	}
	return c
}

// Last implements console.Checker.
func (c *checkups) Last(site string) (console.Checkup, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.bySite[site]
	if k == nil {
		return console.Checkup{}, false
	}
	out := *k
	out.Findings = slices.Clone(k.Findings)
	return out, true
}

// Begin implements console.Checker. Where very many wait already, one more is not
// asked for.
func (c *checkups) Begin(site string) {
	select {
	case c.asked <- site:
		c.begin(site)
	default:
	}
}

// begin is the one under way, a new one when there is none.
func (c *checkups) begin(site string) *console.Checkup {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.bySite[site]
	if old != nil && old.Running() {
		return old
	}
	k := &console.Checkup{Began: noren.At(time.Now())}
	if old != nil {
		k.Findings = old.Findings // until there are new ones
	}
	c.bySite[site] = k
	return k
}

func (c *checkups) run(ctx context.Context, site string, k *console.Checkup) {
	found, cut := c.in.lookAt(ctx, site, func(done, of int, now noren.Text) {
		c.mu.Lock()
		defer c.mu.Unlock()
		k.Done, k.Of, k.Now = done, of, now
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	k.Findings, k.Cut, k.Ended = found, cut, noren.At(time.Now())
	if err := writeWhole(c.file, c.ended()); err != nil {
		c.in.log.Warn("the result of the check cannot be kept", "err", err)
	}
}

// ended are those that are done; one under way is nothing to come back to.
func (c *checkups) ended() map[string]*console.Checkup {
	out := map[string]*console.Checkup{}
	for site, k := range c.bySite {
		if !k.Running() {
			out[site] = k
		}
	}
	return out
}

// watch looks at every site soon after the start and from then on now and then,
// and at those that somebody asks for: one after the other.
func (c *checkups) watch(ctx context.Context) {
	next := time.NewTimer(firstCheck)
	defer next.Stop()
	for {
		var sites []string
		select {
		case <-ctx.Done():
			return
		case site := <-c.asked:
			sites = []string{site}
		case <-next.C:
			sites = c.in.present().siteNames()
			next.Reset(checkEvery)
		}
		for _, site := range sites {
			within, cancel := context.WithTimeout(ctx, checkWithin)
			c.run(within, site, c.begin(site))
			cancel()
		}
	}
}

// lookAt runs the steps of `noren check` over the running instance and one of its
// sites. cut says that time ended before the last step.
func (in *instance) lookAt(ctx context.Context, site string, progress func(done, of int, now noren.Text)) (out []console.Finding, cut bool) {
	cfg := in.present()
	i := slices.IndexFunc(cfg.Sites, func(s gateway.Site) bool { return s.Name == site })
	if i < 0 {
		return nil, false
	}
	l := looker{cfg: cfg, getenv: in.getenv, log: in.log, db: in.db}
	l.configuration(in)
	var err error
	if l.set, err = in.settings.Current(ctx); err != nil {
		l.fs.fault(ofMachine("database", "データベース", "Database"), err, "データベースを読めません", "")
	}
	steps := slices.Concat(l.site(&cfg.Sites[i]), l.machine(), []step{
		{noren.Text{Ja: "この機械が外に見せているもの", En: "what this machine shows"}, func(ctx context.Context) { l.exposure(ctx) }},
	})
	for n, s := range steps {
		if progress(n, len(steps), s.name); ctx.Err() != nil {
			cut = true
			break
		}
		s.do(ctx)
	}
	progress(len(steps), len(steps), noren.Text{})
	cut = cut || ctx.Err() != nil
	for _, f := range l.fs {
		if f.of.site == "" || f.of.site == site { // other shops' matters are theirs
			out = append(out, f.shown())
		}
	}
	slices.SortStableFunc(out, func(a, b console.Finding) int { return gravityOf(b.Tone) - gravityOf(a.Tone) })
	return out, cut
}

func gravityOf(t ui.Tone) int { return slices.Index([]ui.Tone{ui.Good, ui.Check, ui.Alert}, t) }

// configuration looks at the file on the disk, which may be newer than what is in
// force.
func (l *looker) configuration(in *instance) {
	if in.file == "" {
		return
	}
	cfg, err := loadConfig(in.file)
	if err != nil {
		l.fs.fault(lookedConfig, err, "設定ファイルに誤りがあり、前の設定のまま動いています", "")
		return
	}
	if keys := notYet(in.cfg, cfg); len(keys) > 0 {
		what := strings.Join(keys, ", ")
		l.fs.note(lookedConfig, noren.Text{Ja: what + " の変更は、まだ効いていません", En: "the change of " + what + " is not in force yet"},
			noren.Text{Ja: "無停止の入れ替えをしてください: " + handOverHint(os.Getpid()), En: "hand over to a new process: " + handOverHint(os.Getpid())}, "")
		return
	}
	l.fs.good(lookedConfig, in.file+" は使えます", in.file+" can be used")
}

// exposure looks what this machine shows to others.
func (l *looker) exposure(ctx context.Context) {
	what := ofMachine("exposure", "この機械が外に見せているもの", "What this machine shows")
	r, err := lookAtMachine(ctx, l.cfg)
	if err != nil {
		l.fs.fault(what, err, "この機械の窓口を調べられません", "")
		return
	}
	for _, f := range r.Findings {
		where := ""
		if f.At.IsValid() {
			where = fmt.Sprintf(" %s/%s", f.At, f.Proto)
		}
		says := noren.Text{Ja: f.Service + where + "：" + f.Why.Ja, En: f.Service + where + ": " + f.Why.En}
		if f.Severity == exposure.Danger {
			l.fs.bad(what, says, f.Mend)
			continue
		}
		l.fs.note(what, says, f.Mend, "")
	}
	if len(r.Findings) == 0 {
		l.fs.good(what, "外から届くものは、のれんのほかに見つかりませんでした", "nothing but Noren can be reached from outside")
	}
}

// checkMatters are the findings of the last check that bear on a site's safety. It
// only reads what was found: pages wait for nothing.
func checkMatters(last func(site string) (console.Checkup, bool)) func(context.Context, string) []console.Matter {
	return func(_ context.Context, site string) (out []console.Matter) {
		k, _ := last(site)
		for _, f := range k.Findings {
			if m, ok := matterOf(f); ok {
				out = append(out, m)
			}
		}
		return out
	}
}

// matterOf is what a finding means for the shop. What other parts of the console
// tell by themselves, as it is now and not as it was at the last look, is left out: a
// shop that does not answer, who may enter the admin, whether the firewall stops.
func matterOf(f console.Finding) (m console.Matter, ok bool) {
	look := noren.Text{Ja: "直し方を見る", En: "See how to mend it"}
	switch {
	case f.Tone == ui.Good:
		return m, false
	case f.Key == "way past Noren":
		return console.Matter{Key: "origin", Tone: ui.Check, Title: noren.Text{Ja: "Noren を通らずに、お店へ入れる道があります", En: "The shop can be reached past Noren"},
			Why: f.Says, Label: look, Page: "/site#check"}, true
	case f.Key == "tls" && f.Tone == ui.Alert:
		return console.Matter{Key: "tls", Tone: ui.Check, Title: noren.Text{Ja: "証明書か暗号化に、直すところがあります（" + f.Grade + "）", En: "Certificate or TLS needs mending (" + f.Grade + ")"},
			Why: f.Mend, Label: look, Page: "/site#check"}, true
	case f.Key == "exposure" && f.Tone == ui.Alert:
		return console.Matter{Key: "exposure", Tone: ui.Check, Title: noren.Text{Ja: "隠すべきものが、外から見えています", En: "Something that must be hidden can be reached"},
			Why: f.Says, Label: look, Page: "/site#check"}, true
	case f.Tone == ui.Alert && (f.Key == "configuration" || f.Key == "settings" || f.Key == "root key" || f.Key == "ways to people"):
		return console.Matter{Key: "check-" + strings.ReplaceAll(f.Key, " ", "-"), Tone: ui.Check, Title: noren.Text{Ja: f.Title.Ja + "に、直すところがあります", En: f.Title.En + " needs mending"},
			Why: f.Mend, Label: look, Page: "/site#check"}, true
	}
	return m, false
}
