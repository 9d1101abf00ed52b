package gateway

import (
	"net/http"
	"time"

	"noren"
)

// emergency fills in the switches that are on, and what the address is to them.
func (e *Explanation) emergency(g *Gateway, sh *shop, now time.Time) {
	em := g.opts.Emergency
	if em == nil {
		return
	}
	for _, info := range Switches() {
		if st := em.on(sh.Name, info.Switch, now); st != nil {
			e.Emergency = append(e.Emergency, *st)
		}
	}
	if len(e.Emergency) == 0 {
		return
	}
	e.inside = len(e.Allow) > 0 || e.Opening != nil || g.opts.Places.inAny(sh.Name, e.Address, now) != ""
	if g.opts.Country != nil {
		e.country = g.opts.Country(e.Address)
	}
	e.shop = sh
}

// underSwitch is what a switch does to the request, before the mode and after it.
func (e *Explanation) underSwitch(beforeMode bool) *Would {
	for i := range e.Emergency {
		switch st := &e.Emergency[i]; {
		case beforeMode && st.Switch == SwitchAdmin && staffZone(e.Place.Zone) && !e.inside:
			return st.would(http.StatusForbidden, noren.Text{Ja: "管理画面は閉じられています", En: "The admin is closed"})
		case beforeMode && st.Switch == SwitchOverseas && abroad(e.country) && !e.inside && !spareOverseas(e.Place.Zone, e.Method, e.path):
			return st.would(http.StatusServiceUnavailable, noren.Text{
				Ja: "海外からのアクセスは止められています（" + e.country + "）。確認できた検索エンジンは通ります",
				En: "Visits from abroad are stopped (" + e.country + "); a verified search engine passes",
			})
		case !beforeMode && st.Switch == SwitchLogin && (signInZone(e.Place.Zone) || e.path != "" && e.shop.signsInAt(e.Method, e.path, e.query)):
			return st.would(http.StatusServiceUnavailable, noren.Text{Ja: "ログインと会員登録は止められています", En: "Sign-in and sign-up are stopped"})
		case !beforeMode && st.Switch == SwitchCard && e.Place.Zone == noren.ZoneCardAdd && !safeMethod(e.Method):
			return st.would(http.StatusServiceUnavailable, noren.Text{Ja: "カードの登録は止められています", En: "Adding cards is stopped"})
		}
	}
	return nil
}

func (s *SwitchState) would(status int, text noren.Text) *Would {
	if !s.Until.IsZero() {
		text = noren.Text{Ja: text.Ja + "（" + dayAndHour(s.Until.Time, "ja") + "まで）", En: text.En + ", until " + dayAndHour(s.Until.Time, "en")}
	}
	return &Would{Cause: noren.CauseEmergency, Rule: string(s.Switch), Status: status, Text: text}
}

// cardsStop says of a form that takes cards that those are stopped there, which
// only the content of the request tells.
func (e *Explanation) cardsStop() bool {
	for i := range e.Emergency {
		if e.Emergency[i].Switch == SwitchCard && e.path != "" {
			return e.shop.cards.near(e.Method, e.path, e.query)
		}
	}
	return false
}

// near reports whether a request goes to a form by which one may pay by card.
func (m *cardMap) near(method, path, query string) bool {
	r := &cardRequest{method: method, path: path, query: query}
	for i := range m.forms {
		if !safeMethod(method) && m.at(&m.forms[i], r) {
			return true
		}
	}
	return false
}
