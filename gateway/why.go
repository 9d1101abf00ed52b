package gateway

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/kv"
)

// Explanation says what would happen to a request and why, for an operator who
// asks about an address.
type Explanation struct {
	Site    string        `json:"site"`
	Address netip.Addr    `json:"address"`
	Method  string        `json:"method"`
	Place   Place         `json:"place"`
	Allow   []Entry       `json:"allow,omitempty"` // widest first
	Ban     []Entry       `json:"ban,omitempty"`
	Asked   []Entry       `json:"asked,omitempty"`   // by which visitors of the address pass the check first
	Access  []AccessState `json:"access,omitempty"`  // rules about the zone
	Opening *Opening      `json:"opening,omitempty"` // lets the address past them now
	Mode    SiteMode      `json:"mode,omitzero"`     // what the site is switched to; zero on an ordinary day
	// Emergency are the switches that are on.
	Emergency []SwitchState `json:"emergency,omitempty"`
	Limits    []LimitState  `json:"limits,omitempty"`
	// Would is the first thing that would stop the request; Pass when nothing
	// that is known before its content would.
	Would Would `json:"would"`
	// Warnings are about the address itself, not about what it did.
	Warnings []noren.Text `json:"warnings,omitempty"`

	refused *AccessVerdict
	path    string // "" when a zone is asked about
	query   string
	country string // of the address, while a switch is on
	inside  bool   // enters a closed admin
	shop    *shop  // while a switch is on
}

// Would is what would happen.
type Would struct {
	Pass   bool        `json:"pass"`
	Cause  noren.Cause `json:"cause,omitempty"`
	Rule   string      `json:"rule,omitempty"`
	Status int         `json:"status,omitempty"`
	Text   noren.Text  `json:"text"`
}

// LimitState is one limit that counts such a request, and how full it is.
type LimitState struct {
	Name       string        `json:"name"`
	By         By            `json:"by"`
	Rate       Rate          `json:"rate"`
	Burst      int           `json:"burst"`
	Remaining  int64         `json:"remaining"`             // after the request that is asked about
	RetryAfter time.Duration `json:"retry_after,omitempty"` // 0: allowed now
	Then       Steps         `json:"then,omitempty"`
	Answer     Then          `json:"answer,omitempty"` // which of them would answer now; "" for none
}

// Why explains what would happen to a request of addr to target ("/path?query"
// or a whole address) at the site. It changes nothing.
func (g *Gateway) Why(ctx context.Context, site string, addr netip.Addr, method, target string) (Explanation, error) {
	sh := g.state.Load().shops[site]
	if sh == nil {
		return Explanation{}, noren.Errorf(noren.NotFound, "there is no site %q", site)
	}
	path, query, err := splitTarget(target)
	if err != nil {
		return Explanation{}, err
	}
	if u, err := url.Parse(target); err == nil && u.Host != "" && g.state.Load().find(u.Host) != sh {
		return Explanation{}, noren.WithHint(noren.Errorf(noren.Invalid, "%s is no host of site %s: the gateway answers 421 there", u.Host, site),
			"name the site with --site, or leave the host out")
	}
	if method == "" {
		method = http.MethodGet
	}
	return g.explain(ctx, sh, addr, method, path, query, sh.zones.Find(method, path, query))
}

// WhyZone is Why for any page of a zone.
func (g *Gateway) WhyZone(ctx context.Context, site string, addr netip.Addr, method string, z noren.Zone) (Explanation, error) {
	sh := g.state.Load().shops[site]
	if sh == nil {
		return Explanation{}, noren.Errorf(noren.NotFound, "there is no site %q", site)
	}
	if _, ok := z.Info(); !ok {
		return Explanation{}, noren.WithHint(noren.Errorf(noren.Invalid, "unknown zone %q", z), "zones are listed in docs/reference/zones.md: admin, admin_login, storefront …")
	}
	return g.explain(ctx, sh, addr, method, "", "", Place{Zone: z})
}

func (g *Gateway) explain(ctx context.Context, sh *shop, addr netip.Addr, method, path, query string, place Place) (e Explanation, err error) {
	addr = addr.Unmap().WithZone("")
	e = Explanation{Site: sh.Name, Address: addr, Method: method, Place: place, Warnings: warnings(sh, addr), path: path, query: query}
	now := g.opts.Now()
	if mode := g.opts.Modes.Of(sh.Name, now); mode.Mode != ModeNormal {
		e.Mode = mode
	}
	if g.opts.Lists != nil {
		e.Allow, e.Ban = g.opts.Lists.Around(sh.Name, addr, now)
		if asked := g.opts.Lists.Asked(sh.Name, addr, now); asked != nil {
			e.Asked = []Entry{*asked}
		}
	}
	e.access(g, sh, noren.At(now))
	e.emergency(g, sh, now)
	if e.Limits, err = g.fill(ctx, sh, e.Place.Zone, method, addr, now); err != nil {
		return e, err
	}
	e.Would = e.judge()
	return e, nil
}

func splitTarget(target string) (path, query string, err error) {
	if target == "" {
		return "/", "", nil
	}
	if strings.Contains(target, "://") {
		u, err := url.Parse(target)
		if err != nil {
			return "", "", noren.Errorf(noren.Invalid, "%q is not an address: %w", target, err)
		}
		target = u.RequestURI()
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query, nil
}

// fill looks at the limits of a client without a session.
func (g *Gateway) fill(ctx context.Context, sh *shop, z noren.Zone, method string, addr netip.Addr, now time.Time) ([]LimitState, error) {
	if g.opts.KV == nil {
		return nil, nil
	}
	p := party{addr: addr, asn: g.asn(addr)}
	asked := sh.takes(z, method, p, now, true, func(l *Limit) bool { return l.By != ByAccount })
	if len(asked) == 0 {
		return nil, nil
	}
	results, err := g.opts.KV.Do(ctx, ops(asked)...)
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "look at the limits: %w", err)
	}
	return states(asked, results, g.share()), nil
}

func states(asked []question, results []kv.Result, share int64) []LimitState {
	out := make([]LimitState, len(asked))
	for i, a := range asked {
		l, r := a.limit, a.limit.read(results[i], share)
		out[i] = LimitState{Name: l.Name, By: l.By, Rate: l.Rate, Burst: l.Burst, Then: l.steps(), Remaining: r.left, RetryAfter: r.wait}
		if r.step > 0 {
			out[i].Answer = l.steps()[r.step-1]
		}
	}
	return out
}

// judge walks the path as a request would, as far as it does not need the
// request itself.
func (e *Explanation) judge() Would {
	switch {
	case len(e.Allow) == 0 && len(e.Ban) > 0:
		b := e.Ban[len(e.Ban)-1]
		return Would{Cause: noren.CauseBan, Rule: b.ID, Status: http.StatusForbidden, Text: noren.Text{
			Ja: "遮断中です（" + b.Prefix.String() + "、" + b.Reason.In("ja") + b.again().Ja + "）",
			En: "Banned (" + b.Prefix.String() + ": " + b.Reason.In("en") + b.again().En + ")",
		}}
	case len(e.Allow) == 0 && len(e.Asked) > 0 && e.Place.Zone != noren.ZoneForbidden:
		a := e.Asked[0]
		return Would{Cause: noren.CauseChallenge, Rule: a.rule(), Status: http.StatusForbidden, Text: noren.Text{
			Ja: "多くのお客様と同じ接続元から攻撃があるため、確認のページを出します（" + a.Reason.In("ja") + "）。お支払いの途中の方や確認済みの方は、そのまま通ります",
			En: "Asked for the check, because an attack comes from where many customers are (" + a.Reason.In("en") + "); who pays or has passed goes on",
		}}
	case e.Place.Zone == noren.ZoneForbidden:
		return Would{Cause: noren.CauseForbidden, Rule: e.Place.Pattern, Status: http.StatusForbidden, Text: noren.Text{
			Ja: "誰にも見せない場所です（" + e.Place.Pattern + "）", En: "A place that is never served (" + e.Place.Pattern + ")",
		}}
	}
	if w := e.mayNotEnter(); w != nil {
		return *w
	}
	for _, w := range []*Would{e.underSwitch(true), e.underMode(), e.underSwitch(false)} {
		if w != nil {
			return *w
		}
	}
	for _, l := range e.Limits {
		if l.Answer != "" && l.Answer != ThenSlow && len(e.Allow) == 0 {
			return Would{Cause: noren.CauseLimit, Rule: l.Name, Status: l.Answer.status(), Text: noren.Text{
				Ja: "回数の上限です（" + l.Name + "、あと" + waiting(l.RetryAfter, "ja") + "）",
				En: "Too fast (" + l.Name + ", " + waiting(l.RetryAfter, "en") + " to go)",
			}}
		}
	}
	if len(e.Allow) > 0 {
		a := e.Allow[len(e.Allow)-1]
		return Would{Pass: true, Text: noren.Text{
			Ja: "許可リストにあるため、遮断と回数の上限を受けません（" + a.Prefix.String() + "）。内容の検査は受けます",
			En: "On the allow-list (" + a.Prefix.String() + "): spared bans and limits, inspected like everyone",
		}}
	}
	if e.queues() {
		return Would{Pass: true, Text: noren.Text{
			Ja: "混雑モードです。初めての方は来た順にお待ちいただき（1分に" + strconv.Itoa(e.Mode.Admit) + "人）、順番が来た方はそのまま通ります",
			En: "The site is busy: who is new may have to wait in line (" + strconv.Itoa(e.Mode.Admit) + " a minute come in); who is inside goes on",
		}}
	}
	if e.cardsStop() {
		return Would{Pass: true, Text: noren.Text{
			Ja: "カード決済が止められています。カードでのお支払いなら案内のページを出し、ほかのお支払い方法なら通ります",
			En: "Card payments are stopped: one by card gets a page that says so, every other way of paying passes",
		}}
	}
	return Would{Pass: true, Text: noren.Text{
		Ja: "通ります。止めるかどうかは、送られた内容と方針で決まります",
		En: "Passes; only its content and the policies can still stop it",
	}}
}

// underMode is what the site's mode does to strangers. Who is on the allow-list is
// spared, and so are machines, payments under way and the shop's own people.
func (e *Explanation) underMode() *Would {
	if len(e.Allow) > 0 || sparedByModes(e.Place.Zone, e.path) {
		return nil
	}
	switch until := e.Mode.Until; {
	case e.Mode.Mode == ModeClosed:
		text := noren.Text{Ja: "お店は準備中に切り替えられています", En: "The site is switched to its standby page"}
		if !until.IsZero() {
			text = noren.Text{Ja: text.Ja + "（" + dayAndHour(until.Time, "ja") + "まで）", En: text.En + " until " + dayAndHour(until.Time, "en")}
		}
		return &Would{Cause: noren.CauseClosed, Rule: ruleClosed, Status: http.StatusServiceUnavailable, Text: text}
	case e.Mode.Mode == ModeAttack && checks(e.Place.Zone) && !isAsset(e.Method, e.path, e.Place.Zone):
		return &Would{Cause: noren.CauseChallenge, Rule: ruleAttack, Status: http.StatusForbidden, Text: noren.Text{
			Ja: "攻撃モードです。確認のページを出します。確認済みの方は、そのまま通ります",
			En: "The site is in attack mode: asked for the check; who has passed it goes on",
		}}
	}
	return nil
}

// queues reports whether the mode may let the request wait in line.
func (e *Explanation) queues() bool {
	return e.Mode.Mode == ModeBusy && !sparedByModes(e.Place.Zone, e.path) && !isAsset(e.Method, e.path, e.Place.Zone)
}

// again says that a ban is longer because of those before it.
func (e *Entry) again() noren.Text {
	if e.Repeat == 0 {
		return noren.Text{}
	}
	return noren.Text{
		Ja: fmt.Sprintf("。%d回目の遮断のため長くなっています", e.Repeat+1),
		En: fmt.Sprintf("; longer, because it is ban number %d", e.Repeat+1),
	}
}

// Again is what people are told of a ban that is not the first; "" of others.
func (e *Entry) Again(lang string) string { return e.again().In(lang) }

// warnings are about addresses that stand for more than one visitor.
func warnings(sh *shop, addr netip.Addr) []noren.Text {
	var out []noren.Text
	if addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() {
		out = append(out, noren.Text{
			Ja: "このアドレスはお店の中（または手前の機器）のものです。遮断すると、お客様全員を止めるおそれがあります",
			En: "This address is inside your own network or a device in front; banning it may stop every visitor",
		})
	}
	if sh.trusts(addr) {
		out = append(out, noren.Text{
			Ja: "trusted_proxies に含まれる中継機器です。遮断しても、その後ろの来訪者には効きません",
			En: "One of trusted_proxies: a ban of it does not touch the visitors behind it",
		})
	}
	return out
}
