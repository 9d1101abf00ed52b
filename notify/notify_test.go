package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

const everybody = `
version: 1
console: https://console.test
receivers:
  - {name: owner, mail: owner@shop.test}
  - {name: agency, mail: agency@agency.test, language: en}
tell: {low: [owner], middle: [owner], high: [owner]}
escalate: [agency]
`

// desk is a Notify with its peers and a clock.
type desk struct {
	*Notify
	clock *clock
	post  *post
	log   *bytes.Buffer
}

func newDesk(t *testing.T, d *db.DB, rules string) *desk {
	t.Helper()
	p := startPost(t, startTLS)
	return deskAt(t, d, rules, p, noon())
}

func deskAt(t *testing.T, d *db.DB, rules string, p *post, c *clock) *desk {
	t.Helper()
	r, err := Parse("notify.yaml", []byte(rules))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	n := New(Options{DB: d, Now: c.now, Setup: Setup{Rules: map[string]*Rules{"": r}, Mail: mailTo(t, p)}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	return &desk{n, c, p, &log}
}

func (d *desk) tell(t *testing.T, s Severity, key string) string {
	t.Helper()
	id, err := d.Tell(t.Context(), trouble(s, key))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func trouble(s Severity, key string) Notice {
	return Notice{Site: "shop", Severity: s, Key: key, Title: noren.Text{Ja: "お店が表示できません " + key, En: "The shop cannot be reached " + key},
		Text: noren.Text{Ja: "原因 refused", En: "cause refused"}, Next: noren.Text{Ja: "起動してください", En: "Start it"}}
}

// after moves the clock and does what is due.
func (d *desk) after(t *testing.T, wait time.Duration) []mailRead {
	t.Helper()
	before := len(d.post.all())
	d.clock.add(wait)
	if err := d.Work(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out []mailRead
	for _, m := range d.post.all()[before:] {
		out = append(out, readMail(t, m.raw))
	}
	return out
}

type mailRead struct {
	head       mail.Header
	subject    string
	text, html string
}

func readMail(t testing.TB, raw []byte) mailRead {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	out := mailRead{head: m.Header}
	if out.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatal(kind, err)
	}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			out.html = string(body)
		} else {
			out.text = string(body)
		}
	}
}

func subjects(ms []mailRead) (out []string) {
	for _, m := range ms {
		out = append(out, m.subject)
	}
	return out
}

func TestMailIsWhatPeopleRead(t *testing.T) {
	d := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	id := d.tell(t, High, "shop-down")
	got := d.after(t, 0)
	if len(got) != 1 {
		t.Fatal(subjects(got))
	}
	m := got[0]
	if m.subject != "[今すぐ] shop: お店が表示できません shop-down" {
		t.Errorf("subject %q", m.subject)
	}
	for _, want := range []string{"起動してください", "2026-11-27 12:00:00 JST", id, "https://console.test/notices/" + id, "確認しました"} {
		if !strings.Contains(m.text, want) || !strings.Contains(m.html, strings.TrimSuffix(want, "x")) {
			t.Errorf("no %q in\n%s\n%s", want, m.text, m.html)
		}
	}
	for key, want := range map[string]string{"Auto-Submitted": "auto-generated", "From": `"Noren" <noren@shop.test>`, "To": "<owner@shop.test>", "List-Id": "<noren.shop.test>"} {
		if m.head.Get(key) != want {
			t.Errorf("%s: %q, want %q", key, m.head.Get(key), want)
		}
	}
	if !strings.HasSuffix(m.head.Get("Message-Id"), "@shop.test>") || m.head.Get("Date") == "" {
		t.Error(m.head)
	}
	if seen := d.post.all()[0]; !seen.tls || seen.to != "owner@shop.test" {
		t.Error(seen.tls, seen.to)
	}
}

func TestTLSIsRequired(t *testing.T) {
	for _, tt := range []struct {
		name, server, client string
		roots, sent          bool
	}{
		{"STARTTLS", startTLS, startTLS, true, true},
		{"TLS from the first byte", fullTLS, fullTLS, true, true},
		{"a server without STARTTLS", noTLS, startTLS, true, false},
		{"a certificate nobody vouches for", startTLS, startTLS, false, false},
		{"the same from the first byte", fullTLS, fullTLS, false, false},
		{"loopback may do without", noTLS, noTLS, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startPost(t, tt.server)
			o := MailOptions{Server: p.addr, TLS: tt.client, User: "noren", Password: "correct horse", From: "お店 <noren@shop.test>"}
			if tt.roots {
				o.RootCAs = p.roots
			}
			m, err := NewMail(o)
			if err != nil {
				t.Fatal(err)
			}
			err = m.send(t.Context(), &Receiver{Name: "owner", Mail: "owner@shop.test"}, testLetter(time.Now(), "shop", "", "ja"))
			if (err == nil) != tt.sent || len(p.all()) != map[bool]int{true: 1}[tt.sent] {
				t.Fatal(err, len(p.all()))
			}
			if !tt.sent && (p.users != 0 || noren.HintOf(err) == "" || strings.Contains(err.Error(), "correct horse")) {
				t.Errorf("%d sign-ins; %v; hint %q", p.users, err, noren.HintOf(err))
			}
		})
	}
}

func TestWrongPasswordIsSaid(t *testing.T) {
	p := startPost(t, startTLS)
	m, err := NewMail(MailOptions{Server: p.addr, TLS: startTLS, User: "noren", Password: "wrong one", From: "noren@shop.test", RootCAs: p.roots})
	if err != nil {
		t.Fatal(err)
	}
	err = m.send(t.Context(), &Receiver{Name: "owner", Mail: "owner@shop.test"}, testLetter(time.Now(), "", "", "en"))
	if err == nil || strings.Contains(err.Error(), "wrong one") || !strings.Contains(noren.HintOf(err), "password") {
		t.Fatal(err, noren.HintOf(err))
	}
}

func TestSameTroubleIsOneMessage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, everybody)
		first := k.tell(t, Middle, "server-down")
		if got := k.after(t, patience-time.Second); len(got) != 0 {
			t.Fatal("left before more could come:", subjects(got))
		}
		for range 4 {
			if id := k.tell(t, Middle, "server-down"); id != first {
				t.Fatal(id, first)
			}
		}
		got := k.after(t, time.Second)
		if len(got) != 1 || !strings.HasSuffix(got[0].subject, "(ほか 4 件)") {
			t.Fatal(subjects(got))
		}
		for range 14 {
			k.tell(t, Middle, "server-down")
		}
		if got := k.after(t, 30*time.Minute); len(got) != 0 {
			t.Fatal(subjects(got))
		}
		got = k.after(t, 30*time.Minute)
		if len(got) != 1 || !strings.HasSuffix(got[0].subject, "(あと 14 件)") {
			t.Fatal(subjects(got))
		}
		if again := k.tell(t, Middle, "server-down"); again == first {
			t.Error("the group did not end")
		}
	})
}

func TestNoticeIsToldOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, everybody)
		x := trouble(High, "database-away")
		x.ID = noren.NewID(k.clock.now())
		for range 3 {
			if _, err := k.Tell(t.Context(), x); err != nil {
				t.Fatal(err)
			}
		}
		if got := k.after(t, 0); len(got) != 1 {
			t.Fatal(subjects(got))
		}
		if got := k.after(t, 2*time.Minute); len(got) != 0 {
			t.Fatal(subjects(got))
		}
	})
}

func TestWorseTroubleIsToldAtOnce(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	id := k.tell(t, Low, "login-attack")
	k.after(t, time.Minute)
	if _, err := k.Acknowledge(t.Context(), id, "店長"); err != nil {
		t.Fatal(err)
	}
	k.tell(t, High, "login-attack")
	if got := k.after(t, 0); len(got) != 1 || !strings.HasPrefix(got[0].subject, "[今すぐ]") {
		t.Fatal(subjects(got))
	}
	if got := k.after(t, 16*time.Minute); len(got) != 1 || !strings.HasPrefix(got[0].subject, "[Now]") {
		t.Fatal("not passed on:", subjects(got))
	}
}

func TestNobodyAcknowledges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, everybody)
		id := k.tell(t, High, "shop-down")
		k.after(t, 0)
		if got := k.after(t, 14*time.Minute); len(got) != 0 {
			t.Fatal(subjects(got))
		}
		got := k.after(t, time.Minute)
		if len(got) != 1 || got[0].head.Get("To") != "<agency@agency.test>" || !strings.Contains(got[0].text, "Nobody has acknowledged this for 15 minutes") {
			t.Fatal(subjects(got))
		}
		k.after(t, 15*time.Minute)
		told, err := k.Get(t.Context(), id)
		if err != nil || !told.Unanswered || !strings.Contains(k.log.String(), "nobody has acknowledged a notice") {
			t.Fatal(told, err, k.log)
		}
		told, err = k.Acknowledge(t.Context(), id, "店長")
		if err != nil || told.AckedAfter != 30*time.Minute || told.AckedBy != "店長" {
			t.Fatal(told, err)
		}
		k.clock.add(time.Hour)
		if told, err = k.Acknowledge(t.Context(), id, "another"); err != nil || told.AckedBy != "店長" || told.AckedAfter != 30*time.Minute {
			t.Fatal("the first one counts:", told, err)
		}
	})
}

func TestAcknowledgedNoticeIsNotPassedOn(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	id := k.tell(t, High, "shop-down")
	k.after(t, 0)
	if _, err := k.Acknowledge(t.Context(), id, "店長"); err != nil {
		t.Fatal(err)
	}
	if got := k.after(t, 20*time.Minute); len(got) != 0 {
		t.Fatal(subjects(got))
	}
	if _, err := k.Acknowledge(t.Context(), "NOSUCH", "店長"); noren.CodeOf(err) != noren.NotFound {
		t.Fatal(err)
	}
}

func TestNightsAreQuiet(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	k.clock.add(11 * time.Hour) // 23:00
	k.tell(t, Low, "well-again")
	k.tell(t, Middle, "server-down")
	k.tell(t, High, "shop-down")
	if got := k.after(t, time.Minute); len(got) != 2 || strings.Contains(strings.Join(subjects(got), " "), "[知らせ]") {
		t.Fatal(subjects(got))
	}
	k.after(t, 7*time.Hour) // the escalation; 6:01
	if got := k.after(t, 59*time.Minute); len(got) == 0 || !strings.HasPrefix(got[len(got)-1].subject, "[知らせ]") {
		t.Fatal(subjects(got))
	}
}

func TestQuietHours(t *testing.T) {
	night, lunch, never := Quiet{22 * 60, 7 * 60}, Quiet{12 * 60, 13 * 60}, Quiet{}
	for _, tt := range []struct {
		q        Quiet
		at, want string
	}{
		{night, "2026-11-27 21:59", "2026-11-27 21:59"},
		{night, "2026-11-27 22:00", "2026-11-28 07:00"},
		{night, "2026-11-27 23:59", "2026-11-28 07:00"},
		{night, "2026-11-28 00:00", "2026-11-28 07:00"},
		{night, "2026-11-28 06:59", "2026-11-28 07:00"},
		{night, "2026-11-28 07:00", "2026-11-28 07:00"},
		{night, "2026-12-31 22:30", "2027-01-01 07:00"},
		{lunch, "2026-11-27 11:59", "2026-11-27 11:59"},
		{lunch, "2026-11-27 12:00", "2026-11-27 13:00"},
		{lunch, "2026-11-27 13:00", "2026-11-27 13:00"},
		{never, "2026-11-27 00:00", "2026-11-27 00:00"},
	} {
		at, _ := time.ParseInLocation("2006-01-02 15:04", tt.at, japan())
		if got := tt.q.end(at.UTC()).In(japan()).Format("2006-01-02 15:04"); got != tt.want {
			t.Errorf("%v at %s: %s, want %s", tt.q, tt.at, got, tt.want)
		}
	}
}

// A flood of notices is no flood of mail, nothing is lost, and what is high finds
// room.
func TestFloodIsBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, everybody+"per_hour: 8\nquiet: {from: \"0:00\", to: \"0:00\"}\n")
		for i := range 60 {
			k.tell(t, Middle, fmt.Sprintf("trouble-%d", i))
		}
		first := k.after(t, time.Minute)
		k.tell(t, High, "shop-down")
		urgent := k.after(t, 0)
		if len(first) != 6 || len(urgent) != 1 {
			t.Fatal(subjects(first), subjects(urgent))
		}
		rest := k.after(t, 59*time.Minute)
		var summaries []mailRead
		for _, m := range rest {
			if strings.Contains(m.subject, "お知らせ 54 件をまとめました") {
				summaries = append(summaries, m)
			}
		}
		if len(summaries) != 1 || !strings.Contains(summaries[0].text, "あと 24 件") {
			t.Fatal(subjects(rest))
		}
		all, err := k.List(t.Context(), Query{Limit: 1000})
		if err != nil || len(all) != 61 {
			t.Fatal(len(all), err)
		}
		for _, n := range all {
			if len(n.Sends) == 0 || n.Sends[0].State != sent {
				t.Errorf("%s was not told: %v", n.Key, n.Sends)
			}
		}
	})
}

func TestHighNoticesAreBoundedToo(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), strings.Replace(everybody, "escalate: [agency]", "per_hour: 8\nacknowledge_within: 3h", 1))
	for i := range 100 {
		k.tell(t, High, fmt.Sprintf("trouble-%d", i))
	}
	got := k.after(t, 0)
	summary := k.after(t, 6*time.Minute)
	if len(got) != 8 || len(summary) != 1 || !strings.Contains(summary[0].subject, "92 件") {
		t.Fatal(subjects(got), subjects(summary))
	}
}

// Two nodes over one database send each message once.
func TestNodesShareTheWork(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		p, c := startPost(t, startTLS), noon()
		rules := everybody + "per_hour: 1000\n"
		var nodes []*desk
		for range 3 {
			nodes = append(nodes, deskAt(t, dbtest.OpenURL(t, db.Options{URL: url}), rules, p, c))
		}
		const many = 40
		var all sync.WaitGroup
		for i := range many {
			all.Go(func() {
				// The same trouble, seen by every node, and one of its own.
				for j, n := range nodes {
					if _, err := n.Tell(t.Context(), trouble(High, fmt.Sprintf("shared-%d", i))); err != nil {
						t.Error(j, err)
					}
				}
			})
		}
		all.Wait()
		for _, n := range nodes {
			all.Go(func() {
				if err := n.Work(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		ids := map[string]int{}
		for _, m := range p.all() {
			ids[readMail(t, m.raw).head.Get("Message-Id")]++
		}
		for id, n := range ids {
			if n != 1 {
				t.Errorf("%s was sent %d times", id, n)
			}
		}
		if len(ids) != many {
			t.Errorf("%d messages, want %d", len(ids), many)
		}
	})
}

// A node that dies after it sent and before it wrote that down: another sends the
// message again, and mail programs see that it is the same.
func TestDeathBetweenSendingAndMarking(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		p, c := startPost(t, startTLS), noon()
		dead := deskAt(t, dbtest.OpenURL(t, db.Options{URL: url}), everybody, p, c)
		alive := deskAt(t, dbtest.OpenURL(t, db.Options{URL: url}), everybody, p, c)
		dead.tell(t, High, "shop-down")
		batch, _, err := dead.take(t.Context(), byMail)
		if err != nil || len(batch) != 1 {
			t.Fatal(len(batch), err)
		}
		l, to, err := dead.compose(t.Context(), &batch[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := dead.send(t.Context(), byMail, to, l); err != nil {
			t.Fatal(err)
		}
		if got := alive.after(t, lease-time.Second); len(got) != 0 {
			t.Fatal("taken from a node that may live:", subjects(got))
		}
		again := alive.after(t, time.Second)
		mails := p.all()
		if len(again) != 1 || len(mails) != 2 {
			t.Fatal(len(again), len(mails))
		}
		if a, b := readMail(t, mails[0].raw).head.Get("Message-Id"), again[0].head.Get("Message-Id"); a != b || a == "" {
			t.Errorf("Message-IDs %s and %s", a, b)
		}
	})
}

// The database goes away between sending and marking: the process remembers.
func TestWhatWasSentIsNotSentAgain(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var broken sync.Map
		d := dbtest.OpenURL(t, db.Options{URL: url, Faults: func(db.FaultPoint) db.Fault {
			if _, is := broken.Load("on"); is {
				return db.Fault{Fail: true}
			}
			return db.Fault{}
		}})
		k := newDesk(t, d, everybody)
		k.o.Step = func(step string) {
			if step == "sent" {
				broken.Store("on", true)
			}
		}
		k.tell(t, High, "shop-down")
		if got := k.after(t, 0); len(got) != 1 {
			t.Fatal(subjects(got))
		}
		broken.Clear()
		if got := k.after(t, lease+time.Second); len(got) != 0 {
			t.Fatal(subjects(got))
		}
		all, err := k.List(t.Context(), Query{})
		if err != nil || all[0].Sends[0].State != sent {
			t.Fatal(all, err)
		}
	})
}

func TestMailServerAway(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	k.post.setRefuse(&smtp.SMTPError{Code: 451, Message: "later"})
	id := k.tell(t, Middle, "server-down")
	for range 12 {
		k.after(t, mostWait)
	}
	if n := strings.Count(k.log.String(), "alarm=true"); n != 1 {
		t.Errorf("%d alarms: %s", n, k.log)
	}
	k.post.setRefuse(nil)
	if got := k.after(t, mostWait); len(got) != 1 {
		t.Fatal("not sent once the server is back")
	}
	k.post.setRefuse(&smtp.SMTPError{Code: 451, Message: "later"})
	k.tell(t, Middle, "other")
	for range 60 {
		k.after(t, mostWait)
	}
	failedOnes, err := k.Failed(t.Context(), k.clock.now().Add(-72*time.Hour))
	if err != nil || len(failedOnes) != 1 || failedOnes[0].Error == "" || !strings.Contains(k.log.String(), "given up") {
		t.Fatal(failedOnes, err, k.log)
	}
	told, err := k.Get(t.Context(), id)
	if err != nil || told.Sends[0].State != sent || told.Sends[0].Tries < 10 {
		t.Fatal(told, err)
	}
}

// Who cannot be reached at all is not waited for: the next is asked.
func TestUnreachableReceiverIsPassedOver(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	k.post.setRefuse(&smtp.SMTPError{Code: 550, Message: "no such user"})
	k.tell(t, High, "shop-down")
	k.after(t, 0)
	k.after(t, firstWait)
	k.after(t, 2*firstWait)
	k.post.setRefuse(nil)
	got := k.after(t, 0)
	if len(got) != 1 || got[0].head.Get("To") != "<agency@agency.test>" {
		t.Fatal(subjects(got), k.log)
	}
}

// A server that refuses for good is believed after an hour, and people see it.
func TestRefusalsAreGivenUp(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	k.post.setRefuse(&smtp.SMTPError{Code: 550, Message: "no such user"})
	k.tell(t, Middle, "server-down")
	for range mostRefusals {
		k.after(t, mostWait)
	}
	got, err := k.Failed(t.Context(), k.clock.now().Add(-24*time.Hour))
	if err != nil || len(got) != 1 || got[0].Tries != mostRefusals || strings.Contains(got[0].Error, "owner@shop.test") || !strings.Contains(k.log.String(), "given up") {
		t.Fatal(got, err, k.log)
	}
}

func TestDatabaseAway(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	x := trouble(High, "database-away")
	x.ID = noren.NewID(k.clock.now())
	for range 2 {
		if err := k.TellNow(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(k.post.all()); n != 1 {
		t.Fatalf("%d messages past the database", n)
	}
	if _, err := k.Tell(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if got := k.after(t, 0); len(got) != 0 {
		t.Fatal("sent again:", subjects(got))
	}
	if got := k.after(t, 16*time.Minute); len(got) != 1 {
		t.Fatal("not passed on:", subjects(got))
	}
}

func TestMessagesOfOthers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, everybody+"digest: [owner, agency]\n")
		k.clock.add(11 * time.Hour) // nights do not hold it
		m := Message{ID: "digest-20261127", Site: "shop", Subject: noren.Text{Ja: "きのうのお店", En: "Yesterday"}, Text: noren.Text{Ja: "安全でした"}, HTML: noren.Text{Ja: "<p>安全でした</p>"}}
		for range 2 {
			if n, err := k.Send(t.Context(), m); err != nil || n != 2 {
				t.Fatal(n, err)
			}
		}
		got := k.after(t, 0)
		if len(got) != 2 {
			t.Fatal(subjects(got))
		}
		if all := strings.Join(subjects(got), " "); !strings.Contains(all, "きのうのお店") || !strings.Contains(all, "Yesterday") || !strings.Contains(got[0].html, "<p>安全でした</p>") {
			t.Error(all, got[0].html)
		}
		m.To = []string{"nobody"}
		if _, err := k.Send(t.Context(), m); noren.CodeOf(err) != noren.NotFound {
			t.Error(err)
		}
	})
}

func TestSitesDoNotSeeEachOther(t *testing.T) {
	k := newDesk(t, dbtest.Open(t, db.SQLite), everybody)
	for _, site := range []string{"one", "two", ""} {
		x := trouble(Middle, "same-key")
		x.Site = site
		if _, err := k.Tell(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		sites []string
		want  int
	}{{nil, 3}, {[]string{}, 0}, {[]string{"one"}, 1}, {[]string{"one", ""}, 2}, {[]string{"' OR 1=1 --"}, 0}} {
		all, err := k.List(t.Context(), Query{Sites: tt.sites})
		if err != nil || len(all) != tt.want {
			t.Errorf("%q: %d notices, %v", tt.sites, len(all), err)
		}
	}
}

func TestPrune(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d, everybody)
		k.tell(t, Middle, "old")
		k.after(t, time.Minute)
		k.clock.add(24 * time.Hour)
		k.tell(t, Middle, "new")
		if err := k.Prune(t.Context(), k.clock.now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		all, err := k.List(context.Background(), Query{})
		if err != nil || len(all) != 1 || all[0].Key != "new" {
			t.Fatal(all, err)
		}
	})
}
