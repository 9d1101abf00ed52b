package ui

import (
	"fmt"
	"html/template"
	"strings"

	"noren"
)

// Chart is a row of bars over time. The server draws it: it needs no script, is
// read out bar by bar, and prints.
type Chart struct {
	Title noren.Text
	Unit  noren.Text // follows every number
	Bars  []Bar      // from left to right
}

// Bar is one span of time.
type Bar struct {
	Label string // of the span, for people
	N     int64
	Mark  bool // set apart: today, not over yet
	Link  string
}

const (
	chartWidth, chartHeight = 560, 96
	chartFoot               = 22 // room for the labels below
	chartHead               = 16 // room for the axis's number above
)

// Most is the tallest bar.
func (c Chart) Most() (n int64) {
	for _, b := range c.Bars {
		n = max(n, b.N)
	}
	return n
}

// Sum is what all bars hold together.
func (c Chart) Sum() (n int64) {
	for _, b := range c.Bars {
		n += b.N
	}
	return n
}

func (c Chart) svg(w Words) template.HTML {
	if len(c.Bars) == 0 {
		return ""
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="chart" viewBox="0 -%d %d %d" role="group" aria-label="%s">`, chartHead, chartWidth, chartHead+chartHeight+chartFoot,
		template.HTMLEscapeString(fmt.Sprintf("%s: %s%s", c.Title.In(w.Lang), w.Number(c.Sum()), c.Unit.In(w.Lang))))
	wide := float64(chartWidth) / float64(len(c.Bars))
	for i, b := range c.Bars {
		c.bar(&s, w, b, float64(i)*wide, wide)
	}
	fmt.Fprintf(&s, `<line class="base" x1="0" x2="%d" y1="%d" y2="%d"/>`, chartWidth, chartHeight, chartHeight)
	for _, i := range labelled(len(c.Bars)) {
		anchor := "middle"
		if i == 0 {
			anchor = "start"
		} else if i == len(c.Bars)-1 {
			anchor = "end"
		}
		x := map[string]float64{"start": 0, "middle": (float64(i) + .5) * wide, "end": chartWidth}[anchor]
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" text-anchor="%s">%s</text>`, x, chartHeight+chartFoot-4, anchor, template.HTMLEscapeString(c.Bars[i].Label))
	}
	writeMost(&s, w, c.Most(), c.Unit)
	s.WriteString(`</svg>`)
	rows := make([]tableRow, len(c.Bars))
	for i, b := range c.Bars {
		rows[i] = tableRow{b.Label, b.Link, []int64{b.N}}
	}
	writeTable(&s, w, c.Title, []string{w.T("数", "Number") + unitOf(w, c.Unit)}, rows)
	return template.HTML(s.String())
}

func (c Chart) bar(s *strings.Builder, w Words, b Bar, x, wide float64) {
	tall := 0.0
	if m := c.Most(); m > 0 {
		tall = float64(b.N) / float64(m) * (chartHeight - 6)
	}
	if b.N > 0 {
		tall = max(tall, 2) // one is not nothing
	}
	class := "bar"
	if b.Mark {
		class = "bar now"
	}
	if b.Link != "" {
		fmt.Fprintf(s, `<a href="%s">`, template.HTMLEscapeString(b.Link))
	}
	said := template.HTMLEscapeString(fmt.Sprintf("%s: %s%s", b.Label, w.Number(b.N), c.Unit.In(w.Lang)))
	fmt.Fprintf(s, `<g><title>%s</title><rect class="hit" x="%.2f" y="0" width="%.2f" height="%d"/><rect class="%s" x="%.2f" y="%.2f" width="%.2f" height="%.2f" rx="1.5"/></g>`,
		said, x, wide, chartHeight, class, x+wide*.12, chartHeight-tall, wide*.76, tall)
	if b.Link != "" {
		s.WriteString(`</a>`)
	}
}

// labelled picks the bars whose label is written: first, last, and as many
// between as have room.
func labelled(n int) []int {
	step := max(1, (n+6)/7)
	var out []int
	for i := 0; i < n-1; i += step {
		out = append(out, i)
	}
	if len(out) > 1 && n-1-out[len(out)-1] < step {
		out = out[:len(out)-1]
	}
	return append(out, n-1)
}
