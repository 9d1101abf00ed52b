package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// ours are the headers that the gateway itself writes or that end at it.
var ours = []string{"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Noren-Hop", "Noren-Visitor",
	"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "Te", "Trailer", "Expect",
	"Proxy-Authorization", "Proxy-Authenticate"}

// compare holds a request that the shop received against what the firewall was
// given: the same method, target, host, headers and body, and no value in it,
// however a shop may cut it, that the rules did not see. "" is the same.
func compare(r received, seen []Inspected) string {
	target := r.target()
	i := slices.IndexFunc(seen, func(i Inspected) bool { return i.URI == target })
	if i < 0 {
		return fmt.Sprintf("%q was not inspected", clip(target))
	}
	in := seen[i]
	method, _, _ := strings.Cut(r.line, " ")
	host := strings.Join(r.values("Host"), "|")
	switch {
	case method != in.Method:
		return fmt.Sprintf("%s was inspected as %s", method, in.Method)
	case host != in.Host:
		return fmt.Sprintf("host %q was inspected as %q", host, in.Host)
	case !partly(r) && !bytes.Equal(r.body, in.Body):
		return fmt.Sprintf("%d bytes were inspected and %d arrived", len(in.Body), len(r.body))
	}
	if f := compareHeaders(r, in); f != "" {
		return f
	}
	for _, v := range shopValues(r) {
		if !slices.Contains(in.Values, v) {
			return fmt.Sprintf("a shop may read %q, which was not inspected", clip(v))
		}
	}
	return ""
}

// partly: of files that are uploaded the contents are not inspected.
func partly(r received) bool {
	contentType := strings.Join(r.values("Content-Type"), ",")
	return strings.HasPrefix(contentType, "multipart/") || strings.HasPrefix(contentType, "image/")
}

func compareHeaders(r received, in Inspected) string {
	names := map[string]bool{}
	for _, h := range r.header {
		names[http.CanonicalHeaderKey(h.name)] = true
	}
	for name := range in.Header {
		names[name] = true
	}
	for name := range names {
		if slices.Contains(ours, name) || name == "User-Agent" && len(in.Header[name]) == 0 {
			continue
		}
		if got, want := r.values(name), in.Header[name]; !slices.Equal(got, want) {
			return fmt.Sprintf("%s: %q arrived, %q was inspected", name, got, want)
		}
	}
	return ""
}

// shopValues are the values that shops' parsers make of a request: PHP's and
// most others' split at &, older Java and Perl at ; too, Python and Go decode
// strictly. The parsers here share no code with the gateway's.
func shopValues(r received) (out []string) {
	_, query, _ := strings.Cut(r.target(), "?")
	out = append(out, formValues(query, "&")...)
	if strings.Contains(query, ";") {
		out = append(out, formValues(query, "&;")...)
	}
	contentType := strings.ToLower(strings.Join(r.values("Content-Type"), ","))
	switch {
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded"):
		out = append(out, formValues(string(r.body), "&")...)
	case strings.HasPrefix(contentType, "application/json"):
		out = append(out, jsonTexts(r.body)...)
	}
	return out
}

func formValues(s, separators string) (out []string) {
	for _, pair := range strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(separators, c) }) {
		if _, value, ok := strings.Cut(pair, "="); ok && value != "" {
			out = append(out, phpDecode(value))
		}
	}
	return out
}

// phpDecode is php_url_decode: + is a space, a broken escape stays.
func phpDecode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			fmt.Sscanf(s[i+1:i+3], "%02x", &c)
			b.WriteByte(c)
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func jsonTexts(b []byte) (out []string) {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return nil
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if v != "" {
				out = append(out, v)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return out
}
