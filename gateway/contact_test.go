package gateway

import (
	"strings"
	"testing"

	"noren"
)

func TestContactCanBeTapped(t *testing.T) {
	for text, want := range map[string]string{
		"お電話 03-0000-0000（平日 10〜17時）":                           "お電話 |tel:0300000000|（平日 10〜17時）",
		"0120-000-000 または shop@example.jp":                      "tel:0120000000| または |mailto:shop@example.jp",
		"phone +81 3-0000-0000":                                 "phone |tel:+81300000000",
		"+81-3-0000-0000 / https://norendo.example/contact?x=1": "tel:+81300000000| / |https://norendo.example/contact?x=1",
		"https://norendo.example。":                              "https://norendo.example|。",
		"http://plain.example":                                  "http://plain.example",
		"注文番号 10-0000-0000-0000-12":                             "注文番号 10-0000-0000-0000-12",
		"10〜17時、〒100-0001":                                      "10〜17時、〒100-0001",
		"javascript:alert(1)":                                   "javascript:alert(1)",
		"":                                                      "",
	} {
		var got []string
		for _, p := range reach(text) {
			switch {
			case p.Tel != "":
				got = append(got, "tel:"+p.Tel)
			case p.Mail != "":
				got = append(got, "mailto:"+p.Mail)
			case p.Web != "":
				got = append(got, "https://"+p.Web)
			default:
				got = append(got, p.Text)
			}
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("reach(%q) = %s, want %s", text, s, want)
		}
	}
}

// Nothing is lost of what the shop wrote, and nothing but a number follows tel:.
func FuzzReach(f *testing.F) {
	for _, s := range []string{"お電話 03-0000-0000", "a@b.example", "https://a.example/b", "+81 (3) 0000-0000 0120-000-000", "03-0000-0000@x.jp", "\xff+1 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var all strings.Builder
		for _, p := range reach(text) {
			all.WriteString(p.Text)
			if strings.Trim(p.Tel, "+0123456789") != "" || strings.ContainsAny(p.Mail+p.Web, " \"'<>\\") {
				t.Errorf("%+v", p)
			}
		}
		if all.String() != text {
			t.Errorf("%q became %q", text, all.String())
		}
	})
}

// A shop that wrote its contact in one language only is still reachable for the
// readers of the other, and the page says which language that is.
func TestContactInTheOtherLanguage(t *testing.T) {
	only := &Site{Title: noren.Text{En: "Norendo"}, Contact: noren.Text{Ja: "お電話 03-0000-0000"}}
	en := render(t, &stop{status: 403}, only, "Accept: text/html", "Accept-Language: en").Body.String()
	ja := render(t, &stop{status: 403}, only, "Accept: text/html", "Accept-Language: ja").Body.String()
	if !strings.Contains(en, `<dd lang="ja">お電話 <a href="tel:`) || !strings.Contains(en, `<header class="shop">Norendo`) {
		t.Errorf("English: %s", en)
	}
	if !strings.Contains(ja, `<header class="shop" lang="en">Norendo`) || !strings.Contains(ja, `<dd>お電話`) {
		t.Errorf("Japanese: %s", ja)
	}
}
