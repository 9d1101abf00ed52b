package orient_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/orient"
)

// login is a sign-in attempt of account after some time.
func login(id, account string, after time.Duration) *noren.Event {
	return &noren.Event{ID: id, Kind: noren.LoginAttempt, Site: "shop", At: noren.At(start.Add(after)),
		Entities: noren.Entities{"account": account}, Payload: &noren.Login{}}
}

func answer(id, attempt string, ok bool, after time.Duration) *noren.Event {
	return &noren.Event{ID: id, AttemptID: attempt, Kind: noren.LoginOutcome, Site: "shop", At: noren.At(start.Add(after)), Payload: &noren.LoginResult{Success: ok}}
}

func facts(t testing.TB, o *orient.Orient, ev *noren.Event, needs ...string) noren.Facts {
	t.Helper()
	obs, err := o.Observe(t.Context(), ev, needs)
	if err != nil || obs.Degraded {
		t.Fatalf("observe %s: %v, degraded %v", ev.ID, err, obs.Degraded)
	}
	return obs.Facts
}

// fact is one fact of an event.
func fact(t testing.TB, o *orient.Orient, ev *noren.Event, need string) any {
	t.Helper()
	return facts(t, o, ev, need)[need]
}

func TestWindowsEndExactly(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		want  int64
	}{
		{"a microsecond inside", time.Minute - time.Microsecond, 2},
		{"exactly at the window's length", time.Minute, 1},
		{"after it", time.Minute + time.Microsecond, 1},
		{"the same moment", 0, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := must(orient.New(orient.Options{}))
			facts(t, o, login("a", "hanako", 0))
			if got := fact(t, o, login("b", "hanako", tt.after), "account.logins_1m"); got != tt.want {
				t.Errorf("got %v, want %d", got, tt.want)
			}
		})
	}
}

// Clocks of two nodes are up to a second apart, so an event observed before
// counts although its time is a little later: parallel bursts cannot race past
// a limit by it. A whole second later it is another moment.
func TestParallelEventsSeeEachOther(t *testing.T) {
	for _, tt := range []struct {
		ahead time.Duration
		want  int64
	}{{time.Microsecond, 2}, {time.Second - time.Microsecond, 2}, {time.Second, 1}, {time.Hour, 1}} {
		o := must(orient.New(orient.Options{}))
		facts(t, o, login("first", "hanako", tt.ahead))
		if got := fact(t, o, login("second", "hanako", 0), "account.logins_1h"); got != tt.want {
			t.Errorf("after an event %s ahead: got %v, want %d", tt.ahead, got, tt.want)
		}
	}
}

func TestAttemptsReserveAndOutcomesSettle(t *testing.T) {
	needs := []string{"account.logins_1h", "account.logins_failed_1h", "account.login_failure_rate_1h"}
	o := must(orient.New(orient.Options{}))
	steps := []struct {
		what string
		ev   *noren.Event
		want []any
	}{
		{"an attempt counts as failed", login("a1", "hanako", 0), []any{int64(1), int64(1), 1.0}},
		{"the next one too", login("a2", "hanako", time.Second), []any{int64(2), int64(2), 1.0}},
		{"a success settles its attempt", withAccount(answer("o1", "a1", true, 2*time.Second)), []any{int64(2), int64(1), 0.5}},
		{"a failure changes nothing", withAccount(answer("o2", "a2", false, 3*time.Second)), []any{int64(2), int64(1), 0.5}},
		{"the same outcome again changes nothing", withAccount(answer("o1", "a1", true, 4*time.Second)), []any{int64(2), int64(1), 0.5}},
		{"an outcome of nothing known is its own attempt", withAccount(answer("o3", "gone", false, 5*time.Second)), []any{int64(3), int64(2), 2.0 / 3}},
		{"one without an attempt id as well", withAccount(answer("o4", "", true, 6*time.Second)), []any{int64(4), int64(2), 0.5}},
		{"the attempt of an outcome seen before adds nothing", login("gone", "hanako", 7*time.Second), []any{int64(4), int64(2), 0.5}},
		{"an attempt again counts once", login("a2", "hanako", 8*time.Second), []any{int64(4), int64(2), 0.5}},
	}
	for _, s := range steps {
		got := facts(t, o, s.ev, needs...)
		want := noren.Facts{needs[0]: s.want[0], needs[1]: s.want[1], needs[2]: s.want[2]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", s.what, diff)
		}
	}
}

func withAccount(ev *noren.Event) *noren.Event {
	ev.Entities = noren.Entities{"account": "hanako"}
	return ev
}

// An outcome need not repeat whom its attempt was about.
func TestOutcomeSettlesEveryPartyOfItsAttempt(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	first := login("a1", "hanako", 0)
	first.Entities["address"] = "203.0.113.7"
	facts(t, o, first, "address.logins_failed_1h")
	facts(t, o, answer("o1", "a1", true, time.Second))
	second := login("a2", "taro", 2*time.Second)
	second.Entities["address"] = "203.0.113.7"
	if got := fact(t, o, second, "address.logins_failed_1h"); got != int64(1) {
		t.Errorf("failed sign-ins of the address: got %v, want only the open one", got)
	}
}

func TestFactsOfAnEntityTheEventDoesNotHave(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	got := facts(t, o, login("a", "hanako", 0), "device.logins_1h", "device.login_failure_rate_1h", "device.login_accounts_1h", "device.first_seen_days", "device.requests_1m", "address.country", "address.listed")
	want := noren.Facts{"device.logins_1h": int64(0), "device.login_failure_rate_1h": 0.0, "device.login_accounts_1h": int64(0),
		"device.first_seen_days": int64(-1), "device.requests_1m": int64(0), "address.country": "", "address.listed": []string(nil)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDerivedEntitiesAreNotTakenFromTheSender(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	for i := range 3 {
		ev := login(fmt.Sprint(i), "hanako", time.Duration(i)*time.Minute)
		ev.Entities["net"], ev.Entities["site"], ev.Entities["country"] = "mine", fmt.Sprint(i), "XX"
		got := facts(t, o, ev, "net.logins_1h", "country.logins_1h", "site.logins_1h")
		if got["net.logins_1h"] != int64(0) || got["country.logins_1h"] != int64(0) || got["site.logins_1h"] != int64(i+1) {
			t.Errorf("event %d: got %v", i, got)
		}
	}
}

func TestSitesDoNotMix(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := must(orient.New(orient.Options{DB: d, Token: token}))
		for i, site := range []string{"one", "two", "two"} {
			ev := login("same-id", "hanako", time.Duration(i)*time.Second)
			ev.Site = site
			ev.ID = fmt.Sprintf("%s-%d", "id", i%2)
			obs := must(o.Observe(t.Context(), ev, []string{"account.logins_30d", "site.logins_30d"}))
			want := int64(1 + i/2)
			if obs.Facts["account.logins_30d"] != want || obs.Facts["site.logins_30d"] != want {
				t.Errorf("site %s: got %v, want %d of its own", site, obs.Facts, want)
			}
			commit(t, d, obs.Rows)
			o.Committed(ev)
		}
	})
}

// Amounts are bounded so that sums of a year never overflow, and a negative
// order makes no room.
func TestHostileAmounts(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	order := func(id string, yen, pieces int64) noren.Facts {
		ev := login(id, "hanako", 0)
		ev.Kind, ev.Payload = noren.OrderPlaced, &noren.Order{Total: noren.Yen(yen), Items: []noren.Item{{Quantity: pieces}}}
		return facts(t, o, ev, "account.order_sum_1h", "account.order_quantity_1h")
	}
	order("a", 5000, 3)
	got := order("b", -1_000_000, -1000)
	want := noren.Facts{"account.order_sum_1h": int64(5000), "account.order_quantity_1h": int64(3)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after a negative order: (-want +got)\n%s", diff)
	}
	for i := range 10_000 {
		got = order(fmt.Sprint(i), 1_000_000_000_000_000, 1<<62)
	}
	if sum := got["account.order_sum_1h"].(int64); sum < 1_000_000_000_000_000 {
		t.Errorf("sum of 10,000 huge orders: got %d", sum)
	}
	if n := got["account.order_quantity_1h"].(int64); n < 1_000_000_000_000 {
		t.Errorf("pieces of 10,000 huge orders: got %d", n)
	}
}

// An entity with more marks than are kept saturates: the newest count, before
// a restart and after it.
func TestSaturation(t *testing.T) {
	if testing.Short() {
		t.Skip("fifty thousand events")
	}
	const most = 50_000
	d := dbtest.Open(t, db.SQLite)
	o := must(orient.New(orient.Options{DB: d, Token: token}))
	need := []string{"account.logins_24h"}
	var got any
	var rows []db.Row
	for i := range most + 10 {
		ev := login(fmt.Sprint(i), "hanako", time.Duration(i)*time.Millisecond)
		obs := must(o.Observe(t.Context(), ev, need))
		rows, got = append(rows, obs.Rows...), obs.Facts[need[0]]
		o.Committed(ev)
	}
	commit(t, d, rows)
	if got != int64(most) {
		t.Errorf("before the restart: got %v, want %d", got, most)
	}
	o = must(orient.New(orient.Options{DB: d, Token: token}))
	if got := fact(t, o, login("last", "hanako", time.Hour), need[0]); got != int64(most) {
		t.Errorf("after the restart: got %v, want %d", got, most)
	}
}

func TestUnknownNeedIsAnError(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	if _, err := o.Observe(context.Background(), login("a", "hanako", 0), []string{"account.nonsense_1h"}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("got %v, want it refused", err)
	}
	if err := o.Track([]string{"account.nonsense_1h"}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("track: got %v, want it refused", err)
	}
}

// A caller may build its needs anew each time, or reuse a slice for others.
func TestNeedsMayBeReused(t *testing.T) {
	o := must(orient.New(orient.Options{}))
	needs := []string{"account.logins_1h"}
	facts(t, o, login("a", "hanako", 0), needs...)
	needs[0] = "account.logins_failed_1h"
	if got := facts(t, o, login("b", "hanako", 0), needs...); got["account.logins_failed_1h"] != int64(2) || len(got) != 1 {
		t.Errorf("got %v, want the present need only", got)
	}
}

type partner struct{ err error }

func (p partner) Facts() []noren.Fact {
	return []noren.Fact{{Name: "partner.score", Type: noren.Float, Meaning: noren.Text{Ja: "点数", En: "Score"}}, {Name: "partner.tier", Type: noren.Str}}
}

func (p partner) Read(_ context.Context, ev *noren.Event, into noren.Facts) error {
	into["partner.score"], into["partner.tier"] = 0.5, "gold"
	return p.err
}

func TestSources(t *testing.T) {
	o := must(orient.New(orient.Options{Sources: []orient.Source{partner{}}}))
	if got := facts(t, o, login("a", "hanako", 0), "partner.score"); !cmp.Equal(got, noren.Facts{"partner.score": 0.5}) {
		t.Errorf("got %v, want the needed fact only", got)
	}
	o = must(orient.New(orient.Options{Sources: []orient.Source{partner{err: context.DeadlineExceeded}}}))
	if obs, err := o.Observe(t.Context(), login("a", "hanako", 0), []string{"partner.tier"}); err != nil || !obs.Degraded {
		t.Errorf("a failing source: got %v, %+v, want it degraded", err, obs)
	}
	if _, err := orient.New(orient.Options{Sources: []orient.Source{partner{}, partner{}}}); err == nil {
		t.Error("a fact declared twice: got no error")
	}
}
