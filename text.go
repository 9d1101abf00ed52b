package noren

import "fmt"

// Text is a sentence for people, in the two languages Noren speaks. Japanese
// is what a shopkeeper reads first.
type Text struct {
	Ja string `json:"ja" yaml:"ja"`
	En string `json:"en" yaml:"en"`
}

// In returns the sentence in lang ("ja" or "en"); anything else means Japanese.
func (t Text) In(lang string) string {
	if lang == "en" && t.En != "" {
		return t.En
	}
	return t.Ja
}

// Textf makes a sentence of both languages from the same arguments. A Text among
// them, or an error that has one (TextOf), comes in in the sentence's own language.
func Textf(ja, en string, args ...any) Text {
	in := func(lang, format string) string {
		mine := make([]any, len(args))
		for i, a := range args {
			if err, ok := a.(error); ok {
				if t, has := TextOf(err); has {
					a = t
				}
			}
			if t, ok := a.(Text); ok {
				a = t.In(lang)
			}
			mine[i] = a
		}
		return fmt.Sprintf(format, mine...)
	}
	return Text{Ja: in("ja", ja), En: in("en", en)}
}
