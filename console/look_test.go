package console

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"noren/console/ui"
	"noren/staff"
)

// The first page that a browser opens brings the stylesheet, under a policy that names
// exactly it; later ones, parts and whoever does not say what they ask for get the file.
func TestFirstPageBringsItsLook(t *testing.T) {
	assets, err := ui.OpenAssets()
	if err != nil {
		t.Fatal(err)
	}
	c := &Console{assets: assets, look: newLook(assets.Sheet("style.css"))}
	for _, tt := range []struct {
		name, dest, has string
		want            bool
	}{
		{"first", "document", "", true},
		{"after an upgrade", "document", "style.000000000000.css", true},
		{"has it", "document", c.look.sheet.Name, false},
		{"part", "empty", "", false},
		{"no browser", "", "", false},
	} {
		r := httptest.NewRequest("GET", "/signin", nil)
		r.Header.Set("Sec-Fetch-Dest", tt.dest)
		if tt.has != "" {
			r.AddCookie(&http.Cookie{Name: lookCookie, Value: tt.has})
		}
		w, f := httptest.NewRecorder(), &ui.Frame{}
		(&visit{c: c, w: w, r: r}).dress(f)
		policy := w.Header().Get("Content-Security-Policy")
		if (f.Look != "") != tt.want || (policy != "") != tt.want || (w.Header().Get("Set-Cookie") != "") != tt.want {
			t.Errorf("%s: sheet of %d bytes, policy %q, cookie %q", tt.name, len(f.Look), policy, w.Header().Get("Set-Cookie"))
		}
	}
}

// What stands in the page is what the policy allows, to the byte.
func TestLookIsWhatThePolicyNames(t *testing.T) {
	w := openWorld(t)
	req, _ := http.NewRequest("GET", w.url+"/signin", nil)
	req.Header.Set("Sec-Fetch-Dest", "document")
	got := w.stranger().do(req)
	sheet := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(got.body)
	if sheet == nil || strings.Contains(got.body, `rel="stylesheet"`) {
		t.Fatalf("%d: %.600s", got.status, got.body)
	}
	sum := sha256.Sum256([]byte(sheet[1]))
	policy := got.header.Get("Content-Security-Policy")
	if want := "style-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q, want %s", policy, want)
	}
	again, _ := http.NewRequest("GET", w.url+"/signin", nil)
	again.Header.Set("Sec-Fetch-Dest", "document")
	cookie, err := http.ParseSetCookie(got.header.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	again.AddCookie(cookie)
	if got := w.stranger().do(again); strings.Contains(got.body, "<style>") || !strings.Contains(got.body, `rel="stylesheet"`) || strings.Contains(got.header.Get("Content-Security-Policy"), "sha256") {
		t.Errorf("again: %.600s", got.body)
	}
}

// Who sees one shop gets its day at the front, without another way to the server;
// whose shops are several gets the list, and whose are none nobody's day.
func TestFrontIsTheOnlyShopsDay(t *testing.T) {
	w := openWorld(t)
	w.owner()
	day := w.as(staff.Grants{shopSite: staff.Viewer}).get("/")
	at := w.as(staff.Grants{shopSite: staff.Viewer}).get("/s/" + shopSite + "/")
	title := regexp.MustCompile(`<title>.*?</title>`)
	if day.status != 200 || at.status != 200 || title.FindString(day.body) != title.FindString(at.body) || !strings.Contains(title.FindString(day.body), shopSite) {
		t.Errorf("%d %s, at its own address %d %s", day.status, title.FindString(day.body), at.status, title.FindString(at.body))
	}
	if got := w.as(staff.Grants{shopSite: staff.Viewer, otherSite: staff.Viewer}).get("/"); title.FindString(got.body) == title.FindString(day.body) || !strings.Contains(got.body, "/s/"+otherSite+"/") {
		t.Errorf("of two shops: %d %s", got.status, title.FindString(got.body))
	}
}
