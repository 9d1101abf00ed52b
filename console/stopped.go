package console

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/staff"
)

// onList is one row of 止めた相手.
type onList struct {
	gateway.Entry
	What   string // address, network or the name of a session
	About  string
	By     noren.Text
	Policy string
	Wide   bool   // more than one address
	Find   string // what they did, in できごと
	Why    noren.Text
}

// stoppedList is the page.
type stoppedList struct {
	List, Query string
	Rows        []onList
	Counts      map[string]int
	Pager       ui.Pager
	May         bool
	Force       force
	Veil        veil
}

const rowsPerPage = 50

// lists are the three, in the order of the page.
func lists() []string { return []string{gateway.ListBan, gateway.ListCheck, gateway.ListAllow} }

func (c *Console) stopped(v *visit) error {
	p := stoppedList{List: v.listAsked(), Query: strings.TrimSpace(v.r.FormValue("q")), Counts: map[string]int{}, May: v.may(staff.Act), Veil: v.veil(), Force: c.forceOf(v.site)}
	entries := c.o.Lists.List(v.site)
	for _, e := range entries {
		p.Counts[e.List]++
	}
	entries = listed(entries, p.List, p.Query, v.mask())
	entries, p.Pager = turn(entries, v.r.FormValue("after"), v.path("/stopped?list="+p.List+"&q="+ui.Query(p.Query)))
	if v.may(staff.SeePersonal) {
		p.Pager.CSV = v.path("/stopped.csv?list=" + p.List + "&q=" + ui.Query(p.Query))
	}
	for _, e := range entries {
		p.Rows = append(p.Rows, c.onList(v, e))
	}
	if v.asked("rows") {
		return v.part("stopped", "rows", v.frame(p))
	}
	return v.page("stopped", p)
}

// listAsked is the list in the address, the bans by default.
func (v *visit) listAsked() string {
	if l := v.r.FormValue("list"); slices.Contains(lists(), l) {
		return l
	}
	return gateway.ListBan
}

// listed are the entries of one list that fit what was typed: an address finds the
// networks around it, other words the reason. Whoever sees addresses masked finds
// them by words no further than they see them.
func listed(all []gateway.Entry, list, query string, m mask) (out []gateway.Entry) {
	addr, err := netip.ParseAddr(query)
	prefix, errNet := netip.ParsePrefix(query)
	words := strings.ToLower(query)
	for _, e := range all {
		if e.List != list {
			continue
		}
		switch {
		case query == "":
		case err == nil:
			if !e.Prefix.Contains(addr.Unmap()) {
				continue
			}
		case errNet == nil:
			if !e.Prefix.IsValid() || !e.Prefix.Overlaps(prefix.Masked()) {
				continue
			}
		case !strings.Contains(strings.ToLower(whatOf(e, m)+" "+m.text(e.Reason.Ja+" "+e.Reason.En)+" "+e.Policy), words):
			continue
		}
		out = append(out, e)
	}
	return out
}

// turn is the page behind the entry named after; newest first.
func turn(all []gateway.Entry, after, base string) ([]gateway.Entry, ui.Pager) {
	var p ui.Pager
	if after != "" {
		i := slices.IndexFunc(all, func(e gateway.Entry) bool { return e.ID == after })
		all = all[i+1:] // from the beginning when it is gone
		p.Newer = base
	}
	if len(all) > rowsPerPage {
		all = all[:rowsPerPage]
		p.Older = base + "&after=" + all[rowsPerPage-1].ID
	}
	return all, p
}

func (c *Console) onList(v *visit, e gateway.Entry) onList {
	m := v.mask()
	o := onList{Entry: e, What: whatOf(e, m), Why: m.texts(e.Reason), By: noren.Text{Ja: e.Author, En: e.Author}, Policy: e.Policy, Wide: e.Prefix.IsValid() && !e.Prefix.IsSingleIP()}
	if e.Prefix.IsValid() {
		o.About = c.about(e.Prefix.Addr()).Line(v.words())
		o.Find = v.path("/events?" + url.Values{"t": {"all"}, "q": {m.address(e.Prefix.Addr().String())}}.Encode())
	}
	o.By = c.authorName(v.r.Context(), e.Author)
	return o
}

// whatOf is who an entry is about, as the reader may see it; a single address
// without the length of its network.
func whatOf(e gateway.Entry, m mask) string {
	switch {
	case e.Session != "" || !e.Prefix.IsValid():
		return e.What() // a name that Noren made, and nobody's
	case e.Prefix.IsSingleIP():
		return m.address(e.Prefix.Addr().String())
	}
	return m.prefix(e.Prefix)
}

// authorName says who did something: a policy, a person, or somebody at the machine.
func (c *Console) authorName(ctx context.Context, author string) noren.Text {
	kind, id, _ := strings.Cut(author, ":")
	switch kind {
	case "policy":
		return noren.Text{Ja: "方針「" + id + "」", En: "policy " + id}
	case "staff":
		if p, err := c.o.Staff.Person(ctx, id); err == nil {
			return noren.Text{Ja: p.Name + "さん", En: p.Name}
		}
		return noren.Text{Ja: "もういないスタッフ", En: "somebody who has left"}
	}
	return noren.Text{Ja: "機械の前の " + author, En: author + " at the machine"}
}

// find is one entry of the site's lists, NotFound for those of others.
func (c *Console) find(site, id string) (gateway.Entry, error) {
	for _, e := range c.o.Lists.List(site) {
		if e.ID == id {
			return e, nil
		}
	}
	return gateway.Entry{}, noren.Errorf(noren.NotFound, "no entry %s on the lists of %s", id, site)
}

// entryPage is one entry, why it is there, and the way off the list.
type entryPage struct {
	Row  onList
	Once string
	May  bool
	Veil veil
}

func (c *Console) entry(v *visit) error {
	e, err := c.find(v.site, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.page("entry", entryPage{Row: c.onList(v, e), Once: newForm(), May: v.may(staff.Act), Veil: v.veil()})
}

// lift takes one entry off its list. Whoever is freed from a ban is freed from the
// check as well, and what they did before counts no more (gateway.Lists).
func (c *Console) lift(v *visit) error {
	e, err := c.find(v.site, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	reason, err := v.reason()
	if err != nil {
		return err
	}
	to := v.path("/stopped?list=" + e.List)
	if v.again() {
		return v.redirect(to, "again")
	}
	if err := c.liftEntry(v, e, noren.Text{Ja: reason}); err != nil {
		return err
	}
	again := e
	again.ID, again.At, again.Author = "", noren.Time{}, v.author()
	id := v.undoable(staff.Act, func(ctx context.Context, _ *visit) error {
		_, err := c.o.Lists.Set(ctx, again)
		return err
	})
	return v.redirect(to, "lifted", "undo", id)
}

func (c *Console) liftEntry(v *visit, e gateway.Entry, reason noren.Text) error {
	ctx := v.r.Context()
	if e.Session != "" {
		_, err := c.o.Lists.LiftSession(ctx, e.Site, e.What(), v.author(), reason)
		return err
	}
	_, err := c.o.Lists.Lift(ctx, e.Site, e.List, e.Prefix, v.author(), reason)
	if err == nil && e.List == gateway.ListBan {
		if _, also := c.o.Lists.LiftClient(ctx, e.Site, gateway.ListCheck, e.Prefix, v.author(), reason); also != nil && noren.CodeOf(also) != noren.NotFound {
			return also
		}
	}
	return err
}

// entryForm puts somebody on a list.
type entryForm struct {
	List, Who, For, Reason string
	Once                   string
	Hurts                  []noren.Text // whom it would hit besides
	Field                  string       // what is wrong, and how
	Wrong                  noren.Text
	Terms                  []term
}

// term is how long an entry stays.
type term struct {
	Value string
	Name  noren.Text
	For   time.Duration // 0: until somebody takes it off
}

func terms() []term {
	return []term{
		{"1h", noren.Text{Ja: "1時間", En: "1 hour"}, time.Hour},
		{"24h", noren.Text{Ja: "24時間", En: "24 hours"}, 24 * time.Hour},
		{"7d", noren.Text{Ja: "7日間", En: "7 days"}, 7 * 24 * time.Hour},
		{"30d", noren.Text{Ja: "30日間", En: "30 days"}, 30 * 24 * time.Hour},
		{"always", noren.Text{Ja: "外すまでずっと", En: "until somebody takes it off"}, 0},
	}
}

func (c *Console) newEntry(v *visit) error {
	return v.page("newentry", entryForm{List: v.listAsked(), Who: v.r.FormValue("who"), For: "24h", Reason: v.r.FormValue("reason"), Once: newForm(), Terms: terms()})
}

func (c *Console) putEntry(v *visit) error {
	f := entryForm{List: v.listAsked(), Who: v.field("who"), For: v.field("for"), Reason: v.field("reason"), Once: newForm(), Terms: terms()}
	e, err := f.entry(v)
	if err == nil && v.field("sure") == "" {
		f.Hurts = c.hurts(v, e)
		if len(f.Hurts) > 0 {
			return v.pageWith(http.StatusConflict, "newentry", f)
		}
	}
	if err == nil {
		if v.again() {
			return v.redirect(v.path("/stopped?list="+f.List), "again")
		}
		e, err = c.o.Lists.Set(v.r.Context(), e)
	}
	if m := mistakeOf(err); m != nil {
		f.Field, f.Wrong = m.field, m.text
		v.c.once.release(v.formID())
		return v.pageWith(http.StatusUnprocessableEntity, "newentry", f)
	}
	if err != nil {
		return err
	}
	said := "banned"
	if f.List == gateway.ListAllow {
		said = "allowed"
	}
	id := v.undoable(staff.Act, func(ctx context.Context, by *visit) error {
		// this entry alone: what somebody else put there before or since stays
		return c.o.Lists.LiftEntry(ctx, e.Site, e.ID, by.author(), noren.Text{Ja: "元に戻した", En: "taken back"})
	})
	return v.redirect(v.path("/stopped?list="+f.List), said, "undo", id)
}

// mistakeOf is the mistake in err; an entry that the lists refuse is one too.
func mistakeOf(err error) *mistake {
	if m := mistakeIn(err); m != nil {
		return m
	}
	if noren.CodeOf(err) == noren.Invalid {
		return &mistake{field: "who", text: noren.Text{Ja: "この相手は一覧に入れられません。1つのアドレス（203.0.113.7）か、/16 より狭い範囲（203.0.113.0/24）にしてください。", En: "This cannot go on the list. Give one address (203.0.113.7) or a network narrower than a /16 (203.0.113.0/24)."}}
	}
	return nil
}

// entry reads the form.
func (f *entryForm) entry(v *visit) (gateway.Entry, error) {
	p, err := gateway.ParsePrefix(f.Who)
	if err != nil {
		return gateway.Entry{}, wrong("who", "アドレスの形になっていません。203.0.113.7 か 203.0.113.0/24 のように書いてください。", "This is no address. Write it like 203.0.113.7 or 203.0.113.0/24.")
	}
	i := slices.IndexFunc(f.Terms, func(t term) bool { return t.Value == f.For })
	if i < 0 {
		return gateway.Entry{}, wrong("for", "期間を選んでください。", "Please choose how long.")
	}
	reason, err := v.reason()
	if err != nil {
		return gateway.Entry{}, err
	}
	e := gateway.Entry{Site: v.site, List: f.List, Prefix: p, Author: v.author(), Reason: noren.Text{Ja: reason}}
	if d := f.Terms[i].For; d > 0 {
		e.Until = noren.At(time.Now().Add(d))
	}
	return e, nil
}

// hurts tells whom a ban would hit whom one would not want to: the person who sets
// it, the shop's own places, whole networks.
func (c *Console) hurts(v *visit, e gateway.Entry) (out []noren.Text) {
	if e.List == gateway.ListAllow {
		if bits := e.Prefix.Bits(); e.Prefix.Addr().Is4() && bits < 24 || e.Prefix.Addr().Is6() && bits < 48 {
			out = append(out, noren.Text{Ja: "とても広い範囲です。この範囲から来る攻撃も、遮断や速さの制限を受けなくなります。", En: "This is a very wide network: attacks from it would be spared bans and limits as well."})
		}
		return out
	}
	if e.Prefix.Contains(v.from()) || c.o.ShutsOut != nil && c.o.ShutsOut(v.site, e.List, false, e.Prefix, v.from()) != "" {
		out = append(out, noren.Text{Ja: "いまあなたがいる場所が含まれています。あなた自身がお店に入れなくなります。", En: "You are in it yourself: you could not enter the shop any more."})
	}
	for _, p := range c.o.Places.List(v.site) {
		if slices.ContainsFunc(p.Networks, func(n netip.Prefix) bool { return n.Overlaps(e.Prefix) }) {
			out = append(out, noren.Text{Ja: "名前を付けた場所「" + p.Name + "」が含まれています。", En: "It holds your place " + p.Name + "."})
		}
	}
	if !e.Prefix.IsSingleIP() {
		out = append(out, noren.Text{Ja: "1つのアドレスではなく範囲です。同じ範囲を使うお客様も入れなくなります。", En: "It is a network, not one address: customers in it could not enter either."})
	}
	return out
}

// stoppedCSV is the list as a table for a spreadsheet.
func (c *Console) stoppedCSV(v *visit) error {
	rows := listed(c.o.Lists.List(v.site), v.listAsked(), strings.TrimSpace(v.r.FormValue("q")), mask{open: true})
	if err := v.record(actExport, v.path("/stopped.csv"), int64(len(rows)), ""); err != nil { // before it leaves the house
		return err
	}
	w := v.csv("stopped-" + v.site)
	w.row("list", "address", "country", "network", "reason", "reason_en", "author", "policy", "since", "until")
	for _, e := range rows {
		a := About{}
		if e.Prefix.IsValid() {
			a = c.about(e.Prefix.Addr())
		}
		w.row(e.List, e.What(), a.Country, a.Name, e.Reason.Ja, e.Reason.En, e.Author, e.Policy, csvTime(e.At), csvTime(e.Until))
	}
	return w.done()
}
