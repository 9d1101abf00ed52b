package ui

import (
	"fmt"
	"html/template"
	"strings"

	"noren"
)

// Share is one part of a whole, with a place to see it alone.
type Share struct {
	Tone Tone
	Name noren.Text
	N    int
	URL  string
	Here bool
}

// The bar in units of its own.
const (
	shareWidth = 1000
	gap        = 3 // between two parts
)

// shareBar draws the parts side by side, as wide as they are many. The numbers
// stand in words beside, so it says nothing to screen readers.
func shareBar(shares []Share) template.HTML {
	sum := 0
	for _, s := range shares {
		sum += s.N
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="sharebar" viewBox="0 0 %d 12" preserveAspectRatio="none" aria-hidden="true" focusable="false">`, shareWidth)
	for before, i := 0, 0; i < len(shares) && sum > 0; i++ {
		x := before * shareWidth / sum
		before += shares[i].N
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="0" width="%d" height="12"/>`, template.HTMLEscapeString(string(shares[i].Tone)), x, max(1, before*shareWidth/sum-x-gap))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}
