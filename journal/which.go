package journal

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"noren"
)

// Which says which entries, by what is public of them. Values of one field are
// alternatives, fields must all fit; an empty field asks for everything.
type Which struct {
	Kinds    []noren.Kind
	Zones    []noren.Zone // "" among them is "without a zone"
	Verdicts []noren.Verdict
	Rules    []string      // Entry.Rule, whole
	Causes   []noren.Cause // what stands before the colon of Entry.Rule
}

// any reports whether every entry fits.
func (w *Which) any() bool {
	return len(w.Kinds)+len(w.Zones)+len(w.Verdicts)+len(w.Rules)+len(w.Causes) == 0
}

// maxAlternatives bounds one field of a Which, so that statements stay short.
const maxAlternatives = 100

func (w *Which) valid() error {
	for _, n := range []int{len(w.Kinds), len(w.Zones), len(w.Verdicts), len(w.Rules), len(w.Causes)} {
		if n > maxAlternatives {
			return noren.Errorf(noren.Invalid, "%d values of one field are over the limit of %d", n, maxAlternatives)
		}
	}
	return nil
}

// statement builds the text of a SELECT; every operand is an argument.
type statement struct {
	strings.Builder
	args []any
}

func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	return "$" + strconv.Itoa(len(s.args))
}

// add writes text in which each ? is the next operand.
func (s *statement) add(text string, args ...any) *statement {
	for _, a := range args {
		before, after, _ := strings.Cut(text, "?")
		s.WriteString(before + s.arg(a))
		text = after
	}
	s.WriteString(text)
	return s
}

// which adds the conditions of w on the columns of table t. also is a rule that
// always fits, "" for none: that of the group of all rules too many to tell apart.
func (s *statement) which(w *Which, t, also string) *statement {
	in(s, t+".kind", w.Kinds)
	in(s, t+".zone", w.Zones)
	in(s, t+".verdict", w.Verdicts)
	rules := w.Rules
	if also != "" && len(rules) > 0 {
		rules = append(slices.Clone(rules), also)
	}
	in(s, t+".rule", rules)
	s.causes(w.Causes, t+".rule", also)
	return s
}

func in[T ~string](s *statement, column string, values []T) {
	for i, v := range values {
		if i == 0 {
			s.add(` AND ` + column + ` IN (`)
		} else {
			s.add(`,`)
		}
		s.add(`?`, string(v))
	}
	if len(values) > 0 {
		s.add(`)`)
	}
}

func (s *statement) causes(causes []noren.Cause, column, also string) {
	if len(causes) == 0 {
		return
	}
	s.add(` AND (`)
	for i, c := range causes {
		if i > 0 {
			s.add(` OR `)
		}
		prefix := string(c) + ":"
		s.add(column+` = ?`, string(c))
		s.add(` OR substr(`+column+`, 1, `+strconv.Itoa(utf8.RuneCountInString(prefix))+`) = ?`, prefix)
	}
	if also != "" {
		s.add(` OR `+column+` = ?`, also)
	}
	s.add(`)`)
}

// between adds a span of time; at is the column, or a term of it where its index
// must not be used.
func (s *statement) between(at string, since, until int64) *statement {
	if since > 0 {
		s.add(` AND `+at+` >= ?`, since)
	}
	if until < forever {
		s.add(` AND `+at+` < ?`, until)
	}
	return s
}

// forever is later than any entry.
const forever = int64(1) << 62

// micros are the bounds of a span of time, zero times being open ends.
func micros(since, until time.Time) (from, to int64) {
	from, to = 0, forever
	if !since.IsZero() {
		from = max(0, since.UnixMicro())
	}
	if !until.IsZero() {
		to = max(0, until.UnixMicro())
	}
	return from, to
}
