package console

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/gateway"
	"noren/staff"
)

// Whoever opens an event sees words; codes stand one click deeper.
func TestEventPageHasNoCodesOnItsFace(t *testing.T) {
	w := openEventWorld(t)
	raw := regexp.MustCompile(`\b(storefront|search|must_be_403|waf|allow|block|limit|web_shell|scan|address|session|403|POST)\b`)
	id := w.add(noren.Entry{
		Event: noren.Event{Kind: noren.HTTPBlocked, Site: shopA, Zone: noren.ZoneSearch, Entities: noren.Entities{noren.EntityAddress: "203.0.113.9"},
			Payload: &noren.Blocked{Request: noren.Request{Method: "POST", Path: "/products", Score: 15, Probe: noren.ProbeScan, Hits: []noren.Hit{{Rule: 942100, Field: "ARGS:q", Score: 5}}}, Cause: noren.CauseWAF, Rule: "942100", Status: 403, Ticket: "7K2QM-X4T9B", Step: "block", By: "address"}},
		Facts:    noren.Facts{"zone": "search", "blocked.cause": "waf", "request.score": int64(15), "request.probe": "scan", "request.method": "POST"},
		Decision: noren.Decision{Verdict: noren.Block}, Rule: "waf:942100",
	})
	page := w.get(staff.Owner, "/s/"+shopA+"/events/"+id).Body
	_, main, _ := strings.Cut(page, "<main")
	face := regexp.MustCompile(`(?s)<details.*?</details>`).ReplaceAllString(main, "")
	face = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(face, " ")
	if found := raw.FindAllString(face, -1); len(found) > 0 {
		t.Errorf("the page says %q:\n%s", found, face)
	}
	for _, want := range []string{"この方は、商品検索の画面に攻撃に似た文字列を送ったため、お断りしました。", "15点。0点が正常、5点から止めます", sayProbe(noren.ProbeScan).Name.Ja, "入力した内容を送る"} {
		if !strings.Contains(main, want) {
			t.Errorf("the page does not say %q:\n%s", want, face)
		}
	}
	if !strings.Contains(main, "<code>request.score</code>") || !strings.Contains(main, "<code>403</code>") {
		t.Error("names and codes are not one click deeper")
	}
}

// Every cause of a stop and every screen has its sentence in both languages.
func TestHeadlines(t *testing.T) {
	tell := &teller{people: people{}}
	for _, c := range causes() {
		for _, z := range noren.Zones() {
			for _, step := range []string{"", "check", "line", "wait", "block", "ban"} {
				got := refused(c.Cause, step, z.Zone)
				if !strings.HasSuffix(got.Ja, "。") || !strings.HasSuffix(got.En, ".") || strings.Contains(got.Ja+got.En, "%") || strings.Contains(got.Ja, string(z.Zone)) {
					t.Errorf("%s at %s: %q", c.Cause, z.Zone, got)
				}
			}
		}
	}
	request := func(v noren.Verdict, score int) noren.Entry {
		return noren.Entry{Event: noren.Event{Kind: noren.HTTPRequest, Zone: noren.ZoneCart, Payload: &noren.Request{Score: score}}, Decision: noren.Decision{Verdict: v}, Count: 1}
	}
	for _, tt := range []struct {
		e    noren.Entry
		want string
	}{
		{noren.Entry{Event: noren.Event{Kind: noren.HTTPBlocked, Zone: noren.ZoneSearch}, Rule: "waf:942100", Count: 1}, "この方は、商品検索の画面に攻撃に似た文字列を送ったため、お断りしました。"},
		{noren.Entry{Event: noren.Event{Kind: noren.HTTPBlocked, Zone: noren.ZoneLogin, Payload: &noren.Blocked{Cause: noren.CauseLimit, Step: "wait"}}, Count: 1}, "この方の操作がとても速いので、会員のログイン画面の前で、少しお待ちいただきました。"},
		{request(noren.Allow, 0), "この方は、カートの画面をふつうに開きました。"},
		{request(noren.Allow, 3), "この方は、カートの画面を開きました。攻撃に似た文字が少しありましたが、お通ししました。"},
		{request(noren.Challenge, 0), "この方に、カートの画面の前で、人が見ているかの短い確認をお願いしました。"},
		{request(noren.Block, 0), "この方の動きが気になったため、カートの画面でお断りしました。"},
	} {
		if got := tell.headline(&tt.e, false); got.Ja != tt.want || got.En == "" {
			t.Errorf("%q, want %q", got.Ja, tt.want)
		}
	}
	for _, v := range verdicts() {
		e := request(v.Verdict, 0)
		if got := tell.headline(&e, false); !strings.HasSuffix(got.Ja, "。") || !strings.HasSuffix(got.En, ".") {
			t.Errorf("%s: %q", v.Verdict, got)
		}
	}
	for _, k := range noren.Kinds() { // nothing is without one
		e := noren.Entry{Event: noren.Event{Kind: k.Kind, Payload: k.NewPayload()}, Count: 1}
		if got := tell.headline(&e, false); got.Ja == "" || got.En == "" {
			t.Errorf("%s has no headline", k.Kind)
		}
	}
}

func TestCodesHaveWords(t *testing.T) {
	var missing []string
	need := func(name, value string) {
		if word, ok := wordOf(name, value); !ok || word.Ja == "" || word.En == "" {
			missing = append(missing, name+"="+value)
		}
	}
	for _, z := range noren.Zones() {
		need("zone", string(z.Zone))
	}
	for _, c := range causes() {
		need("blocked.cause", string(c.Cause))
	}
	for _, p := range []noren.Probe{noren.ProbeScan, noren.ProbeExploit, noren.ProbeShell} {
		need("request.probe", string(p))
	}
	for _, s := range []gateway.Then{gateway.ThenSlow, gateway.ThenLine, gateway.ThenCheck, gateway.ThenWait, gateway.ThenBlock, gateway.ThenBan} {
		need("blocked.step", string(s))
	}
	for _, b := range []gateway.By{gateway.ByAddress, gateway.ByNet, gateway.BySession, gateway.ByAccount, gateway.BySite, gateway.ByASN, gateway.ByPass, gateway.ByDevice} {
		need("blocked.by", string(b))
	}
	for _, v := range verdicts() {
		need("verdict", string(v.Verdict))
	}
	if len(missing) > 0 {
		t.Errorf("without words: %q", missing)
	}
	for _, c := range [][2]string{{"request.path", "scan"}, {"login.user", "waf"}, {"zone", "attic"}, {"", ""}} {
		if word, ok := wordOf(c[0], c[1]); ok {
			t.Errorf("%q of %q is told as %q", c[1], c[0], word)
		}
	}
}

func TestScale(t *testing.T) {
	for _, tt := range []struct {
		s    scale
		want string
	}{
		{scale{5, gateway.WAFOn}, "3点。0点が正常、5点から止めます"}, {scale{5, ""}, "3点。0点が正常、5点から止めます"},
		{scale{5, gateway.WAFShadow}, "3点。5点から止める決まりですが、いまは記録だけです"}, {scale{5, gateway.WAFOff}, "3点。検査は切ってあります（入れると5点から止めます）"}, {scale{}, "3点"},
	} {
		if got := tt.s.words(3); got.Ja != tt.want {
			t.Errorf("%+v: %q, want %q", tt.s, got.Ja, tt.want)
		}
	}
	rates := map[string]gateway.Rate{"1秒に50回まで": {Events: 50, Per: time.Second}, "1分に10回まで": {Events: 10, Per: time.Minute}, "5分に5回まで": {Events: 5, Per: 5 * time.Minute}, "1時間に9回まで": {Events: 9, Per: time.Hour}, "2時間に9回まで": {Events: 9, Per: 2 * time.Hour}, "10秒に9回まで": {Events: 9, Per: 10 * time.Second}}
	for want, r := range rates {
		if got := rateWords(r); got.Ja != want {
			t.Errorf("%s is told as %q, want %q", r, got.Ja, want)
		}
	}
	var all []string
	for _, status := range []int64{0, 200, 302, 304, 401, 403, 404, 418, 429, 500, 503} {
		all = append(all, statusWords(status).Ja)
	}
	if slices.Contains(all, "") || len(slices.Compact(slices.Sorted(slices.Values(all)))) != len(all) {
		t.Errorf("statuses are told as %q", all)
	}
}
