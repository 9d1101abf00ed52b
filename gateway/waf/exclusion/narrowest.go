package exclusion

import (
	"cmp"
	"slices"
	"strings"

	"noren"
)

// Found is one rule at one field as the firewall found it, with what it weighs.
type Found struct {
	Target
	Score int
}

// Finds are what the firewall found in a request, each rule and field once; cut
// says that the record may not hold all of it.
func Finds(ev *noren.Event) (found []Found, cut bool) {
	hits, fields := hitsOf(ev), map[int]int{}
	for _, h := range hits {
		t := Target{h.Rule, h.Field}
		if i := slices.IndexFunc(found, func(f Found) bool { return f.Target == t }); i >= 0 {
			found[i].Score = max(found[i].Score, h.Score)
			continue
		}
		found = append(found, Found{t, h.Score})
		fields[h.Rule]++
		cut = cut || fields[h.Rule] >= fieldsKept
	}
	return found, cut || len(hits) >= hitsKept
}

// What a record keeps of a request at most (gateway/waf/hits.go).
const (
	hitsKept   = 16
	fieldsKept = 3
)

func hitsOf(ev *noren.Event) []noren.Hit {
	switch p := ev.Payload.(type) {
	case *noren.Blocked:
		if p != nil {
			return p.Hits
		}
	case *noren.Request:
		if p != nil {
			return p.Hits
		}
	}
	return nil
}

// PathOf is the page of a request.
func PathOf(ev *noren.Event) string {
	switch p := ev.Payload.(type) {
	case *noren.Blocked:
		if p != nil {
			return p.Path
		}
	case *noren.Request:
		if p != nil {
			return p.Path
		}
	}
	return ""
}

// Stopped reports whether the firewall stopped a request, or would have stopped it
// had it not only recorded: its score reached the limit.
func Stopped(ev *noren.Event, limit int) bool {
	switch p := ev.Payload.(type) {
	case *noren.Blocked:
		return p != nil && p.Cause == noren.CauseWAF && len(p.Hits) > 0
	case *noren.Request:
		return p != nil && p.Score >= limit && len(p.Hits) > 0
	}
	return false
}

// Rest is the score of a request without what x leaves out.
func (x *Exclusion) Rest(ev *noren.Event) int {
	found, _ := Finds(ev)
	rest, mine := 0, x.Zone == ev.Zone && x.On(PathOf(ev))
	for _, f := range found {
		if !mine || !slices.Contains(x.Targets, f.Target) {
			rest += f.Score
		}
	}
	return rest
}

// Narrowest is the least that must be left out so that a request would have
// passed: as few rules and fields as bring its score below the limit, the heaviest
// first, on that page alone. Where that is not possible the error says why, in words
// for the shop's people.
func Narrowest(ev *noren.Event, limit int) (x Exclusion, cut bool, err error) {
	if !Stopped(ev, limit) {
		return x, false, noren.Say(noren.NotFound, noren.Text{Ja: "このできごとは、攻撃の検査（WAF）で止まったものではありません", En: "the firewall did not stop this request"})
	}
	x = Exclusion{Path: PageOf(PathOf(ev)), Zone: ev.Zone, Event: ev.ID}
	if err := ValidPath(x.Path); err != nil {
		return x, false, err
	}
	found, cut := Finds(ev)
	slices.SortStableFunc(found, func(a, b Found) int { return cmp.Compare(b.Score, a.Score) })
	rest := 0
	for _, f := range found {
		rest += f.Score
	}
	var why error
	for _, f := range found {
		if rest < limit {
			break
		}
		if err := f.Valid(); err != nil {
			why = cmp.Or(why, err)
			continue
		}
		x.Targets, rest = append(x.Targets, f.Target), rest-f.Score
	}
	switch {
	case rest >= limit && why != nil:
		return x, cut, why
	case len(x.Targets) > MaxTargets:
		return x, cut, noren.Say(noren.Denied, noren.Textf("%d か所で見つかっています。これだけ多いと、まちがいとは言えません（外せるのは%dか所までです）", "it was found in %d places; that is too much for a mistake (at most %d can be left out)", len(x.Targets), MaxTargets))
	}
	return x, cut, nil
}

// PageOf is a path with a star for the number at its end: of two orders the pages
// are the same.
func PageOf(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 1 || !isNumber(path[i+1:]) || !mostlyDigits(path[i+1:]) {
		return path
	}
	return path[:i+1] + "*"
}

// mostlyDigits tells 1234 and 01J9ZK3W44 from step2 and v1.
func mostlyDigits(s string) bool {
	digits := 0
	for _, c := range s {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	return digits == len(s) || len(s) >= 12 && digits*4 >= len(s)
}
