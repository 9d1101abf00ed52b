package console

import (
	"context"
	"time"

	"noren"
	"noren/console/ui"
	"noren/journal"
)

// chartBars is how many bars a timeline has at most; wider spans get wider bars.
const chartBars = 60

// widths are those that a bar may have, with the step its sums are asked for in. No
// bar is made of more than three hours' sums: over a month of hours of every group
// would be added up for it, which takes longer than the rest of the page.
var widths = [...]struct{ bar, step time.Duration }{
	{time.Minute, journal.StepMinute}, {5 * time.Minute, journal.StepMinutes}, {10 * time.Minute, journal.StepMinutes}, {30 * time.Minute, journal.StepMinutes},
	{time.Hour, journal.StepHour}, {3 * time.Hour, journal.StepHour},
	{24 * time.Hour, journal.StepDay}, {7 * 24 * time.Hour, journal.StepDay}, {28 * 24 * time.Hour, journal.StepDay},
}

// widthFor is the narrowest bar with which a span has no more than chartBars.
func widthFor(span time.Duration) (bar, step time.Duration) {
	for _, w := range widths {
		if span <= chartBars*w.bar {
			return w.bar, w.step
		}
	}
	last := widths[len(widths)-1]
	return last.bar, last.step
}

// chartParts is how many causes or kinds a bar tells apart; the rest is one part.
const chartParts = 5

// chartReach is how far a timeline without a beginning goes back.
const chartReach = 365 * 24 * time.Hour

// timeline draws what the filter's public part finds. With an exact key or words
// there is none: nobody counts those beforehand.
func (c *Console) timeline(ctx context.Context, site string, f *eventFilter, now time.Time) (*ui.Stack, error) {
	if f.Exact.Field != "" || f.Words != "" {
		return nil, nil
	}
	until := f.Until
	if until.IsZero() || until.After(now) {
		until = now
	}
	since := f.Since
	if since.IsZero() {
		since = until.Add(-chartReach)
	}
	if !since.Before(until) {
		return nil, nil
	}
	bar, step := widthFor(until.Sub(since))
	since = floorTo(since, bar)
	by := journal.ByKind
	if f.Kind == noren.HTTPBlocked || f.Cause != "" {
		by = journal.ByCause
	}
	t, err := c.o.Journal.Trend(ctx, journal.TrendQuery{Log: site, Which: f.which(), Since: since, Until: until, Step: step, By: by, Most: chartParts})
	if err != nil {
		return nil, err
	}
	return f.stack(&t, by, max(bar, t.Step)), nil
}

// floorTo rounds down to a whole bar, as people count them in Japan.
func floorTo(t time.Time, bar time.Duration) time.Time {
	_, ahead := t.In(ui.JST()).Zone()
	at := t.Add(time.Duration(ahead) * time.Second)
	return at.Truncate(bar).Add(-time.Duration(ahead) * time.Second)
}

// stack joins the points of a trend into bars.
func (f *eventFilter) stack(t *journal.Trend, by journal.Dimension, bar time.Duration) *ui.Stack {
	s := &ui.Stack{Title: noren.Text{Ja: "できごとの数", En: "Events"}, Unit: noren.Text{Ja: "件", En: " events"}, Page: f.with("t", "", "since", "", "until", ""), Skip: "#list"}
	for _, series := range t.Series {
		s.Parts = append(s.Parts, f.part(&series, by))
	}
	if len(t.Series) == 0 {
		return s
	}
	per := max(1, int(bar/t.Step))
	points := len(t.Series[0].Points)
	for i := 0; i < points; i += per {
		at := t.Series[0].Points[i].At
		b := ui.StackBar{Label: barLabel(at, bar), Axis: axisLabel(at, bar), Link: f.between(at, at.Add(bar)), Since: at.In(ui.JST()).Format(minuteForm),
			Last: at.Add(bar - time.Minute).In(ui.JST()).Format(minuteForm), N: make([]int64, len(t.Series))}
		for j := range t.Series {
			for k := i; k < min(i+per, points); k++ {
				b.N[j] += t.Series[j].Points[k].Events
			}
		}
		s.Bars = append(s.Bars, b)
	}
	return s
}

// part is one series in words, leading to itself alone.
func (f *eventFilter) part(s *journal.Series, by journal.Dimension) ui.Part {
	switch {
	case s.Key == journal.OtherRule:
		return ui.Part{Name: noren.Text{Ja: "ほか", En: "others"}, N: s.Events}
	case by == journal.ByCause && s.Key == "":
		return ui.Part{Name: noren.Text{Ja: "理由なし", En: "no cause"}, N: s.Events}
	case by == journal.ByCause:
		return ui.Part{Name: causeOf(noren.Cause(s.Key)).Name, N: s.Events, Link: f.with("cause", s.Key)}
	}
	return ui.Part{Name: kindName(noren.Kind(s.Key)), N: s.Events, Link: f.with("kind", s.Key)}
}

// axisLabel is what stands under a bar: the day alone when bars are hours wide.
func axisLabel(at time.Time, bar time.Duration) string {
	if bar >= 3*time.Hour {
		return at.In(ui.JST()).Format("1/2")
	}
	return at.In(ui.JST()).Format("15:04")
}

func barLabel(at time.Time, bar time.Duration) string {
	at = at.In(ui.JST())
	switch {
	case bar >= 24*time.Hour:
		return at.Format("1/2")
	case bar >= time.Hour:
		return at.Format("1/2 15:00")
	}
	return at.Format("15:04")
}
