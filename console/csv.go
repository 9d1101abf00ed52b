package console

import (
	"encoding/csv"
	"strings"

	"noren"
	"noren/console/ui"
)

// table writes a CSV file that a spreadsheet opens as text.
type table struct {
	v *visit
	w *csv.Writer
}

// csv begins a file; name has no ending. The mark at its beginning is what makes
// spreadsheets read Japanese right.
func (v *visit) csv(name string) *table {
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	v.w.Write([]byte("\ufeff"))
	return &table{v, csv.NewWriter(v.w)}
}

// row writes one line. What a spreadsheet would take for a formula is marked as
// text (OWASP, CSV Injection).
func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = cellText(c)
	}
	t.w.Write(cells) // an error stays until done
}

func (t *table) done() error {
	t.w.Flush()
	return t.w.Error()
}

func cellText(s string) string {
	if s == "" {
		return s
	}
	s = ui.Plain(s)
	if strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// csvTime is a moment in Japan's time as spreadsheets read it; "" for none.
func csvTime(t noren.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(ui.JST()).Format("2006-01-02 15:04:05")
}
