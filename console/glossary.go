package console

import (
	"slices"
	"strings"

	"noren"
)

// glossaryPage is every word of the console, from where the words are declared.
type glossaryPage struct {
	Sections []glossarySection
}

// glossarySection are words of one kind.
type glossarySection struct {
	ID    string
	Name  noren.Text
	About noren.Text
	Terms []glossaryTerm
}

// glossaryTerm is one word.
type glossaryTerm struct {
	ID            string // anchor
	Tech          string // how policies and the record write it
	Name, Meaning noren.Text
}

// glossary shows every fact, zone, kind, verdict and cause in words.
func (c *Console) glossary(v *visit) error {
	return v.page("glossary", &glossaryPage{Sections: []glossarySection{
		verdictTerms(), causeTerms(), zoneTerms(), kindTerms(), partyTerms(), factTerms(c.catalogue()), familyTerms(c.catalogue()),
	}})
}

func verdictTerms() (s glossarySection) {
	s = glossarySection{ID: "verdicts", Name: noren.Text{Ja: "判断", En: "Verdicts"}, About: noren.Text{Ja: "一つひとつの出来事に、Noren がどう応じたか。", En: "How Noren answered an event."}}
	for _, i := range verdicts() {
		s.Terms = append(s.Terms, glossaryTerm{"verdict-" + string(i.Verdict), string(i.Verdict), i.Name, i.Meaning})
	}
	return s
}

func causeTerms() (s glossarySection) {
	s = glossarySection{ID: "causes", Name: noren.Text{Ja: "止めた理由", En: "Causes"}, About: noren.Text{Ja: "入口で止めたときの、いちばんの理由。", En: "Why a request was stopped at the gateway."}}
	for _, i := range causes() {
		s.Terms = append(s.Terms, glossaryTerm{"cause-" + string(i.Cause), string(i.Cause), i.Name, i.Meaning})
	}
	return s
}

func zoneTerms() (s glossarySection) {
	s = glossarySection{ID: "zones", Name: noren.Text{Ja: "お店の場所", En: "Zones"}, About: noren.Text{Ja: "お店のページを、守り方ごとに分けたもの。上ほど厳しく守ります。", En: "The parts of the shop, the strictest first."}}
	for _, i := range noren.Zones() {
		s.Terms = append(s.Terms, glossaryTerm{ID: "zone-" + string(i.Zone), Tech: string(i.Zone), Name: i.Meaning})
	}
	return s
}

func kindTerms() (s glossarySection) {
	s = glossarySection{ID: "kinds", Name: noren.Text{Ja: "できごとの種類", En: "Kinds of events"}, About: noren.Text{Ja: "記録に残る出来事。", En: "What the record holds."}}
	for _, i := range noren.Kinds() {
		s.Terms = append(s.Terms, glossaryTerm{ID: "kind-" + string(i.Kind), Tech: string(i.Kind), Name: i.Meaning})
	}
	return s
}

func partyTerms() (s glossarySection) {
	s = glossarySection{ID: "parties", Name: noren.Text{Ja: "だれの・なんの", En: "Parties of an event"}, About: noren.Text{Ja: "出来事に関わる人や物。", En: "Who and what an event is about."}}
	for _, e := range append(entities(), otherEntities()...) {
		s.Terms = append(s.Terms, glossaryTerm{ID: "party-" + e.Field, Tech: e.Field, Name: e.Name})
	}
	return s
}

func factTerms(cat *noren.Catalogue) (s glossarySection) {
	s = glossarySection{ID: "facts", Name: noren.Text{Ja: "事実", En: "Facts"}, About: noren.Text{Ja: "判断のもとになったこと。分からないものは「怪しい」ではなく「不明」です。", En: "What decisions rest on. What is not known is unknown, never suspicious."}}
	for _, f := range cat.All() {
		s.Terms = append(s.Terms, glossaryTerm{ID: factAnchor(f.Name), Tech: f.Name, Name: f.Meaning})
	}
	slices.SortStableFunc(s.Terms, func(a, b glossaryTerm) int { return strings.Compare(a.Tech, b.Tech) })
	return s
}

func familyTerms(cat *noren.Catalogue) (s glossarySection) {
	s = glossarySection{ID: "families", Name: noren.Text{Ja: "数えてわかる事実", En: "Facts that are counted"}, About: noren.Text{Ja: "だれの（entity）・どれだけの間に（window）を決めて使う事実。", En: "Facts of an entity in a window of time, both to be chosen."}}
	for _, f := range cat.Families() {
		s.Terms = append(s.Terms, glossaryTerm{ID: factAnchor(f.Pattern), Tech: f.Pattern + "  (" + f.Example + ")", Name: f.Meaning})
	}
	return s
}

// factAnchor is a fact's place on the page.
func factAnchor(name string) string {
	return "fact-" + strings.NewReplacer("<", "", ">", "").Replace(name)
}
