package waf

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// FuzzScreenMutants holds the property of FuzzScreenNeverUnder where it is
// nearest to breaking: on requests of the rules' own tests that are changed a
// little, spliced together, encoded again and put elsewhere.
func FuzzScreenMutants(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed, []byte("' or 1=1 <script>"))
	}
	base := suite(f)
	f.Fuzz(func(t *testing.T, seed uint64, extra []byte) {
		m := mutator{rand.New(rand.NewPCG(seed, 5)), base, extra}
		for range 4 {
			r := m.request()
			said, err := engine(t).sieve.judge(r)
			if err != nil {
				t.Fatal(err)
			}
			if !said.Clean {
				continue
			}
			if res := oracle(t, r); marked(res) {
				t.Fatalf("seed %d: the screen says clean, the engine: %+v\n%+v\n%q", seed, res, r, r.Body)
			}
		}
	})
}

type mutator struct {
	*rand.Rand
	base  []suiteRequest
	extra []byte
}

func (m *mutator) pick() *Request { return m.base[m.IntN(len(m.base))].r }

// value is what a test sends somewhere, decoded.
func (m *mutator) value() string {
	r := m.pick()
	var all []string
	_, query, _ := strings.Cut(r.URI, "?")
	for _, s := range []string{query, string(r.Body)} {
		for part := range strings.SplitSeq(s, "&") {
			name, v, _ := strings.Cut(part, "=")
			all = append(all, Unescape(name), Unescape(v))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name != "Accept" && name != "Host" && name != "Content-Type" {
			all = append(all, r.Header[name]...)
		}
	}
	return all[m.IntN(len(all))]
}

func (m *mutator) change(s string) string {
	b := []byte(s)
	for range 1 + m.IntN(3) {
		at := 0
		if len(b) > 0 {
			at = m.IntN(len(b))
		}
		switch m.IntN(9) {
		case 0:
			b = append(b[:at:at], b[min(at+1, len(b)):]...)
		case 1:
			b = append(b[:at:at], append([]byte{byte(m.IntN(256))}, b[at:]...)...)
		case 2:
			const odd = " \t\n\r\x00\x0b\x0c\xa0\x85\\'\"`;|&$(){}[]<>/*-#%+,.^~!?@:=_ſK　ー＜"
			b = append(b[:at:at], append([]byte{odd[m.IntN(len(odd))]}, b[at:]...)...)
		case 3:
			if len(m.extra) > 0 {
				k := m.IntN(len(m.extra))
				b = append(b[:at:at], append([]byte(string(m.extra[k:min(len(m.extra), k+8)])), b[at:]...)...)
			}
		case 4:
			b = append(b[:at:at], append([]byte(m.value()), b[at:]...)...)
		case 5:
			return m.encode(string(b))
		case 6:
			b = []byte(strings.ToUpper(string(b)))
		case 7:
			b = b[:at]
		case 8:
			b = b[at:]
		}
	}
	return string(b)
}

func (m *mutator) encode(s string) string {
	switch m.IntN(6) {
	case 0:
		return url.QueryEscape(s)
	case 1:
		return strings.NewReplacer("<", "&lt;", ">", "&#x3e;", "'", "&#39;", "(", "&lpar;").Replace(s)
	case 2:
		return strings.NewReplacer("<", `\x3c`, "a", `\u0061`, "s", `\163`, "(", `\u{28}`).Replace(s)
	case 3:
		return strings.NewReplacer("<", "%u003c", "'", "%u2019", "s", "%u0073").Replace(s)
	case 4:
		return strings.NewReplacer("<", "＜", "s", "ｓ", "k", "K", "'", "＇").Replace(s)
	}
	return strings.NewReplacer(" ", "/**/", "e", "e\x00", "a", `\61 `).Replace(s)
}

func (m *mutator) request() *Request {
	old := m.pick()
	r := *old
	r.Header = http.Header{}
	for name, vs := range old.Header {
		r.Header[name] = vs
	}
	v := m.value()
	if m.IntN(4) > 0 {
		v = m.change(v)
	}
	header := strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(v)
	switch m.IntN(12) {
	case 0:
		r.Header["Cookie"] = []string{"a=" + header}
	case 1:
		r.Header["User-Agent"] = []string{header}
	case 2:
		r.Header["Referer"] = []string{header}
	case 3:
		r.Header["Content-Type"] = []string{m.change(strings.Join(old.Header["Content-Type"], ""))}
	case 4:
		r.URI = "/" + url.PathEscape(v)
	case 5:
		r.URI = "/?" + url.QueryEscape(v) + "=1"
	case 6:
		r.URI = "/?a=" + url.QueryEscape(v)
	case 7:
		r.URI = m.change(old.URI)
	case 8:
		r.Method, r.Body = "POST", []byte("a="+url.QueryEscape(v)+"&b="+v)
	case 9:
		r.Body = []byte(m.change(string(old.Body)))
	case 10:
		r.Header[m.change("X-Name")] = []string{header}
	case 11:
		r.Header["Accept"], r.Header["Range"] = []string{m.change("text/html, */*;q=0.8")}, []string{m.change("bytes=0-10")}
	}
	if m.IntN(3) == 0 && len(r.Body) > 0 {
		r.Header["Content-Type"] = []string{fuzzTypes[1+m.IntN(len(fuzzTypes)-1)]}
	}
	if m.IntN(10) == 0 {
		r.Method = m.change(r.Method)
	}
	return &r
}
