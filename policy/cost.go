package policy

import (
	"maps"
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"

	"noren"
	"noren/yamlfile"
)

// Limits on cost, in CEL's units: about one for reading a fact, for a
// comparison, and for ten characters of text looked at. What they come to in
// time is measured by BenchmarkWorstCondition: a unit of a regular expression,
// the slowest thing there is, takes some 80 ns.
//
// The worst case is an event of the greatest size that is allowed
// (noren.MaxEventBytes) all of which is the text or list in question.
const (
	MaxCost      = 150_000 // of one condition
	MaxTotalCost = 600_000 // of the policies for one kind and zone together
)

// estimate is the worst cost of a checked condition.
func estimate(env *cel.Env, checked *cel.Ast) (uint64, error) {
	c, err := env.EstimateCost(checked, sizes{})
	return c.Max, err
}

// sizes bounds what a fact can be. A list of n texts takes at least three bytes
// each in an event, so no list is longer than MaxEventBytes/3; and because work
// on the elements together is work on at most MaxEventBytes, the mean of three
// bytes with the longest list bounds every other split.
type sizes struct{}

func (sizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) == 0 || n.ComputedSize() != nil {
		return nil
	}
	if path[len(path)-1] == "@items" {
		return &cost.SizeEstimate{Min: 0, Max: 3}
	}
	switch n.Type().Kind() {
	case types.StringKind:
		return &cost.SizeEstimate{Min: 0, Max: noren.MaxEventBytes}
	case types.ListKind:
		return &cost.SizeEstimate{Min: 0, Max: noren.MaxEventBytes / 3}
	}
	return nil
}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

func costText(c uint64) noren.Text {
	if c > math.MaxInt32 {
		return noren.Text{Ja: "限りなく大きな", En: "without limit"}
	}
	return noren.Textf("%d", "%d", c)
}

// checkTotal refuses sets that are too much work for one kind and zone, and
// points at the dearest policy there.
func (l *loader) checkTotal(s *Set) {
	for _, k := range noren.Kinds() {
		kr := s.kinds[k.Kind]
		if kr == nil {
			continue
		}
		buckets := map[noren.Zone]*bucket{"": kr.rest}
		maps.Copy(buckets, kr.zones)
		for _, z := range slices.Sorted(maps.Keys(buckets)) {
			if r, total := dearest(buckets[z].rules); total > MaxTotalCost {
				l.faults = append(l.faults, dear(r, noren.Textf("%s%s の方針は、合わせて %d の手間がかかることがあり、上限の %d を超えます。%s だけで %d かかります",
					"the policies for %s%s may cost %d together, more than the limit of %d; %s alone may cost %d", k.Kind, inZone(z), total, MaxTotalCost, r.Name, r.Cost)))
				break // one zone shows it
			}
		}
	}
}

func inZone(z noren.Zone) noren.Text {
	if z == "" {
		return noren.Text{}
	}
	return noren.Textf("（場所 %s）", " in zone %s", z)
}

func dear(r *rule, t noren.Text) error {
	return &yamlfile.Fault{File: r.File, Line: r.Line, Col: 1, Msg: t.En, Ja: t.Ja}
}

func dearest(rules []*rule) (most *rule, total uint64) {
	for _, r := range rules {
		total += r.Cost
		if most == nil || r.Cost > most.Cost {
			most = r
		}
	}
	return most, total
}
