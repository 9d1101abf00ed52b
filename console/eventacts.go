package console

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/journal"
)

// actPage says what an act will do, and to whom, before its button.
type actPage struct {
	Free      bool // or a ban
	Back      string
	Post      string
	Form      string
	Who       noren.Text
	Says      noren.Text // the event that led here
	InForce   []listEntry
	Will      []noren.Text
	Caution   []noren.Text
	For       string
	Spans     []actSpan
	Reason    string
	Wrong     noren.Text
	WrongText string
}

// actSpan is how long an entry of a list lasts.
type actSpan struct {
	Name string
	Text noren.Text
	Span time.Duration // 0: until lifted
}

func actSpans() []actSpan {
	return []actSpan{
		{"1h", noren.Text{Ja: "1時間", En: "1 hour"}, time.Hour},
		{"24h", noren.Text{Ja: "24時間", En: "24 hours"}, 24 * time.Hour},
		{"7d", noren.Text{Ja: "7日", En: "7 days"}, 7 * 24 * time.Hour},
		{"28d", noren.Text{Ja: "28日", En: "28 days"}, 28 * 24 * time.Hour},
		{"0", noren.Text{Ja: "解除するまで", En: "until lifted"}, 0},
	}
}

// spanOf is the chosen time; a day when nothing sensible was chosen.
func spanOf(name string) (actSpan, bool) {
	for _, s := range actSpans() {
		if s.Name == name {
			return s, true
		}
	}
	return actSpans()[1], false
}

// clientOf is what a person means by the address of an event: of IPv6 the /64 of
// one connection, inside which devices change their address all the time.
func clientOf(a netip.Addr) netip.Prefix {
	bits := 32
	if !a.Is4() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// freePage and banPage show the act before it is done.
func (c *Console) freePage(v *visit) error { return c.actPage(v, true) }
func (c *Console) banPage(v *visit) error  { return c.actPage(v, false) }

func (c *Console) actPage(v *visit, free bool) error {
	s, err := c.storied(v)
	if err != nil {
		return err
	}
	p, err := c.actOn(v, &s, free)
	if err != nil {
		return err
	}
	return v.page("eventact", p)
}

// actOn says what the act on an event's visitor would be.
func (c *Console) actOn(v *visit, s *journal.Stored, free bool) (*actPage, error) {
	ev := &s.Entry.Event
	t := c.teller(v.r.Context(), v)
	addr := ev.Address()
	if !addr.IsValid() && (!free || ev.Entities[noren.EntitySession] == "") {
		return nil, noren.Errorf(noren.NotFound, "event %s names nobody who could be freed or banned", ev.ID)
	}
	p := &actPage{Free: free, Back: v.eventPath(ev.ID), Form: newForm(), Who: t.visitor(ev), Says: t.tell(&s.Entry, s.Erased), InForce: c.entriesAbout(t, v.site, ev), Spans: actSpans(), For: "24h"}
	p.Post = p.Back + "/ban"
	if free {
		p.Post = p.Back + "/free"
		p.freed(ev, addr)
		return p, nil
	}
	p.Will = append(p.Will, noren.Text{Ja: "この相手からの通信は、すべて「お通しできません」のページになります。", En: "Every request of this visitor is answered with the page that says it cannot be let through."})
	if !addr.Is4() {
		p.Will = append(p.Will, noren.Text{Ja: "IPv6なので、同じ回線（/64）をまとめて遮断します。", En: "It is IPv6: the whole connection (/64) is banned."})
	}
	p.Caution = append(p.Caution, noren.Text{Ja: "会社・学校・携帯電話の回線は、ほかのお客様も同じアドレスを使うことがあります。期限を短めにすると安心です。", En: "Companies, schools and mobile networks share an address among many people. A short time is safer."})
	return p, nil
}

// freed says what freeing does, and what it cannot do.
func (p *actPage) freed(ev *noren.Event, addr netip.Addr) {
	p.Will = append(p.Will, noren.Text{Ja: "この方への遮断と、確認のページのお願いを解きます。前にしたことも数えません。", En: "Bans of this visitor, and being asked for the check, are lifted. What they did before is forgiven."})
	if addr.IsValid() {
		p.Will = append(p.Will, noren.Text{Ja: "選んだ時間のあいだ、この方のIPアドレスを「いつも通す」に載せます。", En: "For the time you choose, their address is always let through."})
	}
	b, ok := ev.Payload.(*noren.Blocked)
	if !ok || b == nil {
		return
	}
	caution := map[noren.Cause]noren.Text{
		noren.CauseWAF:       {Ja: "止めた理由は「攻撃の文字列」です。その検査は、通すようにした方にも続けます。まちがいなら、できごとの画面の「これは正しいお客様です」からお進みください。", En: "It was stopped for text that looks like an attack. That is looked for in everybody's requests, also after this. If it was a mistake, use “This is a real customer” on the page of the event."},
		noren.CauseForbidden: {Ja: "止めた理由は「触れてはいけない場所」です。そこは、誰にもお見せしません。", En: "It was stopped because the place is shown to nobody. That stays so."},
		noren.CauseAccess:    {Ja: "止めた理由は「入れる場所ではない」です。スタッフの方なら、場所の登録をしてください。", En: "It was stopped because of who may enter there. For people of the shop, add a place instead."},
		noren.CausePolicy:    {Ja: "止めた理由は「お店の方針」です。方針が同じ判断をすると、また止まることがあります。", En: "A policy stopped it, and may do so again."},
		noren.CauseMalformed: {Ja: "止めた理由は「形の崩れた通信」です。許しても、同じ通信は読み取れません。", En: "It was malformed; the same request cannot be read after this either."},
		noren.CauseClosed:    {Ja: "お店を閉めている間の通信です。開けると通れます。", En: "The shop was closed; they get in when it opens."},
	}
	if text, ok := caution[b.Cause]; ok {
		p.Caution = append(p.Caution, text)
	}
}

// again422 shows the form once more with what was typed.
func (v *visit) again422(p *actPage, err error) error {
	m := mistakeIn(err)
	if m == nil {
		return err
	}
	v.c.once.release(v.formID())
	p.Reason, p.Wrong, p.WrongText = firstRunes(v.field("reason"), 500), m.text, m.text.In(v.lang)
	if s, ok := spanOf(v.field("for")); ok {
		p.For = s.Name
	}
	return v.pageWith(http.StatusUnprocessableEntity, "eventact", p)
}

// free lets a visitor through who was stopped by mistake, in one act: first onto
// the list of those who always get in, then off all others.
func (c *Console) free(v *visit) error {
	s, err := c.storied(v)
	if err != nil {
		return err
	}
	p, err := c.actOn(v, &s, true)
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return v.again422(p, err)
	}
	if v.again() {
		return v.redirect(p.Back, "again")
	}
	span, _ := spanOf(v.field("for"))
	if err := c.letThrough(v.r.Context(), v, &s.Entry.Event, span.Span, noren.Text{Ja: reason}); err != nil {
		return err
	}
	return v.redirect(p.Back, "freed")
}

func (c *Console) letThrough(ctx context.Context, v *visit, ev *noren.Event, span time.Duration, reason noren.Text) error {
	author := v.author()
	if addr := ev.Address(); addr.IsValid() {
		client := clientOf(addr)
		if _, err := c.o.Lists.Set(ctx, gateway.Entry{Site: v.site, List: gateway.ListAllow, Prefix: client, Until: endOf(span), Author: author, Reason: reason}); err != nil {
			return err
		}
		own := netip.PrefixFrom(addr, addr.BitLen()) // LiftClient takes the /64 of IPv6 with it
		for _, list := range []string{gateway.ListBan, gateway.ListCheck} {
			if _, err := c.o.Lists.LiftClient(ctx, v.site, list, own, author, reason); err != nil && noren.CodeOf(err) != noren.NotFound {
				return err
			}
		}
	}
	session := ev.Entities[noren.EntitySession]
	for _, x := range c.o.Lists.List(v.site) {
		if session == "" || x.Session != session || x.List == gateway.ListAllow {
			continue
		}
		if err := c.o.Lists.LiftEntry(ctx, v.site, x.ID, author, reason); err != nil && noren.CodeOf(err) != noren.NotFound {
			return err
		}
	}
	return nil
}

// endOf is the end of an entry that begins now; zero for one without an end.
func endOf(span time.Duration) noren.Time {
	if span == 0 {
		return noren.Time{}
	}
	return noren.At(time.Now().Add(span))
}

// ban refuses a visitor. Whoever would shut themselves out is told instead.
func (c *Console) ban(v *visit) error {
	s, err := c.storied(v)
	if err != nil {
		return err
	}
	p, err := c.actOn(v, &s, false)
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err == nil {
		err = c.shutsOut(v, gateway.ListBan, false, clientOf(s.Entry.Event.Address()))
	}
	if err != nil {
		return v.again422(p, err)
	}
	if v.again() {
		return v.redirect(p.Back, "again")
	}
	span, _ := spanOf(v.field("for"))
	_, err = c.o.Lists.Set(v.r.Context(), gateway.Entry{Site: v.site, List: gateway.ListBan, Prefix: clientOf(s.Entry.Event.Address()), Until: endOf(span.Span), Author: v.author(), Reason: noren.Text{Ja: reason}})
	if err != nil {
		return err
	}
	return v.redirect(p.Back, "banned")
}

// shutsOut refuses a change that would keep the person who makes it out of the shop.
func (c *Console) shutsOut(v *visit, list string, lift bool, p netip.Prefix) error {
	if c.o.ShutsOut == nil || !v.from().IsValid() {
		return nil
	}
	if what := c.o.ShutsOut(v.site, list, lift, p, v.from()); what != "" {
		return wrong("reason", "それをすると、いまお使いのあなた自身がお店に入れなくなります（"+what+"）。何も変えていません。", "That would shut you out yourself ("+what+"). Nothing was changed.")
	}
	return nil
}

// liftFromEvent takes one entry that is about the event's visitor off its list.
func (c *Console) liftFromEvent(v *visit) error {
	s, err := c.storied(v)
	if err != nil {
		return err
	}
	to := v.eventPath(s.Entry.Event.ID)
	if v.again() {
		return v.redirect(to, "again")
	}
	id := v.field("entry")
	mine := c.entriesAbout(c.teller(v.r.Context(), v), v.site, &s.Entry.Event)
	for _, x := range c.o.Lists.List(v.site) {
		if x.ID != id || !about(mine, id) {
			continue
		}
		if x.Prefix.IsValid() && x.List == gateway.ListAllow {
			if err := c.shutsOut(v, x.List, true, x.Prefix); err != nil {
				return err
			}
		}
		reason := noren.Text{Ja: "できごとの画面から解除", En: "lifted from the page of an event"}
		if err := c.o.Lists.LiftEntry(v.r.Context(), v.site, id, v.author(), reason); err != nil {
			return err
		}
		return v.redirect(to, "lifted")
	}
	return noren.Errorf(noren.NotFound, "no entry %q about this visitor", id)
}

func about(entries []listEntry, id string) bool {
	for _, e := range entries {
		if e.ID == id {
			return true
		}
	}
	return false
}

// Tone is how the page of an act is meant.
func (p *actPage) Tone() ui.Tone {
	if p.Free {
		return ui.Good
	}
	return ui.Alert
}
