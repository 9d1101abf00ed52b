package noren

import (
	"testing"
	"time"
)

func TestDeviceAge(t *testing.T) {
	given := time.Date(2026, 11, 27, 23, 59, 0, 0, time.UTC)
	id := DeviceID(given, "AAAAAAAAAAAAAA")
	for _, c := range []struct {
		device string
		after  time.Duration
		want   int64
	}{
		{id, 0, 0}, {id, 2 * time.Minute, 1}, {id, 396 * 24 * time.Hour, 396}, {id, -48 * time.Hour, 0},
		{"", 0, -1}, {"made-by-the-app", 0, -1}, {"20784-short", 0, -1}, {"2078x-AAAAAAAAAAAAAA", 0, -1}, {"+2078-AAAAAAAAAAAAAA", 0, -1}, {"AAAAAAAAAAAAAA", 0, -1},
	} {
		ev := &Event{At: At(given.Add(c.after)), Entities: Entities{EntityDevice: c.device}}
		if got := ev.deviceAge(); got != c.want {
			t.Errorf("%q after %s: %d, want %d", c.device, c.after, got, c.want)
		}
	}
}
