package policy

import (
	"fmt"
	"slices"
	"strings"

	"noren"
	"noren/yamlfile"
)

// loader reads files and collects every fault in them.
type loader struct {
	cat      *noren.Catalogue
	compiler *compiler
	faults   []error
	names    map[string]string // policy → file:line where it stands
	rules    []*rule
	entities []string
	count    int

	sequences []*Sequence
	steps     []stepSource
	stepRules []stepRule

	tell func(RowResult) // nil when nobody asks
}

// Load compiles and tests the policies of files over the facts of cat. The
// error joins every fault, each as file:line:col: message; there is no set then.
func Load(files []File, cat *noren.Catalogue) (*Set, error) { return load(files, cat, nil) }

func load(files []File, cat *noren.Catalogue, tell func(RowResult)) (*Set, error) {
	if len(files) > MaxFiles {
		return nil, noren.Say(noren.Invalid, noren.Textf("方針のファイルが %d 個あります。読めるのは %d 個までです", "%d policy files; at most %d are loaded", len(files), MaxFiles))
	}
	comp, err := newCompiler(cat)
	if err != nil {
		return nil, fmt.Errorf("policy: prepare CEL: %w", err)
	}
	l := &loader{cat: cat, compiler: comp, names: map[string]string{}, entities: DeclaredEntities(files), tell: tell}
	var sources []*source
	for _, f := range sortedFiles(files) {
		sources = append(sources, l.file(f)...)
	}
	l.compile(sources)
	set := newSet(l.rules, l.compiler.facts, l.entities)
	set.setSequences(l.sequences, l.stepRules)
	l.checkTotal(set)
	if err := yamlfile.Join(l.faults...); err != nil {
		return nil, err
	}
	return set, nil
}

// sortedFiles makes faults come in the same order whatever order a map of files
// had.
func sortedFiles(files []File) []File {
	return slices.SortedStableFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
}

// source is one policy and where it stands.
type source struct {
	doc    *yamlfile.Doc
	index  int
	policy *Policy
	l      *loader
	broken bool  // has a fault already
	base   []any // where it stands when it is a step of a sequence
}

func (s *source) path(more ...any) []any {
	if s.base != nil {
		return append(slices.Clone(s.base), more...)
	}
	return append([]any{"policies", s.index}, more...)
}

// fault records what is wrong at a part of the policy.
func (s *source) fault(msg noren.Text, at ...any) {
	s.broken = true
	s.l.faults = append(s.l.faults, s.doc.Say(msg, s.path(at...)...))
}

// faultInside records what is wrong at a byte of the condition.
func (s *source) faultInside(offset int, msg noren.Text) {
	s.broken = true
	s.l.faults = append(s.l.faults, s.doc.SayAt(s.doc.Inside(offset, s.path("when")...), msg))
}

func (l *loader) file(f File) []*source {
	var d Document
	doc, err := yamlfile.Decode(f.Name, f.Data, &d)
	if err != nil {
		l.faults = append(l.faults, err)
	}
	if err := doc.CheckVersion(1); err != nil {
		l.faults = append(l.faults, err)
	}
	l.declared(doc, d.Entities)
	l.readSequences(doc, d.Sequences)
	var out []*source
	for i := range d.Policies {
		if l.count++; l.count > MaxPolicies {
			l.faults = append(l.faults, doc.Say(noren.Textf("方針が %d 個を超えています", "more than %d policies", MaxPolicies), "policies", i))
			break
		}
		s := &source{doc: doc, index: i, policy: &d.Policies[i], l: l}
		s.check()
		out = append(out, s)
	}
	return out
}

func (l *loader) declared(doc *yamlfile.Doc, entities []string) {
	for i, e := range entities {
		if msg := entityFault(e); msg.En != "" {
			l.faults = append(l.faults, doc.Say(msg, "entities", i))
		} else if !slices.Contains(l.entities, e) {
			l.faults = append(l.faults, doc.Say(noren.Textf("当事者（entities）が %d 個を超えています", "more than %d entities are declared", maxEntities), "entities", i))
		}
	}
}

// check holds everything that needs no CEL.
func (s *source) check() {
	s.checkName()
	s.checkKinds()
	s.checkZones()
	s.checkThen()
	s.checkReason()
	s.checkTests()
	p := s.policy
	if p.Mode != Off && p.Mode != Shadow && p.Mode != On {
		s.fault(missingOr(string(p.Mode), "mode", []string{"off", "shadow", "on"}), "mode")
	}
	s.checkWhen()
}

func (s *source) checkWhen() {
	p := s.policy
	switch {
	case strings.TrimSpace(p.When) == "":
		s.fault(noren.Textf("when がありません。条件を CEL の式で書いてください", "when is missing: the condition as a CEL expression"), "when")
	case len(p.When) > MaxWhen:
		s.fault(noren.Textf("条件が %d バイトあります。読めるのは %d バイトまでです", "the condition has %d bytes; at most %d are read", len(p.When), MaxWhen), "when")
	}
}

// missingOr says that a word is missing or not one of those allowed.
func missingOr(got, key string, allowed []string) noren.Text {
	list := strings.Join(allowed, ", ")
	if got == "" {
		return noren.Textf("%s がありません。%s のどれかを書いてください", "%s is missing; it is one of %s", key, list)
	}
	if near := yamlfile.Nearest(got, allowed); near != "" {
		return noren.Textf("%s に %q は使えません。%q のことですか", "unknown %s %q; did you mean %q?", key, clip(got), near)
	}
	return noren.Textf("%s に %q は使えません。使えるのは %s です", "unknown %s %q; it is one of %s", key, clip(got), list)
}

func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

func (s *source) checkName() {
	name := s.policy.Name
	if name == "" {
		s.fault(noren.Textf("name（名前）がありません", "name is missing"), "name")
		return
	}
	if !noren.ValidName(name) {
		s.fault(noren.Textf("名前 %q は使えません。小文字で始まる、小文字・数字・-・_ の64文字までにしてください", "name %q: use at most 64 lower-case letters, digits, - and _, beginning with a letter", clip(name)), "name")
		return
	}
	if other, dup := s.l.names[name]; dup {
		s.fault(noren.Textf("方針 %s が二度書かれています。はじめは %s です", "policy %s stands twice; it is first in %s", name, other), "name")
		return
	}
	s.l.names[name] = fmt.Sprintf("%s:%d", s.doc.Name(), s.doc.At(s.path("name")...).Line)
}

func (s *source) checkKinds() {
	if len(s.policy.Kinds) == 0 {
		s.fault(noren.Textf("kinds がありません。どの種類の出来事を見るかを書いてください", "kinds is missing: the kinds of events the policy is about"), "kinds")
	}
	for i, k := range s.policy.Kinds {
		info, err := k.Info()
		switch {
		case err != nil:
			s.fault(missingOr(string(k), "kind", decidedKinds()), "kinds", i)
		case info.Operational:
			s.fault(noren.Textf("%s は Noren 自身のことを記録する出来事です。判断はしないので、方針は付けられません", "%s tells of Noren itself and is recorded, never decided; it cannot have policies", k), "kinds", i)
		case slices.Contains(s.policy.Kinds[:i], k):
			s.fault(noren.Textf("種類 %s が二度書かれています", "kind %s stands twice", k), "kinds", i)
		}
	}
}

func decidedKinds() []string {
	var out []string
	for _, k := range noren.Kinds() {
		if !k.Operational {
			out = append(out, string(k.Kind))
		}
	}
	return out
}

func (s *source) checkZones() {
	for i, z := range s.policy.Zones {
		info, ok := z.Info()
		switch {
		case !ok:
			s.fault(missingOr(string(z), "zone", zoneNames()), "zones", i)
		case slices.Contains(s.policy.Zones[:i], z):
			s.fault(noren.Textf("場所 %s が二度書かれています", "zone %s stands twice", z), "zones", i)
		case s.policy.Then == noren.Challenge && (info.Machine || info.Payment):
			s.fault(noren.Textf("場所 %s では確認（challenge）を出せません。機械は答えられず、お支払いは途中で止められないためです", "nobody is challenged in zone %s: machines cannot answer and payments must not be interrupted", z), "zones", i)
		}
	}
}

func zoneNames() []string {
	var out []string
	for _, z := range noren.Zones() {
		out = append(out, string(z.Zone))
	}
	return out
}

func (s *source) checkThen() {
	p := s.policy
	switch {
	case p.Then == noren.Allow:
		s.fault(noren.Textf("then に allow は書けません。どの方針にも当てはまらないときに通るのであって、ほかの方針を打ち消すことはできません", "then: allow is what happens when no policy fires; a policy cannot overrule another"), "then")
	case !p.Then.Valid():
		s.fault(missingOr(string(p.Then), "then", []string{"limit", "challenge", "step_up", "review", "hold", "block"}), "then")
	case p.Then == noren.Challenge && (slices.Contains(p.Kinds, noren.PaymentAttempt) || slices.Contains(p.Kinds, noren.PaymentOutcome)):
		s.fault(noren.Textf("お支払いには確認（challenge）を出せません。limit・review・hold・block のどれかにしてください", "then: payments are never challenged; use limit, review, hold or block"), "then")
	}
	if p.Alarm != "" && p.Alarm != noren.AlarmHigh && p.Alarm != noren.AlarmCritical {
		s.fault(missingOr(string(p.Alarm), "alarm", []string{"high", "critical"}), "alarm")
	}
	if p.Ban != nil {
		s.checkBan(p.Ban)
	}
}

func (s *source) checkReason() {
	for _, r := range []struct {
		lang     string
		language noren.Text
		text     string
	}{{"ja", noren.Text{Ja: "日本語", En: "Japanese"}, s.policy.Reason.Ja}, {"en", noren.Text{Ja: "英語", En: "English"}, s.policy.Reason.En}} {
		switch {
		case strings.TrimSpace(r.text) == "":
			s.fault(noren.Textf("reason.%s がありません。理由は人が読むものです。%sでも書いてください", "reason.%s is missing: people read the reason, in %s too", r.lang, r.language), "reason", r.lang)
		case len(r.text) > MaxReason:
			s.fault(noren.Textf("reason.%s が %d バイトを超えています", "reason.%s is longer than %d bytes", r.lang, MaxReason), "reason", r.lang)
		}
	}
}

func (s *source) checkTests() {
	var fires, quiet bool
	for i, r := range s.policy.Tests {
		switch {
		case r.Fires == nil:
			s.fault(noren.Textf("試し書き（tests）の行に、fires: true か fires: false を書いてください", "a test row says fires: true or fires: false"), "tests", i)
		case *r.Fires:
			fires = true
		default:
			quiet = true
		}
	}
	switch n := len(s.policy.Tests); {
	case n > MaxRows:
		s.fault(noren.Textf("試し書き（tests）が %d 行あります。試せるのは %d 行までです", "%d test rows; at most %d are run", n, MaxRows), "tests", MaxRows)
	case n == 0:
		s.fault(noren.Textf("試し書き（tests）がありません。当てはまる行と、当てはまらない行を、一つずつ以上書いてください", "tests are missing: at least one row that fires and one that does not"), "tests")
	case !fires:
		s.fault(noren.Textf("当てはまる（fires: true）試し書きがありません。何を見つけたいのかを一行書いてください", "no test row fires; show what the condition is meant to catch"), "tests")
	case !quiet:
		s.fault(noren.Textf("当てはまらない（fires: false）試し書きがありません。何を見逃してよいのかを一行書いてください", "every test row fires; show what the condition must leave alone"), "tests")
	}
}
