package console

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/journal"
)

// Bounds of one CSV file: what a spreadsheet takes, and how long the database is
// kept busy for it. A file that is cut says so in its last line.
const (
	csvMost = 50_000
	csvFor  = time.Minute
)

// safeCell keeps a spreadsheet from reading a cell as a formula (OWASP, CSV
// Injection).
func safeCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// eventsCSV writes what is filtered as a file, as it is read.
func (c *Console) eventsCSV(v *visit) error {
	f, err := readFilter(v.r.URL.Query(), time.Now())
	if err != nil {
		return err
	}
	f.Cursor = ""
	t := c.teller(v.r.Context(), v)
	if t.open { // a file with people's data leaves the house: it is recorded first
		n, err := c.o.Journal.Count(v.r.Context(), f.query(v.site), csvMost)
		if err != nil {
			return err
		}
		if err := v.record(actExport, v.path("/events.csv"), n.N, ""); err != nil {
			return err
		}
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="noren-events-`+time.Now().In(ui.JST()).Format("20060102-1504")+`.csv"`)
	v.w.Write([]byte("\ufeff")) // by which Excel knows UTF-8
	w := &eventWriter{csv: csv.NewWriter(v.w), t: t, lang: v.lang, site: v.site}
	w.head()
	cut, err := c.csvRows(v.r.Context(), &f, v.site, w)
	w.foot(cut, err)
	if err != nil && v.r.Context().Err() == nil {
		c.o.Log.Error("console: events as CSV", "site", v.site, "err", err) // the head is sent: the last line says it
	}
	return nil
}

// csvRows writes rows until the end or a bound; cut says that a bound came first.
func (c *Console) csvRows(ctx context.Context, f *eventFilter, site string, w *eventWriter) (cut bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, csvFor)
	defer cancel()
	if f.Words != "" {
		for step, err := range c.o.Journal.Text(ctx, f.textQuery(site)) {
			switch {
			case err != nil:
				return ctx.Err() == context.DeadlineExceeded, ignoreDeadline(ctx, err)
			case step.Hit != nil && !w.row(step.Hit):
				return true, nil
			}
		}
		return false, nil
	}
	q := f.query(site)
	for q.Limit = 500; ; {
		page, err := c.o.Journal.Search(ctx, q)
		if err != nil {
			return ctx.Err() == context.DeadlineExceeded, ignoreDeadline(ctx, err)
		}
		for i := range page.Hits {
			if !w.row(&page.Hits[i]) {
				return true, nil
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return false, nil
		}
	}
}

// ignoreDeadline: running out of time is a cut, not an error.
func ignoreDeadline(ctx context.Context, err error) error {
	if ctx.Err() == context.DeadlineExceeded {
		return nil
	}
	return err
}

// eventWriter writes entries as rows.
type eventWriter struct {
	csv  *csv.Writer
	t    *teller
	lang string
	site string
	rows int
}

func (w *eventWriter) write(cells ...string) {
	for i := range cells {
		cells[i] = safeCell(ui.Plain(cells[i]))
	}
	w.csv.Write(cells) // a browser that left is noticed by the context
}

func (w *eventWriter) head() {
	if w.lang == "en" {
		w.write("time (Japan)", "what happened", "kind", "verdict", "zone", "times", "cause or rule", "address", "country", "account", "id", "entry")
		return
	}
	w.write("日時（日本時間）", "できごと", "種類", "判断", "場所", "回数", "理由・規則", "IPアドレス", "国", "会員", "ID", "記録番号")
}

// row writes one entry; false when the file is full.
func (w *eventWriter) row(h *journal.Hit) bool {
	if w.rows++; w.rows > csvMost {
		return false
	}
	e, ev := &h.Entry, &h.Entry.Event
	if h.Fault != nil {
		w.write("", fill("記録 %d 番は読めません", "entry %d cannot be read", h.Seq).In(w.lang), "", "", "", "", "", "", "", "", "", strconv.FormatInt(h.Seq, 10))
		return true
	}
	country := ""
	if a := ev.Address(); a.IsValid() && w.t.where != nil {
		country, _ = w.t.where(a)
	}
	w.write(ev.At.In(ui.JST()).Format("2006-01-02 15:04:05.000000"), w.t.tell(e, h.Erased).In(w.lang), string(ev.Kind), string(e.Decision.Verdict), string(ev.Zone),
		strconv.FormatInt(max(1, e.Count), 10), e.Rule, w.t.address(ev.Entities[noren.EntityAddress]), country, w.t.name(ev.Entities[noren.EntityAccount]), ev.ID, strconv.FormatInt(h.Seq, 10))
	if w.rows%500 == 0 {
		w.csv.Flush()
	}
	return true
}

// foot says whether that was all.
func (w *eventWriter) foot(cut bool, err error) {
	switch {
	case err != nil:
		w.write(fill("途中で読めなくなりました。この下に続きがあります。", "The record could not be read further: this is not all.").In(w.lang))
	case cut:
		w.write(fill("ここまでで区切りました（1つのファイルは%d件まで）。期間を短くすると続きを保存できます。", "Cut here: one file has at most %d rows. Choose a shorter span of time for the rest.", csvMost).In(w.lang))
	}
	w.csv.Flush()
}
