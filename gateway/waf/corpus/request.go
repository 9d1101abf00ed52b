package corpus

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"

	"noren"
)

// Request is a line on its way: an ordinary request of a shop, with the line in
// one of its fields.
type Request struct {
	Line    *Line
	Place   Place
	Charset Charset // what the field is written in, and the site's encoding
	Method  string
	Target  string // as on the request line
	Header  map[string][]string
	Body    []byte
	Zone    noren.Zone
}

// Sites names the encodings a site of this charset is configured with.
func (r *Request) Encodings() []string {
	if r.Charset == UTF8 {
		return nil
	}
	return []string{string(r.Charset)}
}

// Requests are all ways of l: every place in every charset.
func (l *Line) Requests() []Request {
	var out []Request
	for _, t := range l.travels() {
		out = append(out, l.request(t))
	}
	return out
}

// Once is one of them, always the same.
func (l *Line) Once() Request {
	all := l.travels()
	return l.request(all[hash("way "+l.Text)%uint64(len(all))])
}

// chance is a number below n that belongs to l: requests vary, and each stays
// as it is.
func (l *Line) chance(of string, n int) int {
	return int(hash(of+" "+l.Text+" "+string(l.Class)) % uint64(n))
}

func (l *Line) request(t travel) Request {
	r := Request{Line: l, Place: t.place, Charset: t.charset, Method: "GET", Zone: l.Zone, Header: browserHeader(l)}
	if t.charset == "" {
		r.Charset = UTF8
	}
	wire := l.Text
	if l.Class == "" {
		wire = t.charset.Encode(l.Text)
	}
	field := l.field()
	switch t.place {
	case InQuery:
		r.Target = l.page() + "?" + query(l, field, url.QueryEscape(wire))
	case InName:
		name, value, _ := strings.Cut(wire, "=")
		if l.chance("name", 2) == 0 {
			r.Target = l.page() + "?" + query(l, bracketed(name), url.QueryEscape(value))
			break
		}
		r.post(l.action(), formType, bracketed(name)+"="+url.QueryEscape(value))
	case InPath:
		r.Target = "/tag/" + url.PathEscape(wire)
	case InCookie:
		r.Target = l.page()
		r.Header["Cookie"] = []string{"eccube=0f1e2d3c4b5a69788796a5b4c3; recently_searched=" + url.PathEscape(wire) + "; lang=ja"}
	case InReferer:
		r.Target = l.page()
		r.Header["Referer"] = []string{[]string{"https://www.google.com/search?q=", "https://search.yahoo.co.jp/search?p=", "https://shop.example/products/list?name="}[l.chance("ref", 3)] + url.QueryEscape(wire)}
	case InAgent:
		r.Target = l.page()
		r.Header["User-Agent"] = []string{wire}
	case InForm:
		r.post(l.action(), formType, l.form(field, wire, t.charset))
	case InMultipart:
		r.multipart(l, `; name="`+field+`"`, wire)
	case InFilename:
		r.multipart(l, `; name="photo"; filename="`+quoted.Replace(wire)+`"`+"\r\nContent-Type: image/jpeg", "\xff\xd8\xff\xe0\x00\x10JFIF")
	case InJSON:
		r.post(l.api(), "application/json", l.json(jsonString(wire, l.chance("json", 2) == 0 && l.Class == "" || l.Trick == "json")))
	case InRaw:
		r.post(l.api(), "application/json", l.json(wire))
	case InBody:
		r.post(l.api(), "application/json", wire)
	case InXML:
		r.post(l.api(), "text/xml; charset=UTF-8", wire)
	}
	return r
}

// quoted is what browsers escape in the names of a multipart body (HTML
// Standard, 4.10.21.8).
var quoted = strings.NewReplacer("\"", "%22", "\r", "%0D", "\n", "%0A")

const formType = "application/x-www-form-urlencoded"

func (r *Request) post(target, contentType, body string) {
	if r.Charset != UTF8 && contentType == formType && r.Line.chance("type", 2) == 0 {
		contentType += "; charset=" + string(r.Charset)
	}
	r.Method, r.Target, r.Body = "POST", target, []byte(body)
	r.Header["Content-Type"] = []string{contentType}
	r.Header["Content-Length"] = []string{strconv.Itoa(len(body))}
	r.Header["Origin"] = []string{"https://shop.example"}
}

func (r *Request) multipart(l *Line, disposition, value string) {
	boundary := fmt.Sprintf("----WebKitFormBoundary%016x", hash("boundary"+l.Text))
	var b strings.Builder
	part := func(disposition, value string) {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data%s\r\n\r\n%s\r\n", boundary, disposition, value)
	}
	part(`; name="_token"`, token(l))
	part(disposition, value)
	part(`; name="mode"`, "confirm")
	fmt.Fprintf(&b, "--%s--\r\n", boundary)
	r.post(l.action(), "multipart/form-data; boundary="+boundary, b.String())
}

func token(l *Line) string {
	return fmt.Sprintf("%016x%016x", hash("token"+l.Text), hash(l.Text+"token"))
}

// query puts a field among those that a list of products has.
func query(l *Line, field, value string) string {
	pair := field + "=" + value
	switch l.chance("query", 3) {
	case 0:
		return "category_id=5&" + pair + "&orderby=2&pageno=1"
	case 1:
		return pair + "&utm_source=mail&utm_medium=email"
	}
	return pair
}

// form puts a field among others, as the shop's form has them.
func (l *Line) form(field, wire string, c Charset) string {
	esc := func(s string) string { return url.QueryEscape(c.Encode(s)) }
	var b strings.Builder
	fmt.Fprintf(&b, "_token=%s", token(l))
	if l.Kind != Name && l.Zone != noren.ZoneLogin && l.Zone != noren.ZoneAdmin && l.Zone != noren.ZoneCodeEdit {
		fmt.Fprintf(&b, "&name=%s&kana=%s", esc("山田　花子"), esc("ヤマダ　ハナコ"))
	}
	fmt.Fprintf(&b, "&%s=%s&mode=confirm", bracketed(field), url.QueryEscape(wire))
	return b.String()
}

func bracketed(name string) string {
	return strings.NewReplacer("[", "%5B", "]", "%5D").Replace(url.PathEscape(name))
}

// json puts a value into a cart or an inquiry.
func (l *Line) json(value string) string {
	field := []string{"note", "value", "text"}[l.chance("field", 3)]
	switch l.Kind {
	case Name, Kana, Address, Company, Phone, Mail, Search, Coupon, Password, Title:
		field = string(l.Kind)
	}
	return `{"cartToken":"` + token(l)[:24] + `","items":[{"productId":12,"quantity":1,"price":1980}],"` + field + `":` + value + `,"agree":true}`
}

// jsonString writes s as a string of JSON: as browsers do, or in ASCII as
// PHP's json_encode does.
func jsonString(s string, ascii bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""`
	}
	out := strings.TrimSuffix(b.String(), "\n")
	if !ascii {
		return out
	}
	b.Reset()
	for _, r := range out {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
