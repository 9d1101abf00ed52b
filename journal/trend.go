package journal

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"noren"
)

// Dimension is what entries are told apart by.
type Dimension string

// Dimensions. Without one everything is a single series.
const (
	ByNothing Dimension = ""
	ByKind    Dimension = "kind"
	ByZone    Dimension = "zone"
	ByVerdict Dimension = "verdict"
	ByRule    Dimension = "rule"
	ByCause   Dimension = "cause" // what stands before the colon of the rule
)

// column is the column a dimension is read from.
func (d Dimension) column(t string) (string, error) {
	switch d {
	case ByNothing:
		return "''", nil
	case ByKind, ByZone, ByVerdict, ByRule:
		return t + "." + string(d), nil
	case ByCause:
		return t + ".rule", nil
	}
	return "", noren.Errorf(noren.Invalid, "entries are not told apart by %q", string(d))
}

// key is the value of a dimension as read from its column.
func (d Dimension) key(s string) string {
	if d == ByCause {
		s, _, _ = strings.Cut(s, ":")
	}
	return s
}

// Steps of a Trend. Days are days in Japan.
const (
	StepMinute  = time.Minute
	StepMinutes = 5 * time.Minute
	StepHour    = time.Hour
	StepDay     = 24 * time.Hour
)

// TrendQuery asks for sums over time.
type TrendQuery struct {
	Log string
	Which
	// Since is rounded down and Until up to whole steps; both must be given.
	Since, Until time.Time
	// Step is one of the steps above. Minutes are counted from the entries
	// themselves, so that a span with over 20,000 of them comes in hours; hours
	// are kept for thirteen months, so that what begins before comes in days.
	// Trend.Step says which it became.
	Step time.Duration
	By   Dimension
	// Most bounds the series, 20 when 0 and 50 at most: the rest is one series with the key
	// OtherRule.
	Most int
}

// Trend are sums over time.
type Trend struct {
	Step   time.Duration `json:"step"`
	Since  time.Time     `json:"since"`  // of the first point
	Series []Series      `json:"series"` // most events first; every series has a point for every step
	State  RollState     `json:"state"`
}

// Series are the sums of one value of the dimension.
type Series struct {
	Key     string  `json:"key"`
	Entries int64   `json:"entries"`
	Events  int64   `json:"events"` // that the entries stand for
	Points  []Point `json:"points"`
}

// Point is one step of a series.
type Point struct {
	At      time.Time `json:"at"` // its beginning
	Entries int64     `json:"entries"`
	Events  int64     `json:"events"`
}

const (
	directMost  = 20_000
	maxPoints   = 3000
	seriesMost  = 20
	seriesLimit = 50
)

// Trend sums entries up over time, those just appended included.
func (j *Journal) Trend(ctx context.Context, q TrendQuery) (Trend, error) {
	t := trender{q: q, sums: map[string]*sparse{}}
	err := t.valid()
	if err == nil {
		err = j.look(ctx, q.Log, func(v *view) error { return t.read(ctx, v) })
	}
	if err != nil {
		return Trend{}, fmt.Errorf("trend of log %s: %w", q.Log, err)
	}
	return t.out, nil
}

type trender struct {
	q     TrendQuery
	out   Trend
	first int64 // of the steps since 1970, in Japan's days for days
	n     int
	sums  map[string]*sparse
}

// sparse is a series before it is known to be shown: of thousands of rules few are.
type sparse struct {
	key             string
	entries, events int64
	points          map[int64]*cell
}

func (t *trender) valid() error {
	switch {
	case t.q.Since.IsZero() || t.q.Until.IsZero() || !t.q.Since.Before(t.q.Until):
		return noren.Errorf(noren.Invalid, "a trend needs a beginning and a later end")
	case !slices.Contains([]time.Duration{StepMinute, StepMinutes, StepHour, StepDay}, t.q.Step):
		return noren.Errorf(noren.Invalid, "a step of %s is none of a minute, five minutes, an hour, a day", t.q.Step)
	}
	if _, err := t.q.By.column("e"); err != nil {
		return err
	}
	return t.q.Which.valid()
}

// offset is what days are ahead of UTC, in microseconds.
func offset(step time.Duration) int64 {
	if step == StepDay {
		return (japan * time.Hour).Microseconds()
	}
	return 0
}

// lay sets the steps out.
func (t *trender) lay(step time.Duration) error {
	width, ahead := step.Microseconds(), offset(step)
	t.first = (max(0, t.q.Since.UnixMicro()) + ahead) / width
	n := (max(0, t.q.Until.UnixMicro())+ahead+width-1)/width - t.first
	if n > maxPoints {
		return noren.WithHint(noren.Errorf(noren.Invalid, "%d points are over the limit of %d", n, maxPoints), "ask for a shorter span or a longer step")
	}
	t.n = int(n)
	t.out.Step, t.out.Since = step, time.UnixMicro(t.first*width-ahead).UTC()
	return nil
}

// span is what is counted, in microseconds.
func (t *trender) span() (since, until int64) {
	since = t.out.Since.UnixMicro()
	return since, since + int64(t.n)*t.out.Step.Microseconds()
}

func (t *trender) read(ctx context.Context, v *view) (err error) {
	step := t.q.Step
	if err := t.lay(step); err != nil && step >= StepHour {
		return err
	}
	direct := step < StepHour && t.n > 0
	if direct {
		if direct, err = v.few(ctx, t); err != nil {
			return err
		}
	}
	if step < StepHour && !direct {
		step = StepHour
	}
	if step == StepHour && hourOf(t.q.Since.UnixMicro()) < v.r.hoursFrom {
		step = StepDay
	}
	if err := t.lay(step); err != nil {
		return err
	}
	if direct {
		err = t.entries(ctx, v, 0, v.size)
		t.out.State = RollState{Log: v.log, Entries: v.size, Rolled: v.r.high - v.r.low}
	} else {
		err = t.rolled(ctx, v)
	}
	if err == nil {
		t.finish()
	}
	return err
}

// few reports whether the entries of the span can be read themselves.
func (v *view) few(ctx context.Context, t *trender) (bool, error) {
	since, until := t.span()
	var n int64
	err := v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM (SELECT 1 AS one FROM journal_entries WHERE log = $1 AND at >= $2 AND at < $3 LIMIT $4) AS x`,
		v.log, since, until, directMost+1).Scan(&n)
	return n <= directMost, err
}

// rolled reads sums, and the newest entries beyond them.
func (t *trender) rolled(ctx context.Context, v *view) (err error) {
	if t.out.State, err = v.state(ctx); err != nil {
		return err
	}
	table, period := "journal_hours", "hour"
	if t.out.Step == StepDay {
		table, period = "journal_days", "day"
	}
	if err := v.cells(ctx, &t.q.Which, t.q.By, table, period, t.first, t.first+int64(t.n), t.add); err != nil {
		return err
	}
	if v.tail >= v.size {
		return nil
	}
	return t.entries(ctx, v, v.tail, v.size)
}

// cells reads rows of journal_hours or journal_days.
func (v *view) cells(ctx context.Context, w *Which, by Dimension, table, period string, from, to int64, add func(key string, at, entries, events int64)) error {
	column, err := by.column("g")
	if err != nil {
		return err
	}
	s := new(statement)
	if by == ByNothing && w.any() {
		s.add(`SELECT '', r.`+period+`, r.entries, r.events FROM `+table+` AS r WHERE r.log = ? AND r.grp = ? AND r.`+period+` >= ? AND r.`+period+` < ?`,
			v.log, v.r.total, from, to)
		return v.sums(ctx, s, by, add)
	}
	// Nearly every group has a rule of its own: adding up by rule would sort all rows
	// and join hardly any.
	sums, grouped := `CAST(SUM(r.entries) AS BIGINT), CAST(SUM(r.events) AS BIGINT)`, ` GROUP BY 2, 1` // sorted by number first
	if by == ByRule || by == ByCause {
		sums, grouped = `r.entries, r.events`, ``
	}
	// CROSS JOIN keeps SQLite from beginning with the rows of all groups.
	s.add(`SELECT `+column+`, r.`+period+`, `+sums+`
		FROM journal_groups AS g CROSS JOIN `+table+` AS r WHERE g.log = ? AND g.gen = ? AND g.kind <> ''`, v.log, v.r.gen)
	s.which(w, "g", "")
	s.add(` AND r.log = g.log AND r.grp = g.grp AND r.`+period+` >= ? AND r.`+period+` < ?`+grouped, from, to)
	return v.sums(ctx, s, by, add)
}

// entries counts entries from to to-1 themselves.
func (t *trender) entries(ctx context.Context, v *view, from, to int64) error {
	since, until := t.span()
	return v.counted(ctx, &t.q.Which, t.q.By, t.out.Step, from, to, since, until, t.add)
}

func (v *view) counted(ctx context.Context, w *Which, by Dimension, step time.Duration, from, to, since, until int64, add func(key string, at, entries, events int64)) error {
	column, err := by.column("e")
	if err != nil {
		return err
	}
	s := new(statement).add(fmt.Sprintf(`SELECT %s, (e.at + %d) / %d, COUNT(*), CAST(SUM(e.count) AS BIGINT) FROM journal_entries AS e`,
		column, offset(step), step.Microseconds()))
	s.add(` WHERE e.log = ?`, v.log)
	at := "e.at"
	if from > 0 || to < v.size { // else the time's index serves
		s.add(` AND e.seq >= ? AND e.seq < ?`, from, to)
		at = "(e.at + 0)" // a few numbers: SQLite would read all entries of the time instead
	}
	s.between(at, since, until).which(w, "e", "")
	return v.sums(ctx, s.add(` GROUP BY 1, 2`), by, add)
}

func (v *view) sums(ctx context.Context, s *statement, by Dimension, add func(key string, at, entries, events int64)) error {
	rows, err := v.q.QueryContext(ctx, s.String(), s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var at, entries, events int64
		if err := rows.Scan(&key, &at, &entries, &events); err != nil {
			return err
		}
		add(by.key(key), at, entries, events)
	}
	return rows.Err()
}

// add adds to one point.
func (t *trender) add(key string, at, entries, events int64) {
	i := at - t.first
	if i < 0 || i >= int64(t.n) {
		return
	}
	s := t.sums[key]
	if s == nil {
		s = &sparse{key: key, points: map[int64]*cell{}}
		t.sums[key] = s
	}
	s.entries, s.events = s.entries+entries, s.events+events
	c := into(s.points, i)
	c.entries, c.events = c.entries+entries, c.events+events
}

// series is one without events.
func (t *trender) series(key string) Series {
	s := Series{Key: key, Points: make([]Point, t.n)}
	for i := range s.Points {
		s.Points[i].At = t.out.Since.Add(time.Duration(i) * t.out.Step)
	}
	return s
}

func (s *Series) add(o *sparse) {
	s.Entries, s.Events = s.Entries+o.entries, s.Events+o.events
	for i, c := range o.points {
		s.Points[i].Entries += c.entries
		s.Points[i].Events += c.events
	}
}

// finish orders the series and joins those that are too many.
func (t *trender) finish() {
	if t.q.By == ByNothing && len(t.sums) == 0 {
		t.sums[""] = &sparse{}
	}
	all := slices.SortedFunc(maps.Values(t.sums), func(a, b *sparse) int { return cmp.Or(cmp.Compare(b.events, a.events), cmp.Compare(a.key, b.key)) })
	most := t.q.Most
	if most <= 0 {
		most = seriesMost
	}
	for i, o := range all {
		switch {
		case i < min(most, seriesLimit):
			t.out.Series = append(t.out.Series, t.series(o.key))
		case i == min(most, seriesLimit):
			t.out.Series = append(t.out.Series, t.series(OtherRule))
		}
		t.out.Series[len(t.out.Series)-1].add(o)
	}
}
