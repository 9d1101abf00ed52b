package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"noren/gateway/waf"
)

// fieldValue is one field of a body with one of its values.
type fieldValue struct{ name, value string }

// Bounds on what is looked at of a body, which the firewall has bounded already.
const (
	maxFieldViews = 4_000
	maxFieldDepth = 24
)

// bodyViews are the fields of a body as every shop might read them: as a form and
// as JSON whatever its type says, and as multipart. A field that stands several
// times has all its values. whole is false when there is more than is looked at.
func bodyViews(contentType string, b []byte) (out []fieldValue, whole bool) {
	whole = true
	add := func(name, value string) {
		if len(out) == maxFieldViews {
			whole = false
			return
		}
		out = append(out, fieldValue{fieldName(name), value})
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err == nil && media == "multipart/form-data" {
		for name, values := range multipartValues(b, params["boundary"]) {
			for _, v := range values {
				add(name, v)
			}
		}
		return out, whole
	}
	if err := jsonFields(b, add); errors.Is(err, errDeep) {
		whole = false
	}
	formFields(b, add)
	return out, whole
}

func formFields(b []byte, add func(name, value string)) {
	for part := range strings.FieldsFuncSeq(string(b), func(r rune) bool { return r == '&' || r == ';' }) {
		name, value, _ := strings.Cut(part, "=")
		once := waf.Unescape(value)
		add(waf.Unescape(name), once)
		if twice := waf.Unescape(once); twice != once || strings.Contains(name, "%25") {
			add(waf.Unescape(waf.Unescape(name)), twice)
		}
	}
}

// jsonFields calls f with every text, number and word of JSON under its path
// (a.b). Unlike a map it keeps both of two keys of one name, and what stands
// before a fault.
func jsonFields(b []byte, f func(name, value string)) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	for {
		if err := jsonValue(d, "", 0, f); err != nil {
			return err
		}
	}
}

var errDeep = errors.New("too deep")

func jsonValue(d *json.Decoder, name string, depth int, f func(name, value string)) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case string:
		f(name, t)
	case json.Number:
		f(name, t.String())
	case bool:
		f(name, strconv.FormatBool(t))
	case json.Delim:
		return jsonInside(d, t, name, depth+1, f)
	}
	return nil
}

// jsonInside reads what stands between two brackets, and the second one.
func jsonInside(d *json.Decoder, open json.Delim, name string, depth int, f func(name, value string)) error {
	if depth > maxFieldDepth {
		return errDeep
	}
	for d.More() {
		inner := name
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			inner = name + "." + key.(string) // the decoder lets nothing else be a key
		}
		if err := jsonValue(d, inner, depth, f); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// fieldName spells a field's name the one way in which all shops' spellings are
// equal: payment_method, Payment.Method, payment_method[] and payment[method].
func fieldName(name string) string {
	name = strings.ToLower(strings.Trim(name, ". "))
	name = strings.NewReplacer(" ", "_", ".", "_", "[", "_", "]", "", "\x00", "").Replace(name)
	for {
		short := strings.TrimRight(name, "_")
		if i := strings.LastIndexByte(short, '_'); i > 0 && i+1 < len(short) && strings.Trim(short[i+1:], "0123456789") == "" {
			short = short[:i]
		}
		if short == name {
			return name
		}
		name = short
	}
}

// oddValue reports what no way of paying is called, and what shops clean away
// before they compare: markup, escapes, control and invisible characters. A shop
// would make "stripe" of "str<b>ipe".
func oddValue(v string, isUTF8 bool) bool {
	if strings.ContainsAny(v, "<>%\\\"\x00") {
		return true
	}
	if !utf8.ValidString(v) {
		return isUTF8
	}
	return strings.ContainsFunc(strings.TrimSpace(v), func(r rune) bool { return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) })
}

// halfWidth makes the ASCII of full-width letters and digits, as EC-CUBE does.
func halfWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xFF01 && r <= 0xFF5E {
			return r - 0xFEE0
		}
		if r == 0x3000 {
			return ' '
		}
		return r
	}, s)
}
