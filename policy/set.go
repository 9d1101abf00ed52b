package policy

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"

	"noren"
)

// Set is a compiled set of policies. It never changes and is safe for
// concurrent use.
type Set struct {
	rules    []*rule // every policy by name, those that are off included
	entities []string
	hash     string
	version  string
	facts    []noren.Fact   // every fact some condition names
	index    map[string]int // their place in facts
	kinds    map[noren.Kind]*kindRules

	sequences []noren.Sequence
	stepsOf   map[noren.Kind][]stepRule
	vars      sync.Pool // of *vars
}

// Info describes a policy for people.
type Info struct {
	Name   string        `json:"name"`
	File   string        `json:"file"`
	Line   int           `json:"line"`
	Kinds  []noren.Kind  `json:"kinds"`
	Zones  []noren.Zone  `json:"zones,omitempty"`
	Mode   Mode          `json:"mode"`
	When   string        `json:"when"`
	Then   noren.Verdict `json:"then"`
	Ban    *Ban          `json:"ban,omitempty"`
	Alarm  Alarm         `json:"alarm,omitempty"`
	Reason noren.Text    `json:"reason"`
	Facts  []string      `json:"facts"`           // every fact the condition names, sorted
	Needs  []string      `json:"needs,omitempty"` // those of them that must be computed
	Cost   uint64        `json:"cost"`            // worst case, in CEL's units
}

// rule is one compiled policy.
type rule struct {
	Info
	canonical string // the condition in one form, whatever its layout
	expr      ast.Expr
	quick     quick // what is known of the condition without prog; of the rule's set
	prog      cel.Program
}

func newRule(p *parsed, prog cel.Program, canonical string, cost uint64) *rule {
	y := p.policy
	return &rule{
		Info: Info{
			Name: y.Name, File: p.doc.Name(), Line: p.doc.At(p.path("name")...).Line,
			Kinds: y.Kinds, Zones: y.Zones, Mode: y.Mode, When: strings.TrimSpace(y.When),
			Then: y.Then, Ban: y.Ban, Alarm: y.Alarm, Reason: trimText(y.Reason), Facts: p.names, Needs: p.needs(), Cost: cost,
		},
		canonical: canonical,
		expr:      p.ast.NativeRep().Expr(),
		prog:      prog,
	}
}

func trimText(t noren.Text) noren.Text {
	return noren.Text{Ja: strings.TrimSpace(t.Ja), En: strings.TrimSpace(t.En)}
}

// applies reports whether the rule is about events of this kind and zone.
func (r *rule) applies(k noren.Kind, z noren.Zone) bool {
	return slices.Contains(r.Kinds, k) && (len(r.Zones) == 0 || slices.Contains(r.Zones, z))
}

// kindRules are the policies in force for one kind.
type kindRules struct {
	zones map[noren.Zone]*bucket
	rest  *bucket // for zones that no policy names
}

// bucket is what one kind and zone need to know.
type bucket struct {
	rules []*rule
	needs []string // computed facts
}

func newSet(rules []*rule, facts map[string]noren.Fact, entities []string) *Set {
	slices.SortFunc(rules, func(a, b *rule) int { return strings.Compare(a.Name, b.Name) })
	s := &Set{rules: rules, entities: entities, index: map[string]int{}, kinds: map[noren.Kind]*kindRules{}}
	for i, name := range slices.Sorted(maps.Keys(facts)) {
		s.facts = append(s.facts, facts[name])
		s.facts[i].Name = name
		s.index[name] = i
	}
	for _, r := range rules {
		r.quick = quickOf(r.expr, s)
	}
	s.hash = hashOf(rules)
	s.version = s.hash[:16]
	for _, k := range noren.Kinds() {
		if kr := s.indexKind(k.Kind); kr != nil {
			s.kinds[k.Kind] = kr
		}
	}
	s.vars.New = func() any { return newVars(s) }
	return s
}

func (s *Set) indexKind(k noren.Kind) *kindRules {
	kr := &kindRules{zones: map[noren.Zone]*bucket{}, rest: s.bucket(k, "")}
	empty := len(kr.rest.rules) == 0
	for _, r := range s.rules {
		if r.Mode == Off || !slices.Contains(r.Kinds, k) {
			continue
		}
		for _, z := range r.Zones {
			if kr.zones[z] == nil {
				kr.zones[z] = s.bucket(k, z)
				empty = false
			}
		}
	}
	if empty {
		return nil
	}
	return kr
}

func (s *Set) bucket(k noren.Kind, z noren.Zone) *bucket {
	b := &bucket{}
	for _, r := range s.rules {
		if r.Mode == Off || !r.applies(k, z) {
			continue
		}
		b.rules = append(b.rules, r)
		b.needs = append(b.needs, r.Needs...)
	}
	slices.Sort(b.needs)
	b.needs = slices.Compact(b.needs)
	return b
}

func (s *Set) bucketFor(k noren.Kind, z noren.Zone) *bucket {
	kr := s.kinds[k]
	if kr == nil {
		return nil
	}
	if b := kr.zones[z]; b != nil {
		return b
	}
	return kr.rest
}

// Version is the short version hash of the set: what decisions carry. Comments
// and layout do not change it; anything that can change a decision does.
func (s *Set) Version() string { return s.version }

// Hash is the whole of the hash that Version is the beginning of.
func (s *Set) Hash() string { return s.hash }

// Entities lists the entities that the files declare.
func (s *Set) Entities() []string { return slices.Clone(s.entities) }

// Needs lists the computed facts that policies of this kind and zone ask for,
// sorted. The caller must not change it.
func (s *Set) Needs(k noren.Kind, z noren.Zone) []string {
	if b := s.bucketFor(k, z); b != nil {
		return b.needs
	}
	return nil
}

// Policies describes every policy of the set, by name.
func (s *Set) Policies() []Info {
	out := make([]Info, len(s.rules))
	for i, r := range s.rules {
		out[i] = r.Info
	}
	return out
}
