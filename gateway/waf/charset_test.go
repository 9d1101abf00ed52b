package waf

import (
	"testing"
	"time"

	"noren"
)

// What a zone may receive, and which way bytes fail that are no text.
func TestCharsetPolicy(t *testing.T) {
	w, err := New(Options{Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const sjis, euc, none = "%8eR%93c", "%bb%b3%c5%c4", "%ff%fe%81"
	tests := []struct {
		name        string
		zone        noren.Zone
		charsets    []string
		contentType string
		body        string
		blocked     bool
	}{
		{"Shift_JIS where it is said", noren.ZoneCheckout, []string{"shift_jis"}, "", "name=" + sjis, false},
		{"Shift_JIS where nothing is said", noren.ZoneCheckout, nil, "", "name=" + sjis, false},
		{"Shift_JIS where UTF-8 alone is said", noren.ZoneCheckout, []string{"utf-8"}, "", "name=" + sjis, true},
		{"and what the request declares widens nothing", noren.ZoneCheckout, []string{"utf-8"}, "; charset=Shift_JIS", "name=" + sjis, true},
		{"no text, in a strict zone", noren.ZoneLogin, nil, "", "name=" + none, true},
		{"no text, on the storefront", noren.ZoneContact, nil, "", "name=" + none, false},
		{"a payment provider's Shift_JIS", noren.ZoneCallback, []string{"utf-8", "shift_jis", "euc-jp"}, "; charset=Shift_JIS", "name=" + sjis, false},
		{"a payment provider's EUC-JP", noren.ZoneCallback, []string{"utf-8", "shift_jis", "euc-jp"}, "; charset=EUC-JP", "name=" + euc, false},
		{"a payment provider's odd bytes", noren.ZoneCallback, nil, "", "name=" + none, false},
		{"UTF-7 declared", noren.ZoneContact, nil, "; charset=UTF-7", "name=%2BADw-", true},
		{"ISO-2022-JP declared", noren.ZoneContact, nil, "; charset=ISO-2022-JP", "name=a", true},
		{"its escapes", noren.ZoneContact, nil, "", "name=%1b%24B%3b3%1b(B", true},
		{"an unknown encoding declared", noren.ZoneContact, nil, "; charset=x-user-defined", "name=a", true},
		{"_charset_ as browsers fill it in", noren.ZoneContact, nil, "", "_charset_=Shift_JIS&name=a", false},
		{"_charset_ of an attacker", noren.ZoneContact, nil, "", "_charset_=utf-7&name=%2BADw-", true},
		{"full-width in an address", noren.ZoneCheckout, nil, "", "addr=%EF%BC%91%EF%BC%8D%EF%BC%92%EF%BC%88%EF%BC%A1%E6%A3%9F%EF%BC%89%EF%BC%83%EF%BC%93", false},
		{"full-width in an attack", noren.ZoneContact, nil, "", "q=%EF%BC%9C%EF%BD%93%EF%BD%83%EF%BD%92%EF%BD%89%EF%BD%90%EF%BD%94%EF%BC%9Ealert(1)%EF%BC%9C%EF%BC%8Fscript%EF%BC%9E", true},
	}
	for _, tt := range tests {
		r := request("POST", "/x", tt.body)
		r.Zone, r.Charsets = tt.zone, tt.charsets
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded" + tt.contentType}
		res, err := w.Inspect(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if res.Blocked != tt.blocked {
			t.Errorf("%s: blocked %v, want %v: %+v", tt.name, res.Blocked, tt.blocked, res.Hits)
		}
	}
	r := request("POST", "/x", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+ADw-\r\n--b--\r\n")
	r.Header["Content-Type"] = []string{"multipart/form-data; boundary=b"}
	if res, err := w.Inspect(t.Context(), r); err != nil || !res.Blocked {
		t.Errorf("a part of a multipart body in UTF-7: %+v, %v", res, err)
	}
}
