package gateway

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"noren"
)

// FuzzLineIsJSON: what is written by hand is what encoding/json writes.
func FuzzLineIsJSON(f *testing.F) {
	f.Add("お茶", "a\"b\\<&>\u2028\x7f\x00", "\xff", int64(1764230400123456), 12.345, int64(7))
	f.Add("", "", "/products/12", int64(0), 0.0, int64(0))
	f.Add("x", "\ufffd", "\t", int64(-1), 1e-9, int64(-5))
	f.Add("x", "y", "z", int64(math.MaxInt64), math.Inf(1), int64(math.MinInt64))
	f.Add("x", "y", "z", int64(253402300799999999), math.Copysign(0, -1), int64(1))
	f.Fuzz(func(t *testing.T, a, b, c string, at int64, ms float64, n int64) {
		for _, when := range []noren.Time{noren.FromMicros(at), noren.At(time.UnixMicro(at)), {Time: time.UnixMicro(at)}} {
			l := Line{At: when, Site: a, Zone: noren.Zone(b), Address: c, Country: a, Method: b, Host: c, Path: a + b, Query: b + c, Proto: c + a,
				Status: int(n), Verdict: noren.Verdict(a), Cause: b, Rule: c, Shadow: a, Score: int(n), Ticket: b, Bytes: n, Millis: ms,
				UpstreamMS: -ms, HeldMS: ms / 3, UA: c, Referer: a, JA4: b, Count: n}
			want, werr := json.Marshal(l)
			var e lineEncoder
			got, err := e.encode(&l)
			if (err == nil) != (werr == nil) || werr == nil && string(got) != string(want) {
				t.Fatalf("\n%s %v\nwant\n%s %v", got, err, want, werr)
			}
		}
	})
}

// TestEveryFieldIsWritten: a field that is added to Line must be added to its
// encoder too.
func TestEveryFieldIsWritten(t *testing.T) {
	if n := reflect.TypeFor[Line]().NumField(); n != 25 {
		t.Errorf("Line has %d fields; write the new ones in lineEncoder and FuzzLineIsJSON", n)
	}
}
