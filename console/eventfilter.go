package console

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/journal"
)

// eventFilter is what a list of events is asked for, as it stands in the address
// bar.
type eventFilter struct {
	Range        string // one of ranges, "custom" with Since or Until
	Since, Until time.Time
	Key          string // what was chosen as the kind of Typed
	Typed        string
	Exact        key
	Kind         noren.Kind
	Zone         noren.Zone
	Verdict      noren.Verdict
	Rule         string
	Cause        noren.Cause
	Words        string // looked for in opened entries
	Cursor       string
}

// timeRange is a preset.
type timeRange struct {
	Name  string
	Text  noren.Text
	Reach time.Duration // 0: everything
}

const (
	rangeCustom  = "custom"
	rangeAll     = "all"
	rangeDefault = "7d"
)

func ranges() []timeRange {
	return []timeRange{
		{"1h", noren.Text{Ja: "1時間", En: "1 hour"}, time.Hour},
		{"24h", noren.Text{Ja: "24時間", En: "24 hours"}, 24 * time.Hour},
		{"7d", noren.Text{Ja: "7日", En: "7 days"}, 7 * 24 * time.Hour},
		{"28d", noren.Text{Ja: "28日", En: "28 days"}, 28 * 24 * time.Hour},
		{rangeAll, noren.Text{Ja: "すべて", En: "all"}, 0},
	}
}

// Forms of a moment in the address bar, in Japan's time.
const (
	dayForm    = "2006-01-02"
	minuteForm = "2006-01-02T15:04"
)

// maxTyped bounds a value of the filter.
const maxTyped = 600

// readFilter reads the address. What cannot be understood is a mistake in words.
func readFilter(q url.Values, now time.Time) (f eventFilter, err error) {
	get := func(name string) string {
		s := strings.TrimSpace(q.Get(name))
		if len(s) > maxTyped && err == nil {
			err = wrong(name, "長すぎます。", "That is too long.")
		}
		return s
	}
	f = eventFilter{
		Range: get("t"), Key: get("key"), Typed: get("q"), Kind: noren.Kind(get("kind")), Zone: noren.Zone(get("zone")),
		Verdict: noren.Verdict(get("verdict")), Rule: get("rule"), Cause: noren.Cause(get("cause")), Words: get("words"), Cursor: get("cursor"),
	}
	since, until := get("since"), get("until")
	if f.Range != "" && f.Range != rangeCustom && since == get("since0") && until == get("until0") {
		since, until = "", "" // a preset was chosen beside dates that stood there before
	}
	if err != nil {
		return f, err
	}
	if err := f.choices(); err != nil {
		return f, err
	}
	if f.Exact, err = keyOf(f.Key, f.Typed); err != nil {
		return f, err
	}
	return f, f.times(since, until, now)
}

// choices refuses what no list of the form offers.
func (f *eventFilter) choices() error {
	bad := wrong("kind", "その絞り込みはありません。", "There is no such filter.")
	if f.Kind != "" {
		if _, err := f.Kind.Info(); err != nil {
			return bad
		}
	}
	if _, ok := f.Zone.Info(); f.Zone != "" && !ok {
		return bad
	}
	if f.Verdict != "" && !f.Verdict.Valid() {
		return bad
	}
	keys := []string{keyAuto, journal.FieldTicket, keyID, keyEntry}
	for _, e := range entities() {
		keys = append(keys, e.Field)
	}
	if !slices.Contains(keys, f.Key) {
		return bad
	}
	return nil
}

// times reads the range. Dates given count before a preset; a day's end is its
// midnight, a minute's its last second.
func (f *eventFilter) times(since, until string, now time.Time) error {
	if since == "" && until == "" {
		return f.preset(now)
	}
	var err error
	f.Range = rangeCustom
	if since != "" {
		if f.Since, _, err = moment("since", since); err != nil {
			return err
		}
	}
	if until != "" {
		var last time.Duration
		if f.Until, last, err = moment("until", until); err != nil {
			return err
		}
		f.Until = f.Until.Add(last)
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return wrong("until", "「まで」が「から」より前です。", "The end is before the beginning.")
	}
	return nil
}

func (f *eventFilter) preset(now time.Time) error {
	if f.Range == "" || f.Range == rangeCustom {
		f.Range = rangeDefault
		if f.Exact.Field != "" {
			f.Range = rangeAll // somebody looked for by name may have come long ago
		}
	}
	for _, r := range ranges() {
		if r.Name == f.Range {
			if r.Reach > 0 {
				f.Since = now.Add(-r.Reach)
			}
			return nil
		}
	}
	return wrong("t", "その期間はありません。", "There is no such span of time.")
}

// moment reads a day or a minute in Japan, and how long it is.
func moment(field, s string) (time.Time, time.Duration, error) {
	if t, err := time.ParseInLocation(minuteForm, s, ui.JST()); err == nil && sane(t) {
		return t, time.Minute, nil
	}
	if t, err := time.ParseInLocation(dayForm, s, ui.JST()); err == nil && sane(t) {
		return t, 24 * time.Hour, nil
	}
	return time.Time{}, 0, wrong(field, "日付が読めません。例: 2026-03-01", "That is no date. Example: 2026-03-01")
}

// sane bounds a moment to those that the record can hold.
func sane(t time.Time) bool { return t.Year() >= 2000 && t.Year() < 2200 }

// which is the public part of the filter.
func (f *eventFilter) which() (w journal.Which) {
	if f.Kind != "" {
		w.Kinds = []noren.Kind{f.Kind}
	}
	if f.Zone != "" {
		w.Zones = []noren.Zone{f.Zone}
	}
	if f.Verdict != "" {
		w.Verdicts = []noren.Verdict{f.Verdict}
	}
	if f.Rule != "" {
		w.Rules = []string{f.Rule}
	}
	if f.Cause != "" {
		w.Causes = []noren.Cause{f.Cause}
	}
	return w
}

func (f *eventFilter) query(site string) journal.SearchQuery {
	return journal.SearchQuery{Log: site, Which: f.which(), Since: f.Since, Until: f.Until, Field: f.Exact.Field, Value: f.Exact.Value, Cursor: f.Cursor}
}

// values is the filter as it stands in an address, without the place in the list.
func (f *eventFilter) values() url.Values {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Range == rangeCustom {
		set("since", f.SinceText())
		set("until", f.UntilText())
	} else {
		set("t", f.Range)
	}
	set("key", f.Key)
	set("q", f.Typed)
	set("kind", string(f.Kind))
	set("zone", string(f.Zone))
	set("verdict", string(f.Verdict))
	set("rule", f.Rule)
	set("cause", string(f.Cause))
	set("words", f.Words)
	return q
}

// SinceText and UntilText are the ends of a range of one's own, to the minute.
func (f *eventFilter) SinceText() string { return f.endText(f.Since, 0) }

// UntilText is the last minute of the range.
func (f *eventFilter) UntilText() string { return f.endText(f.Until, -time.Minute) }

func (f *eventFilter) endText(t time.Time, d time.Duration) string {
	if f.Range != rangeCustom || t.IsZero() {
		return ""
	}
	return t.Add(d).In(ui.JST()).Format(minuteForm)
}

// with is the address of the list with some values changed; "" takes one out.
func (f *eventFilter) with(pairs ...string) string {
	q := f.values()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
			continue
		}
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}

// between is the address of the same list for another span of time.
func (f *eventFilter) between(since, until time.Time) string {
	return f.with("t", "", "since", since.In(ui.JST()).Format(minuteForm), "until", until.Add(-time.Minute).In(ui.JST()).Format(minuteForm))
}

// Narrowed reports whether anything beside time is asked for.
func (f *eventFilter) Narrowed() bool {
	return f.Typed != "" || f.Words != "" || f.Kind != "" || f.Zone != "" || f.Verdict != "" || f.Rule != "" || f.Cause != ""
}
