package console

import (
	"cmp"
	"reflect"
	"slices"

	"noren"
	"noren/policy"
)

// policyChange is what a draft does to one policy.
type policyChange struct {
	Name          string
	Before, After *policy.Info // nil when it is new, or gone
}

// policyChanges compares the policies in force with those of a draft, by name.
func policyChanges(before, after []policy.Info) (out []policyChange) {
	names := map[string]*policyChange{}
	of := func(name string) *policyChange {
		if names[name] == nil {
			names[name] = &policyChange{Name: name}
		}
		return names[name]
	}
	for i := range before {
		of(before[i].Name).Before = &before[i]
	}
	for i := range after {
		of(after[i].Name).After = &after[i]
	}
	for _, c := range names {
		if c.Before == nil || c.After == nil || !samePolicy(*c.Before, *c.After) {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b policyChange) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// samePolicy reports whether two do the same; where they stand does not count.
func samePolicy(a, b policy.Info) bool {
	a.File, a.Line, b.File, b.Line = "", 0, "", 0
	return reflect.DeepEqual(a, b)
}

// Words says what is done to it.
func (c policyChange) Words() noren.Text {
	switch {
	case c.Before == nil:
		return noren.Text{Ja: "新しい方針です（" + policyModeName(c.After.Mode).Ja + "）", En: "is new (" + policyModeName(c.After.Mode).En + ")"}
	case c.After == nil:
		return noren.Text{Ja: "なくなります。これからは働きません", En: "goes; it does nothing any more"}
	case c.Before.Mode != c.After.Mode:
		return modeWords(c.Before.Mode, c.After.Mode)
	case c.Before.When != c.After.When:
		return noren.Text{Ja: "条件が変わります", En: "its condition changes"}
	case c.Before.Then != c.After.Then:
		return noren.Text{Ja: "当てはまったときの扱いが「" + thenWords(c.After.Then).Ja + "」に変わります", En: "what happens when it fires becomes: " + thenWords(c.After.Then).En}
	case c.Before.Reason != c.After.Reason:
		return noren.Text{Ja: "理由の文が変わります", En: "the words of its reason change"}
	}
	return noren.Text{Ja: "内容が変わります", En: "changes"}
}

// Info is the policy as it will be, or was.
func (c policyChange) Info() *policy.Info {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// modeWords says in a shopkeeper's words what switching does.
func modeWords(from, to policy.Mode) noren.Text {
	switch {
	case to == policy.On:
		return noren.Text{Ja: "働き始めます。当てはまった相手を実際に止めたり確認したりします", En: "begins to act: whoever it is about is really stopped or asked"}
	case to == policy.Shadow && from == policy.On:
		return noren.Text{Ja: "止めるのをやめ、止めたはずの件数だけを記録します", En: "stops acting and only records what it would have stopped"}
	case to == policy.Shadow:
		return noren.Text{Ja: "だれも止めずに、止めたはずの件数を記録し始めます", En: "stops nobody and begins to record what it would have stopped"}
	}
	return noren.Text{Ja: "切ります。止めも記録もしません", En: "is switched off: it neither stops nor records"}
}

func policyModeName(m policy.Mode) noren.Text {
	switch m {
	case policy.On:
		return noren.Text{Ja: "有効", En: "on"}
	case policy.Shadow:
		return noren.Text{Ja: "記録だけ", En: "shadow: records only"}
	}
	return noren.Text{Ja: "切", En: "off"}
}

// thenWords is what happens to whoever a policy is about.
func thenWords(v noren.Verdict) noren.Text {
	switch v {
	case noren.Limit:
		return noren.Text{Ja: "しばらく待ってもらう", En: "asked to wait"}
	case noren.Challenge:
		return noren.Text{Ja: "確認のページを見せる", En: "shown the check"}
	case noren.StepUp:
		return noren.Text{Ja: "本人確認をもう一つお願いする", En: "asked for one more proof"}
	case noren.Review:
		return noren.Text{Ja: "通して、人が後で見る", En: "let through, and a person looks"}
	case noren.Hold:
		return noren.Text{Ja: "保留にする", En: "held"}
	case noren.Block:
		return noren.Text{Ja: "止める", En: "stopped"}
	}
	return noren.Text{Ja: "通す", En: "let through"}
}
