package loop

import (
	"sync"
	"time"

	"noren"
)

// alarms remembers what people were told in the running minute, so that an
// attack is one line a minute for each address and policy, and not a thousand.
type alarms struct {
	mu     sync.Mutex
	minute int64
	told   map[alarmKey]bool
}

type alarmKey struct{ site, policy, client string }

// alarmsAtMost bounds the lines of a minute.
const alarmsAtMost = 200

// first reports whether people have not been told of k in this minute.
func (a *alarms) first(k alarmKey, at time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m := at.Unix() / 60; m != a.minute || a.told == nil {
		a.minute, a.told = m, map[alarmKey]bool{}
	}
	if a.told[k] || len(a.told) >= alarmsAtMost {
		return false
	}
	a.told[k] = true
	return true
}

// alarm tells people of policies that fired and say so. It is after the record:
// whoever looks finds the entry.
func (l *Loop) alarm(ev *noren.Event, d *noren.Decision) {
	for _, r := range d.Reasons {
		if r.Alarm == "" || !l.alarms.first(alarmKey{ev.Site, r.Policy, ev.Entities[noren.EntityAddress]}, ev.At.Time) {
			continue
		}
		l.o.Log.Error(r.Text.En, "alarm", true, "severity", r.Alarm, "site", ev.Site, "policy", r.Policy, "zone", ev.Zone,
			"event", ev.ID, "address", ev.Entities[noren.EntityAddress], "ja", r.Text.Ja)
	}
}
