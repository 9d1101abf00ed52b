package gateway

import (
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"noren"
)

// Can reports whether a site has what a switch needs. why says what is missing
// and what to do; of a switch that can be used it says what one should know
// before, or nothing.
func (e *Emergency) Can(site string, s Switch) (ok bool, why noren.Text) {
	sh := e.site(site)
	if sh == nil {
		return false, noren.Text{Ja: "そのようなお店は登録されていません", En: "there is no such site"}
	}
	preset, err := LookupPreset(sh.Preset)
	if err != nil {
		return false, noren.Text{Ja: "お店の種類（preset）がわかりません", En: "its preset is not known"}
	}
	switch s {
	case SwitchCard:
		return sh.canStopCards(preset)
	case SwitchLogin:
		if !sh.mapsZone(preset, noren.ZoneLogin) {
			return false, noren.Text{Ja: "このお店のどこでログインするのかわかりません。noren.yaml のこのお店に zones: {login: [\"POST /ログインのパス\"]} を書くと使えます", En: "where customers sign in is not known; name it in noren.yaml, at the site: zones: {login: [\"POST /path\"]}"}
		}
		return true, noren.Text{}
	case SwitchAdmin:
		if !sh.mapsZone(preset, noren.ZoneAdmin) {
			return false, noren.Text{Ja: "管理画面の場所がわかりません。noren.yaml のこのお店に admin_prefix を書くと使えます", En: "where the admin is is not known; name it in noren.yaml, at the site: admin_prefix"}
		}
		return true, e.whoEnters(site)
	case SwitchOverseas:
		if !e.o.Countries() {
			return false, noren.Text{Ja: "接続元の国を調べるデータがありません。noren.yaml の addresses: country: に国のファイル（MMDB）を書くと使えます（docs/operate/emergency.md）", En: "there is no data about countries; name a country file (MMDB) in noren.yaml under addresses: country: (docs/operate/emergency.md)"}
		}
		return true, noren.Text{Ja: "国がわからない接続元は、海外とみなさず通します", En: "an address whose country is not known is not foreign and passes"}
	}
	_, ok = s.info()
	return ok, noren.Text{}
}

func (s *Site) canStopCards(preset Preset) (bool, noren.Text) {
	m, err := s.cardMap(preset)
	switch {
	case err != nil || len(m.forms) == 0:
		return false, noren.Text{
			Ja: "このお店のカード決済がどの通信なのか、Noren にはわかりません。noren.yaml のこのお店に cards: {forms: [{path: \"POST /注文のパス\", field: [支払い方法の項目名], values: [カードを表す値]}]} を書くと使えます（docs/operate/emergency.md）",
			En: "what a card payment of this shop looks like is not known; name it in noren.yaml, at the site: cards: {forms: [{path: \"POST /order\", field: [payment], values: [card]}]} (docs/operate/emergency.md)",
		}
	case m.unnamed:
		return false, preset.Cards.Find
	}
	return true, noren.Text{
		Ja: "カードとみなす値: " + strings.Join(m.names(), "、") + "。お店に別の名前のカード決済があれば、cards: {values: […]} に足してください",
		En: "taken for a card: " + strings.Join(m.names(), ", ") + "; has the shop card payments of another name, add them to cards: {values: […]}",
	}
}

// names are what counts as a card, each once.
func (m *cardMap) names() (out []string) {
	seen := map[string]bool{}
	for _, f := range m.forms {
		words := f.values
		if len(f.fields) == 0 {
			words = []string{strings.TrimSpace(f.Path + " " + f.Call)}
		}
		for _, w := range words {
			if !seen[w] {
				seen[w], out = true, append(out, w)
			}
		}
	}
	return out
}

func (s *Site) mapsZone(preset Preset, z noren.Zone) bool {
	if len(preset.Zones[z])+len(s.Zones[z]) > 0 {
		return true
	}
	for _, apis := range [][]GraphQLMap{preset.GraphQL, s.GraphQL} {
		for _, a := range apis {
			if len(a.Zones[z]) > 0 {
				return true
			}
		}
	}
	return false
}

// whoEnters says who gets into a closed admin.
func (e *Emergency) whoEnters(site string) noren.Text {
	var names []string
	if e.o.Places != nil {
		for _, p := range e.o.Places.List(site) {
			if p.Live(e.o.Now()) {
				names = append(names, p.Name)
			}
		}
	}
	if len(names) == 0 {
		return noren.Text{
			Ja: "名前を付けた場所がまだありません。閉めると、許可リストの接続元と noren open で開けた方のほかは、どなたも入れません",
			En: "there is no named place yet: while it is closed, only the allow-list and who is let in by noren open can enter",
		}
	}
	return noren.Text{
		Ja: "閉めている間に入れるのは、" + strings.Join(names, "、") + "と、許可リストの接続元、noren open で開けた方だけです",
		En: "while it is closed these can enter: " + strings.Join(names, ", ") + ", the allow-list and who is let in by noren open",
	}
}

// Enters reports whether an address would get into a closed admin of a site, and
// by what: for who is about to close it, not to shut themselves out. Access rules
// are asked besides.
func (e *Emergency) Enters(site string, addr netip.Addr) (ok bool, by noren.Text) {
	now := e.o.Now()
	addr = addr.Unmap().WithZone("")
	if e.o.Lists != nil {
		if allow, _ := e.o.Lists.Check(site, addr, now); allow != nil {
			return true, noren.Text{Ja: "許可リスト（" + allow.What() + "）", En: "the allow-list (" + allow.What() + ")"}
		}
	}
	if place := e.o.Places.inAny(site, addr, now); place != "" {
		return true, noren.Text{Ja: "場所「" + place + "」", En: "the place " + place}
	}
	if o := e.o.Places.opened(site, noren.ZoneAdmin, addr, now); o != nil {
		return true, noren.Text{Ja: "非常開放（" + dayAndHour(o.Until.Time, "ja") + "まで）", En: "noren open, until " + dayAndHour(o.Until.Time, "en")}
	}
	return false, noren.Text{
		Ja: addr.String() + " は、許可リストにも名前を付けた場所にもありません。閉めると、ここからは管理画面に入れません",
		En: addr.String() + " is on no allow-list and in no named place: while the admin is closed it cannot be entered from there",
	}
}

// Preview writes the page that visitors see while a switch is on, in ja or en. To
// an http.ResponseWriter it also sets the headers of the page, without which a
// browser shows it without its style; the status is 200.
func (e *Emergency) Preview(w io.Writer, site string, s Switch, until noren.Time, lang string) error {
	sh := e.site(site)
	info, ok := s.info()
	switch {
	case sh == nil:
		return noren.Errorf(noren.NotFound, "there is no site %q", site)
	case !ok:
		return noren.Errorf(noren.Invalid, "switch %q is not %s", s, switchNames())
	}
	now := e.o.Now()
	st, method := e.previewOf(sh, info, until, now)
	st.ticket = previewTicket
	csp := e.pages.csp
	var page []byte
	var err error
	switch {
	case st.check:
		csp = e.pages.previewCSP()
		page, err = e.pages.checkPage(st, &checkForm{back: "/"}, sh, lang, now)
	default:
		if st.line {
			csp = e.pages.previewCSP()
		}
		page, err = e.pages.page(st, method, sh, lang, now)
	}
	if err != nil {
		return err
	}
	if rw, ok := w.(http.ResponseWriter); ok {
		h := rw.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Language", lang)
		h.Set("Content-Security-Policy", csp)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Length", strconv.Itoa(len(page)))
	}
	_, err = w.Write(page)
	return err
}

// previewTicket stands where a visitor's reference number would.
const previewTicket = "00000-00000"

func (e *Emergency) previewOf(sh *Site, info SwitchInfo, until noren.Time, now time.Time) (s *stop, method string) {
	on := &SwitchState{Switch: info.Switch, On: true, Until: until}
	switch info.Switch {
	case SwitchClosed:
		return &stop{cause: noren.CauseClosed, rule: ruleClosed, status: http.StatusServiceUnavailable, retry: closedFor(SiteMode{Until: until}, now), until: until.Time}, http.MethodGet
	case SwitchBusy:
		return &stop{cause: noren.CauseQueue, rule: ruleQueue, status: http.StatusServiceUnavailable, retry: 5 * time.Minute, line: true}, http.MethodGet
	case SwitchAttack:
		return &stop{cause: noren.CauseChallenge, rule: ruleAttack, status: http.StatusForbidden, check: true}, http.MethodGet
	case SwitchAdmin:
		s := stopOf(on, http.StatusForbidden, now)
		s.address = "192.0.2.1"
		return s, http.MethodGet
	case SwitchCard:
		s := stopOf(on, http.StatusServiceUnavailable, now)
		if preset, err := LookupPreset(sh.Preset); err == nil {
			if m, err := sh.cardMap(preset); err == nil && len(m.forms) > 0 {
				s.paused.back = m.forms[0].Back
			}
		}
		return s, http.MethodPost
	}
	return stopOf(on, http.StatusServiceUnavailable, now), http.MethodGet
}
