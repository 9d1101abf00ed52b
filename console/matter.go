package console

import (
	"cmp"
	"slices"

	"noren"
	"noren/console/ui"
)

// matter is one thing that bears on whether a shop is safe. Parts of the console
// each say theirs; judge puts them together.
type matter struct {
	Key   string // names it, for tests and for links
	Tone  ui.Tone
	Title noren.Text // what is so, in one line
	Why   noren.Text // why it matters, one sentence
	Do    deed       // what to do now; its zero value when there is nothing
}

// deed is one button.
type deed struct {
	Label noren.Text
	URL   string
}

// outlook is the answer to "is the shop safe?".
type outlook struct {
	Tone    ui.Tone
	Says    noren.Text
	Reasons []matter // what it rests on, at most three
	Todo    []matter // what to do now, at most three
	More    int      // further things to do
}

const mostShown = 3

// judge is pure: the same matters always give the same answer. What is dealt with
// by itself or by people right now is an alert; what somebody should look at is a
// check; advice (calm) leaves a shop safe.
func judge(ms []matter) outlook {
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(a, b matter) int { return cmp.Compare(gravity(b.Tone), gravity(a.Tone)) })
	o := outlook{Tone: ui.Good, Says: noren.Text{Ja: "安全です", En: "Your shop is safe"}}
	if len(ms) > 0 {
		switch ms[0].Tone {
		case ui.Alert:
			o.Tone, o.Says = ui.Alert, noren.Text{Ja: "対応中です", En: "Something is being dealt with"}
		case ui.Check:
			o.Tone, o.Says = ui.Check, noren.Text{Ja: "確認が要ります", En: "Something needs a look"}
		}
	}
	for _, m := range ms {
		if (m.Tone == ui.Alert || m.Tone == ui.Check) && len(o.Reasons) < mostShown {
			o.Reasons = append(o.Reasons, m)
		}
		if m.Do.URL == "" {
			continue
		}
		if len(o.Todo) < mostShown {
			o.Todo = append(o.Todo, m)
		} else {
			o.More++
		}
	}
	return o
}

func gravity(t ui.Tone) int {
	switch t {
	case ui.Alert:
		return 3
	case ui.Check:
		return 2
	case ui.Calm:
		return 1
	}
	return 0
}
