package ui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"noren"
)

func TestThirdPartyIsAsPublished(t *testing.T) {
	for file, want := range map[string]string{
		"htmx.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
	} {
		b, err := static.ReadFile("static/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has the sum %x, want %s", file, sum, want)
		}
	}
}

func TestNear(t *testing.T) {
	now := time.Date(2026, 11, 28, 0, 30, 0, 0, jst)
	for _, tt := range []struct {
		at     time.Time
		ja, en string
	}{
		{now.Add(-20 * time.Minute), "今日 00:10:00", "today 00:10:00"},
		{now.Add(-time.Hour), "昨日 23:30:00", "yesterday 23:30:00"},
		{now.Add(24 * time.Hour), "明日 00:30", "tomorrow 00:30"},
		{now.AddDate(0, 0, -3), "11月25日 00:30", "25 Nov 00:30"},
		{now.AddDate(-1, 0, 0), "2025年11月28日 00:30", "28 Nov 2025 00:30"},
	} {
		if got := (Words{"ja"}).near(tt.at, now); got != tt.ja {
			t.Errorf("ja %s: %q, want %q", tt.at, got, tt.ja)
		}
		if got := (Words{"en"}).near(tt.at, now); got != tt.en {
			t.Errorf("en %s: %q, want %q", tt.at, got, tt.en)
		}
	}
	if got := string((Words{"ja"}).when(now, now)); !strings.Contains(got, `datetime="2026-11-27T15:30:00Z"`) || !strings.Contains(got, "2026-11-28 00:30:00.000000 JST") {
		t.Errorf("the exact time is missing: %s", got)
	}
}

func TestNumbers(t *testing.T) {
	ja, en := Words{"ja"}, Words{"en"}
	for _, tt := range []struct{ got, want string }{
		{ja.Number(0), "0"}, {ja.Number(999), "999"}, {ja.Number(1000), "1,000"}, {ja.Number(int64(-1234567)), "-1,234,567"},
		{ja.Bytes(512), "512 B"}, {ja.Bytes(1536), "1.5 KiB"}, {ja.Bytes(20 << 20), "20 MiB"}, {ja.Bytes(3 << 40), "3.0 TiB"},
		{ja.Span(0), "1秒未満"}, {ja.Span(59 * time.Second), "59秒"}, {ja.Span(90 * time.Minute), "1時間30分"}, {ja.Span(49 * time.Hour), "2日1時間"}, {ja.Span(48 * time.Hour), "2日"},
		{en.Span(90 * time.Minute), "1 h 30 min"}, {en.Span(-time.Hour), "1 h"},
		{ja.Percent(0.5), "50 %"}, {ja.Percent(0.012), "1.2 %"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// What turns the direction of writing, and what cannot be seen, is shown.
func TestPlainAndCut(t *testing.T) {
	if got := Plain("a\u202eb\x00c\u200bd\n茶"); got != "a␣b␣c␣d␣茶" {
		t.Errorf("%q", got)
	}
	long := strings.Repeat("茶", 300)
	if got := []rune(Cut(long)); len(got) != shownRunes || got[len(got)-1] != '…' {
		t.Errorf("%d runes", len(got))
	}
}

func TestChart(t *testing.T) {
	c := Chart{Title: noren.Text{Ja: "止めた通信", En: "stopped"}, Unit: noren.Text{Ja: "件"}, Bars: []Bar{{Label: "1", N: 0}, {Label: "<2>", N: 1, Link: "/x?a=1&b=2"}, {Label: "3", N: 1000, Mark: true}}}
	got := string(c.svg(Words{"ja"}))
	for _, want := range []string{`aria-label="止めた通信: 1,001件"`, "&lt;2&gt;: 1件", `href="/x?a=1&amp;b=2"`, `class="bar now"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "NaN") || (Chart{}).svg(Words{"ja"}) != "" {
		t.Error("an empty chart is not empty")
	}
	for n := range 60 {
		for _, i := range labelled(n + 1) {
			if i < 0 || i > n {
				t.Errorf("label %d of %d bars", i, n+1)
			}
		}
	}
}

func TestAssets(t *testing.T) {
	a, err := OpenAssets()
	if err != nil {
		t.Fatal(err)
	}
	for _, gzipped := range []bool{false, true} {
		r := httptest.NewRequest("GET", a.URL("style.css"), nil)
		if gzipped {
			r.Header.Set("Accept-Encoding", "br, gzip;q=0.8")
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") || (w.Header().Get("Content-Encoding") == "gzip") != gzipped || w.Body.Len() == 0 {
			t.Errorf("gzip %t: %d %v", gzipped, w.Code, w.Header())
		}
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("GET", AssetsPath+"../ui.go", nil))
	if w.Code != 404 {
		t.Errorf("a file that is no asset: %d", w.Code)
	}
}

func TestCheckSaysWhichPageIsWrong(t *testing.T) {
	a, err := OpenAssets()
	if err != nil {
		t.Fatal(err)
	}
	bad, err := Load(fstest.MapFS{"bad.html": {Data: []byte(`{{define "title"}}x{{end}}`)}}, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := bad.Check(); err == nil || !strings.Contains(err.Error(), "bad.html") {
		t.Errorf("%v", err)
	}
	p, err := Load(fstest.MapFS{"good.html": {Data: []byte(`{{define "title"}}x{{end}}{{define "main"}}{{template "value" .Data}}{{end}}`)}}, a)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.Render(&b, "ja", "good", &Frame{Lang: "ja", Data: `"><img src=x onerror=alert(1)>`}); err != nil || strings.Contains(b.String(), "<img") {
		t.Errorf("%v: %s", err, b.String())
	}
}

// The parts fill the bar, and none lies over another.
func TestShareBar(t *testing.T) {
	got := string(shareBar([]Share{{Tone: Good, N: 1}, {Tone: Check, N: 1}, {Tone: Calm, N: 2}}))
	for _, want := range []string{`class="good" x="0" y="0" width="247"`, `class="check" x="250" y="0" width="247"`, `class="calm" x="500" y="0" width="497"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
	if got := string(shareBar([]Share{{Tone: Good}})); strings.Contains(got, "<rect") {
		t.Errorf("nothing is drawn as something: %s", got)
	}
}

func TestSqueezeKeepsTheMeaning(t *testing.T) {
	for in, want := range map[string]string{
		"/* a */ a { color: red; }\n b{}":                "a{color:red}b{}",
		".top :focus, .a > .b { top: calc(1px + 2px) }":  ".top :focus,.a>.b{top:calc(1px + 2px)}",
		`td::before { content: attr(x) " "; }`:           `td::before{content:attr(x) " "}`,
		"@media (a) and (b: 1) { p { margin: 0 auto } }": "@media (a) and (b:1){p{margin:0 auto}}",
	} {
		if got := string(squeeze([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
