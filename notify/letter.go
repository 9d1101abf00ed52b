package notify

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"strings"
	"time"

	"noren"
)

// letter is a message as one receiver gets it.
type letter struct {
	id       string
	severity Severity
	subject  string
	text     string
	html     string
	links    string // lines with our own links, apart from what others wrote
	site     string
	report   report // for hooks that read JSON
}

// report is a message for programs.
type report struct {
	Version  int        `json:"version"`
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	Notice   string     `json:"notice,omitempty"`
	Site     string     `json:"site,omitempty"`
	Severity Severity   `json:"severity"`
	Key      string     `json:"key,omitempty"`
	Count    int64      `json:"count,omitempty"`
	Title    noren.Text `json:"title"`
	Text     noren.Text `json:"text"`
	Next     noren.Text `json:"next"`
	Link     string     `json:"link,omitempty"`
	At       noren.Time `json:"at"`
}

// compose writes a message from what is stored; nil when there is nothing left to
// say.
func (n *Notify) compose(ctx context.Context, m *outgoing) (*letter, *Receiver, error) {
	rules := n.present().scoped(m.scope)
	to := rules.receiver(m.receiver)
	if to == nil {
		return nil, nil, refused(noren.Errorf(noren.NotFound, "notify.yaml has no receiver %s any more", m.receiver))
	}
	switch m.kind {
	case kindSummary:
		l, err := n.summary(ctx, m, rules, to)
		return l, to, err
	case kindMessage:
		l, err := m.message(to)
		return l, to, err
	}
	t, err := readNotice(ctx, n.o.DB.Read(), m.notice)
	if err != nil {
		return nil, nil, err
	}
	more := int64(0)
	switch {
	case strings.HasPrefix(m.kind, kindEscalation) && !t.AckedAt.IsZero():
		return nil, to, nil
	case m.kind == kindMore:
		told, err := n.countTold(ctx, m)
		if err != nil {
			return nil, nil, err
		}
		if more = t.Count - told; more <= 0 {
			m.counted = t.Count
			return nil, to, nil
		}
	}
	m.counted = t.Count
	return writeNotice(m, t, more, rules.Console, to.lang()), to, nil
}

// countTold is how many of a group a receiver has been told of.
func (n *Notify) countTold(ctx context.Context, m *outgoing) (told int64, err error) {
	err = n.o.DB.Read().QueryRowContext(ctx, `SELECT COALESCE(MAX(counted), 0) FROM notify_outbox
		WHERE notice = $1 AND scope = $2 AND receiver = $3 AND channel = $4 AND id <> $5`, m.notice, m.scope, m.receiver, m.channel, m.id).Scan(&told)
	return told, err
}

// writeNotice puts a notice into words.
func writeNotice(m *outgoing, t *Told, more int64, console, lang string) *letter {
	w := wordsIn(lang)
	p := page{Lang: lang, Severity: t.Severity.Words().In(lang), Title: t.Title.In(lang), Text: t.Text.In(lang), Site: t.Site, High: t.Severity == High}
	switch {
	case more > 0:
		p.Count = fmt.Sprintf(w.more, more)
	case t.Count > 1:
		p.Count = fmt.Sprintf(w.times, t.Count-1)
	}
	if strings.HasPrefix(m.kind, kindEscalation) {
		p.Lead = fmt.Sprintf(w.escalated, int(m.made.Sub(t.At.Time).Minutes()))
	}
	p.add(w.next, t.Next.In(lang))
	p.add(w.at, t.At.In(japan()).Format("2006-01-02 15:04:05 JST"))
	if t.Count > 1 {
		p.add(w.last, t.LastAt.In(japan()).Format("2006-01-02 15:04:05 JST"))
	}
	p.add(w.number, t.ID)
	p.link(w, console, t.Link, t.ID)
	if t.Severity == High {
		p.Foot = w.acknowledge
	}
	l := p.letter(m.id, t.Severity)
	l.report = report{1, m.id, m.kind, t.ID, t.Site, t.Severity, t.Key, t.Count, t.Title, t.Text, t.Next, p.Link, t.At}
	return l
}

// page is what a message says, in one language.
type page struct {
	Lang, Severity, Site, Title, Count, Lead, Text, Foot string
	High                                                 bool
	Rows                                                 []pageRow
	List                                                 []string
	Link, LinkWords                                      string
}

type pageRow struct{ Name, Value string }

func (p *page) add(name, value string) {
	if value != "" {
		p.Rows = append(p.Rows, pageRow{name, value})
	}
}

// link leads to the console. It holds no secret, and opening it changes nothing:
// mail programs open links by themselves.
func (p *page) link(w phrases, console, path, id string) {
	if console == "" {
		p.LinkWords = fmt.Sprintf(w.noConsole, id)
		return
	}
	if path == "" {
		path = "/notices/" + id
	}
	p.Link, p.LinkWords = strings.TrimSuffix(console, "/")+path, w.open
}

func (p *page) subject() string {
	s := "[" + p.Severity + "] "
	if p.Site != "" {
		s += p.Site + ": "
	}
	s += p.Title
	if p.Count != "" {
		s += " (" + p.Count + ")"
	}
	return CleanLine(s, 200)
}

//go:embed letter.html
var letterHTML string

var letterPage = template.Must(template.New("letter").Parse(letterHTML))

func (p *page) letter(id string, s Severity) *letter {
	var b strings.Builder
	for _, part := range []string{p.Lead, p.Title, p.Count, p.Text} {
		if part != "" {
			b.WriteString(part + "\n")
		}
	}
	for _, line := range p.List {
		b.WriteString("- " + line + "\n")
	}
	b.WriteString("\n")
	for _, r := range p.Rows {
		b.WriteString(r.Name + ": " + r.Value + "\n")
	}
	links := p.LinkWords
	if p.Link != "" {
		links = p.LinkWords + ": " + p.Link
	}
	l := &letter{id: id, severity: s, site: p.Site, subject: p.subject(), text: strings.TrimSpace(b.String()), links: strings.TrimSpace(links + "\n" + p.Foot)}
	var html bytes.Buffer
	if err := letterPage.Execute(&html, p); err == nil { // without it the text goes alone
		l.html = html.String()
	}
	return l
}

// plain is the whole text.
func (l *letter) plain() string { return strings.TrimSpace(l.text + "\n\n" + l.links) }

// summary tells what an hour had no room for.
func (n *Notify) summary(ctx context.Context, m *outgoing, rules *Rules, to *Receiver) (*letter, error) {
	const most = 30
	all, err := readTold(ctx, n.o.DB.Read(), `WHERE id IN (SELECT notice FROM notify_outbox WHERE folded_in = $1 AND state = 'folded') ORDER BY severity DESC, at`, m.id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	lang := to.lang()
	w := wordsIn(lang)
	worst := all[0].Severity
	p := page{Lang: lang, Severity: worst.Words().In(lang), Site: m.scope, Title: fmt.Sprintf(w.summary, len(all)), Text: w.summaryText, High: worst == High}
	for _, t := range all[:min(len(all), most)] {
		line := "[" + t.Severity.Words().In(lang) + "] "
		if t.Site != "" {
			line += t.Site + ": "
		}
		line += t.Title.In(lang)
		if t.Count > 1 {
			line += " ×" + fmt.Sprint(t.Count)
		}
		p.List = append(p.List, line+" ("+t.At.In(japan()).Format("01-02 15:04")+", "+t.ID+")")
	}
	if len(all) > most {
		p.List = append(p.List, fmt.Sprintf(w.more, len(all)-most))
	}
	p.link(w, rules.Console, "/notices", "")
	l := p.letter(m.id, worst)
	l.report = report{Version: 1, ID: m.id, Kind: m.kind, Site: m.scope, Severity: worst, Count: int64(len(all)), At: noren.At(m.made),
		Title: noren.Text{Ja: p.Title, En: p.Title}, Text: noren.Text{Ja: strings.Join(p.List, "\n"), En: strings.Join(p.List, "\n")}, Link: p.Link}
	return l, nil
}

// message is one of Send.
func (m *outgoing) message(to *Receiver) (*letter, error) {
	var x Message
	if err := json.Unmarshal([]byte(m.body), &x); err != nil {
		return nil, refused(err)
	}
	lang := to.lang()
	return &letter{
		id: m.id, severity: Low, site: x.Site, subject: x.Subject.In(lang), text: x.Text.In(lang), html: x.HTML.In(lang),
		report: report{Version: 1, ID: m.id, Kind: m.kind, Site: x.Site, Severity: Low, Title: x.Subject, Text: x.Text, At: noren.At(m.made)},
	}, nil
}

// phrases are the words around a notice.
type phrases struct {
	next, at, last, number, open, noConsole, acknowledge, more, times, escalated, summary, summaryText string
	test, testText, testNext                                                                           string
}

func wordsIn(lang string) phrases {
	if lang == "en" {
		return phrases{
			next: "What to do", at: "Since", last: "Last", number: "Number", open: "Open in Noren",
			noConsole:   "More on the machine: noren notify list %s",
			acknowledge: "Acknowledge it in Noren (or: noren notify ack NUMBER). Until then the next person is asked.",
			more:        "%d more", times: "and %d more", escalated: "Nobody has acknowledged this for %d minutes, so you are asked.",
			summary: "%d notices in one message", summaryText: "There were more notices than an hour of messages holds. These came as well:",
			test: "This is a test", testText: "Noren can reach you here.", testNext: "Nothing: this message was asked for with noren notify test.",
		}
	}
	return phrases{
		next: "すること", at: "いつから", last: "最後", number: "番号", open: "Noren で開く",
		noConsole:   "くわしくは、サーバーで noren notify list %s",
		acknowledge: "Noren で「確認しました」を押してください（または noren notify ack 番号）。押されるまで、次の人にも知らせます。",
		more:        "あと %d 件", times: "ほか %d 件", escalated: "%d 分のあいだ誰も確認していないため、あなたにお知らせします。",
		summary: "お知らせ %d 件をまとめました", summaryText: "1 時間に送れる数を超えたため、次のお知らせを 1 通にまとめました。",
		test: "試しのお知らせ", testText: "Noren からのお知らせが、ここに届きます。", testNext: "何もする必要はありません（noren notify test で送りました）。",
	}
}

// testLetter is what `noren notify test` sends.
func testLetter(now time.Time, site, console, lang string) *letter {
	w := wordsIn(lang)
	id := noren.NewID(now)
	p := page{Lang: lang, Severity: Low.Words().In(lang), Site: site, Title: w.test, Text: w.testText}
	p.add(w.next, w.testNext)
	p.add(w.at, now.In(japan()).Format("2006-01-02 15:04:05 JST"))
	p.link(w, console, "/", "")
	l := p.letter(id, Low)
	ja, en := wordsIn("ja"), wordsIn("en")
	l.report = report{Version: 1, ID: id, Kind: "test", Site: site, Severity: Low, At: noren.At(now), Link: p.Link,
		Title: noren.Text{Ja: ja.test, En: en.test}, Text: noren.Text{Ja: ja.testText, En: en.testText}, Next: noren.Text{Ja: ja.testNext, En: en.testNext}}
	return l
}
