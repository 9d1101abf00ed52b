package console

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/staff"
)

func TestInviteChangeAndLetGo(t *testing.T) {
	w := openWorld(t)
	owner := w.owner()
	got := owner.post("/people/invite", "once", newForm(), "mail", "taro@shop.example", "role", "staff", "site", shopSite)
	got.says(t, "リンクができました", w.url+"/join/")
	link := regexp.MustCompile(`/join/[A-Za-z0-9_-]+`).FindString(got.body)
	stranger := &browser{w: w, client: &http.Client{}}
	stranger.get(link).says(t, "Noren へようこそ", "taro@shop.example")
	if again := owner.get("/people"); strings.Contains(again.body, link) {
		t.Error("the link is shown a second time")
	}

	taro := w.as(staff.Grants{shopSite: staff.Worker})
	if got := taro.get("/people"); got.status != http.StatusForbidden {
		t.Errorf("people asked for by staff: %d, want 403", got.status)
	}
	if got := taro.get("/s/shop/stopped/new"); got.status != http.StatusOK {
		t.Errorf("ban form by staff: %d", got.status)
	}
	changed := owner.post("/people/role", "person", taro.person.ID, "site", shopSite, "role", "viewer")
	if got := taro.get("/s/shop/stopped/new"); got.status != http.StatusForbidden {
		t.Errorf("ban form by a viewer, whose role was changed a moment ago: %d, want 403", got.status)
	}
	undo := regexp.MustCompile(`undo=([A-Z0-9]+)`).FindStringSubmatch(changed.header.Get("Location"))
	owner.post("/undo", "undo", undo[1], "to", "/people")
	if got := taro.get("/s/shop/stopped/new"); got.status != http.StatusOK {
		t.Errorf("ban form after the undo: %d", got.status)
	}
	owner.get("/people/"+taro.person.ID).says(t, "テスト 花子", "退職")
	if got := owner.post("/people/remove", "person", owner.person.ID, "reason", "x"); got.status != http.StatusConflict || !strings.Contains(got.body, "オーナーが要ります") {
		t.Errorf("removing the last owner: %d\n%s", got.status, got.body)
	}
	owner.post("/people/remove", "person", taro.person.ID, "reason", "退職")
	if got := taro.get("/s/shop/"); got.status != http.StatusSeeOther {
		t.Errorf("page of somebody removed: %d, want the sign-in", got.status)
	}
}

// Taking back what asked for the second factor asks for it as well, carries on where
// it was asked, and does not lead astray.
func TestUndoOfAGraveActAsksForTheSecondFactor(t *testing.T) {
	w := openWorld(t)
	owner := w.owner()
	taro := w.as(staff.Grants{shopSite: staff.Worker})
	changed := owner.post("/people/role", "person", taro.person.ID, "site", shopSite, "role", "viewer")
	undo := regexp.MustCompile(`undo=([A-Z0-9]+)`).FindStringSubmatch(changed.header.Get("Location"))
	if undo == nil {
		t.Fatalf("no undo: %d %s", changed.status, changed.header.Get("Location"))
	}
	roleNow := func() staff.Role {
		p, err := w.staff.Person(t.Context(), taro.person.ID)
		if err != nil {
			t.Fatal(err)
		}
		return p.Roles[shopSite]
	}
	w.later(staff.ConfirmFor + time.Minute)
	asked := owner.post("/undo", "undo", undo[1], "to", "/people")
	if asked.status != http.StatusForbidden || roleNow() != staff.Viewer {
		t.Fatalf("undone without the second factor: %d, %s", asked.status, roleNow())
	}
	asked.says(t, `name="then" value="/undo"`, `name="to" value="/people"`, `name="undo" value="`+undo[1]+`"`)
	if wrong := owner.post("/me/confirm", "then", "/undo", "undo", undo[1], "to", "/people", "code", "000000"); wrong.status != http.StatusForbidden || roleNow() != staff.Viewer {
		t.Errorf("a wrong code: %d, %s", wrong.status, roleNow())
	}
	on := owner.post("/me/confirm", "then", "/undo", "undo", undo[1], "to", "/people", "code", codeOf(owner.secret, w.now()))
	if on.status != http.StatusTemporaryRedirect || on.header.Get("Location") != "/undo" {
		t.Fatalf("the right code: %d to %s", on.status, on.header.Get("Location"))
	}
	done := owner.post("/undo", "undo", undo[1], "to", "/people")
	if done.status != http.StatusSeeOther || !strings.HasPrefix(done.header.Get("Location"), "/people") || roleNow() != staff.Worker {
		t.Errorf("after the code: %d to %s, %s", done.status, done.header.Get("Location"), roleNow())
	}
	// What did not ask for it is taken back as before.
	w.later(staff.ConfirmFor + time.Minute)
	e := w.banned(shopSite, "203.0.113.7")
	lifted := owner.post("/s/shop/stopped/"+e.ID+"/lift", "once", newForm(), "reason", "x")
	plain := regexp.MustCompile(`undo=([A-Z0-9]+)`).FindStringSubmatch(lifted.header.Get("Location"))
	if got := owner.post("/s/shop/undo", "undo", plain[1], "to", "/s/shop/stopped"); got.status != http.StatusSeeOther || !w.isBanned("203.0.113.7") {
		t.Errorf("undo of a lift: %d", got.status)
	}
}

// Signing in again ends the session whose cookie is replaced, in this browser alone.
func TestSigningInAgainEndsTheSessionItReplaces(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	u, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	cookieOf := func(name string) string {
		for _, c := range b.client.Jar.Cookies(u) {
			if c.Name == name {
				return c.Value
			}
		}
		return ""
	}
	signIn := func(b *browser) {
		t.Helper()
		w.later(time.Minute) // a code counts once
		page := b.post("/signin", "mail", b.mail, "password", passphrase)
		ticket := regexp.MustCompile(`name="ticket" value="([^"]+)"`).FindStringSubmatch(page.body)
		if ticket == nil {
			t.Fatalf("no ticket: %d\n%.2000s", page.status, page.body)
		}
		if got := b.post("/signin/code", "ticket", ticket[1], "code", codeOf(b.secret, w.now())); got.status != http.StatusSeeOther {
			t.Fatalf("code: %d\n%.2000s", got.status, got.body)
		}
	}
	first := cookieOf(sessionCookie)
	jar, _ := cookiejar.New(nil)
	elsewhere := &browser{w: w, client: &http.Client{Jar: jar, CheckRedirect: b.client.CheckRedirect}, mail: b.mail, secret: b.secret}
	signIn(elsewhere)
	signIn(b)
	if _, err := w.staff.Session(t.Context(), first); noren.CodeOf(err) != noren.Denied {
		t.Errorf("the session that was replaced goes on: %v", err)
	}
	second := cookieOf(sessionCookie)
	if _, err := w.staff.Session(t.Context(), second); err != nil || second == first {
		t.Errorf("the new one: %v", err)
	}
	if got := elsewhere.get("/me"); got.status != http.StatusOK {
		t.Errorf("the session of another browser ended as well: %d", got.status)
	}
	sessions, err := w.staff.Sessions(t.Context(), b.person.ID)
	if err != nil || len(sessions) != 2 {
		t.Errorf("%d sessions, %v; want one of each browser", len(sessions), err)
	}
}
