package ui

import (
	"fmt"
	"html/template"
	"strings"

	"noren"
)

// Stack is a row of bars over time, each made of parts that add up. Like Chart it
// is drawn by the server; every bar leads to its own span of time, and a script
// (events.js) lets people drag over several.
type Stack struct {
	Title noren.Text
	Unit  noren.Text
	Parts []Part // from the foot of a bar upwards, stackColours at most
	Bars  []StackBar
	Page  string // the address whose since and until a drag sets
	Skip  string // of what stands behind the chart, for the keyboard
}

// Part is one kind of thing that is counted.
type Part struct {
	Name noren.Text
	N    int64
	Link string
}

// StackBar is one span of time; N is as long as Parts.
type StackBar struct {
	Label       string // of the span, for people
	Axis        string // the same, as short as the foot of the chart needs
	N           []int64
	Link        string
	Since, Last string // of the span, as an address has them
}

// stackColours is how many parts the stylesheet has colours for.
const stackColours = 6

func (b *StackBar) sum() (n int64) {
	for _, x := range b.N {
		n += x
	}
	return n
}

func (s Stack) most() (n int64) {
	for i := range s.Bars {
		n = max(n, s.Bars[i].sum())
	}
	return n
}

func (s Stack) sum() (n int64) {
	for i := range s.Bars {
		n += s.Bars[i].sum()
	}
	return n
}

func (s Stack) svg(w Words) template.HTML {
	if len(s.Bars) == 0 {
		return ""
	}
	esc := template.HTMLEscapeString
	var b strings.Builder
	fmt.Fprintf(&b, `<div class="zoom" data-zoom="%s">`, esc(s.Page))
	if s.Skip != "" {
		fmt.Fprintf(&b, `<a class="skip" href="%s">%s</a>`, esc(s.Skip), esc(w.T("グラフを飛ばす", "Skip the chart")))
	}
	fmt.Fprintf(&b, `<svg class="chart stack" viewBox="0 -%d %d %d" role="group" aria-label="%s">`, chartHead, chartWidth, chartHead+chartHeight+chartFoot,
		esc(fmt.Sprintf("%s: %s%s", s.Title.In(w.Lang), w.Number(s.sum()), s.Unit.In(w.Lang))))
	wide, most := float64(chartWidth)/float64(len(s.Bars)), s.most()
	for i := range s.Bars {
		s.bar(&b, w, &s.Bars[i], float64(i)*wide, wide, most)
	}
	fmt.Fprintf(&b, `<line class="base" x1="0" x2="%d" y1="%d" y2="%d"/>`, chartWidth, chartHeight, chartHeight)
	labels := make([]string, len(s.Bars))
	for i := range s.Bars {
		labels[i] = s.Bars[i].Axis
	}
	writeLabels(&b, labels, wide)
	writeMost(&b, w, most, s.Unit)
	b.WriteString(`</svg>`)
	s.legend(&b, w)
	b.WriteString(`</div>`)
	s.table(&b, w)
	return template.HTML(b.String())
}

// writeLabels writes those of a chart's foot that have room.
func writeLabels(b *strings.Builder, labels []string, wide float64) {
	for _, i := range labelled(len(labels)) {
		x, anchor := (float64(i)+.5)*wide, "middle"
		switch i {
		case 0:
			x, anchor = 0, "start"
		case len(labels) - 1:
			x, anchor = chartWidth, "end"
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="%s" aria-hidden="true">%s</text>`, x, chartHeight+chartFoot-4, anchor, template.HTMLEscapeString(labels[i]))
	}
}

func (s Stack) bar(b *strings.Builder, w Words, bar *StackBar, x, wide float64, most int64) {
	said := []string{fmt.Sprintf("%s: %s%s", bar.Label, w.Number(bar.sum()), s.Unit.In(w.Lang))}
	for i, n := range bar.N {
		if n > 0 {
			said = append(said, fmt.Sprintf("%s %s", s.Parts[i].Name.In(w.Lang), w.Number(n)))
		}
	}
	text := template.HTMLEscapeString(strings.Join(said, w.T("、", ", ")))
	linked := bar.Link != "" && bar.sum() > 0
	if linked {
		fmt.Fprintf(b, `<a href="%s" aria-label="%s">`, template.HTMLEscapeString(bar.Link), text)
	}
	fmt.Fprintf(b, `<g data-since="%s" data-last="%s"><title>%s</title><rect class="hit" x="%.2f" y="0" width="%.2f" height="%d"/>`, bar.Since, bar.Last, text, x, wide, chartHeight)
	y := float64(chartHeight)
	for i, n := range bar.N {
		if n == 0 {
			continue
		}
		tall := max(float64(n)/float64(most)*(chartHeight-6), 1.5) // one is not nothing
		y -= tall
		fmt.Fprintf(b, `<rect class="part p%d" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`, i%stackColours, x+wide*.1, max(y, 0), wide*.8, tall)
	}
	b.WriteString(`</g>`)
	if linked {
		b.WriteString(`</a>`)
	}
}

func (s Stack) legend(b *strings.Builder, w Words) {
	b.WriteString(`<ul class="legend">`)
	for i, p := range s.Parts {
		fmt.Fprintf(b, `<li><span class="swatch p%d"></span>`, i%stackColours)
		name := template.HTMLEscapeString(p.Name.In(w.Lang))
		if p.Link != "" {
			fmt.Fprintf(b, `<a href="%s">%s</a>`, template.HTMLEscapeString(p.Link), name)
		} else {
			b.WriteString(name)
		}
		fmt.Fprintf(b, ` <span class="soft">%s</span></li>`, w.Number(p.N))
	}
	b.WriteString(`</ul>`)
}
