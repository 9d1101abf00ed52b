package console

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"noren"
	"noren/console/ui"
)

// teller tells what an entry is about in one sentence. It is pure: what it knows
// beside the entry was given to it.
type teller struct {
	mask
	people people
	scale  scale // of the firewall's score
	// where names an address's country and network, "" for what is not known.
	where func(netip.Addr) (country, network string)
}

// tell is what happened in the shopkeeper's words. Every kind has its sentence, and
// an entry of which only the public part is left still has one.
func (t *teller) tell(e *noren.Entry, erased bool) noren.Text {
	text := t.told(e, erased)
	return noren.Text{Ja: cutTo(text.Ja, sentenceMost), En: cutTo(text.En, sentenceMost)} // whatever a part let through
}

// sentenceMost is how long a sentence may become.
const sentenceMost = 300

func (t *teller) told(e *noren.Entry, erased bool) noren.Text {
	switch {
	case erased:
		return fill("%s（消去済みの方）", "%s (of somebody who was erased)", t.short(e))
	case e.Part == noren.PartLate:
		return noren.Text{Ja: "記録が間に合う前に答えが出た出来事がありました", En: "An answer left before its entry was safely recorded"}
	case e.Count > 1 || e.Part == noren.PartCounted:
		return t.counted(e)
	}
	if text := t.payload(e); text.Ja != "" {
		return t.withVerdict(e, text)
	}
	return t.short(e)
}

// short is what the public part alone tells.
func (t *teller) short(e *noren.Entry) noren.Text {
	if e.Event.Kind == noren.HTTPBlocked && e.Rule != "" {
		cause, _, _ := strings.Cut(e.Rule, ":")
		return fill("入口で止めた通信: %s", "A request stopped at the gateway: %s", causeOf(noren.Cause(cause)).Name)
	}
	return kindName(e.Event.Kind)
}

// counted is one entry that stands for many of a minute.
func (t *teller) counted(e *noren.Entry) noren.Text {
	n := ui.Words{}.Number(e.Count)
	return fill("%s からの同じような出来事 %s件（まとめて記録）: %s", "%[2]s more like it from %[1]s, recorded together: %[3]s", t.visitor(&e.Event), n, t.short(e))
}

// visitor names who an event came from: the address with its country and network.
func (t *teller) visitor(ev *noren.Event) noren.Text {
	a := ev.Address()
	if !a.IsValid() {
		if s := ev.Entities[noren.EntitySession]; s != "" {
			return fill("訪問 %s", "visit %s", t.token(ui.Plain(s)))
		}
		return noren.Text{Ja: "（相手は不明）", En: "somebody unknown"}
	}
	return t.addressWith(a)
}

func (t *teller) addressWith(a netip.Addr) noren.Text {
	var country, network string
	if t.where != nil {
		country, network = t.where(a)
	}
	parts := make([]string, 0, 2)
	for _, s := range []string{country, network} {
		if s != "" {
			parts = append(parts, cutTo(s, 40))
		}
	}
	shown := t.address(a.String())
	if len(parts) == 0 {
		return same(shown)
	}
	return noren.Text{Ja: shown + "（" + strings.Join(parts, "・") + "）", En: shown + " (" + strings.Join(parts, ", ") + ")"}
}

// account names a customer, "" where the event has none.
func (t *teller) account(ev *noren.Event, user string) string {
	if user == "" {
		user = ev.Entities[noren.EntityAccount]
	}
	return cutTo(t.name(user), 64)
}

// cutTo cuts a value from outside for a sentence and shows what is invisible.
func cutTo(s string, n int) string {
	s = ui.Plain(s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// withVerdict adds what was decided where the sentence does not say it.
func (t *teller) withVerdict(e *noren.Entry, text noren.Text) noren.Text {
	if i, err := e.Event.Kind.Info(); err != nil || i.Operational || e.Event.Kind == noren.HTTPBlocked || e.Event.Kind == noren.TLSProbe {
		return text
	}
	if v := e.Decision.Verdict; v != noren.Allow && v != "" {
		return fill("%s → %s", "%s → %s", text, verdictOf(v).Name)
	}
	return text
}

// payload tells by what the event carries; the zero Text when it carries nothing.
func (t *teller) payload(e *noren.Entry) noren.Text {
	ev := &e.Event
	if text, ok := t.ofShop(ev); ok {
		return text
	}
	if text, ok := t.ofNoren(ev); ok {
		return text
	}
	switch p := ev.Payload.(type) {
	case *noren.Request:
		return t.request(ev, p)
	case *noren.Blocked:
		if p != nil {
			return t.blocked(e, p)
		}
	case *noren.TLSProbing:
		if p != nil {
			return fill("%s からの、暗号化通信の弱点（%s）を探る接続を切りました", "Cut off a connection from %s that probed TLS for %s", t.visitor(ev), cutTo(p.Probe, 40))
		}
	case *noren.MailSignIn:
		return t.mailSignIn(ev, p)
	case *noren.MailRefusal:
		if p != nil {
			return fill("%s からのメールの不正中継（%s → %s）を断りました", "Refused to relay mail from %s (%s to %s)", t.visitor(ev), cutTo(t.name(p.From), 64), cutTo(t.name(p.To), 64))
		}
	}
	return noren.Text{}
}

// page is the path somebody asked for, without what they typed there.
func (t *teller) page(p *noren.Request) string {
	path := p.Path
	if plain, err := url.PathUnescape(path); err == nil && utf8.ValidString(plain) {
		path = plain // as people write it
	}
	return cutTo(t.text(path), 60)
}

func (t *teller) request(ev *noren.Event, p *noren.Request) noren.Text {
	if p == nil {
		return noren.Text{}
	}
	who, page := t.visitor(ev), t.page(p)
	switch ev.Kind {
	case noren.HTTPExposed:
		return fill("見えてはいけないファイル %s が %s に渡りました", "A file that must never be served, %s, was served to %s", page, who)
	case noren.HTTPLogged:
		return fill("お店のサーバーのログに、%s からの通信がありました（%s、答え %d）", "The shop's server log has a request from %s (%s, answered %d)", who, page, p.Answered)
	case noren.HTTPAnswered:
		return fill("%s への、お店の答えを確かめました（%s）", "Looked at what the shop answered to %s (%s)", who, page)
	}
	return fill("%s が「%s」に来ました（%s）", "%s came to “%s” (%s)", who, zoneName(ev.Zone), page)
}

// blocked says why a request was stopped; what asked the visitor for something is
// not told as an accusation.
func (t *teller) blocked(e *noren.Entry, p *noren.Blocked) noren.Text {
	ev := &e.Event
	who, page := t.visitor(ev), t.page(&p.Request)
	switch p.Cause {
	case noren.CauseWAF:
		return fill("%s からの『%s』を含む通信を止めました（%s）", "Stopped a request from %s with “%s” in it (%s)", who, t.attack(p), page)
	case noren.CauseBan:
		return fill("遮断中の相手 %s からの通信を止めました（%s）", "Stopped a request from %s, who is banned (%s)", who, page)
	case noren.CauseLimit:
		return t.limited(p, who, page)
	case noren.CauseForbidden:
		return fill("%s が、外から見えてはいけない %s を開こうとしたので止めました", "Stopped %s from opening %s, which must never be served", who, page)
	case noren.CausePolicy:
		if len(e.Decision.Reasons) > 0 { // in the policy's own words
			return fill("%s からの通信を止めました: %s（%s）", "Stopped a request from %s: %s (%s)", who, t.texts(e.Decision.Reasons[0].Text), page)
		}
		return fill("%s からの通信を、お店の方針 %s が止めました（%s）", "A policy of the shop, %[2]s, stopped a request from %[1]s (%[3]s)", who, cutTo(p.Rule, 48), page)
	case noren.CauseMalformed:
		return fill("%s からの、形の崩れた通信を止めました（%s）", "Stopped a malformed request from %s (%s)", who, page)
	case noren.CauseOverload:
		return fill("混みすぎのため、%s に少し待っていただきました（%s）", "Too busy: asked %s to come back shortly (%s)", who, page)
	case noren.CauseDoor:
		return fill("%s は、スタッフとして確認できなかったのでお通ししませんでした（%s）", "Did not let %s in: not known as staff (%s)", who, page)
	case noren.CauseChallenge:
		return fill("%s に、確認のページをお見せしました（%s）", "Showed %s the check (%s)", who, page)
	case noren.CauseQueue:
		return fill("%s に、順番をお待ちいただきました（%s）", "Asked %s to wait in line (%s)", who, page)
	case noren.CauseClosed:
		return fill("お店を閉めている間に %s が来ました（%s）", "%s came while the shop was closed (%s)", who, page)
	case noren.CauseAccess:
		return fill("%s は「%s」に入れる場所ではないので、お通ししませんでした（%s）", "%s may not enter “%s” from there (%s)", who, zoneName(ev.Zone), page)
	}
	return fill("%s からの通信を止めました（%s、理由: %s）", "Stopped a request from %s (%s, cause: %s)", who, page, cutTo(string(p.Cause), 40))
}

// attack is what the firewall found, by the rule that counted most.
func (t *teller) attack(p *noren.Blocked) noren.Text {
	for _, h := range p.Hits {
		if h.Rule/1000 != 949 && h.Rule/1000 != 959 {
			return ruleMeaning(h.Rule)
		}
	}
	return causeOf(noren.CauseWAF).Name
}

func (t *teller) limited(p *noren.Blocked, who noren.Text, page string) noren.Text {
	switch p.Step {
	case "check":
		return fill("操作が速いので、%s に確認のページをお見せしました（%s）", "%s was fast and was shown the check (%s)", who, page)
	case "line", "wait":
		return fill("操作が速いので、%s に少しお待ちいただきました（%s）", "%s was fast and was asked to wait (%s)", who, page)
	case "ban":
		return fill("速すぎる通信をくり返した %s を、しばらく遮断しました（%s）", "Banned %s for a while for being too fast again and again (%s)", who, page)
	}
	return fill("%s からの速すぎる通信を止めました（%s）", "Stopped %s for being too fast (%s)", who, page)
}

func (t *teller) mailSignIn(ev *noren.Event, p *noren.MailSignIn) noren.Text {
	switch {
	case p == nil:
		return noren.Text{}
	case p.Success:
		return fill("メールに %s さんがログインしました（%s、%s）", "%s signed in to mail (%s, %s)", cutTo(t.name(p.User), 64), p.Protocol, t.visitor(ev))
	}
	return fill("メールへのログインに失敗しました: %s（%s、%s）", "A sign-in to mail failed: %s (%s, %s)", cutTo(t.name(p.User), 64), p.Protocol, t.visitor(ev))
}

// yen writes an amount; other currencies by their code.
func yen(m noren.Money) string {
	if m.Currency == "JPY" {
		return "¥" + ui.Words{}.Number(m.Minor)
	}
	return ui.Words{}.Number(m.Minor) + " " + m.Currency
}

// until writes an end in Japan's time.
func until(at noren.Time) noren.Text {
	if at.IsZero() {
		return noren.Text{Ja: "解除するまで", En: "until lifted"}
	}
	l := at.In(ui.JST())
	return noren.Text{Ja: l.Format("1月2日 15:04 まで"), En: "until " + l.Format("2 Jan 15:04")}
}

// seconds writes microseconds for people.
func seconds(us int64) string {
	d := time.Duration(us) * time.Microsecond
	return d.Round(time.Millisecond).String()
}
