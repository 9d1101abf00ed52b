package ui

import (
	"fmt"
	"html/template"
	"strings"

	"noren"
)

// tableRow is a bar as a line of a table.
type tableRow struct {
	label, link string
	n           []int64
}

// writeMost writes the axis: a line where the tallest bar ends and what it stands for.
func writeMost(b *strings.Builder, w Words, most int64, unit noren.Text) {
	if most == 0 {
		return
	}
	const y = 6 // bars leave this above them
	fmt.Fprintf(b, `<line class="most" x1="0" x2="%d" y1="%d" y2="%d"/><text class="most" x="0" y="%d" aria-hidden="true">%s</text>`,
		chartWidth, y, y, y-3, template.HTMLEscapeString(w.Number(most)+unit.In(w.Lang)))
}

// unitOf is a unit as it stands in the head of a table.
func unitOf(w Words, unit noren.Text) string {
	if u := strings.TrimSpace(unit.In(w.Lang)); u != "" {
		return w.T("（"+u+"）", " ("+u+")")
	}
	return ""
}

// writeTable writes the numbers of a chart, folded away: for whoever reads numbers
// rather than bars, copies them, or uses the keyboard. Bars with nothing are left out.
func writeTable(b *strings.Builder, w Words, title noren.Text, heads []string, rows []tableRow) {
	esc := template.HTMLEscapeString
	fmt.Fprintf(b, `<details class="numbers"><summary>%s</summary><div class="scroll" tabindex="0" role="group" aria-label="%s"><table><thead><tr><th scope="col">%s</th>`,
		esc(w.T("数字で見る", "See the numbers")), esc(title.In(w.Lang)), esc(w.T("いつ", "When")))
	for _, h := range heads {
		fmt.Fprintf(b, `<th scope="col" class="n">%s</th>`, esc(h))
	}
	b.WriteString(`</tr></thead><tbody>`)
	for _, r := range rows {
		r.write(b, w)
	}
	b.WriteString(`</tbody></table></div></details>`)
}

func (r *tableRow) write(b *strings.Builder, w Words) {
	var sum int64
	for _, n := range r.n {
		sum += n
	}
	if sum == 0 {
		return
	}
	label := template.HTMLEscapeString(r.label)
	if r.link != "" {
		label = fmt.Sprintf(`<a href="%s">%s</a>`, template.HTMLEscapeString(r.link), label)
	}
	fmt.Fprintf(b, `<tr><th scope="row">%s</th>`, label)
	for _, n := range r.n {
		fmt.Fprintf(b, `<td class="n">%s</td>`, w.Number(n))
	}
	b.WriteString(`</tr>`)
}

// table writes the numbers of every part and their sum.
func (s Stack) table(b *strings.Builder, w Words) {
	heads := []string{w.T("合計", "Total") + unitOf(w, s.Unit)}
	for _, p := range s.Parts {
		heads = append(heads, p.Name.In(w.Lang))
	}
	rows := make([]tableRow, len(s.Bars))
	for i := range s.Bars {
		rows[i] = tableRow{s.Bars[i].Label, s.Bars[i].Link, append([]int64{s.Bars[i].sum()}, s.Bars[i].N...)}
	}
	writeTable(b, w, s.Title, heads, rows)
}
