package console

import (
	"net/url"
	"strings"
	"testing"

	"noren/gateway"
	"noren/notify"
)

// All that the machine's administrator still has to do stands in one text, in the
// reader's language, and nothing that is done.
func TestLetter(t *testing.T) {
	told, err := notify.Parse("notify.yaml", []byte("version: 1\nreceivers:\n  - {name: owner, mail: o@shop.example}\ntell: {high: [owner], middle: [owner], low: [owner]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	fresh := &setupState{Site: gateway.Site{Name: "shop", WAF: gateway.WAFShadow}, NoSheet: true}
	done := &setupState{Site: gateway.Site{Name: "shop", Preset: "eccube4", TLS: &gateway.KeyPair{}}, Standing: Standing{Rules: told, Mail: "smtp.example:587", HTTPS: ":443"}}
	for _, tt := range []struct {
		name    string
		s       *setupState
		host    string
		asks    int
		holds   []string
		without []string
	}{
		{"a new one", fresh, "", 6, []string{"waf: on", "mail:", "tls: {acme: true}", "noren keys sheet", "console:\n", "preset"[:0]}, nil},
		{"all but the console's name", done, "", 1, []string{"console:\n"}, []string{"waf:", "acme: {email", "listen:", "keys sheet"}[:1]},
		{"nothing", done, "noren.shop.example", 0, nil, nil},
	} {
		asks := asksFor(tt.s, tt.host)
		for _, lang := range []string{"ja", "en"} {
			l := letterOf(asks, "shop", "/etc/noren/noren.yaml", lang)
			if l.Asks != tt.asks {
				t.Errorf("%s: %d asks, want %d:\n%s", tt.name, l.Asks, tt.asks, l.Text)
			}
			if l.Asks == 0 {
				continue
			}
			if flat := strings.ReplaceAll(l.Text, "     ", ""); !strings.Contains(flat, "noren check --config /etc/noren/noren.yaml") || japanese(l.Text) != (lang == "ja") {
				t.Errorf("%s in %s:\n%s", tt.name, lang, l.Text)
			} else {
				for _, s := range tt.holds {
					if !strings.Contains(flat, s) {
						t.Errorf("%s in %s does not hold %q:\n%s", tt.name, lang, s, l.Text)
					}
				}
				for _, s := range tt.without {
					if strings.Contains(flat, s) {
						t.Errorf("%s in %s holds %q", tt.name, lang, s)
					}
				}
			}
			u, err := url.Parse(l.Mailto)
			if err != nil || u.Scheme != "mailto" || len(l.Mailto) > mailtoMost {
				t.Errorf("%s: the mail link is %d long, %v", tt.name, len(l.Mailto), err)
			}
			if q := u.Query(); l.Whole && strings.ReplaceAll(q.Get("body"), "\r\n", "\n") != l.Text {
				t.Errorf("%s: the mail holds %q", tt.name, q.Get("body"))
			}
		}
	}
}

// The text is on the pages that need it, in a box from which it can be selected.
func TestLetterOnPages(t *testing.T) {
	w, _ := openHome(t)
	b := w.owner()
	for _, page := range []string{"/setup", "/setup/letter"} {
		b.get("/s/shop"+page).says(t, "管理者に送る文面", "<textarea", "readonly", "noren check --config", `href="mailto:?subject=`)
	}
	b.get("/s/shop/setup/test").says(t, `href="/s/shop/setup/letter"`)
	b.get("/s/shop/site").says(t, "管理者に送る文面", `href="setup/letter"`) // there the box would lie half below a phone's window
}
