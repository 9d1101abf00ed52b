package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/journal"
	"noren/staff"
)

func TestStandingSays(t *testing.T) {
	mark := &journal.Signed{Size: 5}
	clean, bad := &verification{Ended: noren.At(time.Now())}, &verification{Ended: noren.At(time.Now()), Report: journal.Report{Findings: []journal.Finding{{}}}}
	for _, tt := range []struct {
		s     journal.Standing
		check *verification
		want  string
	}{
		{journal.Standing{}, nil, "まだありません"},
		{journal.Standing{Entries: 5}, nil, "この機械の中にしか"},
		{journal.Standing{Entries: 5, Outside: []string{"x"}}, nil, "まだ機械の外へ"},
		{journal.Standing{Entries: 5, Outside: []string{"x"}, LastOut: mark}, nil, "守られています"},
		{journal.Standing{Entries: 5, Outside: []string{"x"}, LastOut: mark}, clean, "書かれたときのまま"},
		{journal.Standing{Entries: 5}, bad, "変えられた跡"},
	} {
		if _, got := standingSays(tt.s, tt.check); !strings.Contains(got.Ja, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.s, got.Ja, tt.want)
		}
	}
}

func TestVerifyFindsTampering(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	for range 20 {
		w.stopped(t, noren.CauseWAF, time.Now())
	}
	b.get("/s/shop/proof").says(t, "記録の数", "20<small>")
	if got := b.get("/s/shop/proof/checkpoint"); got.status != http.StatusOK || !strings.Contains(got.body, "— test/") {
		t.Errorf("checkpoint: %d\n%s", got.status, got.body)
	}
	w.verified(b, "20件をすべて計算し直し")
	err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(t.Context(), `UPDATE journal_entries SET verdict = 'allow' WHERE log = 'shop' AND seq = 7`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.verified(b, "変えられた跡が見つかりました")
	if got := b.get("/s/shop/proof/entry/3"); got.status != http.StatusOK || got.header.Get("Content-Type") != "application/zip" {
		t.Errorf("bundle: %d %s", got.status, got.header.Get("Content-Type"))
	}
	if got := b.get("/s/shop/proof/entry/99999"); got.status != http.StatusNotFound {
		t.Errorf("bundle of an entry that is not there: %d", got.status)
	}
}

// verified checks the record and waits for the words.
func (w *world) verified(b *browser, want string) {
	w.Helper()
	b.post("/s/shop/proof/verify")
	deadline := time.Now().Add(20 * time.Second)
	for {
		got := b.get("/s/shop/proof")
		if strings.Contains(got.body, want) {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("the page never says %q:\n%s", want, got.body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The sheet is confirmed by whoever gave a second factor lately.
func TestSheetIsConfirmed(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	if got := b.post("/s/shop/proof/sheet", "once", newForm()); got.status != http.StatusUnprocessableEntity {
		t.Errorf("without the box: %d", got.status)
	}
	if got := b.post("/s/shop/proof/sheet", "once", newForm(), "held", "yes"); got.status != http.StatusSeeOther {
		t.Fatalf("confirm: %d\n%s", got.status, got.body)
	}
	if got := b.get("/s/shop/"); strings.Contains(got.body, "復旧用紙を印刷していません") {
		t.Error("it is still asked for")
	}
}

// A pasted checkpoint that is none is the person's to mend, not a sign of anything;
// and who only looks cannot alarm the whole shop with a forged one.
func TestPastedCheckpoint(t *testing.T) {
	w, _ := openShops(t)
	v := w.as(staff.Grants{shopSite: staff.Viewer})
	if got := v.post("/s/shop/proof/verify", "checkpoint", "forged"); got.status != http.StatusForbidden || w.console.checks.of(shopSite) != nil {
		t.Errorf("pasted by a viewer: %d", got.status)
	}
	if got := v.get("/s/shop/proof"); strings.Contains(got.body, `name="checkpoint"`) {
		t.Error("a viewer is offered to paste one")
	}
	b := w.owner()
	b.post("/s/shop/proof/verify", "checkpoint", "nonsense")
	eventually(t, "the check ends", func() bool { return !w.console.checks.of(shopSite).Running() })
	b.get("/s/shop/proof").says(t, "このお店の控えではありません")
}
