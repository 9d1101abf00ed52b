package gateway

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"noren"
	"noren/kv"
)

func TestLadderFaults(t *testing.T) {
	for then, want := range map[string]string{
		"slow": "", "[slow, line, check, wait, block, ban]": "", "wait": "", "[check, block]": "",
		"[wait, check]": "stricter", "[slow, slow]": "stricter", "sometimes": "not slow", "[]": "",
	} {
		_, err := ParseLimits("limits.yaml", []byte("version: 1\nlimits:\n  - {name: a, by: session, rate: 60/1m, then: "+then+"}\n"))
		switch {
		case want == "" && err != nil:
			t.Errorf("then: %s: %v", then, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "limits.yaml:3:")):
			t.Errorf("then: %s: %v, want %q with its line", then, err, want)
		}
	}
	for line, want := range map[string]string{
		"{name: a, by: session, rate: 1/24h, burst: 400}":                                       "fill again",
		"{name: a, by: session, rate: 1/24h, burst: 90, then: [line, check, wait, block, ban]}": "fill again",
		"{name: a, by: session, rate: 5/1m, then: slow}":                                        "cannot keep",
		"{name: a, by: net, rate: 5/1m, then: ban}":                                             "many visitors",
		"{name: a, by: asn, rate: 5/1m, then: block}":                                           "many visitors",
		"{name: a, by: 'fact:request.path', rate: 5/1m, then: ban}":                             "many visitors",
		"{name: a, by: 'fact', rate: 5/1m}":                                                     "fact:NAME",
	} {
		if _, err := ParseLimits("limits.yaml", []byte("version: 1\nlimits:\n  - "+line+"\n")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// bucketMeter runs one party's requests through a limit alone.
type bucketMeter struct {
	store *kv.Memory
	limit *Limit
}

func newMeter(l *Limit) *bucketMeter { return &bucketMeter{kv.NewMemory(100), l} }

func (m *bucketMeter) at(ms int) int {
	res, _ := m.store.Do(context.Background(), m.limit.take("k", testTime.Add(time.Duration(ms)*time.Millisecond), false))
	return m.limit.read(res[0], 1).step
}

// Each step has room for one full bucket: three times as many at once as the
// limit allows meet the third answer.
func TestLadderClimbs(t *testing.T) {
	l := &Limit{Name: "l", By: BySession, Rate: Rate{10, time.Second}, Burst: 10, Then: Steps{ThenCheck, ThenWait, ThenBlock}}
	m := newMeter(l)
	var got []int
	for range 65 {
		got = append(got, m.at(0))
	}
	for i, want := range map[int]int{0: 0, 19: 0, 20: 1, 39: 1, 40: 2, 59: 2, 60: 3, 64: 3} {
		if got[i] != want {
			t.Errorf("request %d at once: step %d, want %d", i+1, got[i], want)
		}
	}
	if s := m.at(3000); s != 1 {
		t.Errorf("after three seconds of quiet: step %d, want the first again", s)
	}
	if s := m.at(60_000); s != 0 {
		t.Errorf("after a minute of quiet: step %d", s)
	}
}

func anyLadder(t *rapid.T) *Limit {
	n := rapid.IntRange(1, 4).Draw(t, "steps")
	return &Limit{Name: "l", By: BySession, Rate: Rate{rapid.IntRange(1, 20).Draw(t, "events"), time.Second},
		Burst: rapid.IntRange(0, 20).Draw(t, "burst"), Then: thens[1 : 1+n]}
}

// Whoever sends only some of another's requests is never answered more strictly
// than the other has been by then.
func TestLadderSparesTheSlower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := anyLadder(t)
		fast, slow := newMeter(l), newMeter(l)
		now, worst := 0, 0
		for i := range rapid.IntRange(1, 400).Draw(t, "requests") {
			now += rapid.IntRange(0, 120).Draw(t, "gap")
			worst = max(worst, fast.at(now))
			if rapid.Bool().Draw(t, "both") {
				if s := slow.at(now); s > worst {
					t.Fatalf("request %d: the slower is at step %d, the faster was at %d at worst", i, s, worst)
				}
			}
		}
	})
}

// Of two even streams the slower never reaches a stricter answer, and who keeps
// the rate is never answered at all.
func TestLadderIsEvenHanded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := anyLadder(t)
		quick := rapid.IntRange(1, 400).Draw(t, "quick gap")
		tardy := quick + rapid.IntRange(0, 1000).Draw(t, "more")
		a, b := newMeter(l), newMeter(l)
		worstA, worstB := 0, 0
		for i := range 300 {
			worstA, worstB = max(worstA, a.at(i*quick)), max(worstB, b.at(i*tardy))
		}
		if worstB > worstA {
			t.Fatalf("every %d ms: step %d; every %d ms: step %d", quick, worstA, tardy, worstB)
		}
		if keeps := newMeter(l); keeps.at(0) == 0 {
			gap := int(l.rate().Interval()/1000) + 1
			for i := range 200 {
				if s := keeps.at((i + 1) * gap); s != 0 {
					t.Fatalf("one every %d ms keeps %s and is at step %d", gap, l.Rate, s)
				}
			}
		}
	})
}

// A ladder divided among nodes climbs at the same ratios.
func TestLadderDivided(t *testing.T) {
	l := &Limit{Name: "l", By: BySession, Rate: Rate{30, time.Second}, Burst: 30, Then: Steps{ThenCheck, ThenWait}}
	store := kv.NewMemory(10)
	op := l.take("k", testTime, false)
	op.Rate = op.Rate.Divide(3)
	steps := map[int]int{}
	for range 50 {
		res, _ := store.Do(t.Context(), op)
		steps[l.read(res[0], 3).step]++
	}
	if steps[0] != 20 || steps[1] != 20 || steps[2] != 10 {
		t.Errorf("one of three nodes: %v, want 20 within, 20 at the first step", steps)
	}
}

func TestSlowLaneIsBounded(t *testing.T) {
	var s slowLane
	var free []func()
	for i := range 3 * maxHeld {
		if f, ok := s.enter(maxHeld, fmt.Sprint("bucket", i/20), fmt.Sprint("client", i/100)); ok {
			free = append(free, f)
		}
	}
	if len(free) != maxHeld {
		t.Errorf("%d requests are held, want %d", len(free), maxHeld)
	}
	if _, ok := s.enter(maxHeld, "another", "another"); ok {
		t.Error("one more finds a place")
	}
	for _, f := range free {
		f()
	}
	if s.all != 0 || len(s.held) != 0 {
		t.Errorf("left behind: %d, %v", s.all, s.held)
	}
	n := 0
	for range 100 {
		if _, ok := s.enter(maxHeld, "one", "one"); ok {
			n++
		}
	}
	if n != maxHeldBucket {
		t.Errorf("one bucket holds %d", n)
	}
}

func TestPauseEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if pause(ctx, time.Minute) || time.Since(began) != time.Second {
			t.Errorf("held for %s", time.Since(began))
		}
		if !pause(t.Context(), 3*time.Second) || time.Since(began) != 4*time.Second {
			t.Errorf("held for %s", time.Since(began))
		}
	})
}

func standLadder(t *testing.T, then ...Then) *standing {
	return stand(t, func(o *Options) {
		o.Secrets = func(context.Context) ([][]byte, error) { return [][]byte{[]byte("key of the test")}, nil }
		o.Now = func() time.Time { return noon }
		o.Settings.Limits = []Limit{{Name: "l", By: ByAddress, Rate: Rate{2, time.Second}, Then: then}}
	})
}

func TestLadderAnswers(t *testing.T) {
	s := standLadder(t, ThenLine, ThenCheck, ThenWait, ThenBlock, ThenBan)
	want := []int{200, 200, 503, 503, 403, 403, 429, 429, 403, 403, 403}
	steps := []Then{ThenLine, ThenLine, ThenCheck, ThenCheck, ThenWait, ThenWait, ThenBlock, ThenBlock, ThenBan}
	for i, status := range want {
		res, page := s.do("GET", "/products/list", "")
		if res.StatusCode != status {
			t.Errorf("request %d: status %d, want %d", i+1, res.StatusCode, status)
		}
		if status == 503 && (!strings.Contains(page, "順番にご案内しています") || !strings.Contains(page, "http-equiv")) {
			t.Errorf("the line: %.300s", page)
		}
	}
	blocked := s.loop.of(noren.HTTPBlocked)
	for i, step := range steps {
		p := blocked[i].Payload.(*noren.Blocked)
		wantGiven := noren.Limit
		if step == ThenBlock || step == ThenBan {
			wantGiven = noren.Block
		}
		if p.Step != string(step) || p.By != "address" || p.Rule != "l" || blocked[i].Given() != wantGiven {
			t.Errorf("event %d: %+v given %s, want step %s", i, p, blocked[i].Given(), step)
		}
	}
}

// Who pays is neither asked nor put in the line, and a form that was sent is not
// lost in it.
func TestLadderSparesPayments(t *testing.T) {
	for target, method := range map[string]string{"/shopping/confirm": "GET", "/contact": "POST"} {
		s := standLadder(t, ThenLine, ThenWait)
		var last int
		for range 3 {
			res, _ := s.do(method, target, "")
			last = res.StatusCode
		}
		if last != 429 {
			t.Errorf("%s %s: status %d, want to wait", method, target, last)
		}
	}
	s := standLadder(t, ThenCheck, ThenBlock)
	for i, want := range []int{200, 200, 403, 403, 403} {
		res, page := s.do("GET", "/shopping/confirm", "")
		if res.StatusCode != want || strings.Contains(page, `id="check"`) {
			t.Errorf("payment %d: %d", i, res.StatusCode)
		}
	}
}

func TestSlowPassesInTheEnd(t *testing.T) {
	s := stand(t, func(o *Options) {
		o.Settings.Limits = []Limit{{Name: "l", By: ByAddress, Rate: Rate{20, time.Second}, Then: Steps{ThenSlow, ThenBlock}}}
		o.Now = func() time.Time { return noon }
	})
	began := time.Now()
	for i := range 22 {
		if res, _ := s.do("GET", "/", ""); res.StatusCode != 200 {
			t.Fatalf("request %d: status %d", i+1, res.StatusCode)
		}
	}
	if held := time.Since(began); held < 150*time.Millisecond { // 50 ms and 100 ms
		t.Errorf("two too fast were held back %s in all", held)
	}
	if s.slow.all != 0 {
		t.Errorf("%d still held", s.slow.all)
	}
}

// Every key a limit can go by: two of one party are too many, and another's are
// not touched.
func TestLimitsByWhatIsKnown(t *testing.T) {
	asn := int64(64496)
	for _, tt := range []struct {
		by         By
		same       []string // headers of the counted
		other      []string
		otherASN   int64
		everywhere bool // the other is counted with them
	}{
		{by: ByASN, otherASN: 64497},
		{by: ByASN, otherASN: 0},
		{by: "fact:request.user_agent", same: []string{"User-Agent: tool/1"}, other: []string{"User-Agent: tool/2"}, otherASN: asn},
		{by: "fact:address.country", otherASN: asn, everywhere: true},
		{by: BySite, otherASN: 64497, everywhere: true},
	} {
		now := asn
		s := stand(t, func(o *Options) {
			o.AddressFact = func(_ netip.Addr, name string) any {
				return map[string]any{"address.asn": now, "address.country": "JP"}[name]
			}
			o.Settings.Limits = []Limit{{Name: "l", By: tt.by, Rate: Rate{1, time.Hour}}}
		})
		if res, _ := s.do("GET", "/", "", tt.same...); res.StatusCode != 200 {
			t.Errorf("%s: the first: %d", tt.by, res.StatusCode)
		}
		if res, _ := s.do("GET", "/", "", tt.same...); res.StatusCode != 429 {
			t.Errorf("%s: the second: %d", tt.by, res.StatusCode)
		}
		now = tt.otherASN
		want := 200
		if tt.everywhere {
			want = 429
		}
		for range 2 {
			res, _ := s.do("GET", "/", "", tt.other...)
			if res.StatusCode != want {
				t.Errorf("%s: another (%v, AS%d): %d, want %d", tt.by, tt.other, tt.otherASN, res.StatusCode, want)
			}
			if len(tt.other) > 0 {
				break // the other has a bucket too
			}
			if tt.by == ByASN && tt.otherASN != 0 {
				break
			}
		}
	}
}

// Values that somebody makes up fill a bounded number of buckets with short
// names.
func TestFactKeysAreBounded(t *testing.T) {
	g, err := New(Options{Settings: Settings{Sites: []Site{{Name: "shop", Hosts: []string{"*"}, Upstream: "http://127.0.0.1:1"}}}, Token: newSealer(t).Token})
	if err != nil {
		t.Fatal(err)
	}
	l := Limit{Name: "l", By: "fact:request.user_agent"}
	for _, agent := range []string{"", "a", strings.Repeat("x", 60_000), "あ", "\xff\xfe"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("User-Agent", agent)
		x := g.begin(httptest.NewRecorder(), r)
		key, _, ok := l.key("shop", party{fact: x.limitFact})
		if ok != (agent != "") || len(key) > 20 {
			t.Errorf("agent of %d bytes: key %q, %v", len(agent), key, ok)
		}
	}
}

func TestLimitFactsAreChecked(t *testing.T) {
	cat := noren.NewCatalogue(append(noren.EventFacts(),
		noren.Fact{Name: "address.country", Type: noren.Str}, noren.Fact{Name: "address.listed", Type: noren.List},
		noren.Fact{Name: "address.requests_1m", Type: noren.Int, Unit: "count"}), []noren.Family{noren.EntityFacts()})
	for fact, want := range map[string]string{
		"request.user_agent": "", "request.host": "", "zone": "", "address.country": "", "request.passed": "",
		"request.score": "not known yet", "address.requests_1m": "not known yet", "address.listed": "not known yet", "login.user": "not known yet",
		"request.user_agnet": "did you mean", "": "unknown fact", "entity.account": "write by: account",
	} {
		data := []byte("version: 1\nlimits:\n  - name: a\n    by: \"fact:" + fact + "\"\n    rate: 5/1m\n")
		limits, err := ParseLimits("limits.yaml", data)
		if err != nil {
			t.Fatal(err)
		}
		err = CheckFacts("limits.yaml", data, limits, cat)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", fact, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "limits.yaml:4:")):
			t.Errorf("%s: %v, want %q and the line", fact, err, want)
		}
	}
}

// Whatever loads can be asked, and its answers are in order.
func FuzzParseLimits(f *testing.F) {
	f.Add(limitsYAML)
	f.Add([]byte("version: 1\nlimits:\n  - {name: a, by: 'fact:request.path', rate: 1/24h, burst: 365, then: slow}\n"))
	f.Add([]byte("version: 1\nlimits:\n  - {name: a, by: session, rate: 1000000/1s, burst: 1000000, then: [slow, line, check, wait, block, ban]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		limits, err := ParseLimits("limits.yaml", data)
		if err != nil {
			return
		}
		for i := range limits {
			l := &limits[i]
			for _, share := range []int64{1, 3, 1000} {
				op := l.take("k", testTime, false)
				op.Rate = op.Rate.Divide(share)
				if err := op.Valid(); err != nil {
					t.Fatalf("%+v cannot be asked: %v", l, err)
				}
				res, err := kv.NewMemory(1).Do(t.Context(), op)
				if err != nil {
					t.Fatal(err)
				}
				if r := l.read(res[0], share); r.step != 0 {
					t.Fatalf("%+v answers the first request with step %d", l, r.step)
				}
			}
			last := -1
			for _, step := range l.steps() {
				at := slices.Index(thens, step)
				if at <= last {
					t.Fatalf("steps %v", l.steps())
				}
				last = at
			}
		}
	})
}
