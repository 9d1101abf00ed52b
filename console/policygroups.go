package console

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"noren"
	"noren/policy"
)

// ward is what a policy protects.
type ward string

// What policies protect, in the order of the page.
const (
	wardOrders   ward = "orders"
	wardAccounts ward = "accounts"
	wardStore    ward = "store"
	wardAdmin    ward = "admin"
	wardCalls    ward = "calls"
	wardMachine  ward = "machine"
)

type wardInfo struct {
	Ward    ward
	Name    noren.Text
	Meaning noren.Text
}

func wards() []wardInfo {
	return []wardInfo{
		{wardOrders, noren.Text{Ja: "ご注文・カード", En: "Orders and cards"}, noren.Text{Ja: "なりすましの注文や、盗まれたカードを試す動きを見ます。", En: "Orders in somebody else's name, stolen cards that are tried."}},
		{wardAccounts, noren.Text{Ja: "お客様のアカウント", En: "Customers' accounts"}, noren.Text{Ja: "会員のパスワードを試す動きや、乗っ取りを見ます。", En: "Passwords that are tried, accounts that are taken over."}},
		{wardStore, noren.Text{Ja: "店先（お店のページ）", En: "The shop's pages"}, noren.Text{Ja: "お店のページへの攻撃や、人では出ない速さの通信を見ます。", En: "Attacks on the pages, and requests faster than people."}},
		{wardAdmin, noren.Text{Ja: "管理画面", En: "The shop's admin"}, noren.Text{Ja: "管理画面へのログインと、お客様の情報の取り出しを見ます。", En: "Sign-ins to the admin, and customers' data that is taken out."}},
		{wardCalls, noren.Text{Ja: "外部からの通知（API）", En: "Calls from other services (API)"}, noren.Text{Ja: "決済会社など、ほかの機械からの通知を見ます。", En: "Calls from payment providers and other machines."}},
		{wardMachine, noren.Text{Ja: "サーバー（機械）", En: "The server"}, noren.Text{Ja: "サーバーへの侵入のきざし、ログ、メールを見ます。", En: "Signs of a break-in, the server's logs, and mail."}},
	}
}

// wardOf tells what a policy protects by what it looks at: what happened (the kinds
// of events), where (the zones), and how far somebody has come (sequences).
func wardOf(p policy.Info) ward {
	has := func(kinds ...noren.Kind) bool {
		return slices.ContainsFunc(p.Kinds, func(k noren.Kind) bool { return slices.Contains(kinds, k) })
	}
	switch {
	case has(noren.StaffLogin, noren.StaffAction):
		return wardAdmin
	case has(noren.OrderPlaced, noren.PaymentAttempt, noren.PaymentOutcome):
		return wardOrders
	case has(noren.LoginAttempt, noren.LoginOutcome, noren.AccountChanged):
		return wardAccounts
	case has(noren.TLSProbe, noren.HTTPExposed, noren.HTTPAnswered, noren.MailLogin, noren.MailRefused):
		return wardMachine
	case !has(noren.HTTPRequest, noren.HTTPBlocked), slices.ContainsFunc(p.Facts, func(f string) bool { return strings.HasPrefix(f, "sequence.") }):
		return wardMachine
	}
	return wardOfZones(p.Zones)
}

// wardOfZones is what all the zones have in common; the shop's pages for others.
func wardOfZones(zones []noren.Zone) ward {
	of := map[noren.Zone]ward{
		noren.ZoneAdmin: wardAdmin, noren.ZoneAdminLogin: wardAdmin, noren.ZoneExport: wardAdmin, noren.ZoneCodeEdit: wardAdmin,
		noren.ZoneLogin: wardAccounts, noren.ZoneReset: wardAccounts, noren.ZoneSignup: wardAccounts, noren.ZoneProfile: wardAccounts,
		noren.ZoneCart: wardOrders, noren.ZoneCheckout: wardOrders, noren.ZoneCardAdd: wardOrders, noren.ZoneCallback: wardCalls,
	}
	for i, z := range zones {
		if of[z] == "" || i > 0 && of[z] != of[zones[0]] {
			return wardStore
		}
	}
	if len(zones) == 0 {
		return wardStore
	}
	return of[zones[0]]
}

// policyGroup are the policies that protect one thing.
type policyGroup struct {
	wardInfo
	Rows                   []policyRow
	Fired                  int64 // by those that act
	Acting, Shadow, OffNow int
	Open                   bool
}

// policyGroups are in the order of the page; open, or those with a policy of the file
// that was just changed, show what they hold.
func policyGroups(rows []policyRow, open bool, changed string) (out []policyGroup) {
	for _, w := range wards() {
		g := policyGroup{wardInfo: w, Open: open}
		for _, r := range rows {
			if wardOf(r.Info) == w.Ward {
				g.add(r)
				g.Open = g.Open || changed != "" && r.File == changed
			}
		}
		if len(g.Rows) == 0 {
			continue
		}
		slices.SortStableFunc(g.Rows, weightier)
		out = append(out, g)
	}
	return out
}

func (g *policyGroup) add(r policyRow) {
	g.Rows = append(g.Rows, r)
	g.Fired += r.Fired
	switch r.Mode {
	case policy.On:
		g.Acting++
	case policy.Shadow:
		g.Shadow++
	default:
		g.OffNow++
	}
}

// weightier puts first what an owner should know first: what fired for people who
// bought, what fired, what would have fired.
func weightier(a, b policyRow) int {
	return cmp.Or(cmp.Compare(b.Buyers, a.Buyers), cmp.Compare(b.Fired, a.Fired), cmp.Compare(b.Shadow, a.Shadow), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

// policyFilter is what the address bar asks for.
type policyFilter struct {
	Query string
	Mode  policy.Mode // "" for all
	Did   string      // "", didFire or didBuyers
}

const (
	didFire   = "fired"  // in the days that are counted, in force or in shadow
	didBuyers = "buyers" // and some of those visitors bought
)

func readPolicyFilter(q url.Values) policyFilter {
	f := policyFilter{Query: cut(strings.TrimSpace(q.Get("q")), 200), Mode: policy.Mode(q.Get("mode")), Did: q.Get("did")}
	if !slices.Contains([]policy.Mode{policy.On, policy.Shadow, policy.Off}, f.Mode) {
		f.Mode = ""
	}
	if f.Did != didFire && f.Did != didBuyers {
		f.Did = ""
	}
	return f
}

func (f policyFilter) any() bool { return f != policyFilter{} }

func (f policyFilter) fits(r policyRow) bool {
	if f.Mode != "" && r.Mode != f.Mode || f.Did == didFire && r.Fired+r.Shadow == 0 || f.Did == didBuyers && r.Buyers == 0 {
		return false
	}
	w := wards()[slices.IndexFunc(wards(), func(w wardInfo) bool { return w.Ward == wardOf(r.Info) })]
	text := strings.ToLower(strings.Join([]string{r.Name, r.File, r.Info.When, r.Reason.Ja, r.Reason.En, r.Says.Ja, r.Says.En, w.Name.Ja, w.Name.En}, " "))
	for _, word := range strings.Fields(strings.ToLower(noren.HalfWidth(f.Query))) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// policySays is what a policy does, in one plain sentence.
func policySays(p policy.Info) noren.Text {
	act := noren.Text{Ja: "お通しします", En: "lets the visitor through"}
	switch p.Then {
	case noren.Limit:
		act = noren.Text{Ja: "少し待ってからとお願いします", En: "asks the visitor to wait a little"}
	case noren.Challenge:
		act = noren.Text{Ja: "人が見ているかを確かめます", En: "checks that a person is looking"}
	case noren.StepUp:
		act = noren.Text{Ja: "ご本人の証しをもう一つお願いします", En: "asks for one more proof of who they are"}
	case noren.Review:
		act = noren.Text{Ja: "お通しして、お店の方に見ていただくよう記録します", En: "lets it through and notes it for the shop's people"}
	case noren.Hold:
		act = noren.Text{Ja: "受け付けますが、発送を止めて確認をお願いします", En: "accepts it and holds it until a person looked"}
	case noren.Block:
		act = noren.Text{Ja: "お断りします", En: "refuses it"}
		if p.Ban != nil {
			act = noren.Text{Ja: "お断りし、しばらく入れないようにします", En: "refuses it, and bans for a while"}
		}
	}
	ja, en := "こういうときに%s", "When this happens, Noren %s"
	switch p.Mode {
	case policy.Shadow:
		ja, en = "有効にすると、こういうときに%s。いまは記録だけで、だれも止めません", "Switched on, Noren %s when this happens. Now it only records and stops nobody"
	case policy.Off:
		ja, en = "有効にすると、こういうときに%s。いまは切ってあります", "Switched on, Noren %s when this happens. Now it is off"
	}
	if p.Alarm != "" && p.Mode == policy.On {
		ja, en = ja+"。すぐにお知らせもします", en+", and tells the shop at once"
	}
	return fill(ja+"。", en+".", act)
}

// policySummary is what an owner should know first.
type policySummary struct {
	Acting, Shadow, Off int
	ActingFired         int   // of those that act, how many fired
	Fired, WouldHave    int64 // how often
	Hits                []policyRow
	Busiest             []policyRow
}

// summaryMost bounds each short list of the summary.
const summaryMost = 3

func summaryOf(rows []policyRow) (s policySummary) {
	sorted := slices.SortedStableFunc(slices.Values(rows), weightier)
	for _, r := range sorted {
		switch r.Mode {
		case policy.On:
			s.Acting++
			if r.Fired > 0 {
				s.ActingFired++
			}
		case policy.Shadow:
			s.Shadow++
		default:
			s.Off++
		}
		s.Fired, s.WouldHave = s.Fired+r.Fired, s.WouldHave+r.counts.Shadow
		if r.Buyers > 0 && len(s.Hits) < summaryMost {
			s.Hits = append(s.Hits, r)
		}
	}
	slices.SortStableFunc(sorted, func(a, b policyRow) int { return cmp.Compare(b.Fired, a.Fired) })
	for _, r := range sorted[:min(len(sorted), summaryMost)] {
		if r.Fired > 0 {
			s.Busiest = append(s.Busiest, r)
		}
	}
	return s
}
