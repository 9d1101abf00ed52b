package console

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"noren/gateway"
	"noren/staff"
)

func (w *world) isOn(s gateway.Switch) bool {
	for _, st := range w.stops.Of(shopSite) {
		if st.Switch == s {
			return st.On
		}
	}
	return false
}

func TestSwitchOnUndoAndOff(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	b.get("/s/shop/emergency").says(t, "カード決済だけ停止", "海外遮断", "全停止", "攻撃モード", "設定が必要")
	b.get("/s/shop/emergency/closed").says(t, "お客様に見えるもの", "ただいま準備中", "実行する")
	if got := b.post("/s/shop/emergency/closed", "on", "yes", "for", "2h", "once", newForm()); got.status != http.StatusUnprocessableEntity || w.isOn(gateway.SwitchClosed) {
		t.Errorf("without a reason: %d", got.status)
	}
	on := b.post("/s/shop/emergency/closed", "on", "yes", "for", "2h", "reason", "漏えいの疑い", "once", newForm())
	if on.status != http.StatusSeeOther || !w.isOn(gateway.SwitchClosed) {
		t.Fatalf("switch on: %d\n%s", on.status, on.body)
	}
	if until := w.stops.Of(shopSite)[4].Until; time.Until(until.Time) < 110*time.Minute || time.Until(until.Time) > 2*time.Hour {
		t.Errorf("it ends at %s, want in two hours", until)
	}
	b.get("/s/shop/emergency/closed").says(t, "漏えいの疑い", "テスト 花子さん", "元に戻す（再開する）")
	b.get("/s/shop/").says(t, "対応中です", "全停止（告知ページ）：オン")
	undo := regexp.MustCompile(`undo=([A-Z0-9]+)`).FindStringSubmatch(on.header.Get("Location"))[1]
	if b.post("/s/shop/undo", "undo", undo); w.isOn(gateway.SwitchClosed) {
		t.Error("the undo leaves the shop closed")
	}
}

func TestSwitchThatCannotBeUsed(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	b.get("/s/shop/emergency/overseas").says(t, "このお店ではまだ使えません", "MMDB")
	got := b.post("/s/shop/emergency/overseas", "on", "yes", "for", "2h", "reason", "x", "once", newForm())
	if got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, "使えません") {
		t.Errorf("%d, want the form with why", got.status)
	}
	viewer := w.as(staff.Grants{shopSite: staff.Viewer})
	if got := viewer.post("/s/shop/emergency/closed", "on", "yes", "reason", "x", "once", newForm()); got.status != http.StatusForbidden || w.isOn(gateway.SwitchClosed) {
		t.Errorf("by a viewer: %d", got.status)
	}
}

// The preview is the visitors' own page, under its own policy.
func TestPreview(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	got := b.get("/s/shop/emergency/closed/preview")
	got.says(t, "00000-00000")
	if csp := got.header.Get("Content-Security-Policy"); csp == "" || csp == "default-src *" {
		t.Errorf("policy %q", csp)
	}
}
