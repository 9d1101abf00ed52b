package prove

import (
	"fmt"
	"slices"
	"strings"

	"noren"
	"noren/gateway/waf/corpus"
)

// program is a weak program with one place for a value. It says how the value
// changed its structure, or fails when it did not.
type program func(value string) (how string, err error)

// programs of a class, by context.
func programs(c corpus.Class) map[string]program {
	switch c {
	case corpus.SQL:
		return sqlPrograms()
	case corpus.XSS:
		return htmlPrograms()
	case corpus.Shell:
		return shellPrograms()
	case corpus.Traversal:
		return pathPrograms()
	case corpus.SSRF:
		return fetchPrograms()
	case corpus.SSTI:
		return templatePrograms()
	case corpus.NoSQL:
		return nosqlPrograms()
	case corpus.LDAP:
		return ldapPrograms()
	case corpus.XPath:
		return xpathPrograms()
	case corpus.XXE:
		return xmlPrograms()
	case corpus.MailHeader:
		return mailPrograms()
	case corpus.Deserialise:
		return serialPrograms()
	case corpus.Prototype:
		return prototypePrograms()
	case corpus.JNDI:
		return lookupPrograms()
	case corpus.GraphQL:
		return graphPrograms()
	case corpus.PHP:
		return phpPrograms()
	}
	return nil
}

// Attack proves an attack line: it says how the line changes its program, or why
// it does not.
func Attack(l *corpus.Line) (how string, err error) {
	p, ok := programs(l.Class)[l.Context]
	if !ok {
		return "", noren.Errorf(noren.Invalid, "class %s has no program %q", l.Class, l.Context)
	}
	value, err := undress(l)
	if err != nil {
		return "", err
	}
	return p(value)
}

// textual are the programs that text of every kind may land in. A benign line
// must not work in any. Programs that want a number, a file or an address are
// none of them: 1-1-1 computes there, as it should.
var textual = map[corpus.Class][]string{
	corpus.SQL:         {"string", "like", "double", "insert"},
	corpus.XSS:         {"text", "attribute", "single", "script", "script single"},
	corpus.Shell:       {"single", "double"},
	corpus.Traversal:   {"join"},
	corpus.SSTI:        {"render"},
	corpus.LDAP:        {"and", "or"},
	corpus.XPath:       {"predicate"},
	corpus.Deserialise: {"php", "java", "node", "python", "ruby", "net", "yaml"},
	corpus.JNDI:        {"log"},
	corpus.PHP:         {"eval", "file"},
}

// Benign holds that a benign line works in none of the programs it may land in,
// neither as it is nor as a shop reads it: its full-width letters folded, or
// escaped as bytes of Shift_JIS and EUC-JP.
func Benign(l *corpus.Line) error {
	for _, text := range readingsOf(l.Text) {
		for class, contexts := range textual {
			if !meant(l, class) || class == corpus.SQL && !strings.ContainsAny(text, "'\"") {
				continue // no text without a quote leaves a string
			}
			for _, c := range contexts {
				if how, err := programs(class)[c](text); err == nil {
					return fmt.Errorf("works as %s in %q: %s", class, c, how)
				}
			}
		}
	}
	return nil
}

func readingsOf(text string) []string {
	out := []string{text, foldKana(text),
		decodeLenient(addSlashes(corpus.ShiftJIS.Encode(text)), 0x81, 0xFC, corpus.ShiftJIS),
		decodeLenient(addSlashes(corpus.EUCJP.Encode(text)), 0xA1, 0xFE, corpus.EUCJP)}
	slices.Sort(out)
	return slices.Compact(out)
}

// meant: what the shop's own people write, HTML, templates, styles, lands whole
// in pages; whole documents are parsed, not put together.
func meant(l *corpus.Line, c corpus.Class) bool {
	switch l.Kind {
	case corpus.HTML, corpus.Template, corpus.Style:
		return c == corpus.Traversal || c == corpus.Deserialise || c == corpus.JNDI
	case corpus.Document:
		return false
	}
	return true
}
