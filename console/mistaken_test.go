package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/gateway/waf/exclusion"
	"noren/journal"
	"noren/settings"
	"noren/staff"
)

// storedFirewall keeps exclusions in the real settings; the firewall itself is tried
// where it is wired (cmd/noren, e2e).
type storedFirewall struct {
	w      *world
	tries  int
	opened int64
	wait   chan struct{}
}

func exclusionsFileOf(site string) string { return "sites/" + site + "/exclusions.yaml" }

func (f *storedFirewall) Exclusions(ctx context.Context, site string) ([]exclusion.Exclusion, error) {
	set, err := f.w.settings.Current(ctx)
	if noren.CodeOf(err) == noren.NotFound || err == nil && set[exclusionsFileOf(site)] == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return exclusion.Parse(exclusionsFileOf(site), []byte(set[exclusionsFileOf(site)]))
}

func (f *storedFirewall) Exclude(ctx context.Context, site string, edit func([]exclusion.Exclusion) ([]exclusion.Exclusion, error), author, reason string) error {
	list, err := f.Exclusions(ctx, site)
	if err != nil {
		return err
	}
	if list, err = edit(list); err != nil {
		return err
	}
	set, err := f.w.settings.Current(ctx)
	base := set.Hash()
	if noren.CodeOf(err) == noren.NotFound {
		set, base = settings.Set{}, ""
	}
	set[exclusionsFileOf(site)] = string(exclusion.Format(list))
	_, err = f.w.settings.Put(ctx, set, author, reason, base)
	return err
}

func (f *storedFirewall) Excludable(t exclusion.Target) error { return t.Valid() }

func (f *storedFirewall) Rehearse(ctx context.Context, _ string, _ *exclusion.Exclusion, progress func(done, of int)) (exclusion.Rehearsed, error) {
	f.tries++
	progress(1, 2)
	if f.wait != nil {
		<-f.wait
	}
	return exclusion.Rehearsed{Attacks: 3900, Opened: f.opened, Benign: 5600, Saved: 41}, ctx.Err()
}

// excluded is an exclusion of a site that waits for approval.
func (w *world) excluded(site, word string) string {
	w.Helper()
	x := exclusion.Exclusion{ID: noren.NewID(time.Now()), Path: "/" + word, Zone: noren.ZoneCheckout, Targets: []exclusion.Target{{Rule: 942100, Field: "ARGS:note"}}, Event: "01E",
		Reason: word, AskedBy: "test", AskedAt: exclusion.At(time.Now()), Until: exclusion.At(time.Now().Add(time.Hour))}
	err := (&storedFirewall{w: w}).Exclude(w.Context(), site, func(list []exclusion.Exclusion) ([]exclusion.Exclusion, error) { return append(list, x), nil }, "test", word)
	if err != nil {
		w.Fatal(err)
	}
	return x.ID
}

// openDesk opens a shop whose firewall stopped a buyer.
func openDesk(t *testing.T, hits ...noren.Hit) (w *world, f *storedFirewall, event string) {
	t.Helper()
	f = &storedFirewall{}
	w = openWorld(t, func(w *world, o *Options) { f.w, o.Settings, o.Firewall = w, w.settings, f })
	w.owner()
	if _, err := w.settings.Put(t.Context(), settings.Set{"limits.yaml": "version: 1\nlimits: []\n"}, "noren", "first", ""); err != nil {
		t.Fatal(err)
	}
	if len(hits) == 0 {
		hits = []noren.Hit{{Rule: 501, Field: "ARGS:note", Value: "<script>", Msg: "strict", Score: 5}}
	}
	event = w.stoppedBy("buyer", "/shopping/confirm", hits...)
	w.happened(noren.OrderPlaced, "buyer", &noren.Order{Number: "1", Total: noren.Yen(12800)})
	return w, f, event
}

func (w *world) stoppedBy(session, path string, hits ...noren.Hit) string {
	return w.happened(noren.HTTPBlocked, session, &noren.Blocked{Cause: noren.CauseWAF, Rule: "501", Status: 403, Ticket: noren.NewTicket(), Request: noren.Request{Method: "POST", Path: path, Score: 5, Hits: hits}})
}

func (w *world) happened(kind noren.Kind, session string, p noren.Payload) string {
	w.Helper()
	ev := noren.Event{ID: noren.NewID(time.Now()), Kind: kind, At: noren.At(time.Now()), Site: shopSite, Entities: noren.Entities{noren.EntitySession: session, noren.EntityAddress: "203.0.113.7"}, Payload: p}
	if kind == noren.HTTPBlocked {
		ev.Zone = noren.ZoneCheckout
	}
	if _, err := w.journal.Append(w.Context(), noren.Entry{Event: ev, Decision: noren.Decision{EventID: ev.ID, Verdict: noren.Block}, Count: 1}); err != nil {
		w.Fatal(err)
	}
	return ev.ID
}

// tried tries the proposal of an event to its end.
func (b *browser) tried(event string) answer {
	b.w.Helper()
	if got := b.post("/s/shop/mistaken/"+event+"/try", "once", newForm()); got.status != http.StatusSeeOther {
		b.w.Fatalf("%d %s", got.status, got.body)
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if r := b.w.console.cases.of(shopSite, event); r != nil && r.done() {
			return b.get("/s/shop/mistaken/" + event)
		}
	}
	b.w.Fatal("the try does not end")
	return answer{}
}

func (f *storedFirewall) states(t *testing.T) string {
	t.Helper()
	list, err := f.Exclusions(t.Context(), shopSite)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range list {
		out = append(out, string(list[i].State(time.Now())))
	}
	return strings.Join(out, " ")
}

// An owner who is alone tries, approves with the second factor, and undoes it.
func TestOwnerAloneApproves(t *testing.T) {
	w, f, event := openDesk(t)
	b := w.as(staff.Grants{staff.AllSites: staff.Owner})
	for _, p := range mustPeople(t, w) {
		if p.ID != b.person.ID {
			if err := w.staff.Remove(t.Context(), staff.AtMachine("test"), p.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.get("/s/shop/events/"+event).says(t, "これは正しいお客様です")
	b.get("/s/shop/mistaken/"+event).says(t, "お店が自分で足した規則", "入力欄「note」", "/shopping/confirm", "これは正しいお客様です：見本と過去の記録で試す")
	if got := b.post("/s/shop/mistaken/"+event+"/ask", "once", newForm(), "reason", "のし", "for", "30d", "approve", "yes"); got.status != http.StatusUnprocessableEntity || f.states(t) != "" {
		t.Errorf("asked without a try: %d", got.status)
	}
	b.tried(event).says(t, "3,900", "新しく通るものはありません", "うちお客様 1人", "12,800", "承認して、すぐに通す")
	w.later(11 * time.Minute) // the second factor is asked for again
	form := []string{"once", newForm(), "reason", "のしの書き方", "for", "7d", "approve", "yes"}
	if got := b.post("/s/shop/mistaken/"+event+"/ask", form...); got.status != http.StatusForbidden || f.states(t) != "" || !strings.Contains(got.body, "のしの書き方") {
		t.Fatalf("approved without the second factor: %d", got.status)
	}
	b.confirmAgain(t)
	got := b.post("/s/shop/mistaken/"+event+"/ask", form...)
	if got.status != http.StatusSeeOther || f.states(t) != "in_force" {
		t.Fatalf("%d %q\n%s", got.status, f.states(t), got.body)
	}
	list, _ := f.Exclusions(t.Context(), shopSite)
	if x := list[0]; x.Tried.Attacks != 3900 || x.Tried.Buyers != 1 || x.Until.Sub(x.AskedAt.Time) != 7*24*time.Hour || x.Reason != "のしの書き方" || x.ApprovedBy != "staff:"+b.person.ID {
		t.Errorf("%+v", x)
	}
	if again := b.post("/s/shop/mistaken/"+event+"/ask", form...); again.status == http.StatusOK || f.states(t) != "in_force" {
		t.Errorf("twice: %d %s", again.status, f.states(t))
	}
	to := got.header.Get("Location")
	b.get(to).says(t, "効き始めました", "元どおり検査する", "元に戻す")
	_, id, _ := strings.Cut(to, "undo=")
	if got := b.post("/s/shop/undo", "undo", id, "to", "/s/shop/mistaken"); got.status != http.StatusSeeOther || f.states(t) != "" {
		t.Errorf("not undone: %d %q", got.status, f.states(t))
	}
	for _, act := range []string{exclusion.ActApprove, exclusion.ActLift} {
		if !w.acted(act) {
			t.Errorf("%s is not in the record", act)
		}
	}
}

// Where two may approve, whoever asked does not.
func TestAnotherApproves(t *testing.T) {
	w, f, event := openDesk(t)
	f.opened = 12
	worker, owner, second := w.as(staff.Grants{shopSite: staff.Worker}), w.as(staff.Grants{staff.AllSites: staff.Owner}), w.as(staff.Grants{shopSite: staff.Owner})
	viewer := w.as(staff.Grants{shopSite: staff.Viewer})
	worker.tried(event).says(t, "12件が通るようになります", "承認を頼む")
	if got := worker.post("/s/shop/mistaken/"+event+"/ask", "once", newForm(), "reason", "x", "for", "30d", "approve", "yes"); got.status != http.StatusUnprocessableEntity || f.states(t) != "" {
		t.Errorf("staff approved it themselves: %d", got.status)
	}
	if got := owner.post("/s/shop/mistaken/"+event+"/ask", "once", newForm(), "reason", "x", "for", "30d"); got.status != http.StatusSeeOther || f.states(t) != "waiting" {
		t.Fatalf("%d %s", got.status, f.states(t))
	}
	list, _ := f.Exclusions(t.Context(), shopSite)
	page := "/s/shop/exclusions/" + list[0].ID
	owner.get(page).says(t, "ご自分で頼んだものなので", "攻撃の一部が通るようになります")
	if got := owner.post(page+"/approve", "once", newForm(), "reason", "よし"); got.status != http.StatusConflict || f.states(t) != "waiting" {
		t.Errorf("approved what they asked for: %d", got.status)
	}
	for _, b := range []*browser{worker, viewer} {
		if got := b.post(page+"/approve", "once", newForm(), "reason", "よし"); got.status != http.StatusForbidden {
			t.Errorf("%d", got.status)
		}
	}
	if got := second.post(page+"/approve", "once", newForm()); got.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", got.status)
	}
	if got := second.post(page+"/approve", "once", newForm(), "reason", "確かめた"); got.status != http.StatusSeeOther || f.states(t) != "in_force" {
		t.Fatalf("%d %s\n%s", got.status, f.states(t), got.body)
	}
	if got := owner.post("/s/shop/policies/change", "once", newForm(), "op", "put", "file", exclusionsFileOf(shopSite), "text", "version: 1\nexclusions: []\n", "reason", "x"); got.status < 400 || f.states(t) != "in_force" {
		t.Errorf("edited past the desk: %d", got.status)
	}
	if got := worker.post(page+"/lift", "once", newForm()); got.status != http.StatusSeeOther || f.states(t) != "" {
		t.Errorf("%d %s", got.status, f.states(t))
	}
}

func TestDeskShowsWhomRulesHit(t *testing.T) {
	w, _, _ := openDesk(t)
	w.stoppedBy("attacker", "/contact", noren.Hit{Rule: 942100, Field: "ARGS:<b>", Score: 5})
	viewer := w.as(staff.Grants{shopSite: staff.Viewer})
	var got answer
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got = viewer.get("/s/shop/mistaken"); !strings.Contains(got.body, "数えています") {
			break
		}
	}
	got.says(t, "12,800円", "お客様を多く止めています", "お客様は止めていません", "データベースをあやつる仕掛け")
	if strings.Contains(got.body, "<b>ARGS") || strings.Contains(got.body, "「<b>」") {
		t.Error("a field's name is not escaped")
	}
}

func TestRefusedCases(t *testing.T) {
	for name, c := range map[string]struct {
		hit  noren.Hit
		says string
	}{
		"unreadable": {noren.Hit{Rule: 100002, Score: 5}, "中身を読み取れない通信を断る規則"},
		"body":       {noren.Hit{Rule: 942100, Field: "REQUEST_BODY", Score: 5}, "通信の全体"},
		"judging":    {noren.Hit{Rule: 949110, Field: "ARGS:a", Score: 5}, "攻撃がすべて通ります"},
	} {
		t.Run(name, func(t *testing.T) {
			w, f, event := openDesk(t, c.hit)
			b := w.as(staff.Grants{shopSite: staff.Owner})
			b.get("/s/shop/mistaken/"+event).says(t, "検査を外せません", c.says)
			if got := b.post("/s/shop/mistaken/"+event+"/try", "once", newForm()); got.status != http.StatusUnprocessableEntity || f.tries != 0 {
				t.Errorf("%d", got.status)
			}
			if got := b.post("/s/shop/mistaken/"+event+"/ask", "once", newForm(), "reason", "x", "for", "30d"); got.status != http.StatusUnprocessableEntity || f.states(t) != "" {
				t.Errorf("%d", got.status)
			}
		})
	}
}

func mustPeople(t *testing.T, w *world) []staff.Person {
	t.Helper()
	people, err := w.staff.People(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(people, func(p staff.Person) bool { return !p.RemovedAt.IsZero() })
}

// confirmAgain gives the second factor once more.
func (b *browser) confirmAgain(t *testing.T) {
	t.Helper()
	if got := b.post("/me/confirm", "then", "/me", "code", codeOf(b.secret, b.w.now())); got.status != http.StatusTemporaryRedirect {
		t.Fatalf("confirm: %d", got.status)
	}
}

// acted reports whether an act of somebody is in the record.
func (w *world) acted(act string) bool {
	w.Helper()
	for s, err := range w.journal.Query(w.Context(), journal.Filter{Site: shopSite, Kinds: []noren.Kind{noren.StaffAction}}) {
		if err != nil {
			w.Fatal(err)
		}
		if p, ok := s.Entry.Event.Payload.(*noren.Operation); ok && p.Action == act {
			return true
		}
	}
	return false
}
