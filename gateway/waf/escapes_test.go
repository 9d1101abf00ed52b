package waf

import (
	"slices"
	"strings"
	"testing"
)

func TestReadingsUndoEscapesInEscapes(t *testing.T) {
	tests := []struct{ value, want string }{
		{"%27+OR+1%3D1", "' OR 1=1"},
		{"%2527%2BOR%2B1%253D1", "' OR 1=1"},
		{"%u0027 OR 1=1", "' OR 1=1"},
		{"&#0000060;script&gt;", "<script>"},
		{"&#x27;;alert&lpar;1)", "';alert(1)"},
		{`\u003cscript\u003e`, "<script>"},
		{`\x27 or 1`, "' or 1"},
		{"+ADw-script+AD4-", "<script>"},
		{"1+OR+true", "1 OR true"},
		{"％２７", "'"},
	}
	for _, tt := range tests {
		if got := readings(tt.value, nil); !slices.Contains(got, tt.want) {
			t.Errorf("readings of %q are %q, without %q", tt.value, got, tt.want)
		}
	}
}

// What people write has no other reading, so it costs nothing.
func TestReadingsOfOrdinaryText(t *testing.T) {
	for _, v := range []string{"100%本物です", "50% OFF", "R&B と J&T", "&nbsp;&copy;&amp;", `C:\Users`, "C++ 第4版", "+81-3-1234-5678", "a+b+c", "お茶とコーヒー", "GA1.2.123456789.1763700000"} {
		if got := readings(v, nil); len(got) > 0 {
			t.Errorf("%q has readings %q", v, got)
		}
	}
}

func TestStructureShowsWhatCorazaLeavesOut(t *testing.T) {
	tests := []struct{ contentType, body, name string }{
		{"application/json", `{"password":{"$nin":[]}}`, "json.$nin"},
		{"application/json", `{"password":{"\u0024nin":[]}}`, "json.$nin"},
		{"text/xml", `<!DOCTYPE a SYSTEM "x"><a/>`, "xml"},
		{"application/soap+xml", `<a xmlns:i="http://www.w3.org/2001/XInclude"/>`, "xml"},
		{"text/xml", `<a>1</a>`, ""},
		{"application/json", `{"price":"$5"}`, ""},
	}
	for _, tt := range tests {
		r := request("POST", "/", tt.body)
		r.Header["Content-Type"] = []string{tt.contentType}
		name := ""
		if out := structure(r); len(out) > 0 {
			name = out[0].name
		}
		if !strings.HasPrefix(name, tt.name) || tt.name == "" && name != "" {
			t.Errorf("%s gives %q, want %q", tt.body, name, tt.name)
		}
	}
}

// FuzzEscapes holds that readings are few and that none is longer than a small
// multiple of the value.
func FuzzEscapes(f *testing.F) {
	for _, v := range []string{"%2527", "%u0027", "&lt;", `\u0027`, "+ADw-", "1+OR+true", "\x83\x5c'", "％２７"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		got := readings(v, nil)
		if len(got) > maxReadings+16 {
			t.Errorf("%d readings of %q", len(got), v)
		}
		for _, r := range got {
			if len(r) > 20*len(v)+64 {
				t.Errorf("%q becomes %q", v, r)
			}
		}
	})
}
