package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"noren"
)

// TopQuery asks for the most frequent values of a dimension.
type TopQuery struct {
	Log string
	Which
	Since, Until time.Time // to the hour; to the day where hours are no longer kept
	By           Dimension
	Limit        int // 10 when 0
}

// Tops are the most frequent values.
type Tops struct {
	Top     []Top     `json:"top"`     // most events first
	Entries int64     `json:"entries"` // of all values
	Events  int64     `json:"events"`
	State   RollState `json:"state"`
}

// Top is one value.
type Top struct {
	Key     string `json:"key"`
	Entries int64  `json:"entries"`
	Events  int64  `json:"events"`
}

// Tops counts the values of a dimension, those just appended included.
func (j *Journal) Tops(ctx context.Context, q TopQuery) (Tops, error) {
	out := Tops{}
	sums := map[string]*Top{}
	err := q.Which.valid()
	if err == nil && (q.Since.IsZero() || q.Until.IsZero() || !q.Since.Before(q.Until)) {
		err = noren.Errorf(noren.Invalid, "it needs a beginning and a later end")
	}
	if err == nil {
		err = j.look(ctx, q.Log, func(v *view) (err error) {
			if out.State, err = v.state(ctx); err != nil {
				return err
			}
			return v.over(ctx, &q.Which, q.By, q.Since, q.Until, func(key string, _, entries, events int64) {
				if sums[key] == nil {
					sums[key] = &Top{Key: key}
				}
				sums[key].Entries += entries
				sums[key].Events += events
			})
		})
	}
	if err != nil {
		return Tops{}, fmt.Errorf("most frequent of log %s: %w", q.Log, err)
	}
	for _, t := range sums {
		out.Top = append(out.Top, *t)
		out.Entries, out.Events = out.Entries+t.Entries, out.Events+t.Events
	}
	slices.SortFunc(out.Top, func(a, b Top) int { return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Key, b.Key)) })
	if q.Limit <= 0 {
		q.Limit = 10
	}
	out.Top = out.Top[:min(len(out.Top), q.Limit)]
	return out, nil
}

// over reads sums over whole hours, by the day where a day is whole.
func (v *view) over(ctx context.Context, w *Which, by Dimension, since, until time.Time, add func(key string, at, entries, events int64)) error {
	hour := time.Hour.Microseconds()
	from, to := hourOf(max(0, since.UnixMicro())), (max(0, until.UnixMicro())+hour-1)/hour
	first, end := (from+japan+23)/24, (to+japan)/24 // whole days
	if from < v.r.hoursFrom {
		first = dayOf(from)
		from = first*24 - japan
	}
	if to <= v.r.hoursFrom {
		end = dayOf(to - 1 + 24)
		to = end*24 - japan
	}
	type part struct {
		table, period string
		from, to      int64
	}
	parts := []part{{"journal_hours", "hour", from, to}}
	if first < end {
		parts = []part{{"journal_hours", "hour", from, first*24 - japan}, {"journal_days", "day", first, end}, {"journal_hours", "hour", end*24 - japan, to}}
	}
	for _, p := range parts {
		if p.from >= p.to {
			continue
		}
		if err := v.cells(ctx, w, by, p.table, p.period, p.from, p.to, add); err != nil {
			return err
		}
	}
	if v.tail >= v.size {
		return nil
	}
	return v.counted(ctx, w, by, StepHour, v.tail, v.size, from*hour, to*hour, add)
}
