package console

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"noren"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

func TestWardOf(t *testing.T) {
	k := func(kinds ...noren.Kind) policy.Info { return policy.Info{Kinds: kinds} }
	at := func(zones ...noren.Zone) policy.Info {
		return policy.Info{Kinds: []noren.Kind{noren.HTTPRequest}, Zones: zones}
	}
	sequence := k(noren.HTTPRequest, noren.HTTPBlocked, noren.HTTPLogged)
	sequence.Facts = []string{"sequence.scan_exploit"}
	for name, tt := range map[string]struct {
		p    policy.Info
		want ward
	}{
		"an order": {k(noren.OrderPlaced), wardOrders}, "a payment": {k(noren.PaymentAttempt, noren.PaymentOutcome), wardOrders}, "a sign-in": {k(noren.LoginAttempt), wardAccounts}, "changed data": {k(noren.AccountChanged), wardAccounts},
		"staff": {k(noren.StaffLogin), wardAdmin}, "staff and a page": {k(noren.HTTPRequest, noren.StaffAction), wardAdmin}, "any page": {k(noren.HTTPRequest), wardStore}, "what was stopped": {k(noren.HTTPBlocked), wardStore},
		"a page and the log": {k(noren.HTTPBlocked, noren.HTTPLogged), wardStore}, "the log alone": {k(noren.HTTPLogged), wardMachine}, "mail": {k(noren.MailLogin), wardMachine}, "TLS": {k(noren.TLSProbe), wardMachine}, "answers": {k(noren.HTTPAnswered, noren.HTTPLogged), wardMachine},
		"steps of a break-in": {sequence, wardMachine}, "no kind": {policy.Info{}, wardMachine},
		"the admin": {at(noren.ZoneAdmin, noren.ZoneAdminLogin), wardAdmin}, "the checkout": {at(noren.ZoneCheckout), wardOrders}, "the sign-in page": {at(noren.ZoneLogin, noren.ZoneReset), wardAccounts},
		"a callback": {at(noren.ZoneCallback), wardCalls}, "callbacks and the checkout": {at(noren.ZoneCallback, noren.ZoneCheckout), wardStore}, "the search": {at(noren.ZoneSearch), wardStore}, "everywhere": {at(), wardStore}, "a zone of the future": {at("attic"), wardStore},
	} {
		if got := wardOf(tt.p); got != tt.want {
			t.Errorf("%s is %s, want %s", name, got, tt.want)
		}
	}
}

func rowsOfTest() []policyRow {
	row := func(name string, kind noren.Kind, mode policy.Mode, n counts) policyRow {
		i := policy.Info{Name: name, File: "policies/" + name + ".yaml", Kinds: []noren.Kind{kind}, Mode: mode, Then: noren.Block, Reason: noren.Text{Ja: name + "のとき", En: "when " + name}}
		return policyRow{Info: i, counts: n, Says: policySays(i)}
	}
	return []policyRow{row("quiet", noren.HTTPRequest, policy.On, counts{}), row("busy", noren.HTTPRequest, policy.On, counts{Fired: 90}), row("hurts", noren.HTTPRequest, policy.Shadow, counts{Shadow: 2, Visitors: 2, Buyers: 1, SalesKnown: true}),
		row("asleep", noren.OrderPlaced, policy.Off, counts{}), row("would", noren.OrderPlaced, policy.Shadow, counts{Shadow: 7})}
}

func TestPolicyListTellsWhatMattersFirst(t *testing.T) {
	rows := rowsOfTest()
	var got []string
	for _, g := range policyGroups(rows, false, "policies/asleep.yaml") {
		s := string(g.Ward) + ":"
		if g.Open {
			s = string(g.Ward) + " open:"
		}
		for _, r := range g.Rows {
			s += " " + r.Name
		}
		got = append(got, s)
	}
	if want := "orders open: would asleep|store: hurts busy quiet"; strings.Join(got, "|") != want {
		t.Errorf("%q, want %q", strings.Join(got, "|"), want)
	}
	s := summaryOf(rows)
	if s.Acting != 2 || s.ActingFired != 1 || s.Shadow != 2 || s.Off != 1 || s.Fired != 90 || s.WouldHave != 9 || len(s.Hits) != 1 || s.Hits[0].Name != "hurts" || len(s.Busiest) != 1 || s.Busiest[0].Name != "busy" {
		t.Errorf("%+v", s)
	}
}

func TestPolicyFilter(t *testing.T) {
	for raw, want := range map[string]string{
		"": "quiet busy hurts asleep would", "mode=shadow": "hurts would", "mode=off": "asleep", "mode=x&did=y": "quiet busy hurts asleep would", "did=fired": "busy hurts would", "did=buyers": "hurts", "did=fired&mode=on": "busy",
		"q=hurts": "hurts", "q=店先": "quiet busy hurts", "q=ｂｕｓｙ": "busy", "q=when+busy": "busy", "q=nothing": "", "q=ORDERS": "asleep would", "q=" + strings.Repeat("x", 9000): "",
	} {
		q, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatal(err)
		}
		f, got := readPolicyFilter(q), []string{}
		for _, r := range rowsOfTest() {
			if f.fits(r) {
				got = append(got, r.Name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%.40q gives %q, want %q", raw, got, want)
		}
	}
}

func TestPolicySaysWhatItDoes(t *testing.T) {
	for _, tt := range []struct {
		p    policy.Info
		want string
	}{
		{policy.Info{Mode: policy.On, Then: noren.Block}, "こういうときにお断りします。"},
		{policy.Info{Mode: policy.On, Then: noren.Block, Ban: &policy.Ban{}, Alarm: noren.AlarmHigh}, "こういうときにお断りし、しばらく入れないようにします。すぐにお知らせもします。"},
		{policy.Info{Mode: policy.Shadow, Then: noren.Challenge}, "有効にすると、こういうときに人が見ているかを確かめます。いまは記録だけで、だれも止めません。"},
		{policy.Info{Mode: policy.Off, Then: noren.Hold}, "有効にすると、こういうときに受け付けますが、発送を止めて確認をお願いします。いまは切ってあります。"},
	} {
		if got := policySays(tt.p); got.Ja != tt.want || !strings.HasSuffix(got.En, ".") || strings.Contains(got.En, "%") {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// onlyListed are rules that decide nothing.
type onlyListed []policy.Info

func (l onlyListed) Policies(string) []policy.Info        { return l }
func (l onlyListed) Decide(e *noren.Entry) noren.Decision { return noren.Decision{} }

// fixedDesk compiles every set to the same rules.
type fixedDesk struct {
	Desk
	rules Rules
}

func (d fixedDesk) Compile(settings.Set) Compiled { return Compiled{Rules: d.rules} }

func TestPoliciesPage(t *testing.T) {
	var infos onlyListed
	for _, r := range rowsOfTest() {
		infos = append(infos, r.Info)
	}
	w := openWorld(t, func(w *world, o *Options) {
		o.Settings, o.Desk, o.SettingsInForce = w.settings, fixedDesk{rules: infos}, func() string { return "" }
	})
	if err := w.settings.Init(context.Background(), settings.Set{"limits.yaml": "version: 1\n"}, "test", "begin"); err != nil {
		t.Fatal(err)
	}
	b := w.as(staff.Grants{staff.AllSites: staff.Owner})
	b.get("/s/shop/policies").says(t, "この7日間", "ご注文・カード", "店先（お店のページ）", "記録だけの方針", "いまは記録だけで、だれも止めません")
	a := b.get("/s/shop/policies?q=busy&mode=on")
	a.says(t, "5件中 1件", `id="p-busy"`, `<details class="card group" id="g-store" open>`)
	if strings.Contains(a.body, `id="p-hurts"`) {
		t.Error("what does not fit is shown")
	}
	b.get("/s/shop/policies?q=%3Cscript%3E").says(t, "当てはまる方針はありません", `value="&lt;script&gt;"`)
}
