package waf

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"noren"
)

// fuzzTypes are the types of a body that the target picks from, besides what
// it makes up.
var fuzzTypes = []string{
	"", "application/x-www-form-urlencoded", "application/json", "text/xml", "multipart/form-data; boundary=x", "text/plain",
	"application/x-www-form-urlencoded; charset=Shift_JIS", "application/vnd.api+json", "application/octet-stream",
}

// FuzzScreenNeverUnder holds the property of the screen: what the engine scores,
// records or denies, it never calls clean.
func FuzzScreenNeverUnder(f *testing.F) {
	for i, s := range suite(f) {
		if i%40 != 0 { // the rest is in TestScreenNeverPassesWhatTheEngineMarks
			continue
		}
		var head strings.Builder
		for _, name := range slices.Sorted(maps.Keys(s.r.Header)) {
			for _, v := range s.r.Header[name] {
				head.WriteString(name + ": " + v + "\n")
			}
		}
		f.Add(s.r.Method, s.r.URI, s.r.Proto, head.String(), "", s.r.Body, byte(0))
	}
	for _, file := range []string{"attacks.tsv", "benign_more.tsv", "ja_waf_attack.tsv"} {
		for i, l := range lines(f, file) {
			f.Add("POST", "/a?b="+strings.ReplaceAll(l[0], " ", "%20"), "HTTP/1.1", "User-Agent: "+browser+"\nReferer: "+l[0], "a="+l[0], []byte("a="+l[0]), byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, method, uri, proto, head, cookie string, body []byte, kind byte) {
		if len(uri)+len(head)+len(cookie)+len(body) > 8<<10 {
			return
		}
		r := fuzzRequest(method, uri, proto, head, cookie, body, kind)
		said, err := engine(t).sieve.judge(r)
		if err != nil || !said.Clean {
			return
		}
		if res := oracle(t, r); marked(res) {
			t.Fatalf("the screen says clean, the engine: %+v\n%+v", res, r)
		}
	})
}

func fuzzRequest(method, uri, proto, head, cookie string, body []byte, kind byte) *Request {
	r := &Request{Addr: netip.MustParseAddrPort("203.0.113.9:999"), Method: method, URI: uri, Proto: proto, Host: "shop.example",
		Header: map[string][]string{}, Body: body, Zone: []noren.Zone{noren.ZoneStorefront, noren.ZoneContact, noren.ZoneAdmin}[int(kind)%3]}
	for line := range strings.SplitSeq(head, "\n") {
		name, v, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && strings.EqualFold(name, "Host") {
			r.Host = strings.TrimSpace(v)
		} else if ok && name != "" {
			name = http.CanonicalHeaderKey(name) // as net/http gives them
			r.Header[name] = append(r.Header[name], strings.TrimSpace(v))
		}
	}
	if cookie != "" {
		r.Header["Cookie"] = append(r.Header["Cookie"], cookie)
	}
	if t := fuzzTypes[int(kind)%len(fuzzTypes)]; t != "" {
		r.Header["Content-Type"] = []string{t}
	}
	r.Chunked = kind&0x40 != 0
	if kind&0x80 != 0 {
		r.Charsets = []string{"Shift_JIS"}
	}
	return r
}
