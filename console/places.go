package console

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/staff"
)

// placesView is 場所: the places with a name, and who lets them in.
type placesView struct {
	Rows  []placeRow
	Admin Admin
	Force force
	Open  bool // nobody has decided who may enter the admin
	Files bool
	May   bool
	Form  placeForm
	Close closeForm
}

type placeRow struct {
	gateway.NamedPlace
	Text  string // its networks
	By    noren.Text
	Over  bool
	Rules []string
	Here  bool // the visitor is there
}

// placeForm makes a place, or changes one.
type placeForm struct {
	Was              string // the place that is changed; "" for a new one
	Name, Nets, For  string
	Until            string // a day
	Reason           string
	Here             string // the visitor's own line; "" where it is not known
	Once             string
	Field            string
	Wrong            noren.Text
	Asks             []noren.Text // what one should know before
	Terms            []term
	Loopback, Update bool
}

// closeForm keeps the admin for places.
type closeForm struct {
	Once, Reason string
	Asks         []noren.Text
	Wrong        noren.Text
	Shadow       bool
}

func (c *Console) placesPage(v *visit) error { return v.showPlaces(http.StatusOK, placesView{}) }

func (v *visit) showPlaces(status int, p placesView) error {
	rules := v.rules()
	for _, one := range v.c.o.Places.List(v.site) {
		p.Rows = append(p.Rows, v.placeRow(one, rules))
	}
	p.May = v.may(staff.Settings)
	p.Force = v.c.forceOf(v.site)
	p.Admin = AdminOf(rules)
	p.Open = p.Admin.State == AdminOpen
	if p.Form.Once == "" {
		p.Form = placeForm{For: "always"}
	}
	p.Form.fill(v)
	p.Close.Once = newForm()
	return v.pageWith(status, "places", p)
}

func (f *placeForm) fill(v *visit) {
	f.Once, f.Terms = newForm(), placeTerms()
	if a := v.from(); a.IsValid() && !a.IsLoopback() {
		f.Here = gateway.NetworksText([]netip.Prefix{lineOf(a)})
	} else {
		f.Loopback = true
	}
}

func placeTerms() []term {
	return []term{
		{"always", noren.Text{Ja: "外すまでずっと", En: "until somebody removes it"}, 0},
		{"8h", noren.Text{Ja: "今日いっぱい（8時間）", En: "for 8 hours"}, 8 * time.Hour},
		{"7d", noren.Text{Ja: "7日間", En: "7 days"}, 7 * 24 * time.Hour},
		{"30d", noren.Text{Ja: "30日間", En: "30 days"}, 30 * 24 * time.Hour},
		{"90d", noren.Text{Ja: "90日間", En: "90 days"}, 90 * 24 * time.Hour},
		{"365d", noren.Text{Ja: "1年間", En: "1 year"}, 365 * 24 * time.Hour},
	}
}

func (v *visit) rules() gateway.AccessRules {
	if v.c.o.Gate == nil {
		return nil
	}
	return v.c.o.Gate.Rules(v.site)
}

func (v *visit) placeRow(p gateway.NamedPlace, rules gateway.AccessRules) placeRow {
	r := placeRow{NamedPlace: p, Text: gateway.NetworksText(p.Networks), By: v.c.authorName(v.r.Context(), p.Author), Over: !p.Live(time.Now()), Here: p.Contains(v.from())}
	if !v.may(staff.SeePersonal) {
		r.Text = "" // where somebody lives is theirs
	}
	for _, rule := range rules {
		if rule.Uses(p.Name) {
			r.Rules = append(r.Rules, rule.Name)
		}
	}
	return r
}

// findPlace is a place of the site by its id; those of others are not found.
func (v *visit) findPlace(id string) (gateway.NamedPlace, error) {
	for _, p := range v.c.o.Places.List(v.site) {
		if p.ID == id {
			return p, nil
		}
	}
	return gateway.NamedPlace{}, noren.Errorf(noren.NotFound, "no place %s at %s", id, v.site)
}

// placePage is one place, to be changed or removed.
func (c *Console) placePage(v *visit) error {
	p, err := v.findPlace(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.showPlace(http.StatusOK, p, placeForm{Name: p.Name, Nets: strings.ReplaceAll(gateway.NetworksText(p.Networks), ", ", "\n"), For: "same", Reason: p.Reason}, closeForm{})
}

type onePlace struct {
	Row    placeRow
	Form   placeForm
	Remove closeForm
	May    bool
}

func (v *visit) showPlace(status int, p gateway.NamedPlace, f placeForm, remove closeForm) error {
	f.Was, f.Update = p.ID, true
	f.fill(v)
	f.Terms = append([]term{{Value: "same", Name: noren.Text{Ja: "変えない", En: "as it is"}}}, f.Terms...)
	remove.Once = newForm()
	return v.pageWith(status, "place", onePlace{Row: v.placeRow(p, v.rules()), Form: f, Remove: remove, May: v.may(staff.Settings)})
}

// putPlace makes a place.
func (c *Console) putPlace(v *visit) error {
	f := v.placeForm()
	place, err := f.place(v, nil)
	if err == nil && c.o.Places.Find(v.site, place.Name) != nil && c.o.Places.Find(v.site, place.Name).Live(time.Now()) {
		err = wrong("name", "同じ名前の場所がもうあります。下の一覧から変更してください。", "There is a place of this name already; change it in the list.")
	}
	if err == nil {
		f.Asks = v.asksBefore(place.Name, &place)
	}
	if err != nil || len(f.Asks) > 0 && v.field("sure") == "" {
		return v.placeAgain(f, err, func(status int, f placeForm) error { return v.showPlaces(status, placesView{Form: f}) })
	}
	return v.storePlace(place, false, v.afterPlaces())
}

// changePlace gives a place other networks, another end, or both.
func (c *Console) changePlace(v *visit) error {
	old, err := v.findPlace(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	f := v.placeForm()
	f.Name = old.Name
	place, err := f.place(v, &old)
	if err == nil {
		f.Asks = v.asksBefore(place.Name, &place)
	}
	if err != nil || len(f.Asks) > 0 && v.field("sure") == "" {
		return v.placeAgain(f, err, func(status int, f placeForm) error { return v.showPlace(status, old, f, closeForm{}) })
	}
	return v.storePlace(place, true, v.path("/places"))
}

// placeAgain shows the form with what is wrong, or with what to know before.
func (v *visit) placeAgain(f placeForm, err error, show func(int, placeForm) error) error {
	if err == nil {
		return show(http.StatusConflict, f)
	}
	m := placeMistake(err)
	if m == nil {
		return err
	}
	f.Field, f.Wrong = m.field, m.text
	return show(http.StatusUnprocessableEntity, f)
}

func placeMistake(err error) *mistake {
	if m := mistakeIn(err); m != nil {
		return m
	}
	if noren.CodeOf(err) == noren.Invalid {
		return &mistake{field: "nets", text: noren.Text{Ja: "この場所は登録できません。広すぎる範囲（/16 より広い）や、100を超えるアドレスは使えません。", En: "This place cannot be stored: a network wider than a /16, or more than 100 addresses, is too much."}}
	}
	return nil
}

func (v *visit) placeForm() placeForm {
	return placeForm{Name: v.field("name"), Nets: v.field("nets"), For: v.field("for"), Until: v.field("until"), Reason: v.field("reason"), Once: newForm()}
}

// place reads the form; old is the place that is changed, nil for a new one.
func (f *placeForm) place(v *visit, old *gateway.NamedPlace) (p gateway.NamedPlace, err error) {
	p = gateway.NamedPlace{ID: noren.NewID(time.Now()), Site: v.site, Name: f.Name, Reason: noren.MaskCards(f.Reason), Author: v.author()}
	if err := gateway.ValidPlaceName(f.Name); err != nil {
		return p, wrong("name", "「本社」「自宅」のような名前にしてください（文字と数字、64文字まで）。", "Give it a name such as 本社 or Home: letters and digits, at most 64.")
	}
	if len(f.Reason) > 1500 {
		return p, wrong("reason", "理由は500文字までにしてください。", "Please keep the reason under 500 characters.")
	}
	if p.Networks, err = networksOf(f.Nets); err != nil {
		return p, err
	}
	if f.For == "same" && old != nil {
		p.Until = old.Until
		return p, nil
	}
	i := slices.IndexFunc(placeTerms(), func(t term) bool { return t.Value == f.For })
	if i < 0 {
		return p, wrong("for", "期間を選んでください。", "Please choose how long.")
	}
	if d := placeTerms()[i].For; d > 0 {
		p.Until = noren.At(time.Now().Add(d))
	}
	return p, nil
}

// maxNets bounds what is read of a form.
const maxNets = 100

// networksOf reads addresses and networks, one a line or with commas between. It
// is pure.
func networksOf(text string) (out []netip.Prefix, err error) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,、，\t\r\n　;", r) })
	if len(words) == 0 {
		return nil, wrong("nets", "アドレスを入れてください。", "Please give its address.")
	}
	if len(words) > maxNets {
		return nil, wrong("nets", "1つの場所に入れられるアドレスは100までです。", "A place has at most 100 addresses.")
	}
	for _, w := range words {
		p, err := gateway.ParsePrefix(w)
		if err != nil {
			return nil, wrong("nets", "「"+ui.Cut(ui.Plain(w))+"」はアドレスの形になっていません。203.0.113.7 か 203.0.113.0/28 のように書いてください。", "“"+ui.Cut(ui.Plain(w))+"” is no address. Write it like 203.0.113.7 or 203.0.113.0/28.")
		}
		if !strings.Contains(w, "/") {
			p = lineOf(p.Addr())
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// lineOf is the network of one line: an IPv4 address, or the /64 that a line has in
// IPv6, in which machines change their addresses daily.
func lineOf(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 32)
	}
	return netip.PrefixFrom(a, 64).Masked()
}

// asksBefore are what one should know before a place becomes as given: oneself shut
// out, nobody let in.
func (v *visit) asksBefore(name string, as *gateway.NamedPlace) (out []noren.Text) {
	g := v.c.o.Gate
	if g == nil {
		return nil
	}
	if v.from().IsValid() && !v.from().IsLoopback() {
		if t := g.ShutsOut(v.site, v.from(), name, as); t.Ja != "" {
			out = append(out, noren.Text{Ja: "いまあなたがいる場所は、" + t.Ja, En: "You would shut yourself out: " + t.En})
		}
	}
	before, used := v.c.o.Places.Find(v.site, name), false
	for _, r := range g.Rules(v.site) {
		if !r.Uses(name) || r.Mode != gateway.AccessOn || r.Allow == nil {
			continue
		}
		used = true
		if as == nil && onlyPlace(&r, name, v.c.o.Places.List(v.site)) {
			out = append(out, noren.Text{Ja: "規則「" + r.Name + "」が通すのは、この場所だけです。外すと、だれも入れなくなります。", En: "The rule " + r.Name + " lets in this place alone: without it nobody gets in."})
		}
	}
	if used && before != nil && v.from().IsLoopback() && len(out) == 0 && shrinks(before, as) {
		out = append(out, noren.Text{Ja: "この画面はこの機械の中から開かれているため、あなたが締め出されるかどうかを確かめられません。この場所から外れる人は、管理画面に入れなくなります。",
			En: "This page is open on the machine itself, so nobody can tell whether you shut yourself out. Whoever is no longer in the place cannot enter the admin."})
	}
	return out
}

// onlyPlace reports whether a rule lets nobody else in. It is pure.
func onlyPlace(r *gateway.AccessRule, name string, all []gateway.NamedPlace) bool {
	if len(r.Allow.Networks)+len(r.Allow.Countries)+len(r.Allow.ASNs) > 0 {
		return false
	}
	return !slices.ContainsFunc(all, func(p gateway.NamedPlace) bool {
		return p.Name != name && p.Live(time.Now()) && slices.Contains(r.Allow.Places, p.Name)
	})
}

// shrinks reports whether somebody who was in the place may not be any more.
func shrinks(before, as *gateway.NamedPlace) bool {
	if as == nil || !as.Until.IsZero() && (before.Until.IsZero() || as.Until.Before(before.Until.Time)) {
		return true
	}
	return slices.ContainsFunc(before.Networks, func(n netip.Prefix) bool {
		return !slices.ContainsFunc(as.Networks, func(m netip.Prefix) bool { return m.Bits() <= n.Bits() && m.Contains(n.Addr()) })
	})
}

// afterPlaces is the page that the form was on: 場所, or the guided set-up.
func (v *visit) afterPlaces() string {
	if v.field("to") == "setup" {
		return v.path("/setup/places")
	}
	return v.path("/places")
}

func (v *visit) storePlace(p gateway.NamedPlace, replace bool, to string) error {
	if v.again() {
		return v.redirect(to, "again")
	}
	made, replaced, err := v.c.o.Places.Set(v.r.Context(), p, replace)
	if m := placeMistake(err); err != nil && m != nil {
		return m
	}
	if err != nil {
		return err
	}
	v.c.setups.forget(v.site)
	id := v.undoPlace(made.ID, replaced)
	return v.redirect(to, "place", "undo", id)
}

func (v *visit) undoPlace(made, before string) string {
	return v.undoable(staff.Settings, func(ctx context.Context, by *visit) error {
		return by.c.o.Places.TakeBack(ctx, made, before, by.author(), by.words().T("元に戻した", "taken back"))
	})
}

// removePlace ends a place.
func (c *Console) removePlace(v *visit) error {
	p, err := v.findPlace(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	f := closeForm{Reason: v.field("reason")}
	reason, err := v.reason()
	if m := mistakeIn(err); m != nil {
		f.Wrong = m.text
		return v.showPlace(http.StatusUnprocessableEntity, p, placeForm{Name: p.Name, Nets: gateway.NetworksText(p.Networks), For: "same", Reason: p.Reason}, f)
	}
	if f.Asks = v.asksBefore(p.Name, nil); len(f.Asks) > 0 && v.field("sure") == "" {
		return v.showPlace(http.StatusConflict, p, placeForm{Name: p.Name, Nets: gateway.NetworksText(p.Networks), For: "same", Reason: p.Reason}, f)
	}
	if v.again() {
		return v.redirect(v.path("/places"), "again")
	}
	gone, err := c.o.Places.Remove(v.r.Context(), v.site, p.Name, v.author(), reason)
	if err != nil {
		return err
	}
	c.setups.forget(v.site)
	return v.redirect(v.path("/places"), "place-removed", "undo", v.undoPlace("", gone.ID))
}

// closeAdmin keeps the admin for the places there are.
func (c *Console) closeAdmin(v *visit) error {
	f := closeForm{Reason: v.field("reason"), Shadow: v.field("mode") == "shadow"}
	var names []string
	for _, p := range c.o.Places.List(v.site) {
		if p.Live(time.Now()) {
			names = append(names, p.Name)
		}
	}
	again := func(status int) error { return v.showPlaces(status, placesView{Close: f}) }
	reason, err := v.reason()
	switch m := mistakeIn(err); {
	case m != nil:
		f.Wrong = m.text
		return again(http.StatusUnprocessableEntity)
	case c.o.Gate == nil:
		return noren.Errorf(noren.Unavailable, "access rules cannot be changed here")
	case len(names) == 0:
		f.Wrong = noren.Text{Ja: "先に、本社や自宅などの場所を登録してください。", En: "Please name a place such as the office first."}
		return again(http.StatusUnprocessableEntity)
	}
	if f.Asks = v.asksClosing(names, f.Shadow); len(f.Asks) > 0 && v.field("sure") == "" {
		return again(http.StatusConflict)
	}
	if v.again() {
		return v.redirect(v.afterPlaces(), "again")
	}
	back, err := c.o.Gate.KeepAdmin(v.r.Context(), v.site, names, f.Shadow, v.author(), reason)
	if text, ok := noren.TextOf(err); ok {
		f.Wrong = text
		v.c.once.release(v.formID())
		return again(http.StatusConflict)
	}
	if err != nil {
		return err
	}
	c.setups.forget(v.site)
	id := v.undoable(staff.Settings, func(ctx context.Context, by *visit) error { return back(ctx, by.author()) })
	return v.redirect(v.afterPlaces(), "admin-kept", "undo", id)
}

func (v *visit) asksClosing(names []string, shadow bool) (out []noren.Text) {
	if shadow {
		return nil
	}
	if v.from().IsLoopback() {
		return []noren.Text{{Ja: "この画面はこの機械の中から開かれているため、あなたが締め出されるかどうかを確かめられません。ふだん管理画面を開く場所が、上の一覧にありますか。",
			En: "This page is open on the machine itself, so nobody can tell whether you shut yourself out. Is the place you open the admin from on the list above?"}}
	}
	if t := v.c.o.Gate.ClosesOn(v.site, v.from(), names); t.Ja != "" {
		out = append(out, noren.Text{Ja: "いまあなたがいる場所は、" + t.Ja, En: "You would shut yourself out: " + t.En})
	}
	return out
}
