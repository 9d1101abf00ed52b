package waf

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/unicode/norm"
)

// arg is another reading of a form value.
type arg struct{ name, value string }

// maxViews bounds the readings added to a request. Coraza refuses a request
// with more than 1,000 values, so a request full of oddities is refused, never
// half inspected.
const maxViews = 1001

// views returns the readings of a request's values that its plain parse does
// not show but that the shop may see: other encodings, folded full-width
// letters, a query split at semicolons. They are inspected like the values
// themselves, under the same names. Ordinary ASCII and Japanese have none.
func views(r *Request) []arg {
	legacy := legacyCharsets(r)
	var out []arg
	strict, allowed := refusesBytes(r.Zone), policy(r)
	check := func(name, value string) {
		if strict && !(isText(name, allowed) && isText(value, allowed)) {
			strict = false // once is enough
			out = append(out, arg{charsetField, "refused"})
		}
	}
	add := func(name, value string) {
		for _, v := range readings(value, legacy) {
			if len(out) < maxViews {
				out = append(out, arg{name, v})
			}
		}
	}
	_, query, _ := strings.Cut(r.URI, "?")
	query, _, _ = strings.Cut(query, "#")
	if strict {
		eachPair(query, "&", check)
		eachBodyValue(r, check)
	}
	eachPair(query, "&", add)
	if strings.Contains(query, ";") {
		// Some shops split a query at ; too. Both readings are inspected.
		eachPair(query, "&;", func(name, value string) {
			out = append(out, arg{name, value})
			add(name, value)
		})
	}
	for _, line := range r.Header["Cookie"] {
		// Some read a + in a cookie as a space, some as itself.
		eachPair(strings.ReplaceAll(line, "; ", ";"), ";", add)
		if strings.Contains(line, "+A") {
			eachPair(strings.ReplaceAll(strings.ReplaceAll(line, "; ", ";"), "+", "%2B"), ";", add)
		}
	}
	for _, line := range r.Header["Referer"] {
		_, query, _ := strings.Cut(line, "?")
		eachPair(query, "&", func(_, value string) { add("referer", value) })
	}
	for _, line := range r.Header["User-Agent"] {
		add("user-agent", line)
	}
	out = append(out, structure(r)...)
	eachBodyValue(r, add)
	return out[:min(len(out), maxViews)]
}

// legacyCharsets are the Japanese encodings the site or the request's own
// Content-Type names besides UTF-8.
func legacyCharsets(r *Request) []encoding.Encoding {
	var out []encoding.Encoding
	declared := ""
	if ct := r.Header["Content-Type"]; len(ct) > 0 {
		if _, params, err := mime.ParseMediaType(ct[0]); err == nil {
			declared = params["charset"]
		}
	}
	for _, name := range append(slices.Clone(r.Charsets), declared) {
		if e := japaneseEncoding(name); e != nil && !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

func japaneseEncoding(name string) encoding.Encoding {
	switch strings.ToLower(name) {
	case "shift_jis", "shift-jis", "sjis", "windows-31j", "cp932", "x-sjis", "ms_kanji":
		return japanese.ShiftJIS
	case "euc-jp", "x-euc-jp", "eucjp-win":
		return japanese.EUCJP
	}
	return nil
}

// eachPair calls f for each name and value of a form. Escapes that are not
// valid stay as they are, as PHP and Coraza read them.
func eachPair(form, separators string, f func(name, value string)) {
	for part := range strings.FieldsFuncSeq(form, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		name, value, _ := strings.Cut(part, "=")
		f(Unescape(name), Unescape(value))
	}
}

func eachBodyValue(r *Request, f func(name, value string)) {
	if len(r.Body) == 0 {
		return
	}
	contentType := ""
	if ct := r.Header["Content-Type"]; len(ct) > 0 {
		contentType = ct[0]
	}
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "multipart/form-data":
		eachPart(r.Body, params["boundary"], f)
	case err == nil && isJSON(media):
		eachString(r.Body, f)
	default:
		eachPair(string(r.Body), "&", f)
	}
}

func eachPart(body []byte, boundary string, f func(name, value string)) {
	mr := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := mr.NextRawPart()
		if err != nil {
			return // a body that cannot be read is refused by rule 100002
		}
		value, err := io.ReadAll(p)
		if err != nil {
			return
		}
		f(p.FormName(), string(value))
		if name := p.FileName(); name != "" {
			f(p.FormName(), name)
		}
	}
}

// readings are the other ways v may be read, without v itself: in other charsets
// and folded, then with escapes undone, which may lie in each other.
func readings(v string, legacy []encoding.Encoding) []string {
	plain := isPlain(v)
	if plain && !escapes(v) {
		return nil
	}
	seen := []string{v}
	add := func(s string) {
		if s != "" && !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
		if folded := fold(s); folded != s && !slices.Contains(seen, folded) {
			seen = append(seen, folded)
		}
	}
	if !plain {
		inCharsets(v, legacy, add)
	}
	for i := 0; i < len(seen) && len(seen) < maxReadings; i++ {
		if escapes(seen[i]) {
			unescapings(seen[i], add)
		}
	}
	return seen[1:]
}

// maxReadings bounds those of one value.
const maxReadings = 12

// inCharsets adds what v is in other charsets than UTF-8.
func inCharsets(v string, legacy []encoding.Encoding, add func(string)) {
	add(v)
	if utf8.ValidString(v) {
		if strings.ContainsAny(v, "¼¾") {
			add(sevenBit.Replace(v))
		}
		return
	}
	named := len(legacy) > 0
	if !named {
		legacy = []encoding.Encoding{japanese.ShiftJIS, japanese.EUCJP}
		add(stripHighBits(v))
	}
	known := false // it is text in an encoding that the site has
	for _, e := range legacy {
		s, err := e.NewDecoder().String(v)
		if err != nil {
			continue
		}
		add(s)
		known = known || !strings.ContainsRune(s, utf8.RuneError)
	}
	if !named || !known {
		// In EUC-JP and Shift_JIS these bytes are letters: だい holds C0 A4, ﾀｼ is C0 BC.
		add(DecodeOverlong(v))
	}
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fold turns full-width letters and signs into the ASCII that EC-CUBE 2
// (mb_convert_kana) makes of them behind the firewall. Text in which nothing
// becomes ASCII is returned as it is.
func fold(s string) string {
	if !strings.ContainsFunc(s, foldsToASCII) {
		return s
	}
	return norm.NFKC.String(s)
}

// foldsToASCII finds what NFKC turns into ASCII that could matter: full-width
// forms (FF01–FF5E), the small forms (FE50–FE6B) and the ideographic space.
func foldsToASCII(r rune) bool {
	return r >= 0xFF01 && r <= 0xFF5E || r >= 0xFE50 && r <= 0xFE6B || r == 0x3000
}

// sevenBit and stripHighBits read text as US-ASCII decoders do that drop the
// eighth bit: ¼script¾ becomes a tag. CRS 941310 looks for the bytes BC and BE
// themselves, which are in ordinary Japanese; see noren.conf.
var sevenBit = strings.NewReplacer("¼", "<", "¾", ">")

func stripHighBits(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] &= 0x7F
	}
	return string(b)
}

// DecodeOverlong reads C0 and C1 sequences the way lenient decoders do: C0 BC
// is "<".
func DecodeOverlong(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if (s[i] == 0xC0 || s[i] == 0xC1) && i+1 < len(s) && s[i+1]&0xC0 == 0x80 {
			b = append(b, s[i]<<6|s[i+1]&0x3F)
			i++
			continue
		}
		if s[i] == 0xE0 && i+2 < len(s) && s[i+1]&0xE0 == 0x80 && s[i+1] < 0x82 && s[i+2]&0xC0 == 0x80 {
			b = append(b, s[i+1]<<6|s[i+2]&0x3F)
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// Unescape decodes a form value leniently, as PHP does: + is a space and an
// escape that is not valid stays.
func Unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
