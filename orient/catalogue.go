package orient

import (
	"maps"
	"slices"
	"strings"
	"time"

	"noren"
)

const firstSeen = "first_seen_days"

// Facts about the event's address. They need no entity in their name's place:
// an event has one address.
const (
	factCountry     = "address.country"
	factASN         = "address.asn"
	factASNName     = "address.asn_name"
	factNetwork     = "address.network"
	factVerifiedBot = "address.verified_bot"
	factListed      = "address.listed"
)

func addressFacts() []noren.Fact {
	return []noren.Fact{
		{Name: factCountry, Type: noren.Str, Meaning: noren.Text{Ja: "IPアドレスの国（ISO 3166-1の2文字）。不明なら空", En: "Country of the address (ISO 3166-1, two letters); empty when not known"}},
		{Name: factASN, Type: noren.Int, Meaning: noren.Text{Ja: "IPアドレスを運用する事業者のAS番号。不明なら0", En: "AS number of the address's network operator; 0 when not known"}},
		{Name: factASNName, Type: noren.Str, Meaning: noren.Text{Ja: "IPアドレスを運用する事業者の名前。不明なら空", En: "Name of the address's network operator; empty when not known"}},
		{Name: factNetwork, Type: noren.Str, Meaning: noren.Text{Ja: "ネットワークの種類（private 内部・tor・datacentre データセンター・mobile 携帯電話・residential 家庭）。不明なら空で、怪しいという意味ではない", En: "Class of network: private, tor, datacentre, mobile or residential; empty when not known, which is not suspicious"}},
		{Name: factVerifiedBot, Type: noren.Str, Meaning: noren.Text{Ja: "本物と確かめた検索ロボットの名前（google、bingなど）。確かめていなければ空", En: "Name of the search bot this address was verified to be (google, bing …); empty when not verified"}},
		{Name: factListed, Type: noren.List, Meaning: noren.Text{Ja: "IPアドレスが載っている一覧の名前", En: "Names of the operator's lists that hold the address"}},
	}
}

// counter is a fact of a measure family: what to count, of whom, how long.
type counter struct {
	slot    slot
	measure *measure
	window  time.Duration
}

// parser reads names of counters.
type parser struct{ entities *entities }

// counter reads name as <entity>.<measure>_<window>; ok is false when name is
// not of that form at all, err says what is wrong with one that nearly is.
func (p parser) counter(name string) (c counter, ok bool, err error) {
	entity, rest, dotted := strings.Cut(name, ".")
	if !dotted || !noren.ValidIdent(entity) || !validRest(rest) {
		return counter{}, false, nil
	}
	cut := strings.LastIndexByte(rest, '_')
	measured, span := rest, ""
	if cut > 0 {
		measured, span = rest[:cut], rest[cut+1:]
	}
	s, known := p.entities.index[entity]
	m := measureNamed(measured)
	switch {
	case measureNamed(rest) != nil && known:
		return counter{}, false, noren.Say(noren.Invalid, noren.Textf("事実 %q には期間が要ります。例: %q", "fact %q needs a window, for example %q", name, name+"_1h"))
	case m == nil && known && looksLikeWindow(span):
		return counter{}, false, noren.Say(noren.Invalid, noren.Textf("事実 %q: %q という数え方はありません%s", "fact %q: unknown measure %q%s", name, measured, didYouMean(nearest(measured, measureNames()))))
	case m == nil:
		return counter{}, false, nil
	case !known:
		return counter{}, false, noren.Say(noren.Invalid, noren.Textf("事実 %q: %q という当事者はありません%s。方針のファイルの entities で加えられます", "fact %q: unknown entity %q%s; a policy file may declare it under entities", name, entity, didYouMean(nearest(entity, slices.Sorted(maps.Keys(p.entities.index))))))
	}
	w, err := parseWindow(span)
	if err != nil {
		return counter{}, false, noren.Say(noren.Invalid, noren.Textf("事実 %q: %v", "fact %q: %v", name, err))
	}
	if m.group == groupBan && s == slotAddress {
		s = slotClient
	}
	c = counter{slot: s, measure: m, window: w}
	return c, true, c.allowed(name)
}

// allowed says no to counters that could not be exact.
func (c counter) allowed(name string) error {
	if c.measure.group == groupBan && c.slot != slotClient && c.slot != slotSession {
		return noren.Say(noren.Invalid, noren.Textf("事実 %q: 遮断するのはアドレスと訪問だけです。address.%s_… か session.%s_… と書いてください", "fact %q: only addresses and sessions are banned; write address.%s_… or session.%s_…", name, c.measure.name, c.measure.name))
	}
	if c.measure.group == groupRequest && c.window > maxRequestWindow {
		return noren.Say(noren.Invalid, noren.Textf("事実 %q: 通信の回数を数えられるのは24時間までです。期間を短くしてください", "fact %q: request rates live in memory and end at 24h; choose a shorter window", name))
	}
	if c.measure.field == fieldDistinct && coarse(c.slot) && c.window > maxCoarseSet {
		return noren.Say(noren.Invalid, noren.Textf("事実 %q: 種類の数（%s）を %s ごとに数えられるのは24時間までです。期間を24時間以内にするか、件数や合計を使ってください", "fact %q: different %s on one of %s see too many events to be counted one by one for longer than 24h; use a window up to 24h, or a count, sum or rate",
			name, strings.TrimPrefix(strings.TrimPrefix(c.measure.name, "login_"), "payment_"), strings.Join(coarseNames(), ", ")))
	}
	return nil
}

// validRest bounds what is parsed: policy files are written by people, but
// their text reaches here unread.
func validRest(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// seen reads name as <entity>.first_seen_days.
func (p parser) seen(name string) (s slot, ok bool) {
	entity, rest, _ := strings.Cut(name, ".")
	if rest != firstSeen {
		return 0, false
	}
	s, ok = p.entities.index[entity]
	return s, ok
}

// families declares one family per measure, so that each has its line on the
// reference page, and the age of an entity.
func (p parser) families() []noren.Family {
	out := []noren.Family{noren.EntityFacts()}
	for i := range measures {
		out = append(out, p.family(&measures[i], i == len(measures)-1))
	}
	return append(out, p.seenFamily())
}

// family is one measure's. The last one asked also explains names that are
// nearly a counter's.
func (p parser) family(m *measure, last bool) noren.Family {
	example := exampleOf(m)
	return noren.Family{
		Pattern: "<entity>." + m.name + "_<window>",
		Meaning: noren.Text{Ja: m.meaning.Ja + "（対象と期間を指定）", En: strings.TrimSuffix(m.meaning.En, ",") + ", of an entity in a window"},
		Example: example,
		Lookup: func(name string) (noren.Fact, bool, error) {
			c, ok, err := p.counter(name)
			if err != nil && last {
				return noren.Fact{}, false, err
			}
			if err != nil || !ok || c.measure != m {
				return noren.Fact{}, false, nil
			}
			return p.fact(name, c), true, nil
		},
	}
}

func (p parser) fact(name string, c counter) noren.Fact {
	of, span := p.entities.text(c.slot), windowText(c.window)
	return noren.Fact{
		Name: name, Type: c.measure.factType(), Unit: c.measure.unit,
		Meaning: noren.Text{
			Ja: of.Ja + "の、直近" + span.Ja + "の" + c.measure.meaning.Ja,
			En: c.measure.meaning.En + " of " + of.En + " in the last " + span.En,
		},
	}
}

func (p parser) seenFamily() noren.Family {
	return noren.Family{
		Pattern: "<entity>." + firstSeen,
		Example: "device." + firstSeen,
		Meaning: noren.Text{Ja: "対象が初めて現れてからの日数。今回が初めてなら-1", En: "Days since the entity first appeared in a sign-in, order, payment, change or staff event; -1 when this is the first"},
		Lookup: func(name string) (noren.Fact, bool, error) {
			s, ok := p.seen(name)
			if !ok {
				return noren.Fact{}, false, p.seenError(name)
			}
			of := p.entities.text(s)
			return noren.Fact{Name: name, Type: noren.Int, Unit: "days", Meaning: noren.Text{
				Ja: of.Ja + "が初めて現れてからの日数。今回が初めてなら-1",
				En: "Days since " + of.En + " first appeared in a sign-in, order, payment, change or staff event; -1 when this is the first",
			}}, true, nil
		},
	}
}

func (p parser) seenError(name string) error {
	entity, rest, _ := strings.Cut(name, ".")
	if rest != firstSeen {
		return nil
	}
	return noren.Say(noren.Invalid, noren.Textf("事実 %q: %q という当事者はありません%s。方針のファイルの entities で加えられます", "fact %q: unknown entity %q%s; a policy file may declare it under entities", name, entity, didYouMean(nearest(entity, slices.Sorted(maps.Keys(p.entities.index))))))
}

func exampleOf(m *measure) string {
	switch m.group {
	case groupStaffAction, groupStaffLogin:
		return "staff." + m.name + "_1h"
	case groupPayment:
		return "address." + m.name + "_24h"
	case groupOrder, groupChange:
		return "account." + m.name + "_30d"
	}
	return "address." + m.name + "_10m"
}

func measureNames() []string {
	out := make([]string, len(measures))
	for i := range measures {
		out[i] = measures[i].name
	}
	return out
}

func didYouMean(name string) noren.Text {
	if name == "" {
		return noren.Text{}
	}
	return noren.Textf("。「%s」のことですか", "; did you mean \"%s\"?", name)
}

// nearest returns the name with the fewest edits from s, at most three.
func nearest(s string, names []string) string {
	best, bestDist := "", 4
	if len(s) > 64 {
		return ""
	}
	for _, n := range names {
		if d := edits(s, n); d < bestDist {
			best, bestDist = n, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diag, row[j] = row[j], min(row[j]+1, row[j-1]+1, diag+cost)
		}
	}
	return row[len(b)]
}
