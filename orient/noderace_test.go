package orient

import (
	"context"
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
)

// Two nodes roll the same hour up. The slower one read its events before a late
// one was committed, and writes its sums after the other, which saw it. The
// faster one emptied the inbox, so nobody would ever sum that hour again.
func TestSlowNodeDoesNotOverwriteAnHourThatAnotherRolledUp(t *testing.T) {
	d := dbtest.Open(t, db.Postgres) // SQLite has one writer
	const site, hour = 7, 490_000
	event := func(id int64) []db.Row {
		v := make([]any, 7+columns)
		v[0], v[2], v[3], v[4], v[5], v[6], v[7+int(slotSite)] = id, int64(groupLogin), hour*hourMicros+id, false, int64(0), int64(0), int64(site)
		return []db.Row{{Table: eventsTable, Values: v}, inboxRow(site, hour*hourMicros, key(id))}
	}
	write := func(f func(*db.Tx) error) {
		t.Helper()
		if err := d.Write(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	roll := func(tx *db.Tx) error { _, err := rollHour(t.Context(), tx, site, hour); return err }
	write(func(tx *db.Tx) error { return tx.Insert(t.Context(), event(1)) })
	write(roll)

	slow := make(chan error, 1)
	write(func(fast *db.Tx) error {
		if _, err := fast.ExecContext(t.Context(), `SELECT 1 FROM orient_hours WHERE hour = $1 FOR UPDATE`, hour); err != nil {
			return err
		}
		go func() { slow <- d.Write(context.Background(), roll) }() // it found the hour due a while ago
		if !stuck(t, d, slow) {
			slow <- nil // it saw that there is nothing to do
		}
		if err := fast.Insert(t.Context(), event(2)); err != nil { // the late event, and the roll-up that sees it
			return err
		}
		return roll(fast)
	})
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	var n, waiting int
	if err := d.Read().QueryRow(`SELECT n, (SELECT COUNT(*) FROM orient_inbox) FROM orient_hours WHERE hour = $1`, hour).Scan(&n, &waiting); err != nil {
		t.Fatal(err)
	}
	if n != 2 || waiting != 0 {
		t.Errorf("the hour holds %d events, %d waiting; want both and none", n, waiting)
	}
}

// stuck waits until the slow node's write waits for a lock, or has ended.
func stuck(t *testing.T, d *db.DB, ended <-chan error) bool {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var waits int
		err := d.Read().QueryRow(`SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		if waits > 0 {
			return true
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			return false
		default:
		}
	}
	t.Fatal("the slow node neither waits nor ends")
	return false
}

// Two nodes prune at once. Each deletes what hangs on the very events that it
// deletes, so that nothing of a person stays behind.
func TestNodesThatPruneAtOnceLeaveNothingBehind(t *testing.T) {
	d := dbtest.Open(t, db.Postgres)
	const site = 7
	var rows []db.Row
	for id := int64(1); id <= 2*pruneBatch; id++ {
		v := make([]any, 7+columns)
		v[0], v[2], v[3], v[4], v[5], v[6], v[7+int(slotSite)] = id, int64(groupLogin), id, false, int64(0), int64(0), int64(site)
		rows = append(rows, db.Row{Table: eventsTable, Values: v}, db.Row{Table: settlesTable, Values: []any{id}},
			db.Row{Table: linksTable, Values: []any{int64(1), id, id, code("session")}})
	}
	prune := func(tx *db.Tx) error { _, err := pruneSome(t.Context(), tx, site, hourMicros); return err }
	if err := d.Write(t.Context(), func(tx *db.Tx) error { return tx.Insert(t.Context(), rows) }); err != nil {
		t.Fatal(err)
	}
	slow := make(chan error, 1)
	err := d.Write(t.Context(), func(fast *db.Tx) error {
		if err := prune(fast); err != nil {
			return err
		}
		go func() { slow <- d.Write(context.Background(), prune) }()
		if !stuck(t, d, slow) {
			slow <- nil
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	var events, links, settles int
	if err := d.Read().QueryRow(`SELECT (SELECT COUNT(*) FROM orient_events), (SELECT COUNT(*) FROM orient_links), (SELECT COUNT(*) FROM orient_settles)`).Scan(&events, &links, &settles); err != nil {
		t.Fatal(err)
	}
	if events > pruneBatch || links != events || settles != events {
		t.Errorf("%d events left, %d links and %d settlements; want as many of each", events, links, settles)
	}
}
