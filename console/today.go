package console

import (
	"cmp"
	"context"
	"slices"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/journal"
)

// today is the first page: is the shop safe, what happened since yesterday, what
// to do now.
func (c *Console) today(v *visit) error {
	days := 28
	if v.r.FormValue("days") == "7" {
		days = 7
	}
	t, err := c.lookAt(v.r.Context(), v.site, v.noticeSites(), days, time.Now())
	if err != nil {
		return err
	}
	if v.asked("today") {
		return v.part("today", "now", v.frame(t))
	}
	return v.page("today", t)
}

// Day is what 今日のお店 shows, also in the mail of the morning.
type Day struct {
	Outlook outlook
	Since   noren.Time // yesterday's beginning in Japan
	Figures []figure
	Days    int
	Chart   ui.Chart
	Causes  []cause // of what was stopped since yesterday, the most frequent first
	Health  []ui.Badge
	At      noren.Time
	Force   force
	Would   wouldStop // what stopping would have stopped; where the owner records first
}

// figure is one number of the day.
type figure struct {
	Name noren.Text
	N    int64
	Unit noren.Text
	URL  string
}

// cause is why requests were stopped, and how many.
type cause struct {
	Name    noren.Text
	Meaning noren.Text
	N       int64
	URL     string
}

// lookAt gathers a site's day. What cannot be read just now is said among the
// matters and leaves the rest to be seen.
func (c *Console) lookAt(ctx context.Context, site string, notices []string, days int, now time.Time) (*Day, error) {
	d := &Day{Days: days, At: noren.At(now), Since: noren.At(startOfDay(now).AddDate(0, 0, -1))}
	ms := c.matters(ctx, site, notices, now)
	if err := c.count(ctx, site, d, now); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		c.o.Log.Error("console: numbers of the day", "site", site, "err", err)
		ms = append(ms, matter{Key: "numbers", Tone: ui.Check, Title: noren.Text{Ja: "記録を読めません", En: "The record cannot be read"},
			Why: noren.Text{Ja: "数字を出せないだけで、お店の入口は動き続けています。データベースの状態を確かめてください。", En: "Only the numbers are missing; the shop's entrance goes on working. Look at the database."}})
	}
	d.Outlook = judge(ms)
	d.Health, d.Force = c.health(site), c.forceOf(site)
	if d.Force.Chosen() {
		d.Would = c.censusOf(site, now, todayFresh).would(d.Force)
	}
	return d, nil
}

// startOfDay is midnight in Japan.
func startOfDay(t time.Time) time.Time {
	y, m, d := t.In(ui.JST()).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, ui.JST())
}

func (c *Console) count(ctx context.Context, site string, d *Day, now time.Time) error {
	stopped := journal.Which{Kinds: []noren.Kind{noren.HTTPBlocked}}
	long, err := c.o.Journal.Trend(ctx, journal.TrendQuery{Log: site, Which: stopped, Step: journal.StepDay,
		Since: startOfDay(now).AddDate(0, 0, 1-d.Days), Until: now})
	if err != nil {
		return err
	}
	d.Chart = dayChart(site, long, now)
	recent, err := c.o.Journal.Trend(ctx, journal.TrendQuery{Log: site, Which: stopped, By: journal.ByCause, Step: journal.StepDay, Since: d.Since.Time, Until: now})
	if err != nil {
		return err
	}
	var sum int64
	for _, s := range recent.Series {
		if s.Events == 0 {
			continue
		}
		sum += s.Events
		info := causeOf(noren.Cause(s.Key))
		d.Causes = append(d.Causes, cause{info.Name, info.Meaning, s.Events, sitePath(site, "/events?cause="+s.Key+"&since="+d.Since.In(ui.JST()).Format(dayForm))})
	}
	kinds, err := c.o.Journal.Trend(ctx, journal.TrendQuery{Log: site, By: journal.ByKind, Step: journal.StepDay, Since: d.Since.Time, Until: now,
		Which: journal.Which{Kinds: []noren.Kind{noren.LoginOutcome, noren.PaymentOutcome, noren.OrderPlaced, noren.BanChange}}})
	if err != nil {
		return err
	}
	of := map[noren.Kind]int64{}
	for _, s := range kinds.Series {
		of[noren.Kind(s.Key)] = s.Events
	}
	times := noren.Text{Ja: "件"}
	since := "&since=" + d.Since.In(ui.JST()).Format(dayForm)
	d.Figures = []figure{
		{noren.Text{Ja: "止めた通信", En: "Requests stopped"}, sum, times, sitePath(site, "/events?kind=http.blocked"+since)},
		{noren.Text{Ja: "お客様のログイン", En: "Customers' sign-ins"}, of[noren.LoginOutcome], times, sitePath(site, "/events?kind=account.login.outcome"+since)},
		{noren.Text{Ja: "お支払い", En: "Payments"}, of[noren.PaymentOutcome], times, sitePath(site, "/events?kind=payment.outcome"+since)},
		{noren.Text{Ja: "いま止めている相手", En: "Banned right now"}, int64(c.banned(site)), times, sitePath(site, "/stopped")},
	}
	return nil
}

func (c *Console) banned(site string) (n int) {
	for _, e := range c.o.Lists.List(site) {
		if e.List == gateway.ListBan {
			n++
		}
	}
	return n
}

// dayChart is a bar a day; the last one is not over yet.
func dayChart(site string, t journal.Trend, now time.Time) ui.Chart {
	ch := ui.Chart{Title: noren.Text{Ja: "止めた通信", En: "Requests stopped"}, Unit: noren.Text{Ja: "件"}}
	if len(t.Series) == 0 {
		return ch
	}
	today := startOfDay(now)
	for _, p := range t.Series[0].Points {
		at := p.At.In(ui.JST())
		day := at.Format("2006-01-02")
		ch.Bars = append(ch.Bars, ui.Bar{Label: at.Format("1/2"), N: p.Events, Mark: !at.Before(today),
			Link: sitePath(site, "/events?kind=http.blocked&since="+day+"&until="+day)})
	}
	return ch
}

// matters asks every part of the house what bears on the site's safety. notices are
// the sites whose notices the reader may see.
func (c *Console) matters(ctx context.Context, site string, notices []string, now time.Time) (ms []matter) {
	aboutNotices := func(ctx context.Context, site string, now time.Time) []matter {
		return c.noticeMatters(ctx, site, notices, now)
	}
	for _, ask := range []func(context.Context, string, time.Time) []matter{c.switchMatters, c.serverMatters, c.certificateMatters, c.machineMatters, aboutNotices, c.stoppingMatters, c.setupMatters} {
		ms = append(ms, ask(ctx, site, now)...)
	}
	for _, ask := range c.o.Matters {
		for _, m := range ask(ctx, site) {
			ms = append(ms, m.matter(site))
		}
	}
	if !slices.ContainsFunc(ms, func(m matter) bool { return m.Do.URL != "" }) {
		ms = append(ms, c.measureMatters(ctx, site, now)...) // advice is for who has nothing else to do
	}
	return ms
}

// Matter is something outside the console that bears on a site's safety, for the
// program that wires it.
type Matter struct {
	Key        string
	Tone       ui.Tone
	Title, Why noren.Text
	Label      noren.Text // of the button
	Page       string     // the page of the site that the button leads to, such as "/site"
}

func (m Matter) matter(site string) matter {
	out := matter{Key: m.Key, Tone: m.Tone, Title: m.Title, Why: m.Why}
	if m.Page != "" {
		out.Do = deed{m.Label, sitePath(site, m.Page)}
	}
	return out
}

func (c *Console) serverMatters(_ context.Context, site string, _ time.Time) []matter {
	servers := c.o.Gateway.Servers(site)
	ill := slices.DeleteFunc(slices.Clone(servers), func(s gateway.ServerStatus) bool { return s.State == "up" })
	look := deed{noren.Text{Ja: "サイトの状態を見る", En: "Look at the site"}, sitePath(site, "/site")}
	switch {
	case len(ill) == 0:
		return nil
	case len(ill) == len(servers):
		return []matter{{"servers", ui.Alert, noren.Text{Ja: "お店のサーバーが応答していません", En: "The shop's server does not answer"},
			noren.Text{Ja: "お客様には準備中のページが見えています。サーバーの会社か制作会社に連絡してください。", En: "Visitors see the standby page. Call your hosting company or whoever built the shop."}, look}}
	}
	return []matter{{"servers", ui.Check, noren.Text{Ja: "お店のサーバーの一部が応答していません", En: "Some of the shop's servers do not answer"},
		noren.Text{Ja: "残りのサーバーでお店は開いています。", En: "The others keep the shop open."}, look}}
}

// Days before a certificate's end from which people are told: one that renews
// itself should have done so long before.
const (
	certSoon     = 14
	certSoonACME = 7
)

func (c *Console) certificateMatters(_ context.Context, site string, now time.Time) (ms []matter) {
	look := deed{noren.Text{Ja: "証明書を見る", En: "Look at the certificate"}, sitePath(site, "/site")}
	for _, cert := range c.o.Gateway.Certificates(site) {
		soon := certSoon
		if cert.ACME {
			soon = certSoonACME
		}
		left := int(cert.NotAfter.Sub(now).Hours() / 24)
		switch {
		case cert.NotAfter.IsZero():
			ms = append(ms, matter{"certificate", ui.Alert, noren.Text{Ja: cert.Host + " の証明書がありません", En: cert.Host + " has no certificate"},
				noren.Text{Ja: "https で開いたお客様には、警告が出るか、つながりません。", En: "Visitors by https see a warning or do not get through."}, look})
		case cert.NotAfter.Before(now):
			ms = append(ms, matter{"certificate", ui.Alert, noren.Text{Ja: cert.Host + " の証明書が切れています", En: "The certificate of " + cert.Host + " is over"},
				noren.Text{Ja: "お客様のブラウザに警告が出ています。すぐに入れ替えてください。", En: "Browsers warn your customers. Replace it at once."}, look})
		case left < soon:
			w := ui.Words{Lang: "ja"}
			ms = append(ms, matter{"certificate", ui.Check, noren.Text{Ja: cert.Host + " の証明書は残り" + w.Number(left) + "日です", En: "The certificate of " + cert.Host + " ends in " + w.Number(left) + " days"},
				noren.Text{Ja: "切れるとお客様のブラウザに警告が出ます。", En: "Browsers will warn your customers after that."}, look})
		}
	}
	return ms
}

// machineMatters are about Noren itself.
func (c *Console) machineMatters(ctx context.Context, site string, _ time.Time) (ms []matter) {
	if n, _ := c.o.Journal.Spooled(); n > 0 {
		ms = append(ms, matter{Key: "spool", Tone: ui.Alert, Title: noren.Text{Ja: "データベースに書けていません", En: "The database cannot be written"},
			Why: noren.Text{Ja: "記録は手元のファイルに貯めています。失われてはいません。", En: "The record is kept in a file beside; nothing is lost."}})
	}
	if _, missing, err := c.o.Sheet(ctx); err == nil && missing {
		ms = append(ms, matter{"sheet", ui.Check, noren.Text{Ja: "復旧用紙を印刷していません", En: "The recovery sheet was not printed"},
			noren.Text{Ja: "この機械が壊れると、記録したお客様の情報を二度と読めなくなります。", En: "If this machine breaks, what was recorded about customers can never be read again."},
			deed{noren.Text{Ja: "手順を見る", En: "Show me how"}, sitePath(site, "/proof#sheet")}})
	}
	return ms
}

// health is how Noren itself is, as one line of badges.
func (c *Console) health(site string) []ui.Badge {
	badge := func(ok bool, good, bad noren.Text) ui.Badge {
		if ok {
			return ui.Badge{Tone: ui.Good, Text: good}
		}
		return ui.Badge{Tone: ui.Alert, Text: bad}
	}
	n, _ := c.o.Journal.Spooled()
	up := slices.IndexFunc(c.o.Gateway.Servers(site), func(s gateway.ServerStatus) bool { return s.State != "up" }) < 0
	return []ui.Badge{
		badge(true, noren.Text{Ja: "入口は動いています", En: "entrance running"}, noren.Text{}),
		badge(n == 0, noren.Text{Ja: "記録できています", En: "record written"}, noren.Text{Ja: "記録は手元に退避中", En: "record kept aside"}),
		badge(up, noren.Text{Ja: "お店のサーバーは正常", En: "shop's servers well"}, noren.Text{Ja: "お店のサーバーに異常", En: "shop's servers unwell"}),
	}
}

// causeInfo is a cause in the shopkeeper's words.
type causeInfo struct {
	Cause         noren.Cause
	Name, Meaning noren.Text
}

// causes are all there are, with what each says about the visitor.
func causes() []causeInfo {
	return []causeInfo{
		{noren.CauseWAF, noren.Text{Ja: "攻撃の文字列", En: "attack in the request"}, noren.Text{Ja: "データベースやページを狙う文字列が含まれていました（WAF）。", En: "It carried text aimed at the database or the page (WAF)."}},
		{noren.CauseBan, noren.Text{Ja: "遮断中の相手", En: "banned visitor"}, noren.Text{Ja: "前の行いで遮断されている相手からの通信です。", En: "From somebody who is banned for what they did before."}},
		{noren.CauseLimit, noren.Text{Ja: "速すぎる通信", En: "too fast"}, noren.Text{Ja: "人の操作では出ない速さの通信です。", En: "Faster than people act."}},
		{noren.CausePolicy, noren.Text{Ja: "方針による判断", En: "policy"}, noren.Text{Ja: "お店の方針が止めました。", En: "A policy of the shop stopped it."}},
		{noren.CauseForbidden, noren.Text{Ja: "触れてはいけない場所", En: "forbidden place"}, noren.Text{Ja: "設定ファイルなど、外から開いてはいけない場所への通信です。", En: "It asked for files that nobody outside should open."}},
		{noren.CauseMalformed, noren.Text{Ja: "壊れた通信", En: "malformed"}, noren.Text{Ja: "規格に合わない、ごまかしの形をした通信です。", En: "It broke the protocol's rules, as tricks do."}},
		{noren.CauseChallenge, noren.Text{Ja: "確認のお願い", En: "asked for the check"}, noren.Text{Ja: "確認のページをお見せしました。通れば、ふだんどおり買い物ができます。", En: "The visitor was shown the check. Whoever passes it goes on as usual."}},
		{noren.CauseQueue, noren.Text{Ja: "順番待ち", En: "waiting in line"}, noren.Text{Ja: "混雑モードで順番をお待ちいただきました。", En: "Waited in the line of the busy mode."}},
		{noren.CauseClosed, noren.Text{Ja: "準備中", En: "closed"}, noren.Text{Ja: "お店を閉めている間の通信です。", En: "Came while the shop was closed."}},
		{noren.CauseEmergency, noren.Text{Ja: "非常時の停止", En: "stopped in an emergency"}, noren.Text{Ja: "「非常時」で止めている間の通信です。悪い相手とは限りません。", En: "Came while an emergency switch was on; it accuses nobody."}},
		{noren.CauseAccess, noren.Text{Ja: "入れない場所から", En: "not from here"}, noren.Text{Ja: "管理画面などに、許されていない場所から来ました。", En: "Came to the admin or the like from a place that may not enter."}},
		{noren.CauseDoor, noren.Text{Ja: "スタッフの確認", En: "staff door"}, noren.Text{Ja: "スタッフとして確認できませんでした。", En: "Was not known as staff."}},
		{noren.CauseOverload, noren.Text{Ja: "混みすぎ", En: "overload"}, noren.Text{Ja: "一度に多すぎて、少し待っていただきました。", En: "Too much at once; asked to come back shortly."}},
	}
}

// causeOf describes a cause; an unknown one by its own name.
func causeOf(c noren.Cause) causeInfo {
	all := causes()
	if i := slices.IndexFunc(all, func(i causeInfo) bool { return i.Cause == c }); i >= 0 {
		return all[i]
	}
	name := cmp.Or(string(c), "–")
	return causeInfo{Cause: c, Name: noren.Text{Ja: name, En: name}}
}
