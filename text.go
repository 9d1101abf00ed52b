package noren

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
