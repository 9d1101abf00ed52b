package console

import (
	"slices"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/notify"
)

// Steps of the guided set-up, by their name in the address.
const (
	stepShop    = "shop"
	stepHosts   = "hosts"
	stepPlaces  = "places"
	stepGuard   = "guard"
	stepNotices = "notices"
	stepSheet   = "sheet"
	stepTest    = "test"
)

// setupStep is one step as it stands.
type setupStep struct {
	Key     string
	Name    noren.Text
	Done    bool
	Settled bool       // by a person's decision, not by what is in force
	Records bool       // what it is about records, and stops nobody yet
	Says    noren.Text // how it stands, in one line
}

// Badge is its state in a word.
func (s setupStep) Badge() ui.Badge {
	switch {
	case s.Done && s.Records:
		return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "記録だけ", En: "records only"}}
	case s.Settled:
		return ui.Badge{Tone: ui.Calm, Text: noren.Text{Ja: "このままにする", En: "left as it is"}}
	case s.Done:
		return ui.Badge{Tone: ui.Good, Text: noren.Text{Ja: "済み", En: "done"}}
	}
	return ui.Badge{Tone: ui.Check, Text: noren.Text{Ja: "これから", En: "to do"}}
}

// setupState is all that the steps are judged by. Nothing of it belongs to the
// set-up itself but what people decided.
type setupState struct {
	Site     gateway.Site
	Detected *gateway.Detected // nil while nobody has looked
	Servers  []gateway.ServerStatus
	Certs    []gateway.CertificateStatus
	Places   []gateway.NamedPlace
	Rules    gateway.AccessRules
	Standing Standing
	NoSheet  bool
	Settled  map[string]noren.Time
	Now      time.Time
}

// steps judges each step. It is pure.
func (s *setupState) steps() []setupStep {
	out := []setupStep{
		{Key: stepShop, Name: noren.Text{Ja: "お店のプログラム", En: "Which shop"}},
		{Key: stepHosts, Name: noren.Text{Ja: "名前と証明書", En: "Names and certificates"}},
		{Key: stepPlaces, Name: noren.Text{Ja: "スタッフが働く場所", En: "Where staff work"}},
		{Key: stepGuard, Name: noren.Text{Ja: "止めるか、まず見るか", En: "Stop, or watch first"}},
		{Key: stepNotices, Name: noren.Text{Ja: "知らせるメール", En: "Mail for alarms"}},
		{Key: stepSheet, Name: noren.Text{Ja: "復旧用紙", En: "Recovery sheet"}},
		{Key: stepTest, Name: noren.Text{Ja: "本物の通信で試す", En: "A real test request"}},
	}
	for i, judge := range []func() (bool, noren.Text){s.shop, s.hosts, s.places, s.guard, s.notices, s.sheet, s.tested} {
		out[i].Done, out[i].Says = judge()
		out[i].Records = s.recording(out[i].Key)
		if at, ok := s.Settled[out[i].Key]; ok && !out[i].Done && !at.IsZero() {
			out[i].Done, out[i].Settled = true, true
		}
	}
	return out
}

func (s *setupState) preset() string {
	if s.Site.Preset == "" {
		return "generic"
	}
	return s.Site.Preset
}

func (s *setupState) shop() (bool, noren.Text) {
	title := noren.Text{Ja: s.preset(), En: s.preset()}
	if p, err := gateway.LookupPreset(s.preset()); err == nil {
		title = p.Title
	}
	if len(s.Servers) > 0 && !slices.ContainsFunc(s.Servers, func(b gateway.ServerStatus) bool { return b.State == "up" }) {
		return false, noren.Text{Ja: "お店のサーバーが応答していません", En: "The shop's server does not answer"}
	}
	d := s.Detected
	switch {
	case d != nil && d.Confidence == gateway.Sure && d.Preset != s.preset() && len(s.Site.Zones) == 0:
		return false, noren.Text{Ja: d.Title.Ja + " のようですが、設定は「" + title.Ja + "」です", En: "It looks like " + d.Title.En + ", the configuration says " + title.En}
	case s.preset() != "generic":
		return true, noren.Text{Ja: title.Ja + " として守っています", En: "Guarded as " + title.En}
	case len(s.Site.Zones)+len(s.Site.Guard.Login) > 0:
		return true, noren.Text{Ja: "お店に合わせて場所を書いてあります", En: "Its pages are described in noren.yaml"}
	}
	return false, noren.Text{Ja: "ログインやお支払いのページが合っているか、確かめてください", En: "Please look whether its pages are known right"}
}

func (s *setupState) hosts() (bool, noren.Text) {
	if s.Site.TLS == nil {
		if len(s.Site.TrustedProxies) > 0 {
			return true, noren.Text{Ja: "手前のサーバーが https を受け持っています", En: "The server in front does https"}
		}
		return false, noren.Text{Ja: "https で開けるようになっていません", En: "It is not served by https"}
	}
	for _, c := range s.Certs {
		if c.NotAfter.IsZero() || c.NotAfter.Before(s.Now) {
			return false, noren.Text{Ja: c.Host + " の証明書がまだありません", En: c.Host + " has no certificate yet"}
		}
	}
	return true, noren.Text{Ja: "証明書は有効です", En: "The certificates are valid"}
}

// places is done when somebody has decided who may enter: rules that only record
// are such a decision, and the step says so.
func (s *setupState) places() (bool, noren.Text) {
	admin := AdminOf(s.Rules)
	says := admin.Says()
	if admin.State == AdminOpen && slices.ContainsFunc(s.Places, func(p gateway.NamedPlace) bool { return p.Live(s.Now) }) {
		says = noren.Text{Ja: "場所は登録してあります。" + says.Ja, En: "Places are named. " + says.En}
	}
	return admin.State != AdminOpen, says
}

func (s *setupState) guard() (bool, noren.Text) {
	return s.Site.WAF == "" || s.Site.WAF == gateway.WAFOn, FirewallSays(s.Site.WAF)
}

// recording reports whether a step is about something that only records now.
func (s *setupState) recording(step string) bool {
	return step == stepPlaces && AdminOf(s.Rules).State == AdminRecorded || step == stepGuard && s.Site.WAF == gateway.WAFShadow
}

func (s *setupState) notices() (bool, noren.Text) {
	r := s.Standing.Rules
	switch {
	case r == nil || len(r.Receivers) == 0:
		return false, noren.Text{Ja: "何かあっても、だれにも知らせません", En: "Nobody is told when something happens"}
	case len(r.Untold()) > 0:
		return false, noren.Text{Ja: "受け取る人のいない知らせがあります", En: "Some notices have nobody to go to"}
	case s.unreachable():
		return false, noren.Text{Ja: "知らせる相手は決まりました。メールサーバーの設定がまだです", En: "People are named; the mail server is not"}
	}
	return true, noren.Text{Ja: "知らせる相手が決まっています", En: "People are told"}
}

// unreachable reports whether somebody is told in a way that noren.yaml does not have.
func (s *setupState) unreachable() bool {
	return slices.ContainsFunc(s.Standing.Rules.Receivers, func(x notify.Receiver) bool {
		return x.Mail != "" && s.Standing.Mail == "" || x.Hook != "" && !slices.Contains(s.Standing.Hooks, x.Hook)
	})
}

func (s *setupState) sheet() (bool, noren.Text) {
	if s.NoSheet {
		return false, noren.Text{Ja: "まだ印刷していません", En: "It was not printed yet"}
	}
	return true, noren.Text{Ja: "保管してあります", En: "It is kept safe"}
}

func (s *setupState) tested() (bool, noren.Text) {
	if at, ok := s.Settled[stepTest]; ok {
		w := ui.Words{Lang: "ja"}
		return true, noren.Text{Ja: "試しました（" + w.Day(at.Time) + "）", En: "tried on " + ui.Words{Lang: "en"}.Day(at.Time)}
	}
	return false, noren.Text{Ja: "ふつうの通信と攻撃を1つずつ送って、答えを見ます", En: "Send one ordinary request and one attack, and see the answers"}
}

// setupMatter is what 今日のお店 says while steps are open; ok is false when none is.
// Once three are done it is advice.
func setupMatter(site string, steps []setupStep) (m matter, ok bool) {
	var open []setupStep
	for _, s := range steps {
		if !s.Done {
			open = append(open, s)
		}
	}
	if len(open) == 0 {
		return m, false
	}
	tone := ui.Check
	if len(steps)-len(open) >= 3 {
		tone = ui.Calm
	}
	ja, en := ui.Words{Lang: "ja"}, ui.Words{Lang: "en"}
	return matter{Key: "setup", Tone: tone,
		Title: noren.Text{Ja: "案内の続き：残り" + ja.Number(len(open)) + "つ", En: "Set-up: " + en.Number(len(open)) + " steps to go"},
		Why:   noren.Text{Ja: "次は「" + open[0].Name.Ja + "」です。途中でやめても、続きから始められます。", En: "Next: " + open[0].Name.En + ". You can stop and go on at any time."},
		Do:    deed{noren.Text{Ja: "続ける", En: "Go on"}, sitePath(site, "/setup")}}, true
}
