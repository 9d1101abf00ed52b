package console

import (
	"slices"

	"noren"
)

// measureSection are the measures that stand alike, in the order in which an owner
// reads them: what works, what needs a hand, and what is to come.
type measureSection struct {
	ID     string
	Name   noren.Text
	Says   noren.Text
	N      int
	Folded bool // behind a heading that opens
	Open   bool
	Groups []measureGroup
}

// measureSums are how many stand how.
type measureSums struct{ Works, Needs, Unknown, Part, Later int }

// helpsAlready: the heart of the measure is not built, and there is something that
// can be used today.
func (r measureRow) helpsAlready() bool { return r.Standing.Standing == standsLater && r.Do.URL != "" }

func sumsOf(rows []measureRow) (s measureSums) {
	for _, r := range rows {
		switch r.Standing.Standing {
		case standsWorks:
			s.Works++
		case standsNeeds:
			s.Needs++
		case standsUnknown:
			s.Unknown++
		default:
			if s.Later++; r.helpsAlready() {
				s.Part++
			}
		}
	}
	return s
}

// measureSections sorts the rows. Somebody who searches sees all that fits, else
// what is to come is folded away: today it protects nobody.
func measureSections(rows []measureRow, open bool) (out []measureSection) {
	is := func(s standing) func(measureRow) bool {
		return func(r measureRow) bool { return r.Standing.Standing == s }
	}
	for _, s := range []struct {
		measureSection
		fits func(measureRow) bool
	}{
		{measureSection{ID: "works", Name: noren.Text{Ja: "いま働いています", En: "At work now"}, Says: noren.Text{Ja: "何もしなくても、このお店を守っています。", En: "They protect this shop without anybody's hand."}}, is(standsWorks)},
		{measureSection{ID: "needs", Name: noren.Text{Ja: "あなたの手が要ります", En: "They need your hand"}, Says: noren.Text{Ja: "用意はできています。「まだのもの」を設定すると働きます。", En: "They are built, and work once what is left is set up."}}, is(standsNeeds)},
		{measureSection{ID: "unknown", Name: noren.Text{Ja: "いま確かめられません", En: "Not known right now"}, Says: noren.Text{Ja: "Noren からは見えないか、いま調べられません。動いているとはみなしません。", En: "Out of Noren's sight, or it cannot be asked just now; not taken for working."}}, is(standsUnknown)},
		{measureSection{ID: "part", Folded: true, Name: noren.Text{Ja: "今後：いまできることもあります", En: "To come; something helps already"}, Says: noren.Text{Ja: "肝心なところはまだできません。役に立つことが一つはあるので、そこへご案内します。", En: "The heart of each is not built. Something that helps is there, and the button leads to it."}}, measureRow.helpsAlready},
		{measureSection{ID: "later", Folded: true, Name: noren.Text{Ja: "今後：まだできません", En: "To come; not yet"}, Says: noren.Text{Ja: "これから加えていくものです。いまの Noren はこれらをしませんので、当てにせず、ほかの方法でお備えください。", En: "Noren does none of these today. Do not count on them; provide for them in another way."}}, func(r measureRow) bool { return r.Standing.Standing == standsLater && !r.helpsAlready() }},
	} {
		mine := slices.Collect(func(yield func(measureRow) bool) {
			for _, r := range rows {
				if s.fits(r) && !yield(r) {
					return
				}
			}
		})
		if len(mine) == 0 {
			continue
		}
		s.N, s.Open, s.Groups = len(mine), open, measuresByGroup(mine)
		out = append(out, s.measureSection)
	}
	return out
}
