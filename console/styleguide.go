package console

import (
	"time"

	"noren"
	"noren/console/ui"
)

// stylePage shows every component once, for those who add a page and for the
// checks of accessibility.
func (c *Console) stylePage(v *visit) error {
	days := make([]ui.Bar, 28)
	now := time.Now()
	for i := range days {
		at := now.AddDate(0, 0, i-27)
		days[i] = ui.Bar{Label: v.words().Day(at), N: int64((i*37)%50 + i%7*6), Mark: i == 27}
	}
	stack := ui.Stack{Title: noren.Text{Ja: "できごとの数（28日）", En: "Events (28 days)"}, Unit: noren.Text{Ja: "件", En: " events"}, Page: "/style",
		Parts: []ui.Part{{Name: causeOf(noren.CauseWAF).Name, N: 12, Link: "/style"}, {Name: causeOf(noren.CauseLimit).Name, N: 7}, {Name: causeOf(noren.CauseBan).Name, N: 3}}}
	for i := range days {
		stack.Bars = append(stack.Bars, ui.StackBar{Label: days[i].Label, Axis: days[i].Label, N: []int64{int64(i % 9), int64(i % 4), int64(i % 3)}, Link: "/style"})
	}
	return v.page("style", struct {
		Now    noren.Time
		Chart  ui.Chart
		Stack  ui.Stack
		Badges []ui.Badge
		Shares []ui.Share
		Notice ui.Notice
		Long   string
		Pager  ui.Pager
		Diff   []diffLine
		Waits  ui.Waits
	}{
		noren.At(now),
		ui.Chart{Title: noren.Text{Ja: "止めた通信（28日）", En: "Requests stopped (28 days)"}, Unit: noren.Text{Ja: "件", En: ""}, Bars: days},
		stack,
		[]ui.Badge{
			{Tone: ui.Good, Text: noren.Text{Ja: "安全です", En: "safe"}}, {Tone: ui.Check, Text: noren.Text{Ja: "確認が要ります", En: "needs a look"}},
			{Tone: ui.Alert, Text: noren.Text{Ja: "対応中です", En: "being dealt with"}}, {Tone: ui.Calm, Text: noren.Text{Ja: "記録のみ", En: "recorded only"}},
		},
		[]ui.Share{{Tone: ui.Good, Name: noren.Text{Ja: "動作中", En: "working"}, N: 12, URL: "/style"}, {Tone: ui.Check, Name: noren.Text{Ja: "設定が必要", En: "needs setting up"}, N: 5, URL: "/style"}},
		ui.Notice{Tone: ui.Good, Text: noren.Text{Ja: "遮断を解除しました。", En: "The ban was lifted."}, Undo: "/style"},
		"Mozilla/5.0 <script>alert(1)</script> \u202e反転 " + string(make([]byte, 3)) + " とても長い値は途中で切り、押すと全部見えます。どんな値も文字のまま表示され、決して動きません。Very long values are cut, and opened by a press; whatever they hold stays text.",
		ui.Pager{Older: "/style", CSV: "/style"},
		diffLines("--- policies/order.yaml\n+++ policies/order.yaml\n@@ -6,3 +6,3 @@\n     kinds: [order.placed]\n-    mode: on\n+    mode: shadow\n     when: order.total >= 50000\n"),
		ui.Waits{Due: noren.At(now.Add(9 * time.Minute)), Left: 9 * time.Minute, Look: "/style"},
	})
}
