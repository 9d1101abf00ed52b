package noren

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEventIsReadStrictly(t *testing.T) {
	tests := []struct{ name, in, wantErr string }{
		{"smallest", `{"kind":"http.request","at":"2026-11-21T00:00:00Z"}`, ""},
		{"declared entity", `{"kind":"payment.attempt","at":"2026-11-21T00:00:00Z","entities":{"terminal":"T17"},"payload":{"amount":{"minor":980,"currency":"JPY"}}}`, ""},
		{"IPv6 with zone of the shop", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","zone":"login","entities":{"address":"2001:db8::1"}}`, ""},
		{"unknown field", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","atack":1}`, `unknown field "atack"`},
		{"unknown payload field", `{"kind":"account.login.attempt","at":"2026-11-21T00:00:00Z","payload":{"password":"x"}}`, `unknown field "password"`},
		{"unknown kind", `{"kind":"http.requset","at":"2026-11-21T00:00:00Z"}`, "unknown event kind"},
		{"unknown zone", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","zone":"attic"}`, `unknown zone "attic"`},
		{"no time", `{"kind":"http.request"}`, "missing or not in the years"},
		{"far future", `{"kind":"http.request","at":"9999-11-21T00:00:00Z"}`, "missing or not in the years"},
		{"bad address", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","entities":{"address":"1.2.3"}}`, "not an IP address"},
		{"card number as card", `{"kind":"payment.attempt","at":"2026-11-21T00:00:00Z","entities":{"card":"4111111111111111"},"payload":{"amount":{"minor":1,"currency":"JPY"}}}`, "holds a card number"},
		{"currency", `{"kind":"order.placed","at":"2026-11-21T00:00:00Z","payload":{"number":"1","total":{"minor":1,"currency":"yen"}}}`, "not an ISO 4217 code"},
		{"entity name", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","entities":{"Terminal":"1"}}`, "is not lower-case"},
		{"long entity", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","entities":{"account":"` + strings.Repeat("a", 600) + `"}}`, "longer than"},
		{"two values", `{"kind":"http.request","at":"2026-11-21T00:00:00Z"} {}`, "invalid character"},
		{"not JSON", `kind=http.request`, "invalid character"},
		{"gigantic", `{"kind":"http.request","at":"2026-11-21T00:00:00Z","id":"` + strings.Repeat("a", MaxEventBytes) + `"}`, "over the limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e Event
			err := json.Unmarshal([]byte(tt.in), &e)
			if tt.wantErr == "" && err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			if tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)) {
				t.Fatalf("got %v, want an error with %q", err, tt.wantErr)
			}
		})
	}
}

// FuzzEvent holds that whatever is accepted survives a round trip unchanged.
func FuzzEvent(f *testing.F) {
	for _, k := range Kinds() {
		b, err := json.Marshal(Event{Kind: k.Kind, At: FromMicros(1763683200000000), Site: "shop", Entities: Entities{"account": "a", "address": "192.0.2.1"}, Payload: k.NewPayload()})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e Event
		if e.UnmarshalJSON(b) != nil {
			return
		}
		out, err := json.Marshal(e)
		if err != nil {
			t.Fatalf("accepted but not writable: %v", err)
		}
		var again Event
		if err := json.Unmarshal(out, &again); err != nil {
			if len(out) > MaxEventBytes { // escaping may lengthen what was just within the limit
				return
			}
			t.Fatalf("written but not readable: %v\n%s", err, out)
		}
		if !reflect.DeepEqual(normal(e), normal(again)) {
			t.Fatalf("round trip differs: %s", cmp.Diff(normal(e), normal(again)))
		}
	})
}

// normal takes away the difference between an absent and an empty map.
func normal(e Event) string {
	b, _ := json.Marshal(e)
	return string(b)
}

func TestEveryKindIsDeclaredInFull(t *testing.T) {
	for _, k := range Kinds() {
		if k.Meaning.Ja == "" || k.Meaning.En == "" || k.Deadline <= 0 || k.Side == "" || k.Recording == "" || k.NewPayload() == nil {
			t.Errorf("%s is not declared in full: %+v", k.Kind, k)
		}
		if k.Pair == "" {
			continue
		}
		pair, err := k.Pair.Info()
		if err != nil || pair.Pair != k.Kind || pair.Half == k.Half {
			t.Errorf("%s and its other half %s do not fit", k.Kind, k.Pair)
		}
	}
}

func TestFactsKeepTheirTypes(t *testing.T) {
	want := Facts{"a": int64(1), "b": 1.0, "c": 0.1 + 0.2, "d": true, "e": "ー", "f": []string{"x", "y"}, "g": int64(-1 << 60), "h": 1e300}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Facts
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts changed on the way (-want +got):\n%s", diff)
	}
	again, _ := json.Marshal(got)
	if string(again) != string(b) {
		t.Errorf("got %s, want the same bytes %s", again, b)
	}
}

func TestIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	prev := ""
	for i := range 1000 {
		id := NewID(at.Add(time.Duration(i) * time.Millisecond))
		if len(id) != 26 || id <= prev {
			t.Fatalf("id %q after %q: want 26 characters, growing", id, prev)
		}
		prev = id
	}
	if tk := NewTicket(); !ValidTicket(tk) {
		t.Errorf("ticket %q is not valid", tk)
	}
	if ValidTicket("AAAAA-OOOOO") || ValidTicket("") || ValidTicket("<script>x-y") {
		t.Error("a ticket of wrong shape is accepted")
	}
}

func TestUnknownFactSuggests(t *testing.T) {
	c := NewCatalogue(EventFacts(), []Family{EntityFacts()})
	_, err := c.Lookup("reqest.path")
	if err == nil || !strings.Contains(err.Error(), `did you mean "request.path"`) {
		t.Errorf("got %v, want a suggestion", err)
	}
	f, err := c.Lookup("entity.terminal")
	if err != nil || f.Type != Str {
		t.Errorf("declared entity: got %v, %v", f, err)
	}
}

func TestErrorsCarryCodeAndHint(t *testing.T) {
	err := WithHint(Errorf(NotFound, "open %s: %w", "x.db", errTest), "Create it with: noren serve")
	if got := HintOf(fmt.Errorf("start: %w", errors.Join(errTest, fmt.Errorf("read: %w", err)))); got != "Create it with: noren serve" {
		t.Errorf("hint among joined errors: %q", got)
	}
	if CodeOf(err) != NotFound || HintOf(err) != "Create it with: noren serve" || !strings.Contains(err.Error(), "open x.db: test") {
		t.Errorf("got code %q, hint %q, text %q", CodeOf(err), HintOf(err), err)
	}
	if CodeOf(nil) != "" || CodeOf(errTest) != Internal {
		t.Error("codes of nil and of foreign errors are wrong")
	}
}

type testError struct{}

func (testError) Error() string { return "test" }

var errTest = testError{}

func TestZonesHaveOneStrictness(t *testing.T) {
	seen := map[int]Zone{}
	for _, z := range Zones() {
		if other, dup := seen[z.Strict]; dup {
			t.Errorf("%s and %s are equally strict; then the strictest view is undefined", z.Zone, other)
		}
		seen[z.Strict] = z.Zone
	}
	if got := Stricter(ZoneLogin, ZoneForbidden); got != ZoneForbidden {
		t.Errorf("got %s, want the forbidden zone", got)
	}
	if got := Stricter("attic", ZoneCart); got != ZoneCart {
		t.Errorf("got %s, want the zone that exists", got)
	}
}
