package lab_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/lab"
)

func TestEventsAreValidAndRepeat(t *testing.T) {
	const n = 20_000
	first := slices.Collect(lab.Events(3, n, lab.Mix{}))
	if len(first) != n {
		t.Fatalf("%d events, want %d", len(first), n)
	}
	if diff := cmp.Diff(first, slices.Collect(lab.Events(3, n, lab.Mix{}))); diff != "" {
		t.Fatalf("the same seed gives other events:\n%.2000s", diff)
	}
	if cmp.Equal(first[:100], slices.Collect(lab.Events(4, 100, lab.Mix{}))) {
		t.Error("two seeds give the same events")
	}
	attempts := map[string]noren.Kind{}
	kinds := map[noren.Kind]int{}
	for i, ev := range first {
		if err := ev.Valid(); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if i > 0 && ev.At.Before(first[i-1].At.Time) {
			t.Fatalf("event %d is earlier than the one before", i)
		}
		info, err := ev.Kind.Info()
		if err != nil {
			t.Fatal(err)
		}
		kinds[ev.Kind]++
		switch info.Half {
		case noren.Attempt:
			attempts[ev.AttemptID] = ev.Kind
		case noren.Outcome:
			if attempts[ev.AttemptID] != info.Pair {
				t.Fatalf("event %d is the outcome of no attempt before it", i)
			}
			delete(attempts, ev.AttemptID)
		}
		if ev.Entities["terminal"] == "" || ev.Site != "shop" {
			t.Fatalf("event %d has no terminal or site: %+v", i, ev)
		}
	}
	if len(attempts) > 10 {
		t.Errorf("%d attempts never had an outcome", len(attempts))
	}
	for _, k := range []noren.Kind{noren.LoginAttempt, noren.LoginOutcome, noren.PaymentAttempt, noren.PaymentOutcome, noren.OrderPlaced} {
		if kinds[k] < n/50 {
			t.Errorf("only %d events of kind %s", kinds[k], k)
		}
	}
}

func TestWrittenEventsReadBack(t *testing.T) {
	var b bytes.Buffer
	events := lab.Events(8, 500, lab.Mix{Site: "tea", Logins: 1, Payments: 1, Orders: 1, Attackers: 0.5})
	if err := lab.WriteEvents(&b, events); err != nil {
		t.Fatal(err)
	}
	var got []noren.Event
	for line := range strings.SplitSeq(strings.TrimSuffix(b.String(), "\n"), "\n") {
		var ev noren.Event
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, ev)
	}
	if diff := cmp.Diff(slices.Collect(events), got); diff != "" {
		t.Errorf("events read back differ (-written +read):\n%.2000s", diff)
	}
}

// Replay is measured with these events; making them must not be what is measured.
func BenchmarkEvents(b *testing.B) {
	n := 0
	for range lab.Events(1, b.N, lab.Mix{}) {
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
