package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/notify"
	"noren/staff"
)

// told tells people of something grave at a site.
func (w *world) told(site, title string) string {
	w.Helper()
	id, err := w.notify.Tell(w.Context(), notify.Notice{Site: site, Severity: notify.High, Key: "shop-down:" + site, Title: noren.Text{Ja: title, En: title}, Next: noren.Text{Ja: "サーバーを見る", En: "look at the server"}})
	if err != nil {
		w.Fatal(err)
	}
	return id
}

func TestNoticeIsTakenOn(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	id := w.told(shopSite, "お店が応答しません<script>")
	b.get("/s/shop/").says(t, "対応中です", "お店が応答しません", "警報の送り先がありません")
	b.get("/s/shop/notices?open=1").says(t, "引き受ける")
	if got := b.get("/notices/" + id); got.status != http.StatusSeeOther || got.header.Get("Location") != "/s/shop/notices/"+id {
		t.Errorf("the link of a mail: %d to %s", got.status, got.header.Get("Location"))
	}
	page := b.get("/s/shop/notices/" + id)
	page.says(t, "お店が応答しません", "サーバーを見る", "まだいません")
	if strings.Contains(page.body, "お店が応答しません<script>") {
		t.Error("a value became markup")
	}
	b.post("/s/shop/notices/" + id + "/ack")
	b.get("/s/shop/notices/"+id).says(t, "テスト 花子さん")
	if got := b.get("/s/shop/"); strings.Contains(got.body, "お店が応答しません") {
		t.Error("what somebody took on still stands on the first page")
	}
}

// A site's notices are nobody else's, and the machine's own are for people of all
// sites.
func TestNoticesOfOthers(t *testing.T) {
	w := openWorld(t)
	w.owner()
	id, own := w.told(otherSite, "ほかのお店"), w.told("", "機械のこと")
	b := w.as(staff.Grants{shopSite: staff.Owner})
	for _, path := range []string{"/s/shop/notices/" + id, "/s/shop/notices/" + own, "/notices/" + id} {
		if got := b.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, got.status)
		}
	}
	if got := b.get("/s/shop/notices"); strings.Contains(got.body, "ほかのお店") || strings.Contains(got.body, "機械のこと") {
		t.Error("notices of others are listed")
	}
	if got := b.post("/s/shop/notices/" + id + "/ack"); got.status != http.StatusNotFound {
		t.Errorf("acknowledged: %d", got.status)
	}
}

func TestDigestIsReadOnce(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	for range 7 {
		w.stopped(t, noren.CauseWAF, time.Now())
	}
	m, err := w.console.Digest(t.Context(), shopSite, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"止めた通信：7件", "攻撃の文字列：7件", "復旧用紙を印刷していません"} {
		if !strings.Contains(m.Text.Ja, want) {
			t.Errorf("the mail does not say %q:\n%s", want, m.Text.Ja)
		}
	}
	if !strings.Contains(m.Text.En, "Requests stopped: 7") || !strings.Contains(m.HTML.Ja, "<b>7</b>") || !strings.Contains(m.Subject.Ja, "確認が要ります") {
		t.Errorf("%s\n%s\n%s", m.Subject.Ja, m.Text.En, m.HTML.Ja)
	}
	b.get("/s/shop/digest").says(t, "まだだれも読んでいません", "読みました")
	day := startOfDay(time.Now()).Format(time.DateOnly)
	b.post("/s/shop/digest/"+day, "once", newForm())
	got := b.get("/s/shop/digest/" + day)
	got.says(t, "テスト 花子さん")
	if strings.Contains(got.body, "I have read it") || strings.Contains(got.body, "<button>") {
		t.Error("it can be read twice")
	}
	for _, path := range []string{"/s/shop/digest/2099-01-01", "/s/shop/digest/yesterday"} {
		if got := b.get(path); got.status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, got.status)
		}
	}
	b.get("/s/shop/digest/"+startOfDay(time.Now()).AddDate(0, 0, -3).Format(time.DateOnly)).says(t, "朝のまとめ")
}

// One shop's mail of the morning tells neither of another's notices nor of the
// machine's, which is several shops' matter.
func TestDigestTellsOfItsOwnShop(t *testing.T) {
	w := openWorld(t)
	w.told(shopSite, "うちのこと")
	w.told(otherSite, "よそのこと")
	w.told("", "機械のこと")
	m, err := w.console.Digest(t.Context(), shopSite, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if all := m.Text.Ja + m.HTML.Ja; !strings.Contains(all, "うちのこと") || strings.Contains(all, "よそのこと") || strings.Contains(all, "機械のこと") {
		t.Errorf("the mail says\n%s", m.Text.Ja)
	}
}

// The digest leaves in the morning, once a day, and is tried again.
func TestDigestLeavesInTheMorning(t *testing.T) {
	w := openWorld(t)
	at := func(hour int) time.Time { return startOfDay(time.Now()).Add(time.Duration(hour) * time.Hour) }
	sent := map[string]string{}
	for _, tt := range []struct {
		hour int
		due  bool
	}{{7, false}, {13, false}, {8, true}} {
		w.console.sendDigests(t.Context(), at(tt.hour), sent)
		if (sent[shopSite] != "") != tt.due {
			t.Errorf("at %d: sent %q, want due %t", tt.hour, sent[shopSite], tt.due)
		}
	}
}

// What did not reach another shop's people, and why, is nobody else's.
func TestUndeliveredOfOthers(t *testing.T) {
	w := openWorld(t)
	owner := w.owner()
	now := time.Now().UnixMicro()
	err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		for i, site := range []string{otherSite, ""} {
			_, err := tx.ExecContext(t.Context(), `INSERT INTO notify_outbox (id, site, kind, notice, severity, scope, receiver, channel, body, made_at, due, state, owner, lease_ends, tries, counted, error, sent_at, folded_in)
				VALUES ($1, $2, 'message', '', 3, '', $3, 'mail', '', $4, $4, 'failed', '', 0, 1, 1, 'よその事情', 0, '')`, string(rune('a'+i)), site, "よその人", now)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	owner.get("/s/other/notices").says(t, "よその人", "よその事情")
	b := w.as(staff.Grants{shopSite: staff.Owner})
	for _, path := range []string{"/s/shop/notices", "/s/shop/"} {
		if got := b.get(path); strings.Contains(got.body, "よその") || strings.Contains(got.body, "届かなかった知らせ") {
			t.Errorf("%s tells of others' messages", path)
		}
	}
}
