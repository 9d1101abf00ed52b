package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"noren"
	"noren/db"
	"noren/journal"
)

// Another program locks the SQLite file: visitors are served, what is
// acknowledged waits in the spool, and all of it is in the database once the
// lock is gone.
func TestLockedDatabase(t *testing.T) {
	cfg := configFor(t.TempDir(), "", siteFor("shop", "shop.test", startShop(t, "shop")))
	in := open(t, instanceWants{cfg: cfg})
	release := lockDatabase(t, cfg.Database.URL)
	defer release()

	var acknowledged []string
	for i := range 3 {
		ev := orderOf(fmt.Sprintf("customer%d", i), "203.0.113.5")
		ev.ID = fmt.Sprintf("locked-%d", i)
		if d := in.decide(t, ev); d.Fault == "" {
			acknowledged = append(acknowledged, ev.ID)
		} else if d.Verdict != noren.Review {
			t.Errorf("an order that could not be recorded in time is answered %s, its side is review", d.Verdict)
		}
		if rec := in.ask(t, "shop.test", "203.0.113.5", "/"); rec.Code != http.StatusOK {
			t.Errorf("answered %d while the database is locked", rec.Code)
		}
	}
	await(t, "entries go to the spool", func() bool { n, _ := in.journal.Spooled(); return n > 0 })

	release()
	in.flush(t)
	for i := range 3 { // recorded in the end, also those whose answer came first
		if _, err := in.journal.Get(t.Context(), "shop", fmt.Sprintf("locked-%d", i)); err != nil {
			t.Errorf("acknowledged %v: %v", acknowledged, err)
		}
	}
	rep, err := in.journal.Verify(t.Context(), journal.VerifyOptions{})
	if err != nil || !rep.Clean() {
		t.Errorf("verify: %v %+v", err, rep.Findings)
	}
}

// lockDatabase holds the write lock as another process would, until release.
func lockDatabase(t *testing.T, url string) (release func()) {
	t.Helper()
	d, err := db.Open(t.Context(), db.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	locked, ctx, done := make(chan struct{}), context.Background(), make(chan struct{})
	hold, let := context.WithCancel(ctx)
	go func() {
		defer close(done)
		d.Write(ctx, func(*db.Tx) error {
			close(locked)
			<-hold.Done()
			return nil
		})
	}()
	<-locked
	return func() {
		let()
		<-done
		d.Close()
	}
}
