package notify

import (
	"encoding/json"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"noren"
)

// hostile are seeds: what an attacker writes into a path or a user agent.
func hostile() []string {
	return []string{
		"お店が表示できません", "", "a\r\nBcc: victim@example.jp", "\r\n\r\n<script>alert(1)</script>", "<!channel> <!here> <@U123> <https://evil.example|ログイン>",
		"@here @everyone @channel", "[click](https://evil.example)", "=?UTF-8?B?44GC?=", "javascript:alert(1)", "http://evil.example/ www.evil.example evil.example",
		"4111 1111 1111 1111", "victim@example.jp", "\u202egnp.exe", "a\x00b\x7f\u2028c", strings.Repeat("長", 400), "\xff\xfe", `" onmouseover="x`, "{{.}}", ".\r\n.\r\nMAIL FROM:<x@y.z>",
		"a.b.c.d", "mailto:x", "&lt;!channel&gt;",
	}
}

func letterOf(s string) *letter {
	x := Notice{ID: "N1", Severity: High, Key: "k", Site: "shop", Title: noren.Text{Ja: "題 " + s}, Text: noren.Text{Ja: s}, Next: noren.Text{Ja: s}, At: time.Unix(1e9, 0)}
	if err := x.tidy(x.At); err != nil {
		panic(err)
	}
	t := &Told{ID: x.ID, Site: x.Site, Severity: x.Severity, Key: x.Key, Title: x.Title, Text: x.Text, Next: x.Next, At: noren.At(x.At), LastAt: noren.At(x.At), Count: 1}
	return writeNotice(&outgoing{id: "ID1", kind: kindFirst}, t, 0, "https://console.test", "ja")
}

// Whatever stands in a notice, the mail has our headers and no others, and its
// HTML our elements and no others.
func FuzzMail(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	m, err := NewMail(MailOptions{Server: "smtp.test:587", From: "noren@shop.test"})
	if err != nil {
		f.Fatal(err)
	}
	plain := headersOf(f, m, "x")
	tags := regexp.MustCompile(`<[a-zA-Z/!][^>]*>`)
	wantTags := elements(tags, letterOf("x").html)
	f.Fuzz(func(t *testing.T, s string) {
		if got := headersOf(t, m, s); got != plain {
			t.Errorf("headers %s, want %s", got, plain)
		}
		l := letterOf(s)
		html := l.html
		if strings.TrimSpace(CleanText(s, maxText)) != "" { // rows that are empty are left out
			if got := elements(tags, html); got != wantTags {
				t.Errorf("elements %s, want %s", got, wantTags)
			}
		}
		if subject := encodeSubject(l.subject); strings.Contains(strings.ReplaceAll(subject, "\r\n ", ""), "\n") || len(subject) > 2000 {
			t.Errorf("subject %q", subject)
		}
	})
}

func elements(tags *regexp.Regexp, html string) string {
	return strings.Join(tags.FindAllString(html, -1), "")
}

func headersOf(t testing.TB, m *Mail, s string) string {
	t.Helper()
	msg, err := m.message(&Receiver{Name: "owner", Mail: "owner@shop.test"}, letterOf(s))
	if err != nil {
		t.Fatal(err)
	}
	var raw strings.Builder
	if _, err := msg.WriteTo(&raw); err != nil {
		t.Fatal(err)
	}
	r, err := mail.ReadMessage(strings.NewReader(raw.String()))
	if err != nil {
		t.Fatalf("%v\n%s", err, raw.String())
	}
	if n := len(r.Header["To"]) + len(r.Header["Subject"]) + len(r.Header["From"]); n != 3 {
		t.Errorf("headers twice: %v", r.Header)
	}
	names := make([]string, 0, len(r.Header))
	for _, name := range []string{"Auto-Submitted", "Bcc", "Cc", "Content-Type", "Date", "From", "Importance", "List-Id", "Message-Id", "Mime-Version", "Noren-Severity", "Subject", "To", "X-Auto-Response-Suppress"} {
		if len(r.Header[name]) > 0 {
			names = append(names, name)
		}
	}
	if len(names) != len(r.Header) {
		t.Errorf("headers %v", r.Header)
	}
	return strings.Join(names, " ")
}

// Whatever stands in a notice is text in a chat: no mention, no link of others.
func FuzzChat(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s)
	}
	link := regexp.MustCompile(`(?i)(https?|ftp)://|www\.[a-z]|[\pL\pN]\.[\pL\pN]|@[\pL\pN]|\]\(`)
	f.Fuzz(func(t *testing.T, s string) {
		out := EscapeChat(CleanText(s, maxText))
		if strings.ContainsAny(out, "<>") {
			t.Errorf("%q has a sign of its own", out)
		}
		if m := link.FindString(out); m != "" {
			t.Errorf("%q has %q", out, m)
		}
		h := &Hook{o: HookOptions{Chat: true}}
		body, err := h.body(letterOf(s))
		if err != nil {
			t.Fatal(err)
		}
		var in struct{ Text, Parse string }
		if err := json.Unmarshal(body, &in); err != nil || in.Parse != "none" || strings.ContainsAny(in.Text, "<>") {
			t.Errorf("%v %s", err, body)
		}
		if n := strings.Count(in.Text, "://"); n != 1 {
			t.Errorf("%d links in %q", n, in.Text)
		}
	})
}

func FuzzClean(f *testing.F) {
	for _, s := range hostile() {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 2 || most > 5000 {
			return
		}
		line, text := CleanLine(s, most), CleanText(s, most)
		for _, out := range []string{line, text} {
			if !utf8.ValidString(out) || utf8.RuneCountInString(out) > most {
				t.Errorf("%q of at most %d", out, most)
			}
			if strings.ContainsFunc(strings.ReplaceAll(out, "\n", ""), func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
				t.Errorf("%q", out)
			}
		}
		if strings.ContainsAny(line, "\r\n") {
			t.Errorf("%q is no line", line)
		}
	})
}

func TestNothingPersonalLeaves(t *testing.T) {
	for in, want := range map[string]string{
		"card 4111 1111 1111 1111 of":       "card 4111 11** **** 1111 of",
		"mail taro.yamada@example.co.jp ok": "mail t***@example.co.jp ok",
		"全角 taro＠example.jp":                "全角 t***＠example.jp",
		"nobody @ home":                     "nobody @ home",
	} {
		if got := CleanLine(in, 100); strings.Contains(got, "1111 1111 1111") || !strings.Contains(in, "4111") && got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"203.0.113.77": "203.0.113.x", "::ffff:203.0.113.77": "203.0.113.x", "2001:db8:1:2:3:4:5:6": "2001:db8:1::…", "<script>": "", "fe80::1%eth0": "fe80::…"} {
		if got := ShortAddress(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestNoticesAreChecked(t *testing.T) {
	good := Notice{Severity: High, Key: "k", Title: noren.Text{En: "t"}, Link: "/notices/1?tab=a&b=%20#"[:22]}
	for name, change := range map[string]func(*Notice){
		"severity":      func(n *Notice) { n.Severity = 0 },
		"no key":        func(n *Notice) { n.Key = "" },
		"key of others": func(n *Notice) { n.Key = "a b" },
		"no title":      func(n *Notice) { n.Title = noren.Text{} },
		"id":            func(n *Notice) { n.ID = "a@b>\r\n" },
		"other host":    func(n *Notice) { n.Link = "//evil.example" },
		"scheme":        func(n *Notice) { n.Link = "javascript:alert(1)" },
		"two lines":     func(n *Notice) { n.Link = "/a\nb" },
		"quote":         func(n *Notice) { n.Link = `/a"b` },
	} {
		n := good
		change(&n)
		if err := n.tidy(time.Now()); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := good.tidy(time.Now()); err != nil || good.Title.Ja != "t" || good.Count != 1 {
		t.Error(good, err)
	}
}

func TestRulesAreChecked(t *testing.T) {
	for text, want := range map[string]string{
		"version: 2": "2:", // the line it stands at is said by the others
		"version: 1\nreceivers: [{name: A, mail: a@b.test}]":                            "receiver name",
		"version: 1\nreceivers: [{name: a}]":                                            "needs mail, hook or both",
		"version: 1\nreceivers: [{name: a, mail: \"A <a@b.test>\"}]":                    "notify.yaml:2:",
		"version: 1\nreceivers: [{name: a, mail: a@b.test}, {name: a, mail: a@b.test}]": "stands twice",
		"version: 1\ntell: {high: [nobody]}":                                            `no receiver "nobody"`,
		"version: 1\nescalate: []\nacknowledge_within: 1s":                              "acknowledge_within must be",
		"version: 1\nquiet: {from: \"25:00\", to: \"22:00\"}":                           "time of day",
		"version: 1\nconsole: http://console.test":                                      "https://",
		"version: 1\nper_hour: 0":                                                       "per_hour",
		"version: 1\nreceivers: [{name: a, mail: a@b.test, url: https://hooks.test/x}]": "url",
		"version: 1\nreceivers: [{name: a, mail: a@b.test, language: fr}]":              "language",
		"version: 1\nreceivers: [{name: a, mail: a@b.test}]\nescalate: [a]\ntell: {}":   "names nobody",
	} {
		_, err := Parse("notify.yaml", []byte(text))
		if err == nil || want != "2:" && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	r, err := Parse("notify.yaml", ShippedFile())
	if err != nil || len(r.Untold()) != 3 || r.Quiet.From != 22*60 || r.PerHour != 20 {
		t.Fatal(r, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(ShippedFile()))
	f.Add(everybody)
	f.Add("version: 1\nreceivers: [{name: a, mail: \"a@b.test\\r\\nBcc: x@y.z\"}]")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse("notify.yaml", []byte(s))
		if err != nil {
			return
		}
		for _, x := range r.Receivers {
			if strings.ContainsAny(x.Mail, "\r\n <>,") || x.Mail == "" && x.Hook == "" {
				t.Errorf("%+v", x)
			}
		}
		for _, s := range Severities() {
			for _, name := range r.told(s) {
				if r.receiver(name) == nil {
					t.Errorf("%s is nobody", name)
				}
			}
		}
	})
}
