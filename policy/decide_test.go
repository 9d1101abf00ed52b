package policy

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
)

var at = noren.At(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))

// rules makes one file of policies from "name kinds mode then when" lines, about
// the kinds named; each condition must be true for address.asn 1 and false for 0.
func rules(t testing.TB, lines ...string) *Set {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	for _, l := range lines {
		f := strings.SplitN(l, " ", 5)
		fmt.Fprintf(&b, "  - name: %s\n    kinds: [%s]\n    mode: %s\n    then: %s\n    when: '%s'\n", f[0], f[1], f[2], f[3], f[4])
		fmt.Fprintf(&b, "    reason: {ja: 理由%s, en: reason %s}\n", f[0], f[0])
		b.WriteString("    tests: [{facts: {address.asn: 1}, fires: true}, {fires: false}]\n")
	}
	return mustLoad(t, File{Name: "f.yaml", Data: []byte(b.String())})
}

func reason(name string, v noren.Verdict) noren.Reason {
	return noren.Reason{Policy: name, Verdict: v, Text: noren.Text{Ja: "理由" + name, En: "reason " + name}}
}

func TestDecide(t *testing.T) {
	s := rules(t,
		"d order.placed on limit address.asn >= 1",
		"b order.placed on review address.asn >= 1 && address.asn < 5",
		"a order.placed on hold address.asn == 1",
		"e order.placed off block address.asn >= 1",
		"c order.placed shadow block address.asn >= 1",
	)
	tests := []struct {
		asn  int64
		want noren.Decision
	}{
		{0, noren.Decision{Verdict: noren.Allow}},
		{1, noren.Decision{Verdict: noren.Hold, Reasons: []noren.Reason{reason("a", noren.Hold), reason("b", noren.Review), reason("d", noren.Limit)}, Shadow: []noren.Reason{reason("c", noren.Block)}}},
		{2, noren.Decision{Verdict: noren.Review, Reasons: []noren.Reason{reason("b", noren.Review), reason("d", noren.Limit)}, Shadow: []noren.Reason{reason("c", noren.Block)}}},
		{9, noren.Decision{Verdict: noren.Limit, Reasons: []noren.Reason{reason("d", noren.Limit)}, Shadow: []noren.Reason{reason("c", noren.Block)}}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.asn), func(t *testing.T) {
			tt.want.EventID, tt.want.Policies = "e1", s.Version()
			ev := &noren.Event{ID: "e1", Kind: noren.OrderPlaced, At: at}
			for range 2 { // a second time from the pool
				got := s.Decide(ev, noren.Facts{"address.asn": tt.asn})
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Fatalf("decision (-want +got):\n%s", diff)
				}
			}
			if d := s.Decide(&noren.Event{ID: "e2", Kind: noren.PaymentAttempt, At: at}, noren.Facts{"address.asn": tt.asn}); d.Verdict != noren.Allow {
				t.Errorf("another kind got %s", d.Verdict)
			}
		})
	}
}

func TestDecideZones(t *testing.T) {
	s := mustLoad(t, file(map[string]string{"zones": "[login, reset]"}))
	facts := noren.Facts{"address.logins_failed_10m": int64(20)}
	for zone, want := range map[noren.Zone]noren.Verdict{noren.ZoneLogin: noren.Limit, noren.ZoneReset: noren.Limit, noren.ZoneSignup: noren.Allow, "": noren.Allow} {
		if got := s.Decide(&noren.Event{Kind: noren.LoginAttempt, Zone: zone}, facts).Verdict; got != want {
			t.Errorf("zone %q: %s, want %s", zone, got, want)
		}
	}
}

func TestDecideReadsTheEvent(t *testing.T) {
	s := mustLoad(t, file(map[string]string{
		"kinds": "[account.changed]", "when": "'\"mail\" in change.fields && entity.account == \"hanako\" && change.fields.exists(f, f.startsWith(\"pass\"))'",
		"tests": "[{facts: {change.fields: [mail, password], entity.account: hanako}, fires: true}, {fires: false}]"}))
	ev := &noren.Event{Kind: noren.AccountChanged, Entities: noren.Entities{"account": "hanako"}, Payload: &noren.AccountChange{Fields: []string{"mail", "password"}}}
	if got := s.Decide(ev, nil).Verdict; got != noren.Limit {
		t.Errorf("verdict %s, want limit", got)
	}
	ev.Payload = new(noren.AccountChange)
	if got := s.Decide(ev, nil); got.Verdict != noren.Allow || got.Fault != "" {
		t.Errorf("with an empty payload %+v, want allow", got)
	}
}

func TestDecideBans(t *testing.T) {
	set := func(entity, d string) *Set {
		return mustLoad(t, file(map[string]string{"ban": "{entity: " + entity + ", for: " + d + "}"}))
	}
	tests := []struct {
		name, entity, lasts, address, target string
		until, expires                       time.Duration
	}{
		{"address", "address", "30m", "203.0.113.7", "203.0.113.7", 30 * time.Minute, 30 * time.Minute},
		{"address for longer than an action lives", "address", "2d", "203.0.113.7", "203.0.113.7", 48 * time.Hour, time.Hour},
		{"net", "net", "1h", "203.0.113.7", "203.0.113.0/24", time.Hour, time.Hour},
		{"net of an IPv6 address", "net", "1h", "2001:db8:1:2::3", "2001:db8:1::/48", time.Hour, time.Hour},
		{"mapped address", "address", "1h", "::ffff:203.0.113.7", "203.0.113.7", time.Hour, time.Hour},
		{"no address", "address", "1h", "", "", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ev := &noren.Event{ID: "e1", Kind: noren.LoginAttempt, Site: "shop", At: at, Entities: noren.Entities{"address": tt.address}}
			d := set(tt.entity, tt.lasts).Decide(ev, noren.Facts{"address.logins_failed_10m": int64(20)})
			var want []noren.Action
			if tt.target != "" {
				want = []noren.Action{{ID: "e1/p/ban", Kind: noren.ActBan, Site: "shop", Entity: tt.entity, Target: tt.target,
					Until: noren.At(at.Add(tt.until)), Expires: noren.At(at.Add(tt.expires)), Policy: "p", Reason: noren.Text{Ja: "理由", En: "reason"}}}
			}
			if diff := cmp.Diff(want, d.Actions); diff != "" || d.Verdict != noren.Limit {
				t.Errorf("verdict %s, actions (-want +got):\n%s", d.Verdict, diff)
			}
		})
	}
}

func TestShadowDoesNotAct(t *testing.T) {
	s := mustLoad(t, file(map[string]string{"mode": "shadow", "ban": "{entity: address, for: 1h}"}))
	ev := &noren.Event{ID: "e1", Kind: noren.LoginAttempt, At: at, Entities: noren.Entities{"address": "203.0.113.7"}}
	d := s.Decide(ev, noren.Facts{"address.logins_failed_10m": int64(20)})
	if d.Verdict != noren.Allow || len(d.Actions) != 0 || len(d.Reasons) != 0 || len(d.Shadow) != 1 {
		t.Errorf("decision %+v", d)
	}
}

// An error falls to the kind's side, and the policies that can be evaluated
// still decide.
func TestDecideFaults(t *testing.T) {
	const broken = "address.asn == 1 || 10 / (address.asn - 2) == 99"
	all := "http.request,account.login.attempt,order.placed,payment.attempt,staff.login"
	s := rules(t, "bad "+all+" on limit "+broken, "good "+all+" on hold address.asn in [1, 3]", "limits http.request on limit address.asn in [1, 2]")
	tests := []struct {
		kind noren.Kind
		asn  int64
		want noren.Verdict
	}{
		{noren.HTTPRequest, 2, noren.Limit}, // open, and another policy fires
		{noren.LoginAttempt, 2, noren.StepUp},
		{noren.OrderPlaced, 2, noren.Review},
		{noren.PaymentAttempt, 2, noren.Allow},
		{noren.StaffLogin, 2, noren.Block},
		{noren.LoginAttempt, 3, noren.Hold},
	}
	for _, tt := range tests {
		d := s.Decide(&noren.Event{Kind: tt.kind}, noren.Facts{"address.asn": tt.asn})
		fault := ""
		if tt.asn == 2 {
			fault = "policy bad: division by zero"
		}
		if d.Verdict != tt.want || d.Fault != fault {
			t.Errorf("%s: %s with fault %q, want %s and %q", tt.kind, d.Verdict, d.Fault, tt.want, fault)
		}
	}
}

func TestDecideShadowFault(t *testing.T) {
	s := rules(t, "p staff.login shadow limit address.asn == 1 || 10 / (address.asn - 2) == 99")
	d := s.Decide(&noren.Event{Kind: noren.StaffLogin}, noren.Facts{"address.asn": int64(2)})
	if d.Verdict != noren.Allow || d.Fault != "" || len(d.Shadow) != 1 || d.Shadow[0].Verdict != noren.Block {
		t.Errorf("decision %+v; a policy in shadow must only record what it would have done", d)
	}
}

// Faults are readable in the journal after a person is erased, so they may not
// repeat what was typed.
func TestFaultsHoldNoValues(t *testing.T) {
	s := mustLoad(t, file(map[string]string{"when": "int(login.user) > 5", "tests": "[{facts: {login.user: '6'}, fires: true}, {facts: {login.user: '5'}, fires: false}]"}))
	ev := &noren.Event{Kind: noren.LoginAttempt, Payload: &noren.Login{User: "hanako"}}
	if d := s.Decide(ev, nil); d.Fault != "policy p: evaluation failed" || d.Verdict != noren.StepUp {
		t.Errorf("fault %q, verdict %s", d.Fault, d.Verdict)
	}
	if e := s.Explain(ev, nil); len(e) != 1 || e[0].Err == "" {
		t.Errorf("explanation %+v does not say what went wrong", e)
	}
}

func TestDecideFactOfAnotherType(t *testing.T) {
	s := mustLoad(t, file(nil))
	d := s.Decide(&noren.Event{Kind: noren.LoginAttempt}, noren.Facts{"address.logins_failed_10m": 20})
	if d.Verdict != noren.StepUp || d.Fault == "" {
		t.Errorf("decision %+v, want the failure side", d)
	}
}

func TestOperationalKindsAreAllowed(t *testing.T) {
	s := mustLoad(t, Shipped()...)
	for _, k := range []noren.Kind{noren.SettingsChange, noren.BanChange, noren.ModeChange, noren.EmergencyEvent, noren.PlaceChange, noren.AccessOpened, noren.ClockStep, noren.UpstreamChange, noren.CertState} {
		if d := s.Decide(&noren.Event{Kind: k}, nil); d.Verdict != noren.Allow || d.Fault != "" {
			t.Errorf("%s: %+v", k, d)
		}
	}
}

// What the gateway stopped stays stopped, whatever the policies say of it.
func TestDecideKeepsWhatWasGiven(t *testing.T) {
	s := rules(t, "p http.blocked on challenge address.asn == 1")
	for cause, want := range map[noren.Cause]noren.Verdict{noren.CauseLimit: noren.Limit, noren.CauseWAF: noren.Block} {
		ev := &noren.Event{Kind: noren.HTTPBlocked, Payload: &noren.Blocked{Cause: cause}}
		if got := s.Decide(ev, nil).Verdict; got != want {
			t.Errorf("stopped by %s: %s, want %s", cause, got, want)
		}
		if got := s.Decide(ev, noren.Facts{"address.asn": int64(1)}).Verdict; got != noren.Strictest(want, noren.Challenge) {
			t.Errorf("stopped by %s, and the policy fires: %s", cause, got)
		}
	}
}

func TestDecideConcurrently(t *testing.T) {
	s := rules(t, "a order.placed on hold address.asn == 1 && order.total > 10 || address.asn == 1 && order.total == 0")
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			want, asn := noren.Allow, int64(0)
			if n%2 == 0 {
				want, asn = noren.Hold, 1
			}
			for i := range 500 {
				ev := &noren.Event{ID: "e", Kind: noren.OrderPlaced, Payload: &noren.Order{Total: noren.Yen(11 + int64(i))}}
				if got := s.Decide(ev, noren.Facts{"address.asn": asn}).Verdict; got != want {
					t.Errorf("verdict %s, want %s", got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestExplain(t *testing.T) {
	s := rules(t, "a order.placed on hold address.asn == 1 && order.total >= 0", "b order.placed off block address.asn >= 1", "c payment.attempt on limit address.asn >= 1")
	ev := &noren.Event{Kind: noren.OrderPlaced, Payload: &noren.Order{Total: noren.Yen(500)}}
	got := s.Explain(ev, noren.Facts{"address.asn": int64(2)})
	type row struct {
		Name   string
		Fired  bool
		Values []FactValue
	}
	var rows []row
	for _, e := range got {
		rows = append(rows, row{e.Name, e.Fired, e.Values})
	}
	want := []row{
		{"a", false, []FactValue{{"address.asn", int64(2)}, {"order.total", int64(500)}}},
		{"b", true, []FactValue{{"address.asn", int64(2)}}},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("explanations (-want +got):\n%s", diff)
	}
}

func TestDiff(t *testing.T) {
	a := noren.Decision{EventID: "e", Verdict: noren.Limit, Policies: "1", Reasons: []noren.Reason{reason("a", noren.Limit), reason("b", noren.Limit)}}
	if got := Diff(a, a); got != "" {
		t.Errorf("the same decision differs: %s", got)
	}
	b := noren.Decision{EventID: "e", Verdict: noren.Block, Policies: "2", Reasons: []noren.Reason{reason("b", noren.Limit), reason("c", noren.Block)},
		Shadow: []noren.Reason{reason("d", noren.Hold)}, Fault: "policy x: division by zero",
		Actions: []noren.Action{{Kind: noren.ActBan, Entity: "address", Target: "203.0.113.7", Until: at, Policy: "c"}}}
	want := `verdict limit → block; - a (limit); + c (block); + shadow d (hold); + ban address until 2026-11-21T09:00:00Z by c; fault "" → "policy x: division by zero"`
	if got := Diff(a, b); got != want {
		t.Errorf("Diff\n got %s\nwant %s", got, want)
	}
}

// TestOneFactOneRead: conditions that name the same fact share one read.
func TestOneFactOneRead(t *testing.T) {
	reads := 0
	cat := noren.NewCatalogue([]noren.Fact{{Name: "login.seen", Type: noren.Int, Read: func(*noren.Event) any { reads++; return int64(1) }}}, nil)
	var b strings.Builder
	b.WriteString("version: 1\npolicies:\n")
	for i := range 5 {
		fmt.Fprintf(&b, "  - {name: p%d, kinds: [order.placed], mode: on, when: login.seen > 0, then: hold, reason: {ja: a, en: b}, tests: [{facts: {login.seen: 1}, fires: true}, {fires: false}]}\n", i)
	}
	s, err := Load([]File{{Name: "f.yaml", Data: []byte(b.String())}}, cat)
	if err != nil {
		t.Fatal(err)
	}
	if d := s.Decide(&noren.Event{Kind: noren.OrderPlaced}, nil); len(d.Reasons) != 5 || reads != 1 {
		t.Errorf("%d policies fired after %d reads, want 5 after 1", len(d.Reasons), reads)
	}
}
