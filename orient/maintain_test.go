package orient_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/kv"
	"noren/orient"
)

// keep observes ev and makes it durable.
func keep(t testing.TB, d *db.DB, o *orient.Orient, ev *noren.Event, needs ...string) noren.Facts {
	t.Helper()
	obs, err := o.Observe(t.Context(), ev, needs)
	if err != nil || obs.Degraded {
		t.Fatalf("observe %s: %v, degraded %v", ev.ID, err, obs.Degraded)
	}
	commit(t, d, obs.Rows)
	o.Committed(ev)
	return obs.Facts
}

func rowCount(t testing.TB, d *db.DB, table string) (n int) {
	t.Helper()
	if err := d.Read().QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// shopWeek is a week of sign-ins, one every hour, of two accounts in turn.
func shopWeek(t *testing.T, d *db.DB, o *orient.Orient) (next time.Duration) {
	var rows []db.Row
	for i := range 7 * 24 {
		ev := login(fmt.Sprint(i), fmt.Sprintf("account%d", i%2), time.Duration(i)*time.Hour)
		ev.Entities["address"], ev.Entities["session"] = "203.0.113.7", fmt.Sprint(i%3)
		obs := must(o.Observe(t.Context(), ev, nil))
		rows = append(rows, obs.Rows...)
		defer o.Committed(ev)
	}
	commit(t, d, rows)
	return 7 * 24 * time.Hour
}

func TestRollChangesNoFact(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		needs := []string{"site.logins_365d", "site.logins_failed_7d", "net.logins_48h", "net.login_failure_rate_30d", "site.logins_1h"}
		fresh := func() *orient.Orient { return must(orient.New(orient.Options{DB: d, Token: token})) }
		next := shopWeek(t, d, fresh())
		ev := login("now", "account0", next)
		ev.Entities["address"] = "203.0.113.7"
		before := facts(t, fresh(), ev, needs...)
		if before[needs[0]] != int64(169) {
			t.Errorf("got %v, want 169 sign-ins", before)
		}
		hours, err := fresh().Roll(t.Context(), start.Add(next))
		if err != nil || hours != 168 {
			t.Errorf("rolled %d hours, %v; want every hour that ended", hours, err)
		}
		if n := rowCount(t, d, "orient_inbox"); n != 0 {
			t.Errorf("%d events wait to be rolled up, want none", n)
		}
		if diff := cmp.Diff(before, facts(t, fresh(), ev, needs...)); diff != "" {
			t.Errorf("after rolling up: (-before +after)\n%s", diff)
		}
		late := login("late", "account0", 30*time.Hour) // into an hour that was rolled up
		late.Entities["address"] = "203.0.113.7"
		keep(t, d, fresh(), late)
		keep(t, d, fresh(), answer("settled", "20", true, 31*time.Hour)) // and one of its attempts succeeds
		got := facts(t, fresh(), ev, needs...)
		if got[needs[0]] != int64(170) || got[needs[1]] != int64(167+1+1-1) {
			t.Errorf("after a late event and a late outcome: got %v", got)
		}
		if _, err := fresh().Roll(t.Context(), start.Add(next)); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(got, facts(t, fresh(), ev, needs...)); diff != "" {
			t.Errorf("after rolling up again: (-before +after)\n%s", diff)
		}
	})
}

func TestPrune(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		needs := []string{"site.logins_365d", "account.logins_365d", "session.logins_365d", "account.first_seen_days"}
		o := must(orient.New(orient.Options{DB: d, Token: token}))
		next := shopWeek(t, d, o)
		keep(t, d, o, answer("ok1", "1", true, next))
		keep(t, d, o, answer("ok2", "160", true, next))
		if _, err := o.Roll(t.Context(), start.Add(next)); err != nil {
			t.Fatal(err)
		}
		n, err := o.Prune(t.Context(), start.Add(100*time.Hour+time.Minute))
		if err != nil || n != 100 {
			t.Errorf("pruned %d, %v; want the hundred before that hour", n, err)
		}
		for table, want := range map[string]int{"orient_events": 68, "orient_links": 68, "orient_settles": 1, "orient_hours": 2 * 68} {
			if got := rowCount(t, d, table); got != want {
				t.Errorf("%s: %d rows left, want %d", table, got, want)
			}
		}
		ev := login("now", "account0", next)
		ev.Entities["session"] = "0"
		got := facts(t, must(orient.New(orient.Options{DB: d, Token: token})), ev, needs...)
		want := noren.Facts{needs[0]: int64(69), needs[1]: int64(35), needs[2]: int64(22 + 1), needs[3]: int64(2)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestEraseForgetsThePersonAndKeepsTheNumbers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		needs := []string{"account.logins_30d", "account.first_seen_days", "address.logins_failed_24h", "address.login_accounts_24h", "site.logins_30d", "mail.logins_30d"}
		store := kv.NewMemory(0)
		a := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
		b := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
		sign := func(id, account string, at time.Duration) *noren.Event {
			ev := login(id, account, at)
			ev.Entities["address"], ev.Entities["mail"] = "203.0.113.7", account
			return ev
		}
		for i, account := range []string{"hanako@example.jp", "taro@example.jp", "hanako@example.jp"} {
			keep(t, d, a, sign(fmt.Sprint(i), account, time.Duration(i)*time.Second), needs...)
			keep(t, d, b, sign(fmt.Sprint(i), account, time.Duration(i)*time.Second), needs...) // the same events; loads them
		}
		subject := noren.Subject{Kind: noren.EntityAccount, ID: "hanako@example.jp"}
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := a.Erase(t.Context(), tx, "shop", subject); err != nil {
				return err
			}
			if d.Engine() == db.Postgres { // SQLite's one writer is busy with tx, its readers are not
				return nil
			}
			got := facts(t, a, sign("during", "hanako@example.jp", time.Minute), needs...) // loads rows that are not gone yet
			a.Cancel(sign("during", "hanako@example.jp", time.Minute))
			if got[needs[4]] != int64(4) {
				t.Errorf("during the erasure: got %v", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		facts(t, a, sign("news", "jiro@example.jp", 2*time.Minute)) // tells the other node
		want := noren.Facts{needs[0]: int64(1), needs[1]: int64(-1), needs[2]: int64(5), needs[3]: int64(2 + 1), needs[4]: int64(5), needs[5]: int64(1)}
		restarted := must(orient.New(orient.Options{DB: d, KV: store, Shared: true, Token: token}))
		for name, o := range map[string]*orient.Orient{"a": a, "b": b, "restarted": restarted} {
			ev := sign("after", "hanako@example.jp", 3*time.Minute)
			if diff := cmp.Diff(want, facts(t, o, ev, needs...)); diff != "" {
				t.Errorf("node %s: (-want +got)\n%s", name, diff)
			}
			o.Cancel(ev)
			facts(t, o, sign("news", "jiro@example.jp", 2*time.Minute)) // tells the others of the cancellation
		}
	})
}

func TestEraseOfDevicesAndAddresses(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	o := must(orient.New(orient.Options{DB: d, Token: token}))
	ev := login("a", "hanako", 0)
	ev.Entities["address"], ev.Entities["device"] = "2001:db8::7", "d1"
	keep(t, d, o, ev)
	for _, s := range []noren.Subject{{Kind: noren.EntityDevice, ID: "d1"}, {Kind: noren.EntityAddress, ID: "2001:DB8:0::7"}, {Kind: noren.EntityAddress, ID: "nonsense"}, {}} {
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return o.Erase(t.Context(), tx, "shop", s) }); err != nil {
			t.Errorf("erase %v: %v", s, err)
		}
	}
	again := login("b", "hanako", time.Second)
	again.Entities["address"], again.Entities["device"] = "2001:db8::7", "d1"
	got := facts(t, o, again, "account.logins_30d", "device.logins_30d", "address.logins_30d", "net.logins_30d")
	want := noren.Facts{"account.logins_30d": int64(2), "device.logins_30d": int64(1), "address.logins_30d": int64(1), "net.logins_30d": int64(2)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Rows hold keyed tokens, never what somebody is called.
func TestRowsHoldNoPlaintext(t *testing.T) {
	o := must(orient.New(orient.Options{DB: dbtest.Open(t, db.SQLite), Token: token}))
	ev := login("a", "hanako@example.jp", 0)
	ev.Entities["address"], ev.Entities["mail"] = "203.0.113.7", "hanako@example.jp"
	for _, r := range must(o.Observe(t.Context(), ev, nil)).Rows {
		for _, v := range r.Values {
			switch v.(type) {
			case nil, int64, bool:
			default:
				t.Errorf("%s holds a %T", r.Table.Name, v)
			}
		}
	}
}

// A sign-in with its outcome takes at most 600 bytes of disk for its marks.
func TestSizeOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("forty thousand events an engine")
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := must(orient.New(orient.Options{DB: d, Token: token, Addresses: wideAddresses(t)}))
		const pairs = 20_000
		empty := diskSize(t, d)
		var rows []db.Row
		for i, ev := range benchPairs(2 * pairs) {
			rows = append(rows, must(o.Observe(t.Context(), ev, nil)).Rows...)
			o.Committed(ev)
			if i%2000 == 1999 {
				commit(t, d, rows)
				rows = rows[:0]
			}
		}
		if _, err := o.Roll(t.Context(), start.Add(48*time.Hour)); err != nil {
			t.Fatal(err)
		}
		perPair := (diskSize(t, d) - empty) / pairs
		t.Logf("%d bytes a sign-in", perPair)
		if perPair > 600 {
			t.Errorf("got %d bytes for a sign-in and its outcome, want 600 at most", perPair)
		}
	})
}

// diskSize leaves out PostgreSQL's inbox, an hour's events whose room is used
// again and again.
func diskSize(t *testing.T, d *db.DB) (size int) {
	t.Helper()
	query := `SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()`
	if d.Engine() == db.Postgres {
		query = `SELECT pg_database_size(current_database()) - pg_total_relation_size('orient_inbox')`
	}
	if err := d.Read().QueryRow(query).Scan(&size); err != nil {
		t.Fatal(err)
	}
	return size
}
