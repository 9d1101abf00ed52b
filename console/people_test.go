package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

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
