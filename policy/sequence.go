package policy

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/yamlfile"
)

// Limits on sequences.
const (
	MaxSequences = 20 // in all files
	MaxSteps     = 8
	MinWithin    = time.Minute
	MaxWithin    = 30 * 24 * time.Hour
)

// Sequence is steps that one entity takes one after the other, as it stands in a
// file.
type Sequence struct {
	Name string `yaml:"name" json:"name" jsonschema:"description=Lower-case letters; digits and _; the fact is sequence.NAME"`
	// By is whose steps are put together.
	By string `yaml:"by" json:"by" jsonschema:"enum=address,enum=session,enum=device,enum=account"`
	// Within is the time from the first step to the last.
	Within time.Duration `yaml:"within" json:"within" jsonschema:"type=string,description=1m to 30d"`
	Steps  []Step        `yaml:"steps" json:"steps" jsonschema:"minItems=2,maxItems=8"`
}

// Step is one step of a sequence.
type Step struct {
	Name  string       `yaml:"name" json:"name"`
	Kinds []noren.Kind `yaml:"kinds" json:"kinds" jsonschema:"minItems=1"`
	// When is a CEL expression over facts of the event itself.
	When string `yaml:"when" json:"when" jsonschema:"description=CEL expression over facts of the event itself"`
	// Gap is the longest time since the step before; up to Within when left out.
	Gap   time.Duration `yaml:"gap" json:"gap,omitempty" jsonschema:"type=string,description=Longest time since the step before"`
	Tests []Row         `yaml:"tests" json:"tests" jsonschema:"minItems=2"`
}

// word is the sequence without its conditions.
func (q *Sequence) word() noren.Sequence {
	out := noren.Sequence{Name: q.Name, By: q.By, Within: q.Within}
	for _, s := range q.Steps {
		out.Steps = append(out.Steps, noren.SequenceStep{Name: s.Name, Gap: s.Gap})
	}
	return out
}

// DeclaredSequences lists the sequences that files declare, each name once, for
// the catalogue that Load needs. It reports no faults: Load does.
func DeclaredSequences(files []File) []noren.Sequence {
	var out []noren.Sequence
	for _, f := range sortedFiles(files) {
		var d Document
		_, _ = yamlfile.Decode(f.Name, f.Data, &d)
		for i := range d.Sequences {
			q := &d.Sequences[i]
			known := slices.ContainsFunc(out, func(o noren.Sequence) bool { return o.Name == q.Name })
			if !known && q.countable() && len(out) < MaxSequences {
				out = append(out, q.word())
			}
		}
	}
	return out
}

var sequenceEntities = []string{noren.EntityAddress, noren.EntitySession, noren.EntityDevice, noren.EntityAccount}

func (q *Sequence) countable() bool {
	return noren.ValidIdent(q.Name) && slices.Contains(sequenceEntities, q.By) && len(q.Steps) >= 2 && len(q.Steps) <= MaxSteps &&
		q.Within >= MinWithin && q.Within <= MaxWithin
}

// stepRule is one compiled step.
type stepRule struct {
	seen noren.StepSeen
	rule *rule
}

// sequences reads the sequences of one file; their steps are compiled with the
// policies.
func (l *loader) readSequences(doc *yamlfile.Doc, qs []Sequence) {
	for i := range qs {
		q := &qs[i]
		fault := func(msg noren.Text, at ...any) {
			l.faults = append(l.faults, doc.Say(msg, append([]any{"sequences", i}, at...)...))
		}
		l.checkSequence(q, fault)
		l.sequences = append(l.sequences, q)
		for j := range q.Steps {
			s := &q.Steps[j]
			src := &source{doc: doc, base: []any{"sequences", i, "steps", j}, l: l,
				policy: &Policy{Name: q.Name + "." + s.Name, Kinds: s.Kinds, Mode: On, When: s.When, Tests: s.Tests}}
			src.checkStep(s.Name)
			l.steps = append(l.steps, stepSource{src, noren.StepSeen{Sequence: q.Name, Step: j + 1}})
		}
	}
}

type stepSource struct {
	*source
	seen noren.StepSeen
}

func (l *loader) checkSequence(q *Sequence, fault func(noren.Text, ...any)) {
	switch {
	case !noren.ValidIdent(q.Name):
		fault(noren.Textf("名前 %q は使えません。小文字で始まる、小文字・数字・_ の64文字までにしてください", "name %q: use at most 64 lower-case letters, digits and _, beginning with a letter", clip(q.Name)), "name")
	case slices.ContainsFunc(l.sequences, func(o *Sequence) bool { return o.Name == q.Name }):
		fault(noren.Textf("手順（sequence）%s が二度書かれています", "sequence %s stands twice", q.Name), "name")
	case len(l.sequences) >= MaxSequences:
		fault(noren.Textf("手順（sequences）が %d 個を超えています", "more than %d sequences", MaxSequences))
	}
	if !slices.Contains(sequenceEntities, q.By) {
		fault(missingOr(q.By, "by", sequenceEntities), "by")
	}
	if q.Within < MinWithin || q.Within > MaxWithin {
		fault(noren.Textf("within: はじめの段から終わりの段までの時間は、1m（1分）から 30d（30日）です", "within: the time from the first step to the last is 1m to 30d"), "within")
	}
	if len(q.Steps) < 2 || len(q.Steps) > MaxSteps {
		fault(noren.Textf("手順（sequence）の段は 2 から %d までです", "a sequence has 2 to %d steps", MaxSteps), "steps")
	}
	for j, s := range q.Steps {
		switch {
		case s.Gap < 0 || s.Gap > q.Within:
			fault(noren.Textf("gap: within より長くはできません", "gap: at most as long as within"), "steps", j, "gap")
		case s.Gap != 0 && j == 0:
			fault(noren.Textf("gap: はじめの段の前には何もないので、書けません", "gap: the first step has none before it"), "steps", j, "gap")
		}
	}
}

// checkStep holds what needs no CEL.
func (s *source) checkStep(name string) {
	if !noren.ValidIdent(name) {
		s.fault(noren.Textf("名前 %q は使えません。小文字で始まる、小文字・数字・_ の64文字までにしてください", "name %q: use at most 64 lower-case letters, digits and _, beginning with a letter", clip(name)), "name")
	}
	s.checkKinds()
	s.checkWhen()
	s.checkTests()
}

// checkOwn refuses what a step cannot ask for: it is looked for before anything
// is counted.
func (p *parsed) checkOwn() {
	for _, n := range p.computed() {
		p.fault(noren.Textf("手順の段は、その出来事だけを見ます。%s は数えて分かる事実なので、この手順を使う方針の側に書いてください", "a step looks at the event itself; %s is counted. Ask for it in the policy that reacts to the sequence", n), "when")
	}
}

// Steps says which steps of sequences ev is. One that cannot be evaluated is
// none.
func (s *Set) Steps(ev *noren.Event) (out []noren.StepSeen) {
	rules := s.stepsOf[ev.Kind]
	if len(rules) == 0 {
		return nil
	}
	v := s.takeVars(ev, nil)
	defer s.giveBack(v)
	for _, r := range rules {
		if fired, err := r.rule.fires(v); fired && err == nil {
			out = append(out, r.seen)
		}
	}
	return out
}

// Sequences lists the sequences of the set.
func (s *Set) Sequences() []noren.Sequence { return slices.Clone(s.sequences) }

// setSequences puts compiled steps into the set.
func (s *Set) setSequences(qs []*Sequence, steps []stepRule) {
	s.stepsOf = map[noren.Kind][]stepRule{}
	for _, q := range qs {
		s.sequences = append(s.sequences, q.word())
	}
	slices.SortFunc(s.sequences, func(a, b noren.Sequence) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(steps, func(a, b stepRule) int { return strings.Compare(a.rule.Name, b.rule.Name) })
	for _, r := range steps {
		r.rule.quick = quickOf(r.rule.expr, s)
		for _, k := range r.rule.Kinds {
			s.stepsOf[k] = append(s.stepsOf[k], r)
		}
	}
	if len(steps) > 0 {
		s.hash = hashWithSteps(s.hash, s.sequences, steps)
		s.version = s.hash[:16]
	}
}

// SameSequences reports a name that stands for one sequence in one file and for
// another in another: sites share what is counted.
func SameSequences(files []File) error {
	var errs []error
	first := map[string]*Sequence{}
	for _, f := range sortedFiles(files) {
		var d Document
		doc, _ := yamlfile.Decode(f.Name, f.Data, &d)
		for i := range d.Sequences {
			q := &d.Sequences[i]
			if was := first[q.Name]; was == nil {
				first[q.Name] = q
			} else if !reflect.DeepEqual(was.word(), q.word()) {
				errs = append(errs, doc.Say(noren.Textf("手順（sequence）%s は、ほかのファイルでは段や時間が違います。別の名前にしてください", "sequence %s has other steps or times in another file; give it a name of its own", q.Name), "sequences", i, "name"))
			}
		}
	}
	return yamlfile.Join(errs...)
}
