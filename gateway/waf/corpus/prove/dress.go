package prove

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"

	"noren/gateway/waf/corpus"
)

// Dropped is a candidate that does not work, and why.
type Dropped struct {
	corpus.Line
	Why error
}

// perSeed bounds how many dresses a seed is kept in, beside the plain one.
const perSeed = 3

// Corpus makes the attack corpus: every seed plain and in some of the dresses
// that suit it, of which those are kept that work.
func Corpus() (kept []corpus.Line, dropped []Dropped, err error) {
	seeds, err := Seeds()
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	keep := func(l corpus.Line) bool {
		key := string(l.Class) + l.Context + string(l.Zone) + l.Trick + l.Text
		if seen[key] || len(l.In) == 0 {
			return false
		}
		seen[key] = true
		if _, err := Attack(&l); err != nil {
			dropped = append(dropped, Dropped{l, err})
			return false
		}
		kept = append(kept, l)
		return true
	}
	for _, seed := range seeds {
		if !keep(seed) {
			continue
		}
		r := rand.New(rand.NewPCG(corpus.Hash(seed.Seed), 2))
		candidates := dresses(seed, r)
		r.Shuffle(len(candidates), func(i, k int) { candidates[i], candidates[k] = candidates[k], candidates[i] })
		if r.IntN(2) == 0 { // what few seeds can wear comes first for half of them
			slices.SortStableFunc(candidates, func(a, b corpus.Line) int { return cmp.Compare(rarely(a), rarely(b)) })
		}
		n := 0
		for _, c := range candidates {
			if n < perSeed && keep(c) {
				n++
			}
		}
	}
	return kept, dropped, nil
}

func rarely(l corpus.Line) int {
	switch l.Trick {
	case "sjis trail", "sjis unescape", "euc lead", "seven bits", "utf-7", "iso-2022-jp", "nulls", "entities", "concatenation":
		return 0
	}
	return 1
}

// Where bytes travel that are no UTF-8, or that are escaped once more.
var (
	inBytes = []corpus.Place{corpus.InQuery, corpus.InForm, corpus.InMultipart}
	inText  = []corpus.Place{corpus.InQuery, corpus.InForm, corpus.InMultipart, corpus.InCookie, corpus.InReferer}
)

func placed(l corpus.Line, allowed []corpus.Place) []corpus.Place {
	return slices.DeleteFunc(slices.Clone(l.In), func(p corpus.Place) bool { return !slices.Contains(allowed, p) })
}

// dresses are the candidates of a seed.
func dresses(l corpus.Line, r *rand.Rand) (out []corpus.Line) {
	add := func(trick, text string, in []corpus.Place) {
		if text == l.Text {
			return
		}
		d := l
		d.Trick, d.Text, d.In = trick, text, in
		out = append(out, d)
	}
	if slices.Contains(l.In, corpus.InBody) || slices.Contains(l.In, corpus.InRaw) {
		add("json keys", strings.NewReplacer("$", `\u0024`, "__", `\u005f_`, "@", `\u0040`).Replace(l.Text), l.In)
		add("spaces", strings.ReplaceAll(l.Text, ":", " :\n "), l.In)
		return out
	}
	if slices.Contains(l.In, corpus.InXML) {
		add("utf-16", utf16Bytes(l.Text), l.In)
		add("case", strings.Replace(l.Text, "<a>", "<a>会社/住所", 1), l.In)
		add("spaces", strings.ReplaceAll(l.Text, "<!ENTITY ", "<!ENTITY \n\t"), l.In)
		return out
	}
	if slices.Contains(l.In, corpus.InName) {
		add("prose", l.Text+"会社", l.In)
		return out
	}
	add("double", url.QueryEscape(l.Text), placed(l, inText))
	if l.Class != corpus.Deserialise { // objects go through no field that is folded
		add("full-width", toWide(l.Text, true), l.In)
		add("nfkc", toWide(l.Text, false), l.In)
		add("overlong", overlong(l.Text), placed(l, inBytes))
		add("%u", percentU(l.Text), placed(l, inText))
	}
	if slices.Contains(l.In, corpus.InJSON) {
		add("json", jsonEscapes(l.Text), []corpus.Place{corpus.InRaw})
	}
	if strings.ContainsAny(l.Text, `<>"'`) && (l.Class == corpus.XSS || l.Class == corpus.PHP) {
		add("entities", entities(l.Text, r), placed(l, append(inText, corpus.InJSON)))
	}
	out = append(out, prose(l, r)...)
	out = append(out, ofClass(l, r)...)
	return out
}

// ofClass are the dresses of one class.
func ofClass(l corpus.Line, r *rand.Rand) (out []corpus.Line) {
	add := func(trick, text string, charset corpus.Charset, in []corpus.Place) {
		if text == l.Text && charset == l.Charset {
			return
		}
		d := l
		d.Trick, d.Text, d.Charset, d.In = trick, text, charset, in
		out = append(out, d)
	}
	switch l.Class {
	case corpus.SQL:
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
		add("comments", strings.ReplaceAll(l.Text, " ", "/**/"), corpus.UTF8, l.In)
		add("comments", strings.ReplaceAll(l.Text, " ", "/*会社*/"), corpus.UTF8, l.In)
		add("comments", strings.NewReplacer("UNION", "/*!50000UNION*/", "SELECT", "/*!50000SELECT*/", " OR ", " /*!OR*/ ").Replace(l.Text), corpus.UTF8, l.In)
		add("spaces", strings.ReplaceAll(l.Text, " ", []string{"\t", "\n", "\r\n", "\f", "  "}[r.IntN(5)]), corpus.UTF8, l.In)
		add("spaces", strings.ReplaceAll(l.Text, " ", "--x\n"), corpus.UTF8, l.In)
		add("spaces", strings.NewReplacer(" SELECT ", "(SELECT ", "OR 1=1", "OR(1)=(1)", " FROM ", "\nFROM\n").Replace(l.Text), corpus.UTF8, l.In)
		if rest, ok := strings.CutPrefix(l.Text, "'"); ok && (l.Context == "string" || l.Context == "login" || l.Context == "bracket") {
			add("sjis trail", lead(r, "\x95", "\x83", "\x8e", "\x81", "\xe0")+"'"+rest, corpus.ShiftJIS, placed(l, inBytes))
			add("sjis unescape", corpus.ShiftJIS.Encode(lead(r, "ソ", "表", "能", "申"))+"'"+rest, corpus.ShiftJIS, placed(l, inBytes))
			add("euc lead", lead(r, "\xa1", "\xb0", "\xc6", "\x8f\xa1")+"'"+rest, corpus.EUCJP, placed(l, inBytes))
		}
	case corpus.XSS:
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
		add("spaces", strings.Replace(l.Text, " ", []string{"/", "\t", "\n", "\f", "/　/"}[r.IntN(5)], 2), corpus.UTF8, l.In)
		add("spaces", strings.ReplaceAll(l.Text, "=alert", " = alert"), corpus.UTF8, l.In)
		add("spaces", strings.ReplaceAll(l.Text, "javascript:", "java\tscr\nipt:"), corpus.UTF8, l.In)
		add("concatenation", strings.NewReplacer("alert(1)", []string{"window['al'+'ert'](1)", "(0,alert)(1)", "top[/al/.source+/ert/.source](1)", "eval('ale'+'rt(1)')", "alert?.(1)", "[1].find(alert)", "globalThis.alert(1)"}[r.IntN(7)]).Replace(l.Text), corpus.UTF8, l.In)
		add("seven bits", strings.NewReplacer("<", "\xbc", ">", "\xbe").Replace(l.Text), corpus.UTF8, placed(l, inBytes))
		add("utf-7", utf7(l.Text), corpus.UTF8, placed(l, inText))
		if strings.HasPrefix(l.Context, "script") {
			add("iso-2022-jp", "\x1b(J"+l.Text, corpus.UTF8, placed(l, inBytes))
		}
		add("nulls", strings.NewReplacer("script", "scr\x00ipt", "onerror", "on\x00error", "onload", "onl\x00oad").Replace(l.Text), corpus.UTF8, placed(l, inBytes))
	case corpus.Shell:
		add("spaces", strings.ReplaceAll(l.Text, " ", "${IFS}"), corpus.UTF8, l.In)
		add("concatenation", strings.NewReplacer("cat ", "c''at ", "id", "i\"\"d", "whoami", "who\\ami", "curl", "cu'r'l", "wget", "w\\get", "sleep", "s'l'eep").Replace(l.Text), corpus.UTF8, l.In)
		add("spaces", strings.NewReplacer("; ", ";\t", ";", ";\n").Replace(l.Text), corpus.UTF8, l.In)
	case corpus.Traversal:
		add("encoded", strings.ReplaceAll(l.Text, "../", "..%2f"), corpus.UTF8, nil)
		add("spaces", strings.ReplaceAll(l.Text, "../", ".././"), corpus.UTF8, l.In)
		add("spaces", strings.ReplaceAll(l.Text, "../", "..//"), corpus.UTF8, l.In)
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
		add("double", strings.NewReplacer("../", "%2e%2e%2f", `..\`, "%2e%2e%5c").Replace(l.Text), corpus.UTF8, placed(l, inText))
	case corpus.SSRF:
		add("case", strings.Replace(l.Text, "http", "hTTp", 1), corpus.UTF8, l.In)
		add("spaces", strings.Replace(l.Text, "://", ":\t//", 1), corpus.UTF8, l.In)
	case corpus.SSTI:
		add("spaces", strings.NewReplacer("{{", "{{-\t", "${", "${ ", "<%=", "<%=\n").Replace(l.Text), corpus.UTF8, l.In)
		add("concatenation", strings.NewReplacer("'system'", "'sys'~'tem'", "'id'", "'i'~'d'", "__class__", "\\x5f_class__").Replace(l.Text), corpus.UTF8, l.In)
	case corpus.PHP:
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
		add("spaces", strings.NewReplacer("system(", "system /*会社*/ (", "phpinfo(", "phpinfo\t(", "<?php ", "<?php\n").Replace(l.Text), corpus.UTF8, l.In)
	case corpus.JNDI:
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
	case corpus.LDAP:
		add("spaces", strings.ReplaceAll(l.Text, ")(", ") ("), corpus.UTF8, l.In)
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
	case corpus.XPath:
		add("spaces", strings.ReplaceAll(l.Text, " ", "\n"), corpus.UTF8, l.In)
	case corpus.MailHeader:
		add("case", mixCase(l.Text, r), corpus.UTF8, l.In)
		add("spaces", strings.NewReplacer(": ", ":\t").Replace(l.Text), corpus.UTF8, l.In)
	}
	return out
}

func lead(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// before and after are what honest people would have written around it.
var (
	before = []string{"セーター（赤）", "山田　太郎", "とても良かったです。", "会社の", "カラー/価格", "1-2-3 丸ビル#1203 ", "ｺｰﾄ ", "〒100-0001 東京都", "【至急】", "申込予定の能力表", "\"限定\" & ", "お世話になります。"}
	after  = []string{"です。", "をお願いします", "（税込）", " よろしくお願いします。", "様", "★☆★", "<(_ _)>", "の件", "＞＜", "!!", " 会社"}
)

// prose puts an attack into Japanese text, in one of the three charsets.
func prose(l corpus.Line, r *rand.Rand) (out []corpus.Line) {
	for _, way := range []int{0, 1, 2, 2} {
		text := l.Text
		if way != 1 {
			text = before[r.IntN(len(before))] + text
		}
		if way != 0 {
			text += after[r.IntN(len(after))]
		}
		d := l
		d.Trick, d.Charset = "prose", corpus.AllCharsets()[r.IntN(3)]
		if d.Charset != corpus.UTF8 {
			if d.In = placed(l, inBytes); len(d.In) == 0 {
				d.Charset, d.In = corpus.UTF8, l.In
			}
		}
		d.Text = d.Charset.Encode(text)
		if d.Charset != corpus.UTF8 && d.Charset.Decode(d.Text) != text {
			continue
		}
		out = append(out, d)
	}
	return out
}

func mixCase(s string, r *rand.Rand) string {
	return strings.Map(func(c rune) rune {
		if c < 0x80 && isLetter(byte(c)) && r.IntN(2) == 0 {
			return c ^ 0x20
		}
		return c
	}, s)
}

// toWide writes ASCII full-width; kana leaves the four signs that
// mb_convert_kana does not turn back.
func toWide(s string, kana bool) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == ' ':
			return 0x3000
		case kana && strings.ContainsRune(`'"\~`, c):
			return c
		case c > ' ' && c < 0x7F:
			return c + 0xFEE0
		}
		return c
	}, s)
}

func overlong(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < 0x80 && !isLetter(c) && !isDigit(c) && c > ' ' {
			b.Write([]byte{0xC0 | c>>6, 0x80 | c&0x3F})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func percentU(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c < 0x80 && (isLetter(byte(c)) || isDigit(byte(c)) || c == ' ') || c > 0xFFFF {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "%%u%04x", c)
		}
	}
	return b.String()
}

func jsonEscapes(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, u := range utf16.Encode([]rune(s)) {
		if u < 0x80 && isLetter(byte(u)) {
			b.WriteByte(byte(u))
		} else {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String() + `"`
}

// entities writes signs as references: decimal, hexadecimal, with zeros, named.
func entities(s string, r *rand.Rand) string {
	var b strings.Builder
	for _, c := range s {
		switch n := r.IntN(4); {
		case c >= 0x80 || isLetter(byte(c)) || isDigit(byte(c)):
			b.WriteRune(c)
		case n == 0:
			fmt.Fprintf(&b, "&#%d;", c)
		case n == 1:
			fmt.Fprintf(&b, "&#x%x;", c)
		case n == 2:
			fmt.Fprintf(&b, "&#%07d;", c)
		default:
			b.WriteString(strings.NewReplacer("<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "(", "&lpar;", ")", "&rpar;").Replace(string(c)))
		}
	}
	return b.String()
}

func utf7(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c < 0x80 && strings.IndexByte("<>\"'=;&", byte(c)) < 0 && c != '+' {
			b.WriteRune(c)
			continue
		}
		var raw []byte
		for _, u := range utf16.Encode([]rune{c}) {
			raw = append(raw, byte(u>>8), byte(u))
		}
		b.WriteString("+" + base64.RawStdEncoding.EncodeToString(raw) + "-")
	}
	return b.String()
}

func utf16Bytes(s string) string {
	b := []byte{0xFE, 0xFF}
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>8), byte(u))
	}
	return string(b)
}
