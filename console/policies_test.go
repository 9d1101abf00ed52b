package console

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/policy"
	"noren/settings"
)

func TestDraftOn(t *testing.T) {
	now := settings.Set{"limits.yaml": "l\n", "policies/a.yaml": "a\n", "sites/shop/policies/own.yaml": "o\n"}
	before := settings.Set{"limits.yaml": "old\n", "sites/shop/policies/own.yaml": "old own\n", "sites/shop/policies/gone.yaml": "back\n"}
	all, own := func(string) bool { return true }, func(f string) bool { return ofSite(f) == "shop" }
	for _, tt := range []struct {
		name  string
		d     draft
		edits func(string) bool
		want  string
	}{
		{"a file is changed", draft{Op: opPut, File: "policies/a.yaml", Text: "b\n"}, all, "limits.yaml=l policies/a.yaml=b sites/shop/policies/own.yaml=o"},
		{"a file is new", draft{Op: opPut, File: "policies/b.yaml", Text: "b\n"}, all, "limits.yaml=l policies/a.yaml=a policies/b.yaml=b sites/shop/policies/own.yaml=o"},
		{"a file goes", draft{Op: opDelete, File: "policies/a.yaml"}, all, "limits.yaml=l sites/shop/policies/own.yaml=o"},
		{"back to a version", draft{Op: opReturn}, all, "limits.yaml=old sites/shop/policies/gone.yaml=back sites/shop/policies/own.yaml=old own"},
		{"back, of one shop only", draft{Op: opReturn}, own, "limits.yaml=l policies/a.yaml=a sites/shop/policies/gone.yaml=back sites/shop/policies/own.yaml=old own"},
	} {
		var got []string
		set := tt.d.on(now, before, tt.edits)
		for _, p := range set.Paths() {
			got = append(got, p+"="+strings.TrimSpace(set[p]))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, strings.Join(got, " "), tt.want)
		}
	}
	if now["policies/a.yaml"] != "a\n" || len(now) != 3 {
		t.Error("a draft changes the set it is made from")
	}
}

func TestPolicyChanges(t *testing.T) {
	p := func(name string, mode policy.Mode, when string) policy.Info {
		return policy.Info{Name: name, File: "a", Line: len(when), Mode: mode, When: when, Then: noren.Block}
	}
	before := []policy.Info{p("same", policy.On, "x"), p("gone", policy.On, "x"), p("mode", policy.On, "x"), p("when", policy.On, "x")}
	moved := p("same", policy.On, "x")
	moved.Line, moved.File = 99, "b"
	after := []policy.Info{moved, p("mode", policy.Shadow, "x"), p("when", policy.On, "yy"), p("new", policy.Shadow, "x")}
	var got []string
	for _, c := range policyChanges(before, after) {
		got = append(got, c.Name+": "+c.Words().En)
	}
	want := "gone: goes; it does nothing any more|mode: stops acting and only records what it would have stopped|new: is new (shadow: records only)|when: its condition changes"
	if strings.Join(got, "|") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, "|"), want)
	}
}

// fixed are rules that answer by the order's number.
type fixed map[string]noren.Decision

func (f fixed) Policies(string) []policy.Info { return nil }
func (f fixed) Decide(e *noren.Entry) noren.Decision {
	d := f[e.Event.ID]
	if d.Verdict == "" {
		d.Verdict = noren.Allow
	}
	return d
}

func TestHindsight(t *testing.T) {
	shadow := policy.Info{Name: "p", Mode: policy.Shadow, Kinds: []noren.Kind{noren.HTTPBlocked, noren.OrderPlaced}, Needs: []string{"account.orders_1h"}}
	would := noren.Decision{Shadow: []noren.Reason{{Policy: "p", Verdict: noren.Block}}}
	before := fixed{"freer": {Verdict: noren.Block}}
	after := fixed{"stricter": {Verdict: noren.Block}, "shadow": would, "other": {Shadow: []noren.Reason{{Policy: "q", Verdict: noren.Block}}}}
	at := noren.At(time.Now())
	entry := func(id string, who noren.Entities) *noren.Entry {
		return &noren.Entry{Event: noren.Event{ID: id, Kind: noren.HTTPBlocked, At: at, Entities: who}, Count: 1}
	}
	a, b, c := noren.Entities{noren.EntitySession: "s1", noren.EntityAddress: "192.0.2.1"}, noren.Entities{noren.EntitySession: "s2", noren.EntityAddress: "192.0.2.1"}, noren.Entities{noren.EntityAddress: "192.0.2.1"}
	h := newHindsight(before, after, []policyChange{{Name: "p", After: &shadow}})
	bought := &noren.Entry{Event: noren.Event{ID: "buy", Kind: noren.OrderPlaced, At: at, Entities: a, Payload: &noren.Order{}}, Count: 1, Facts: noren.Facts{"account.orders_1h": int64(1)}}
	for _, e := range []*noren.Entry{entry("stricter", a), entry("shadow", b), entry("freer", c), entry("other", a), entry("same", b), bought,
		{Event: noren.Event{Kind: noren.HTTPBlocked}, Count: 7, Part: noren.PartCounted}} {
		h.add(e, false)
	}
	h.add(entry("erased", a), true)
	got := fmt.Sprintf("%d events, %d counted, %d erased, %d sales; stricter %d by %d, %d bought; freer %d; unknown %v", h.Events, h.Counted, h.Erased, h.sales.N,
		h.Stricter.Events, h.Stricter.visitors.N(), h.Stricter.visitors.buying(h.sales.buyers), h.Freer.Events, h.unknowns())
	if want := "6 events, 7 counted, 1 erased, 1 sales; stricter 2 by 2, 1 bought; freer 1; unknown [{account.orders_1h 5}]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestPeopleAreBounded(t *testing.T) {
	h := newHindsight(fixed{}, fixed{}, nil)
	for i := range peopleMost + 10 {
		h.Stricter.visitors.add(&noren.Event{Entities: noren.Entities{noren.EntityAccount: fmt.Sprint(i)}})
	}
	if h.Stricter.visitors.N() != peopleMost || !h.Stricter.visitors.Full {
		t.Errorf("%d people, full %v", h.Stricter.visitors.N(), h.Stricter.visitors.Full)
	}
}

// A back-test whose record cannot be read says so and ends; one of another site is
// not there, and one runs at a time.
func TestRehearsalThatCannotRead(t *testing.T) {
	w := openWorld(t)
	rs := rehearsals{all: map[string]*rehearsal{}}
	fresh := func(id string) *rehearsal {
		return &rehearsal{ID: id, Site: shopSite, Began: time.Now(), cancel: func() {}, h: newHindsight(fixed{}, fixed{}, nil)}
	}
	first := fresh("first")
	if rs.begin(first) != nil || rs.begin(fresh("second")) != first {
		t.Fatal("two run at once")
	}
	if _, err := rs.of(otherSite, "first"); noren.CodeOf(err) != noren.NotFound {
		t.Errorf("another site's: %v", err)
	}
	w.db.Close()
	first.run(t.Context(), walker{w.journal, shopSite, nil, time.Now().Add(-time.Hour)}, slog.New(slog.DiscardHandler))
	if s := first.seen(); s.Running || !s.Failed {
		t.Errorf("%+v", s)
	}
	if rs.begin(fresh("second")) != nil {
		t.Error("none begins after the first has ended")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	third := fresh("third")
	third.run(cancelled, walker{w.journal, shopSite, nil, time.Now()}, slog.New(slog.DiscardHandler))
	if s := third.seen(); s.Running || !s.Stopped || s.Failed {
		t.Errorf("cancelled: %+v", s)
	}
}

func TestTrialOf(t *testing.T) {
	for in, want := range map[string]time.Duration{"10m": 10 * time.Minute, "0s": 0, "1s": time.Second, "24h": 24 * time.Hour, "": -1, "x": -1, "-1m": -1, "25h": -1, "1ms": -1} {
		got, err := trialOf(in)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %s, %v", in, got, err)
		}
	}
}

func TestJudgeFindsLines(t *testing.T) {
	var td tried
	td.judge(Compiled{Err: fmt.Errorf("firewall/own.conf:2: what is this\n")}, draft{File: "firewall/own.conf", Text: "a\nb\nc\n"})
	if td.OK || len(td.Rest) != 1 && (len(td.Faults) != 1 || td.Faults[0].Line != 2) {
		t.Errorf("%+v", td)
	}
}

func TestOthersFilesAreNotNamed(t *testing.T) {
	td := tried{Rest: []noren.Text{same("sequence x differs from that in sites/other/policies/a.yaml:3"), same("sites/shop/limits.yaml: y")}}
	td.conceal(func(f string) bool { return ofSite(f) == "shop" })
	if got := td.Rest[0].Ja + "|" + td.Rest[1].En; got != "sequence x differs from that in sites/…:3|sites/shop/limits.yaml: y" {
		t.Error(got)
	}
}

// A back-test shows what it has found, running and over, and is not there for
// another site.
func TestRehearsalIsShown(t *testing.T) {
	w := openWorld(t)
	h := newHindsight(fixed{}, fixed{"e1": {Verdict: noren.Block}}, []policyChange{{Name: "p", After: &policy.Info{Kinds: []noren.Kind{noren.HTTPBlocked}, Needs: []string{"x.y"}}}})
	h.add(&noren.Entry{Event: noren.Event{ID: "e1", Kind: noren.HTTPBlocked, At: noren.At(time.Now())}, Count: 1}, false)
	r := &rehearsal{ID: "r1", Site: shopSite, File: "policies/<b>.yaml", Days: 7, Began: time.Now(), cancel: func() {}, h: h, of: 10, looked: 4, lookedTo: time.Now()}
	w.console.rehearsals.begin(r)
	b := w.owner()
	b.get("/s/shop/policies/replay/r1").says(t, "40 %", "policies/&lt;b&gt;.yaml", "やめる", "/s/shop/events/e1", "通す → 止める", "x.y", "買った方かどうかは分かりません")
	r.end(nil)
	b.get("/s/shop/policies/replay/r1").says(t, "最後まで調べました")
	if a := b.get("/s/other/policies/replay/r1"); a.status != 404 {
		t.Errorf("another site's: %d", a.status)
	}
	if t.Failed() {
		t.Log(w.log.String())
	}
}
