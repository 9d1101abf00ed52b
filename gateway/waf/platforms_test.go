package waf

import (
	"bufio"
	"bytes"
	"fmt"
	"mime/multipart"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"noren"
)

// Platforms whose ordinary traffic is kept in testdata/platforms.
var platforms = []string{"eccube4", "eccube2", "woocommerce", "welcart", "magento2", "vendure"}

// What the shop's own people and its customers send with each program passes
// there; see rules/platforms.
func TestPlatformsAreNotInTheWay(t *testing.T) {
	w, err := New(Options{Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, name := range platforms {
		for i, r := range platformRequests(t, name) {
			res, err := w.Inspect(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if res.Blocked {
				t.Errorf("%s, request %d, %s %s: %+v", name, i+1, r.Method, r.URI, res.Hits)
			}
		}
	}
}

// What a package opens is open in its program, zone and field alone.
func TestPlatformsOpenNothingElse(t *testing.T) {
	w, err := New(Options{Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const sql = "=" + "%27+UNION+SELECT+password+FROM+users--+"
	tests := []struct {
		shop, field string
		zone        noren.Zone
		blocked     bool
	}{
		{"eccube4", "form%5Bjs%5D", noren.ZoneCodeEdit, false},
		{"eccube4", "form%5Bname%5D", noren.ZoneCodeEdit, true},
		{"eccube4", "form%5Bjs%5D", noren.ZoneAdmin, true},
		{"eccube2", "form%5Bjs%5D", noren.ZoneCodeEdit, true},
		{"eccube2", "tpl_data", noren.ZoneCodeEdit, false},
		{"woocommerce", "newcontent", noren.ZoneCodeEdit, false},
		{"welcart", "newcontent", noren.ZoneCodeEdit, false},
		{"woocommerce", "file", noren.ZoneCodeEdit, true},
		{"", "newcontent", noren.ZoneCodeEdit, true},
		{"magento2", "newcontent", noren.ZoneCodeEdit, true},
	}
	for _, tt := range tests {
		r := request("POST", "/x", tt.field+sql)
		r.Zone, r.Shop = tt.zone, tt.shop
		res, err := w.Inspect(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if res.Blocked != tt.blocked {
			t.Errorf("%s, %s, %s: blocked %v, want %v: %+v", tt.shop, tt.zone, tt.field, res.Blocked, tt.blocked, res.Hits)
		}
	}
}

func platformRequests(t *testing.T, name string) (out []*Request) {
	t.Helper()
	data, err := os.ReadFile("testdata/platforms/" + name + ".tsv")
	if err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	for sc.Scan() {
		f := strings.Split(sc.Text(), "\t")
		if strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) != 5 {
			t.Fatalf("%s: %q has %d columns", name, sc.Text(), len(f))
		}
		body, contentType := platformBody(t, f[3], strings.ReplaceAll(f[4], "␤", "\r\n"))
		r := request(f[1], f[2], body)
		r.Zone, r.Shop = noren.Zone(f[0]), name
		r.Header["User-Agent"] = []string{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"}
		if contentType != "" {
			r.Header["Content-Type"] = []string{contentType}
			r.Header["Content-Length"] = []string{fmt.Sprint(len(body))}
		}
		out = append(out, r)
	}
	return out
}

func platformBody(t *testing.T, kind, text string) (body, contentType string) {
	t.Helper()
	switch kind {
	case "":
		return "", ""
	case "json":
		return text, "application/json"
	case "multipart":
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		for pair := range strings.SplitSeq(text, "¦") {
			k, v, _ := strings.Cut(pair, "=")
			if err := m.WriteField(k, v); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String(), m.FormDataContentType()
	case "form":
		var pairs []string
		for pair := range strings.SplitSeq(text, "¦") {
			k, v, _ := strings.Cut(pair, "=")
			pairs = append(pairs, url.QueryEscape(k)+"="+url.QueryEscape(v))
		}
		return strings.Join(pairs, "&"), "application/x-www-form-urlencoded; charset=UTF-8"
	}
	return text, kind
}
