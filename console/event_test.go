package console

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/staff"
)

// appCode is what an authenticator app shows now (RFC 6238).
func appCode(t *testing.T, secret string) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[19]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// hostileValues are what attackers put into fields.
var hostileValues = []string{"<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "\u202egnp.exe\u0000\u001b[31m", "=cmd|' /C calc'!A0", strings.Repeat("長", 60), "{{.}} %s %d", "javascript:alert(1)"}

// filled is a payload of a kind with x in every text.
func filled(k noren.KindInfo, x string) noren.Payload {
	p := k.NewPayload()
	fillWith(reflect.ValueOf(p).Elem(), x)
	return p
}

func fillWith(v reflect.Value, x string) {
	switch y := v.Addr().Interface().(type) {
	case *noren.Money:
		*y = noren.Yen(12800)
		return
	case *noren.Time:
		*y = noren.At(time.Now())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Name == "Last4" {
				v.Field(i).SetString("4242")
				continue
			}
			fillWith(v.Field(i), x)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillWith(v.Elem(), x)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fillWith(v.Index(i), x)
		}
	case reflect.String:
		v.SetString(x)
	case reflect.Int, reflect.Int64:
		v.SetInt(942100)
	case reflect.Bool:
		v.SetBool(true)
	}
}

// entryOf is an entry of a kind with x wherever somebody from outside can write.
func entryOf(site string, k noren.KindInfo, x string, at time.Time) noren.Entry {
	return noren.Entry{
		Event: noren.Event{Kind: k.Kind, At: noren.At(at), Site: site, Zone: noren.ZoneCheckout, Payload: filled(k, x),
			Entities: noren.Entities{noren.EntityAddress: "203.0.113.77", noren.EntityAccount: "hanako" + firstRunes(x, 20) + "@customer.example", noren.EntityDevice: "20000-ABCDEFGHJKMNPQ", noren.EntitySession: "0123456789abcdef0123", noren.EntityOrder: "ORDER-778899"}},
		Facts: noren.Facts{"address.country": x, "request.query": x, "entity.account": "hanako@customer.example", "gone.fact": int64(3)},
		Decision: noren.Decision{Verdict: noren.Block, Policies: "v1", Reasons: []noren.Reason{{Policy: x, Verdict: noren.Block, Text: noren.Text{Ja: x, En: x}}}, Shadow: []noren.Reason{{Policy: x, Verdict: noren.Hold, Text: noren.Text{Ja: x}}},
			Actions: []noren.Action{{ID: "a", Kind: noren.ActBan, Site: site, Entity: noren.EntityAddress, Target: "203.0.113.77", Until: noren.At(at.Add(time.Hour)), Expires: noren.At(at.Add(time.Hour)), Policy: x, Reason: noren.Text{Ja: x}}}},
		Rule: "waf:942100",
	}
}

func TestEveryKindIsTold(t *testing.T) {
	tell := &teller{people: people{}, where: func(netip.Addr) (string, string) { return "JP", "さくら" }}
	for _, k := range noren.Kinds() {
		empty := noren.Entry{Event: noren.Event{Kind: k.Kind}, Count: 1}
		for name, e := range map[string]noren.Entry{"empty": empty, "with a nil payload": {Event: noren.Event{Kind: k.Kind, Payload: k.NewPayload()}, Count: 1}, "hostile": entryOf("s", k, hostileValues[2], time.Now())} {
			got := tell.tell(&e, false)
			if got.Ja == "" || got.En == "" || strings.Contains(got.Ja+got.En, "%!") || strings.ContainsAny(got.Ja, "\u202e\u0000\u001b") {
				t.Errorf("%s %s is told as %q", k.Kind, name, got)
			}
			if len([]rune(got.Ja)) > 400 {
				t.Errorf("%s %s takes %d characters", k.Kind, name, len([]rune(got.Ja)))
			}
			if strings.Contains(got.Ja+got.En, "203.0.113.77") || strings.Contains(got.Ja+got.En, "hanako") {
				t.Errorf("%s tells who it was: %q", k.Kind, got)
			}
		}
		if got := tell.tell(&empty, true); !strings.Contains(got.Ja, "消去済み") {
			t.Errorf("%s of somebody erased is told as %q", k.Kind, got)
		}
	}
	if got := tell.tell(&noren.Entry{Event: noren.Event{Kind: "coffee.spilled"}, Count: 1}, false); !strings.Contains(got.Ja, "coffee.spilled") {
		t.Errorf("an unknown kind is told as %q", got)
	}
}

func TestTold(t *testing.T) {
	tell := &teller{people: people{"P1": "店主 花子"}, where: func(netip.Addr) (string, string) { return "JP", "さくら" }}
	at := noren.Entities{noren.EntityAddress: "203.0.113.77"}
	blocked := func(c noren.Cause, more ...func(*noren.Blocked)) noren.Payload {
		b := &noren.Blocked{Cause: c, Request: noren.Request{Path: "/search"}}
		for _, f := range more {
			f(b)
		}
		return b
	}
	for _, c := range []struct {
		kind noren.Kind
		p    noren.Payload
		v    noren.Verdict
		ja   string
	}{
		{noren.HTTPBlocked, blocked(noren.CauseWAF), noren.Block, "203.0.113.•（JP・さくら） からの『攻撃の文字列』を含む通信を止めました（/search）"},
		{noren.HTTPBlocked, blocked(noren.CauseWAF, func(b *noren.Blocked) { b.Hits = []noren.Hit{{Rule: 942100}} }), noren.Block, "203.0.113.•（JP・さくら） からの『データベースをあやつる仕掛け（SQLインジェクション）』を含む通信を止めました（/search）"},
		{noren.HTTPBlocked, blocked(noren.CauseBan), noren.Block, "遮断中の相手 203.0.113.•（JP・さくら） からの通信を止めました（/search）"},
		{noren.HTTPBlocked, blocked(noren.CauseLimit, func(b *noren.Blocked) { b.Step = "check" }), noren.Limit, "操作が速いので、203.0.113.•（JP・さくら） に確認のページをお見せしました（/search）"},
		{noren.HTTPBlocked, blocked("new"), noren.Block, "203.0.113.•（JP・さくら） からの通信を止めました（/search、理由: new）"},
		{noren.HTTPRequest, &noren.Request{Path: "/cart"}, noren.Challenge, "203.0.113.•（JP・さくら） が「カート」に来ました（/cart） → 確認した"},
		{noren.LoginOutcome, &noren.LoginResult{User: "hanako@shop.example", Cause: "wrong_password"}, noren.Allow, "h•••@shop.example さんのログインは失敗しました（パスワード違い、203.0.113.•（JP・さくら））"},
		{noren.OrderPlaced, &noren.Order{Number: "1", Total: noren.Yen(12800), Method: "konbini"}, noren.Hold, "ご注文をお受けしました: ¥12,800（コンビニ、203.0.113.•（JP・さくら）） → 保留"},
		{noren.StaffAction, &noren.Operation{Action: actReveal}, noren.Allow, "スタッフ が個人情報を表示しました"},
		{noren.BanChange, &noren.BanEntry{List: "ban", Op: "lift", Prefix: "203.0.113.77/32", Author: "staff:P1", Reason: "電話 03-1234-5678"}, noren.Allow, "「遮断」解除しました: 203.0.113.•（店主 花子）。理由: 電話 •••"},
		{noren.UpstreamChange, &noren.ServerState{Server: "s1", Before: "up", State: "down", Up: 1, Of: 2}, noren.Allow, "お店のサーバー s1: 正常 → 停止（2台のうち1台が動いています）"},
	} {
		ev := noren.Event{Kind: c.kind, Zone: noren.ZoneCart, Entities: at, Payload: c.p}
		if got := tell.tell(&noren.Entry{Event: ev, Count: 1, Decision: noren.Decision{Verdict: c.v}}, false); got.Ja != c.ja {
			t.Errorf("%s is told as\n%q, want\n%q", c.kind, got.Ja, c.ja)
		}
	}
	many := noren.Entry{Event: noren.Event{Kind: noren.HTTPBlocked, Entities: at}, Count: 1204, Part: noren.PartCounted, Rule: "limit:login"}
	if got := tell.tell(&many, false).En; got != "1,204 more like it from 203.0.113.• (JP, さくら), recorded together: A request stopped at the gateway: too fast" {
		t.Errorf("many are told as %q", got)
	}
}

func TestMask(t *testing.T) {
	var m mask
	for _, c := range [][3]string{
		{"address", "203.0.113.77", "203.0.113.•"}, {"address", "2001:db8:1:2::9", "2001:db8:1::•"}, {"address", "::ffff:203.0.113.77", "203.0.113.•"}, {"address", "not one", "n•••"},
		{"address", "203.0.113.0/24", "203.0.113.0/24"}, {"address", "203.0.113.77/32", "203.0.113.•"}, {"address", "2001:db8:1:2::/64", "2001:db8:1::•"},
		{"account", "hanako@shop.example", "h•••@shop.example"}, {"account", "花子", "花•••"}, {"account", "", ""}, {"phone", "090-1234-5678", "0•••"}, {"session", "0123456789", "012345…"}, {"card", "tok_123", "t•••"},
	} {
		if got := m.entity(c[0], c[1]); got != c[2] {
			t.Errorf("%s %q is masked as %q, want %q", c[0], c[1], got, c[2])
		}
	}
	for _, c := range [][2]string{
		{"/mypage/hanako@shop.example/x", "/mypage/h•••@shop.example/x"}, {"call 090-1234-5678 now", "call ••• now"}, {"from 203.0.113.77:80", "from 203.0.113.•:80"}, {"/a/hanako%40shop.example", "/a/h•••@shop.example"}, {"1.2.3", "1.2.3"}, {"plain", "plain"},
	} {
		if got := m.text(c[0]); got != c[1] {
			t.Errorf("text %q is masked as %q, want %q", c[0], got, c[1])
		}
	}
	if got := m.query("q=花子&mail=a@b.jp&word"); got != "q=•••&mail=•••&•••" {
		t.Errorf("query is masked as %q", got)
	}
}

func TestKeyOf(t *testing.T) {
	for _, c := range []struct{ field, typed, want, value string }{
		{"", " 203.0.113.7 ", "address", "203.0.113.7"}, {"", "２０３．０．１１３．７", "address", "203.0.113.7"}, {"", "203.0.113.7:443", "address", "203.0.113.7"}, {"", "[2001:db8::1]", "address", "2001:db8::1"},
		{"", "203.0.113.0/24", "net", "203.0.113.0/24"}, {"", "203.0.113.•", "net", "203.0.113.0/24"}, {"", "203.0.113.*", "net", "203.0.113.0/24"}, {"", "2001:db8:1::•", "net", "2001:db8:1::/48"},
		{"", "7k2qm-x4t9a", "ticket", "7K2QM-X4T9A"}, {"", "7K2QMX4T9A", "ticket", "7K2QM-X4T9A"}, {"", "7K2QM X4T9O", "ticket", "7K2QM-X4T90"}, {"", "hanako1234", "account", "hanako1234"},
		{"", "hanako@shop.example", "account", "hanako@shop.example"}, {"", "#1204", "no", "1204"}, {"", "20000-ABCDEFGHJKMNPQ", "device", "20000-ABCDEFGHJKMNPQ"}, {"", "0123456789abcdef0123", "session", "0123456789abcdef0123"},
		{"", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "id", "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, {"order", "1234", "order", "1234"}, {"net", "203.0.113.7", "net", "203.0.113.0/24"}, {"", "", "", ""},
		{"address", "x", "", "wrong"}, {"net", "10.0.0.0/8", "", "wrong"}, {"ticket", "x", "", "wrong"}, {"no", "x", "", "wrong"},
	} {
		k, err := keyOf(c.field, c.typed)
		if c.value == "wrong" {
			if mistakeIn(err) == nil {
				t.Errorf("%q as %q is taken for %v", c.typed, c.field, k)
			}
			continue
		}
		if err != nil || k.Field != c.want || k.Value != c.value {
			t.Errorf("%q as %q is %v, %v; want %s %s", c.typed, c.field, k, err, c.want, c.value)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("q=203.0.113.7&t=7d")
	f.Add("since=2026-03-01&until=2026-03-02&kind=http.blocked")
	f.Add("q=%E2%80%AE&key=net")
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		a, err := readFilter(q, now)
		if err != nil {
			if mistakeIn(err) == nil {
				t.Fatalf("%q: %v is no mistake in words", raw, err)
			}
			return
		}
		b, err := readFilter(a.values(), now)
		if err != nil {
			t.Fatalf("%q gives an address that cannot be read: %v", raw, err)
		}
		if a.Cursor, b.Cursor = "", ""; !reflect.DeepEqual(a, b) {
			t.Fatalf("%q does not come back:\n%+v\n%+v", raw, a, b)
		}
	})
}

func TestFilterTimes(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for raw, want := range map[string][2]string{
		"":      {"2026-11-20T12:00:00Z", ""},
		"t=1h":  {"2026-11-27T11:00:00Z", ""},
		"t=all": {"", ""}, "q=203.0.113.7": {"", ""},
		"since=2026-03-01&until=2026-03-01":                                  {"2026-02-28T15:00:00Z", "2026-03-01T15:00:00Z"},
		"since=2026-03-01T10:00&until=2026-03-01T10:59&t=7d":                 {"2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"},
		"t=24h&since=2026-03-01T10:00&since0=2026-03-01T10:00":               {"2026-11-26T12:00:00Z", ""},
		"t=custom&since=2026-03-01T10:00&since0=2026-03-01T10:00&until=":     {"2026-03-01T01:00:00Z", ""},
		"t=7d&since=2026-03-02T10:00&since0=2026-03-01T10:00&until0=&until=": {"2026-03-02T01:00:00Z", ""},
	} {
		q, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		f, err := readFilter(q, now)
		text := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return at.UTC().Format(time.RFC3339)
		}
		if err != nil || text(f.Since) != want[0] || text(f.Until) != want[1] {
			t.Errorf("%q is from %s to %s, %v; want %q", raw, text(f.Since), text(f.Until), err, want)
		}
	}
	for _, raw := range []string{"since=2026-03-02&until=2026-03-01", "since=yesterday", "t=9y", "kind=coffee", "zone=x", "verdict=maybe", "key=shoe", "since=9999-01-01", "q=" + strings.Repeat("x", 700)} {
		q, _ := url.ParseQuery(raw)
		if _, err := readFilter(q, now); mistakeIn(err) == nil {
			t.Errorf("%.40q is taken: %v", raw, err)
		}
	}
}

func TestSafeCell(t *testing.T) {
	for _, s := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "＝1"} {
		if got := safeCell(s); got != "'"+s {
			t.Errorf("%q stays %q", s, got)
		}
	}
	for _, s := range []string{"", "a=b", "日本"} {
		if got := safeCell(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

// populate writes every kind with every hostile value into the first shop.
func (w *eventWorld) populate() (ids []string) {
	w.Helper()
	at := time.Now().Add(-time.Hour)
	for _, x := range hostileValues {
		for _, k := range noren.Kinds() {
			at = at.Add(time.Second)
			e := entryOf(shopA, k, x, at)
			if p, ok := e.Event.Payload.(*noren.Blocked); ok {
				p.Ticket, p.Cause = "7K2QM-00000", noren.CauseBan
			}
			ids = append(ids, w.add(e))
		}
	}
	return ids
}

// personal is what nobody may read who did not ask.
var personal = []string{"203.0.113.77", "hanako", "ORDER-778899", "0123456789abcdef0123", "20000-ABCDEFGHJKMNPQ"}

func TestEventPagesHoldAgainstHostileValues(t *testing.T) {
	w := openEventWorld(t)
	ids := w.populate()
	pages := []string{"/events", "/events?t=all&kind=http.blocked", "/events?words=gnp", "/events?q=203.0.113.77", "/visitor?key=address&event=" + ids[1], "/glossary", "/ticket?number=%3Cscript%3E", "/"}
	for _, id := range ids {
		pages = append(pages, "/events/"+id)
	}
	pages = append(pages, "/events/"+ids[1]+"/why", "/events/"+ids[0]+"/try", "/events/"+ids[0]+"/try?version=mild")
	for _, p := range pages {
		got := w.get(staff.Viewer, "/s/"+shopA+p)
		if got.Code != 200 {
			t.Errorf("%s answers %d: %.300s", p, got.Code, got.Body)
		}
		for _, bad := range []string{"<script>alert", "<img src=x", "\u202e", "href=\"javascript:", "%!", "ZgotmplZ", "さくら<b>"} {
			if strings.Contains(got.Body, bad) {
				t.Errorf("%s holds %q: …%s…", p, bad, nearby(got.Body, bad))
			}
		}
		for _, who := range personal {
			if strings.Contains(strings.ReplaceAll(got.Body, `value="203.0.113.77"`, ""), who) && !strings.Contains(p, "q=") {
				t.Errorf("%s shows a viewer %q: …%s…", p, who, nearby(got.Body, who))
			}
		}
	}
}

func nearby(s, part string) string {
	i := strings.Index(s, part)
	return s[max(0, i-150):min(len(s), i+len(part)+80)]
}

func TestEventsOfAnotherShopAreNotThere(t *testing.T) {
	w := openEventWorld(t)
	other := w.add(entryOf(shopB, noren.Kinds()[1], "secret of b", time.Now()))
	mine := w.add(entryOf(shopA, noren.Kinds()[1], "x", time.Now()))
	for _, p := range []string{"/events/" + other, "/events/" + other + "/why", "/events/" + other + "/try", "/visitor?key=address&event=" + other, "/events/" + other + "/free", "/events/" + strings.Repeat("A", 300)} {
		if got := w.get(staff.Owner, "/s/"+shopA+p); got.Code != 404 || strings.Contains(got.Body, "secret of b") {
			t.Errorf("%s of the other shop answers %d", p, got.Code)
		}
	}
	for _, p := range []string{"/events/" + other + "/free", "/events/" + other + "/ban", "/events/" + other + "/lift"} {
		if got := w.post(staff.Owner, "/s/"+shopA+p, "reason", "x"); got.Code != 404 {
			t.Errorf("POST %s of the other shop answers %d", p, got.Code)
		}
	}
	for _, p := range []string{"/events", "/events/" + other, "/events.csv", "/visitor", "/ticket", "/glossary"} {
		if got := w.get(staff.Worker, "/s/"+shopB+p); got.Code != 404 {
			t.Errorf("somebody without a role at the other shop gets %d for %s", got.Code, p)
		}
	}
	if got := w.get(staff.Owner, "/s/"+shopB+"/ticket?number=7K2QM-X4T9A"); strings.Contains(got.Body, "198.51.100") {
		t.Error("the other shop's line of the access log is shown")
	}
	for role, want := range map[staff.Role]int{staff.Viewer: 403, staff.Worker: 200} {
		if got := w.get(role, "/s/"+shopA+"/events/"+mine+"/ban"); got.Code != want {
			t.Errorf("%s may look at banning: %d, want %d", role, got.Code, want)
		}
	}
}

func TestReveal(t *testing.T) {
	w := openEventWorld(t)
	id := w.add(entryOf(shopA, noren.Kinds()[1], "x", time.Now()))
	page := "/s/" + shopA + "/events/" + id
	if got := w.post(staff.Viewer, "/s/"+shopA+"/reveal", "back", page); got.Code != 403 {
		t.Errorf("a viewer reveals: %d", got.Code)
	}
	w.away = true
	if got := w.post(staff.Worker, "/s/"+shopA+"/reveal", "back", page); got.Code != 503 {
		t.Errorf("without the record it answers %d", got.Code)
	}
	w.away = false
	if strings.Contains(w.get(staff.Worker, page).Body, "203.0.113.77") {
		t.Fatal("personal data is shown although nothing was recorded")
	}
	if got := w.post(staff.Worker, "/s/"+shopA+"/reveal", "back", page+"?q=hanako", "reason", "お電話の件"); got.Code != 303 || !strings.HasPrefix(got.To, page) {
		t.Fatalf("revealing answers %d to %q", got.Code, got.To)
	}
	if got := w.get(staff.Worker, page).Body; !strings.Contains(got, "203.0.113.77") || !strings.Contains(got, "hanako") {
		t.Error("personal data is not shown to who asked for it")
	}
	for _, other := range []staff.Role{staff.Owner, staff.Viewer} {
		if strings.Contains(w.get(other, page).Body, "203.0.113.77") {
			t.Errorf("%s sees what a colleague asked for", other)
		}
	}
	i := slices.IndexFunc(w.seen, func(ev noren.Event) bool {
		p, ok := ev.Payload.(*noren.Operation)
		return ok && p.Action == actReveal && p.Object == page && p.Reason == "お電話の件"
	})
	if i < 0 {
		t.Error("the asking is not in the record, or names whom somebody looked for")
	}
	w.post(staff.Worker, "/s/"+shopA+"/conceal", "back", page)
	if strings.Contains(w.get(staff.Worker, page).Body, "203.0.113.77") {
		t.Error("hidden again, personal data is still shown")
	}
}

func TestRevealedEnds(t *testing.T) {
	r, now := newRevealed(), time.Now()
	r.open("s", "a", now)
	if r.end("s", "a", now.Add(revealedFor-time.Second)).IsZero() || !r.end("s", "a", now.Add(revealedFor)).IsZero() || !r.end("s", "b", now).IsZero() || !r.end("t", "a", now).IsZero() {
		t.Error("what one session laid open at one site is not that alone, for ten minutes")
	}
	for i := range 3 * revealedMost {
		r.open(fmt.Sprint(i), "a", now)
	}
	if len(r.until) > revealedMost {
		t.Errorf("%d are remembered", len(r.until))
	}
}

func TestFreeAndBan(t *testing.T) {
	w := openEventWorld(t)
	e := entryOf(shopA, noren.Kinds()[1], "x", time.Now())
	e.Event.Payload.(*noren.Blocked).Cause = noren.CauseWAF
	id := w.add(e)
	page := "/s/" + shopA + "/events/" + id
	addr := netip.MustParseAddr("203.0.113.77")
	if got := w.post(staff.Worker, page+"/ban", "for", "1h", "reason", " "); got.Code != 422 || !strings.Contains(got.Body, "理由を書いて") {
		t.Errorf("banning without a reason answers %d", got.Code)
	}
	if got := w.post(staff.Worker, page+"/ban", "for", "1h", "reason", "いたずら"); got.Code != 303 {
		t.Fatalf("banning answers %d: %s", got.Code, got.Body)
	}
	if _, ban := w.lists.Check(shopA, addr, time.Now()); ban == nil || ban.Until.IsZero() {
		t.Fatalf("not banned: %v", ban)
	}
	if got := w.get(staff.Worker, page).Body; !strings.Contains(got, "いたずら") || strings.Contains(got, "203.0.113.77") {
		t.Error("the event does not say what is in force, or says too much")
	}
	if got := w.get(staff.Worker, page+"/free").Body; !strings.Contains(got, "その検査は、通すようにした方にも続けます") {
		t.Error("freeing somebody whom the firewall stopped promises too much")
	}
	once := newForm()
	for range 2 { // a double click
		if got := w.post(staff.Worker, page+"/free", "for", "24h", "reason", "お客様でした", "once", once); got.Code != 303 {
			t.Fatalf("freeing answers %d: %s", got.Code, got.Body)
		}
	}
	if allow, ban := w.lists.Check(shopA, addr, time.Now()); allow == nil || ban != nil {
		t.Errorf("after freeing: allowed %v, banned %v", allow, ban)
	}
	entries := w.lists.List(shopA)
	if len(entries) != 1 || entries[0].Author != "staff:"+w.person(staff.Worker) {
		t.Fatalf("the lists hold %+v", entries)
	}
	if got := w.post(staff.Viewer, page+"/lift", "entry", entries[0].ID); got.Code != 403 {
		t.Errorf("a viewer lifts: %d", got.Code)
	}
	if got := w.post(staff.Worker, page+"/lift", "entry", "nonsense"); got.Code != 404 {
		t.Errorf("lifting nonsense answers %d", got.Code)
	}
	w.post(staff.Worker, page+"/lift", "entry", entries[0].ID)
	if got := w.lists.List(shopA); len(got) != 0 {
		t.Errorf("after lifting the lists hold %+v", got)
	}

	own := entryOf(shopA, noren.Kinds()[1], "x", time.Now())
	own.Event.Entities = noren.Entities{noren.EntityAddress: "127.0.0.1"}
	if got := w.post(staff.Worker, "/s/"+shopA+"/events/"+w.add(own)+"/ban", "reason", "x"); got.Code != 422 || !strings.Contains(got.Body, "あなた自身") || len(w.lists.List(shopA)) != 0 {
		t.Errorf("somebody shuts themselves out: %d", got.Code)
	}
}

func (w *eventWorld) person(r staff.Role) string {
	w.Helper()
	x, err := w.c.o.Staff.Session(w.Context(), w.tok[r])
	w.must(err)
	return x.Person.ID
}

func TestSessionIsFreed(t *testing.T) {
	w := openEventWorld(t)
	e := entryOf(shopA, noren.Kinds()[1], "x", time.Now())
	e.Event.Entities = noren.Entities{noren.EntitySession: strings.Repeat("ab", 16)}
	id := w.add(e)
	w.must(w.lists.Act(w.Context(), noren.Action{ID: "b1", Kind: noren.ActBan, Site: shopA, Entity: noren.EntitySession, Target: strings.Repeat("ab", 16), Until: noren.At(time.Now().Add(time.Hour)), Expires: noren.At(time.Now().Add(time.Hour)), Policy: "p"}))
	if len(w.lists.List(shopA)) != 1 {
		t.Fatal("the session is not banned")
	}
	if got := w.post(staff.Owner, "/s/"+shopA+"/events/"+id+"/free", "reason", "x"); got.Code != 303 || len(w.lists.List(shopA)) != 0 {
		t.Errorf("freeing a session answers %d and leaves %v", got.Code, w.lists.List(shopA))
	}
}

func TestTicket(t *testing.T) {
	w := openEventWorld(t)
	e := entryOf(shopA, noren.Kinds()[1], "x", time.Now())
	e.Event.Payload.(*noren.Blocked).Ticket = "9Z2QM-X4T9A"
	id := w.add(e)
	for number, want := range map[string]string{"9Z2QM-X4T9A": id, "9z2qm x4t9a": id, "７Ｋ２ＱＭ": "受付番号の形ではありません", "AAAAA-AAAAA": "見つかりません", "7K2QM-X4T9A": "速すぎる通信", "8K2QM-X4T9A": "見つかりません", "": "そこに出ている番号"} {
		got := w.get(staff.Viewer, "/s/"+shopA+"/ticket?number="+url.QueryEscape(number))
		if !strings.Contains(got.Body+got.To, want) {
			t.Errorf("%q: %d to %q, want %q in it", number, got.Code, got.To, want)
		}
		if strings.Contains(got.Body, "198.51.100.44") {
			t.Errorf("%q shows an address", number)
		}
	}
}

func TestEventsCSV(t *testing.T) {
	w := openEventWorld(t)
	w.populate()
	got := w.get(staff.Viewer, "/s/"+shopA+"/events.csv?t=all")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(got.Body, "\ufeff"))).ReadAll()
	if err != nil || len(rows) < len(hostileValues)*len(noren.Kinds()) {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		for _, cell := range r {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a formula: %q", cell)
			}
			for _, who := range personal {
				if strings.Contains(cell, who) {
					t.Errorf("a viewer's file says %q", cell)
				}
			}
		}
	}
	if got := w.get(staff.Viewer, "/s/"+shopA+"/events.csv?t=nonsense"); got.Code != 422 {
		t.Errorf("a wrong filter answers %d", got.Code)
	}
	w.post(staff.Worker, "/s/"+shopA+"/reveal")
	if got := w.get(staff.Worker, "/s/"+shopA+"/events.csv?t=all"); !strings.Contains(got.Body, "203.0.113.77") {
		t.Error("the file of somebody who asked holds no address")
	}
	if !slices.ContainsFunc(w.seen, func(ev noren.Event) bool {
		p, ok := ev.Payload.(*noren.Operation)
		return ok && p.Action == actExport && p.Records > 100
	}) {
		t.Error("taking personal data out is not in the record")
	}
}

func TestEventLists(t *testing.T) {
	w := openEventWorld(t)
	ids := w.populate()
	list := "/s/" + shopA + "/events"
	first := w.get(staff.Owner, list)
	next := hrefOf(first.Body, `rel="next" href="`)
	if next == "" || strings.Count(first.Body, `class="says"`) != 50 {
		t.Fatalf("%d rows and %q behind them", strings.Count(first.Body, `class="says"`), next)
	}
	second := w.get(staff.Owner, list+next)
	if prev := hrefOf(second.Body, `rel="prev" href="`); prev == "" || rowsOf(w.get(staff.Owner, list+prev).Body) != rowsOf(first.Body) {
		t.Error("going on and back does not lead to the same page")
	}
	for query, want := range map[string]string{
		"?t=1h&kind=order.placed": "ご注文", "?q=203.0.113.77": "IPアドレス", "?q=nobody@x.example": "当てはまるできごとはありません", "?t=all&zone=admin": "当てはまるできごとはありません",
		"?words=gnp.exe": "最後まで見ました", "?words=" + url.QueryEscape("ありえない言葉"): "最後まで見ました", "?t=nonsense": "その期間はありません", "?cursor=zzz": "このままでは受け付けられません", "?kind=http.blocked": "棒を選ぶと",
	} {
		if got := w.get(staff.Owner, list+query); !strings.Contains(got.Body, want) {
			t.Errorf("%s answers %d without %q", query, got.Code, want)
		}
	}
	if got := w.get(staff.Owner, list+"?q="+ids[3]); got.To != list+"/"+ids[3] {
		t.Errorf("an id leads to %q", got.To)
	}
	if got := w.get(staff.Owner, list+"?q=%230"); !strings.HasPrefix(got.To, list+"/") {
		t.Errorf("an entry's number leads to %q", got.To)
	}
	got := w.get(staff.Owner, "/s/"+shopA+"/visitor?key=address&value=203.0.113.77")
	if got.Code != 303 || strings.Contains(got.To, "203.0.113.77") {
		t.Errorf("a typed address leads to %q", got.To)
	}
	if story := w.get(staff.Owner, got.To); !strings.Contains(story.Body, "いっしょに見られたもの") || strings.Contains(story.Body, "203.0.113.77") {
		t.Errorf("the story answers %d", story.Code)
	}
}

func hrefOf(body, before string) string {
	_, rest, ok := strings.Cut(body, before)
	if !ok {
		return ""
	}
	href, _, _ := strings.Cut(rest, `"`)
	return strings.ReplaceAll(href, "&amp;", "&")
}

func rowsOf(body string) string {
	_, rest, _ := strings.Cut(body, "<tbody>")
	rows, _, _ := strings.Cut(rest, "</tbody>")
	return rows
}

func TestTryOtherPolicies(t *testing.T) {
	w := openEventWorld(t)
	e := noren.Entry{Event: noren.Event{Kind: noren.HTTPRequest, Site: shopA, Zone: noren.ZoneStorefront, Payload: &noren.Request{Path: "/.env", Probe: noren.ProbeScan}, Entities: noren.Entities{noren.EntityAddress: "203.0.113.77"}},
		Decision: noren.Decision{Verdict: noren.Block, Reasons: []noren.Reason{{Policy: "no-scan", Verdict: noren.Block, Text: noren.Text{Ja: "探っている", En: "scanning"}}}}}
	page := "/s/" + shopA + "/events/" + w.add(e) + "/try"
	for query, want := range map[string]string{"?version=": "同じ判断になります", "?version=mild": "ちがう判断になります", "?version=gone": "いまは使えません", "": "どの方針で"} {
		if got := w.get(staff.Viewer, page+query); !strings.Contains(got.Body, want) {
			t.Errorf("%q answers %d without %q", query, got.Code, want)
		}
	}
}

func TestErasedAndUnreadable(t *testing.T) {
	w := openEventWorld(t)
	id := w.add(entryOf(shopA, noren.Kinds()[1], "x", time.Now()))
	broken := w.add(entryOf(shopA, noren.Kinds()[2], "y", time.Now()))
	_, err := w.vault.Erase(w.Context(), shopA, noren.Subject{Kind: noren.EntityAccount, ID: "hanakox@customer.example"}, "test")
	w.must(err)
	got := w.get(staff.Owner, "/s/"+shopA+"/events/"+id)
	if got.Code != 200 || !strings.Contains(got.Body, "消去済み") {
		t.Errorf("an erased person's event answers %d", got.Code)
	}
	if got := w.get(staff.Owner, "/s/"+shopA+"/visitor?key=address&event="+id); !strings.Contains(got.Body, "消去済み") {
		t.Errorf("an erased person's story answers %d", got.Code)
	}
	if got := w.get(staff.Owner, "/s/"+shopA+"/events/"+id+"/free"); got.Code != 404 {
		t.Errorf("somebody erased can be freed: %d", got.Code)
	}
	w.must(w.db.Write(w.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(w.Context(), `UPDATE journal_entries SET body = $1 WHERE id = $2`, []byte("broken"), broken)
		return err
	}))
	if got := w.get(staff.Owner, "/s/"+shopA+"/events/"+broken); got.Code != 200 || !strings.Contains(got.Body, "この記録は読めません") {
		t.Errorf("a damaged entry answers %d", got.Code)
	}
	if got := w.get(staff.Owner, "/s/"+shopA+"/events?t=all"); got.Code != 200 || !strings.Contains(got.Body, "番は読めません") {
		t.Errorf("a list with a damaged entry answers %d", got.Code)
	}
}

func TestGlossary(t *testing.T) {
	w := openEventWorld(t)
	body := w.get(staff.Viewer, "/s/"+shopA+"/glossary").Body
	for _, f := range noren.EventFacts() {
		if !strings.Contains(body, `id="`+factAnchor(f.Name)+`"`) {
			t.Errorf("%s is not explained", f.Name)
		}
	}
	for _, k := range noren.Kinds() {
		if !strings.Contains(body, `id="kind-`+string(k.Kind)+`"`) {
			t.Errorf("%s is not explained", k.Kind)
		}
	}
}

func TestWidths(t *testing.T) {
	for span, want := range map[time.Duration]time.Duration{time.Hour: time.Minute, 24 * time.Hour: 30 * time.Minute, 7 * 24 * time.Hour: 3 * time.Hour, 28 * 24 * time.Hour: 24 * time.Hour, 365 * 24 * time.Hour: 7 * 24 * time.Hour} {
		if got, _ := widthFor(span); got != want {
			t.Errorf("%s gets bars of %s, want %s", span, got, want)
		}
	}
}

func TestWordsGoOn(t *testing.T) {
	w := openEventWorld(t)
	w.populate()
	f, err := readFilter(url.Values{"words": {"hanako"}, "t": {"all"}}, time.Now())
	w.must(err)
	seen := map[int64]bool{}
	for pages := 0; ; pages++ {
		found, p, err := w.c.lookThrough(w.Context(), f.textQuery(shopA), time.Minute, 20)
		w.must(err)
		for _, h := range found {
			if seen[h.Seq] {
				t.Errorf("entry %d is found twice", h.Seq)
			}
			seen[h.Seq] = true
		}
		if p.Next == "" {
			break
		}
		if f.Cursor = p.Next; pages > 50 || p.Looked > p.Of || p.Looked == 0 {
			t.Fatalf("after %d pages it looked through %d of %d", pages, p.Looked, p.Of)
		}
	}
	if want := len(hostileValues) * len(noren.Kinds()); len(seen) != want {
		t.Errorf("%d found, want %d", len(seen), want)
	}
	r := w.get(staff.Viewer, "/s/"+shopA+"/events?t=all&words=hanako")
	if !strings.Contains(r.Body, "続きを探す") || !strings.Contains(r.Body, `hx-trigger="load`) || !strings.Contains(r.Body, "のうち") {
		t.Error("a page of a long look does not say how to go on")
	}
}
