package orient

import (
	"testing"

	"noren"
)

// A policy may ask for request rates of a party that the event does not have:
// they are zero. (A sign-in without a session cookie once panicked.)
func TestRatesOfAPartyTheEventLacks(t *testing.T) {
	o, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ev := &noren.Event{ID: "e", Kind: noren.LoginAttempt, At: noren.FromMicros(1763683200000000), Site: "shop",
		Entities: noren.Entities{"address": "203.0.113.7"}, Payload: &noren.Login{}}
	obs, err := o.Observe(t.Context(), ev, []string{"session.requests_1m"})
	if err != nil || obs.Facts["session.requests_1m"] != int64(0) {
		t.Errorf("got %v, %v; want a rate of 0", obs.Facts, err)
	}
}
