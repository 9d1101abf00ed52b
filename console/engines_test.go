package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db/dbtest"
	"noren/journal"
	"noren/staff"
)

// What pages read and acts write holds on both engines: the record and its search,
// lists, people, roles and their undo, and personal data laid open.
func TestConsoleOnBothEngines(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, at string) {
		w := openWorldAt(t, at)
		owner := w.owner()
		taro := w.as(staff.Grants{shopSite: staff.Worker})
		ev := noren.Event{ID: noren.NewID(time.Now()), Kind: noren.HTTPBlocked, At: noren.At(time.Now()), Site: shopSite, Zone: noren.ZoneSearch, Entities: noren.Entities{noren.EntityAddress: "203.0.113.77"},
			Payload: &noren.Blocked{Request: noren.Request{Path: "/search", Method: "GET"}, Cause: noren.CauseWAF, Status: 403, Ticket: "7K2QM-X4T9B"}}
		if _, err := w.journal.Append(t.Context(), noren.Entry{Event: ev, Decision: noren.Decision{EventID: ev.ID, Verdict: noren.Block}, Count: 1, Rule: "waf:942100"}); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"/s/shop/events?t=all", "/s/shop/events?q=203.0.113.77", "/s/shop/visitor?key=address&event=" + ev.ID} {
			owner.get(p).says(t, "203.0.113.•", "検索", ev.ID)
		}
		if got := owner.get("/s/shop/ticket?number=7k2qm+x4t9b"); got.status != http.StatusSeeOther || !strings.HasSuffix(got.header.Get("Location"), ev.ID) {
			t.Errorf("a reference number leads to %d %s", got.status, got.header.Get("Location"))
		}
		owner.get("/s/shop/events/"+ev.ID).says(t, "この方は、商品検索の画面に攻撃に似た文字列を送ったため、お断りしました。")
		for _, p := range []string{"/s/shop/", "/s/shop/measures", "/s/shop/proof", "/s/shop/notices", "/s/shop/digest", "/people", "/me", "/s/other/events"} {
			if got := owner.get(p); got.status != http.StatusOK {
				t.Errorf("%s: %d", p, got.status)
			}
		}
		e := w.banned(shopSite, "203.0.113.7")
		lifted := owner.post("/s/shop/stopped/"+e.ID+"/lift", "once", newForm(), "reason", "常連")
		undo := regexp.MustCompile(`undo=([A-Z0-9]+)`).FindStringSubmatch(lifted.header.Get("Location"))
		if undo == nil || w.isBanned("203.0.113.7") {
			t.Fatalf("lift: %d", lifted.status)
		}
		if owner.post("/s/shop/undo", "undo", undo[1], "to", "/s/shop/stopped"); !w.isBanned("203.0.113.7") {
			t.Error("the lift is not taken back")
		}
		owner.post("/people/role", "person", taro.person.ID, "site", shopSite, "role", "viewer")
		if got := taro.get("/s/shop/stopped/new"); got.status != http.StatusForbidden {
			t.Errorf("a viewer since a moment: %d", got.status)
		}
		if got := owner.post("/s/shop/reveal", "once", newForm(), "back", "/s/shop/events"); got.status != http.StatusSeeOther {
			t.Errorf("reveal: %d", got.status)
		}
		owner.get("/s/shop/events?t=all").says(t, "203.0.113.77")
		told := 0
		for _, err := range w.journal.Query(t.Context(), journal.Filter{Log: shopSite, Kinds: []noren.Kind{noren.StaffAction}}) {
			if err != nil {
				t.Fatal(err)
			}
			told++
		}
		if told == 0 {
			t.Error("nothing of what people did is on record")
		}
	})
}
