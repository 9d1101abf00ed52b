package journal_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// sums are what a scan of the entries counts, by step and key.
type sums map[string][2]int64

// scan reads all entries of a log one by one.
func scan(t testing.TB, j *journal.Journal, log string) []noren.Entry {
	t.Helper()
	var out []noren.Entry
	for s, err := range j.Query(t.Context(), journal.Filter{Log: log}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s.Entry)
	}
	return out
}

// scanned counts entries as the roll-ups must.
func scanned(all []noren.Entry, step time.Duration, by journal.Dimension, fits func(*noren.Entry) bool) sums {
	out := sums{}
	for i := range all {
		if e := &all[i]; fits == nil || fits(e) {
			at := e.Event.At.UTC()
			if step == journal.StepDay {
				at = at.Add(9 * time.Hour).Truncate(step).Add(-9 * time.Hour)
			}
			k := at.Truncate(min(step, time.Hour)).Format(time.RFC3339) + " " + valueOf(e, by)
			out[k] = [2]int64{out[k][0] + 1, out[k][1] + e.Count}
		}
	}
	return out
}

func valueOf(e *noren.Entry, by journal.Dimension) string {
	switch by {
	case journal.ByKind:
		return string(e.Event.Kind)
	case journal.ByZone:
		return string(e.Event.Zone)
	case journal.ByVerdict:
		return string(e.Decision.Verdict)
	case journal.ByRule:
		return e.Rule
	case journal.ByCause:
		c, _, _ := strings.Cut(e.Rule, ":")
		return c
	}
	return ""
}

func trended(t testing.TB, j *journal.Journal, q journal.TrendQuery) sums {
	t.Helper()
	tr, err := j.Trend(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if tr.Step != q.Step || !tr.State.Whole() {
		t.Fatalf("step %s, state %+v", tr.Step, tr.State)
	}
	out := sums{}
	for _, s := range tr.Series {
		for _, p := range s.Points {
			if p.Entries != 0 {
				out[p.At.Format(time.RFC3339)+" "+s.Key] = [2]int64{p.Entries, p.Events}
			}
		}
	}
	return out
}

// mixed is the n-th of entries of many kinds, zones, verdicts and rules.
func mixed(site string, n int, at time.Time, pick func(n int) int) noren.Entry {
	e := entry(site, n)
	e.Event.At = noren.At(at)
	e.Event.Zone = []noren.Zone{noren.ZoneLogin, noren.ZoneAdmin, ""}[pick(3)]
	e.Decision.Verdict = []noren.Verdict{noren.Allow, noren.Block, noren.Limit}[pick(3)]
	e.Rule = []string{"", "waf:942100", "waf:941100", "ban", "limit:流量"}[pick(5)]
	e.Count = int64(1 + pick(5)*pick(20))
	if pick(2) == 0 {
		e.Event.Kind, e.Event.Payload = noren.HTTPBlocked, &noren.Blocked{Cause: noren.CauseWAF, Ticket: fmt.Sprint("T-", n)}
	}
	return e
}

// rollAll rolls up until nothing is left.
func rollAll(t testing.TB, j *journal.Journal) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = j.RollUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// checkSums compares every dimension and step with a scan.
func checkSums(t testing.TB, j *journal.Journal, log string, since, until time.Time) {
	t.Helper()
	all := scan(t, j, log)
	for _, step := range []time.Duration{journal.StepHour, journal.StepDay} {
		for _, by := range []journal.Dimension{journal.ByNothing, journal.ByKind, journal.ByZone, journal.ByVerdict, journal.ByRule, journal.ByCause} {
			got := trended(t, j, journal.TrendQuery{Log: log, Since: since, Until: until, Step: step, By: by})
			if diff := cmp.Diff(scanned(all, step, by, nil), got); diff != "" {
				t.Fatalf("by %q each %s (-scan +roll-ups):\n%s", by, step, diff)
			}
		}
	}
	which := journal.Which{Verdicts: []noren.Verdict{noren.Block, noren.Limit}, Causes: []noren.Cause{noren.CauseWAF, noren.CauseLimit}, Zones: []noren.Zone{noren.ZoneAdmin, ""}}
	fits := func(e *noren.Entry) bool {
		c := valueOf(e, journal.ByCause)
		return e.Decision.Verdict != noren.Allow && (c == "waf" || c == "limit") && e.Event.Zone != noren.ZoneLogin
	}
	got := trended(t, j, journal.TrendQuery{Log: log, Which: which, Since: since, Until: until, Step: journal.StepHour, By: journal.ByRule})
	if diff := cmp.Diff(scanned(all, journal.StepHour, journal.ByRule, fits), got); diff != "" {
		t.Fatalf("filtered (-scan +roll-ups):\n%s", diff)
	}
}

// TestRollupsAreWhatAScanCounts: whatever is appended, in whatever order times
// come, rolled up by one or two nodes, counted anew, erased or opened again,
// sums are those of a scan at every moment.
func TestRollupsAreWhatAScanCounts(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			d, s := dbtest.Open(t, engine), newSealer()
			one, two := start(t, options(d, s)), start(t, options(d, s))
			one.RollAtOnce(20, 16)
			two.RollAtOnce(13, 30)
			runs := 0
			rapid.Check(t, func(r *rapid.T) {
				runs++
				site := fmt.Sprint("shop-", runs)
				n := 0
				pick := func(most int) int { return rapid.IntRange(0, most-1).Draw(r, "pick") }
				r.Repeat(map[string]func(*rapid.T){
					"append": func(r *rapid.T) {
						for range rapid.IntRange(1, 12).Draw(r, "entries") {
							at := day.Add(time.Duration(rapid.IntRange(0, 96*60).Draw(r, "minute")) * time.Minute)
							if err := one.Post(t.Context(), mixed(site, n, at, pick)); err != nil {
								t.Fatal(err)
							}
							n++
						}
						if err := one.Flush(t.Context()); err != nil {
							t.Fatal(err)
						}
					},
					"roll up one": func(*rapid.T) {
						if _, err := one.RollUp(t.Context()); err != nil {
							t.Fatal(err)
						}
					},
					"roll up two": func(*rapid.T) {
						if _, err := two.RollUp(t.Context()); err != nil {
							t.Fatal(err)
						}
					},
					"rebuild": func(*rapid.T) {
						if err := one.Rebuild(t.Context(), site); err != nil && noren.CodeOf(err) != noren.NotFound {
							t.Fatal(err)
						}
					},
					"erase": func(r *rapid.T) {
						s.erase(noren.Subject{Kind: noren.EntityAccount, ID: fmt.Sprintf("customer%d@example.jp", rapid.IntRange(0, 20).Draw(r, "who"))})
					},
					"": func(*rapid.T) {},
				})
				rollAll(t, two)
				checkSums(t, one, site, day, day.Add(97*time.Hour))
			})
		})
	}
}

// TestRollupsShowWhatJustHappened: entries that are in no sum yet are counted,
// and what cannot be is said.
func TestRollupsShowWhatJustHappened(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		q := journal.TrendQuery{Log: "shop", Since: day, Until: day.Add(time.Hour), Step: journal.StepHour}
		count := func() int64 {
			tr, err := j.Trend(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			return tr.Series[0].Entries
		}
		if n := count(); n != 0 {
			t.Fatalf("an empty log has %d entries", n)
		}
		appendN(t, j, "shop", 0, 30)
		if n := count(); n != 30 {
			t.Errorf("never rolled up: %d entries, want 30", n)
		}
		j.RollAtOnce(8, 8)
		for range 3 {
			if _, err := j.RollUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		st, err := j.RollState(t.Context(), "shop")
		if err != nil || st.Whole() || st.Entries != 30 || st.Rolled+st.Missing != 30 || st.From.IsZero() {
			t.Fatalf("in the middle of catching up: %+v, %v", st, err)
		}
		if n := count(); n != st.Rolled {
			t.Errorf("%d of %d rolled up entries shown", n, st.Rolled)
		}
		appendN(t, j, "shop", 30, 40)
		if n := count(); n != st.Rolled+10 {
			t.Errorf("%d entries, want %d", n, st.Rolled+10)
		}
		rollAll(t, j)
		if st, err = j.RollState(t.Context(), "shop"); err != nil || !st.Whole() || st.Rolled != 40 {
			t.Errorf("%+v, %v", st, err)
		}
		if n := count(); n != 40 {
			t.Errorf("%d entries, want 40", n)
		}
	})
}

// TestRollupFaults: a write that fails, or succeeds without an answer, at every
// statement and commit: each entry is counted once.
func TestRollupFaults(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			for _, done := range []bool{false, true} {
				var mu sync.Mutex
				at, left := -1, 0
				d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, engine), Faults: func(db.FaultPoint) (f db.Fault) {
					mu.Lock()
					defer mu.Unlock()
					if at >= 0 {
						if left == 0 {
							f.Fail, f.FailPersisted = !done, done
						}
						left--
					}
					return f
				}})
				j := open(t, d)
				j.RollAtOnce(20, 9)
				appendN(t, j, "shop", 0, 40)
				for n := range 60 {
					mu.Lock()
					at, left = n, n
					mu.Unlock()
					_, err := j.RollUp(t.Context())
					mu.Lock()
					at = -1
					mu.Unlock()
					if n%10 == 9 {
						if err == nil {
							rollAll(t, j)
						}
						if err := j.Rebuild(t.Context(), "shop"); err != nil {
							t.Fatal(err)
						}
						appendN(t, j, "shop", 31+n, 41+n)
					}
				}
				rollAll(t, j)
				checkSums(t, j, "shop", day, day.Add(time.Hour))
			}
		})
	}
}

// TestRollupsOfTwoNodes: two followers and a writer at once count each entry once.
func TestRollupsOfTwoNodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSealer()
		j, other := start(t, options(d, s)), start(t, options(d, s))
		j.RollAtOnce(50, 30)
		other.RollAtOnce(70, 20)
		appendN(t, j, "shop", 0, 200)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, f := range []*journal.Journal{j, other} {
			wg.Go(func() {
				for ctx.Err() == nil {
					if _, err := f.RollUp(ctx); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		appendN(t, j, "shop", 200, 900)
		stop()
		wg.Wait()
		rollAll(t, j)
		checkSums(t, j, "shop", day, day.Add(time.Hour))
	})
}

// TestRunRollupsTellsOnce: a follower that fails says so once, and that it goes on.
func TestRunRollupsTellsOnce(t *testing.T) {
	var out lockedText
	o := options(dbtest.Open(t, db.SQLite), newSealer())
	o.Log = slog.New(slog.NewTextHandler(&out, nil))
	j := start(t, o)
	appendN(t, j, "shop", 0, 10)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); j.RunRollups(ctx) }()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		st, err := j.RollState(t.Context(), "shop")
		if err == nil && st.Whole() && st.Rolled == 10 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not rolled up: %+v, %v", st, err)
		}
	}
	stop()
	<-done
	if s := out.String(); s != "" {
		t.Errorf("said without need: %s", s)
	}
}

// TestRunRollupsAlarmsWhileTheyFail: what cannot be written is an alarm, once and not at
// every round; appending goes on meanwhile, and what was missed is counted afterwards.
func TestRunRollupsAlarmsWhileTheyFail(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			var broken atomic.Bool
			var rounds atomic.Int64
			var out lockedText
			d := dbtest.OpenURL(t, db.Options{URL: dbtest.URL(t, engine), Faults: func(db.FaultPoint) (f db.Fault) {
				if broken.Load() {
					rounds.Add(1)
					f.Fail = true
				}
				return f
			}})
			o := options(d, newSealer())
			o.Log = slog.New(slog.NewTextHandler(&out, nil))
			j := start(t, o)
			appendN(t, j, "shop", 0, 10)
			broken.Store(true)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); j.RunRollups(ctx) }()
			defer func() { stop(); <-done }()
			await := func(what string, is func() bool) {
				t.Helper()
				for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("not so: %s; said: %s", what, out.String())
					}
				}
			}
			await("three rounds failed", func() bool { return rounds.Load() >= 3 })
			said := out.String()
			if n := strings.Count(said, "roll-ups are behind"); n != 1 || !strings.Contains(said, "alarm=true") {
				t.Errorf("%d alarms: %s", n, said)
			}
			broken.Store(false)
			appendN(t, j, "shop", 10, 20)
			await("what was missed is counted", func() bool {
				st, err := j.RollState(t.Context(), "shop")
				return err == nil && st.Whole() && st.Rolled == 20
			})
			await("that it goes on is said", func() bool { return strings.Contains(out.String(), "roll-ups go on") })
			checkSums(t, j, "shop", day, day.Add(time.Hour))
		})
	}
}

type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
