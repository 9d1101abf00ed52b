package console

import (
	"bytes"
	"context"
	"time"

	"noren"
	"noren/console/ui"
	"noren/journal"
	"noren/notify"
)

// digestHour is when the morning's mail leaves, in Japan.
const digestHour = 8

// RunDigests sends every site's day to those whom notify.yaml names under digest,
// once a morning. Several nodes send the same message, which notify tells once.
func (c *Console) RunDigests(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	sent := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.sendDigests(ctx, now, sent)
		}
	}
}

// sendDigests sends what is due; sent is the last day of each site. One that cannot
// be sent is tried again in a minute, until noon.
func (c *Console) sendDigests(ctx context.Context, now time.Time, sent map[string]string) {
	day, hour := now.In(ui.JST()).Format(time.DateOnly), now.In(ui.JST()).Hour()
	if hour < digestHour || hour >= 12 {
		return
	}
	for _, s := range c.o.Sites() {
		if sent[s.Name] == day {
			continue
		}
		m, err := c.Digest(ctx, s.Name, now)
		if err == nil {
			_, err = c.o.Notify.Send(ctx, m)
		}
		if err != nil && ctx.Err() == nil {
			c.o.Log.Warn("the mail of the morning cannot be made; it is tried again", "site", s.Name, "err", err)
			continue
		}
		sent[s.Name] = day
	}
}

// Digest is 今日のお店 as a mail: the same sentence, the same numbers, read in two
// minutes.
func (c *Console) Digest(ctx context.Context, site string, now time.Time) (notify.Message, error) {
	notices := []string{site}
	if len(c.o.Sites()) == 1 {
		notices = append(notices, "") // of several shops none is told of the machine's
	}
	d, err := c.lookAt(ctx, site, notices, 7, now)
	if err != nil {
		return notify.Message{}, err
	}
	day := now.In(ui.JST()).Format(time.DateOnly)
	m := notify.Message{ID: "digest-" + site + "-" + day, Site: site}
	for _, lang := range []string{"ja", "en"} {
		w := ui.Words{Lang: lang}
		subject := w.T("【Noren】%s %s：%s", "[Noren] %s %s: %s", site, w.Day(now), d.Outlook.Says.In(lang))
		text, err := c.digestPart(lang, "text", site, day, d)
		if err != nil {
			return notify.Message{}, err
		}
		html, err := c.digestPart(lang, "html", site, day, d)
		if err != nil {
			return notify.Message{}, err
		}
		setIn(&m.Subject, lang, subject)
		setIn(&m.Text, lang, text)
		setIn(&m.HTML, lang, html)
	}
	return m, nil
}

func setIn(t *noren.Text, lang, s string) {
	if lang == "en" {
		t.En = s
	} else {
		t.Ja = s
	}
}

// digestMail is what the mail's template gets.
type digestMail struct {
	*Day
	Site, Date, Page string
}

func (c *Console) digestPart(lang, part, site, day string, d *Day) (string, error) {
	page := sitePath(site, "/digest/"+day)
	if c.o.Host() != "" {
		page = "https://" + c.o.Host() + page
	} else {
		page = ""
	}
	var b bytes.Buffer
	if part == "text" {
		return digestText(ui.Words{Lang: lang}, digestMail{d, site, day, page}), nil
	}
	err := c.pages.Part(&b, lang, "digest", "mail", digestMail{d, site, day, page})
	return b.String(), err
}

// digestText is the mail as plain text.
func digestText(w ui.Words, m digestMail) string {
	var b bytes.Buffer
	line := func(s string) { b.WriteString(s + "\n") }
	line(w.T("%s の今日のお店（%s）", "%s today (%s)", m.Site, m.Date))
	line("")
	line(w.T("■ ", "* ") + m.Outlook.Says.In(w.Lang))
	for _, r := range m.Outlook.Reasons {
		line("  " + r.Title.In(w.Lang) + w.T("：", ": ") + r.Why.In(w.Lang))
	}
	if len(m.Outlook.Todo) > 0 {
		line("")
		line(w.T("■ いますること", "* What to do now"))
		for i, r := range m.Outlook.Todo {
			line("  " + w.Number(i+1) + ". " + r.Title.In(w.Lang))
		}
	}
	line("")
	line(w.T("■ 昨日の0時から", "* Since midnight yesterday"))
	for _, f := range m.Figures {
		line("  " + f.Name.In(w.Lang) + w.T("：", ": ") + w.Number(f.N) + f.Unit.In(w.Lang))
	}
	for _, x := range m.Causes {
		line("    " + x.Name.In(w.Lang) + w.T("：", ": ") + w.Number(x.N) + w.T("件", ""))
	}
	line("")
	if m.Page != "" {
		line(w.T("読んだら、ここで「読みました」を押してください。", "When you have read it, press 'I have read it' here.") + "\n" + m.Page)
	} else {
		line(w.T("読んだら、Noren の画面の「朝のまとめ」で「読みました」を押してください。", "When you have read it, press 'I have read it' under Morning digest in the console."))
	}
	return b.String()
}

// digestPage is the digest of one day in the console, with who has read it.
type digestPage struct {
	*Day
	Date    string
	Today   bool
	Read    []readBy
	Mine    bool // the visitor has read it
	Once    string
	Earlier string
	Later   string
}

type readBy struct {
	Name noren.Text
	At   noren.Time
}

const actRead = "digest.read"

func (c *Console) digest(v *visit) error {
	now := time.Now()
	date := orElse(v.r.PathValue("date"), now.In(ui.JST()).Format(time.DateOnly))
	day, err := time.ParseInLocation(time.DateOnly, date, ui.JST())
	if err != nil || day.After(now) || day.Before(now.AddDate(-2, 0, 0)) {
		return noren.Errorf(noren.NotFound, "no digest of %q", date)
	}
	p := digestPage{Date: date, Today: startOfDay(now).Equal(day), Once: newForm(), Earlier: day.AddDate(0, 0, -1).Format(time.DateOnly)}
	at := day.Add(digestHour * time.Hour)
	if p.Today {
		at = now
	} else {
		p.Later = day.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	if p.Day, err = c.lookAt(v.r.Context(), v.site, v.noticeSites(), 7, at); err != nil {
		return err
	}
	if p.Read, p.Mine, err = c.whoRead(v, day); err != nil {
		return err
	}
	return v.page("digest", p)
}

// whoRead looks in the record who pressed 読みました of a day.
func (c *Console) whoRead(v *visit, day time.Time) (out []readBy, mine bool, err error) {
	date := day.Format(time.DateOnly)
	page, err := c.o.Journal.Search(v.r.Context(), journal.SearchQuery{Log: v.site, Which: journal.Which{Kinds: []noren.Kind{noren.StaffAction}}, Since: day, Until: day.AddDate(0, 0, 8), Limit: 200})
	if err != nil {
		return nil, false, err
	}
	for _, h := range page.Hits {
		op, ok := h.Stored.Entry.Event.Payload.(*noren.Operation)
		if !ok || op.Action != actRead || op.Object != date {
			continue
		}
		who := h.Stored.Entry.Event.Entities[noren.EntityStaff]
		mine = mine || who == v.who.Person.ID
		out = append(out, readBy{c.authorName(v.r.Context(), "staff:"+who), h.Stored.Entry.Event.At})
	}
	return out, mine, nil
}

// readDigest records that somebody has read a day's digest (D27).
func (c *Console) readDigest(v *visit) error {
	date := v.r.PathValue("date")
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return noren.Errorf(noren.NotFound, "no digest of %q", date)
	}
	to := v.path("/digest/" + day.Format(time.DateOnly))
	if v.again() {
		return v.redirect(to, "again")
	}
	if err := v.record(actRead, date, 0, ""); err != nil {
		return err
	}
	return v.redirect(to, "read")
}
