// Package exclusion is what a shop's people take out of the firewall where it
// stopped a customer: certain rules, at certain fields of one page, until a day.
//
// It is pure. An Exclusion can say nothing wide: it names a rule by its number, a
// field by its name, a page by its path and a zone, and it ends within 90 days.
// The rules that add up what was found, and those that refuse what cannot be read,
// cannot be named at all.
package exclusion

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"noren"
)

// Exclusion lets some fields of one page go without some rules of the firewall. It
// is of the site in whose file it stands.
type Exclusion struct {
	ID      string     `yaml:"id" json:"id"`
	Path    string     `yaml:"path" json:"path"` // see ValidPath
	Zone    noren.Zone `yaml:"zone" json:"zone"`
	Targets []Target   `yaml:"targets" json:"targets"`
	Event   string     `yaml:"event" json:"event"` // that it was made from
	Reason  string     `yaml:"reason" json:"reason"`
	// Who asked for it and who approved it. Without an approval it does nothing.
	AskedBy    string `yaml:"asked_by" json:"asked_by"`
	AskedAt    Time   `yaml:"asked_at" json:"asked_at"`
	ApprovedBy string `yaml:"approved_by" json:"approved_by,omitempty"`
	ApprovedAt Time   `yaml:"approved_at" json:"approved_at,omitzero"`
	Until      Time   `yaml:"until" json:"until"`
	// Tried is what was seen before it was asked for, so that who approves need not
	// believe.
	Tried Tried `yaml:"tried" json:"tried,omitzero"`
}

// Tried is how an exclusion did on the kept samples and on the site's own record.
type Tried struct {
	At       Time  `yaml:"at" json:"at"`
	Attacks  int64 `yaml:"attacks" json:"attacks"`   // kept attacks, each written into each field
	Opened   int64 `yaml:"opened" json:"opened"`     // of those, how many would pass that were stopped
	Benign   int64 `yaml:"benign" json:"benign"`     // kept honest lines
	Saved    int64 `yaml:"saved" json:"saved"`       // of those, how many would pass that were stopped
	Events   int64 `yaml:"events" json:"events"`     // stopped requests of 30 days that would pass
	Visitors int64 `yaml:"visitors" json:"visitors"` // who sent them
	Buyers   int64 `yaml:"buyers" json:"buyers"`     // of those, who bought or signed in
}

// Target is one rule at one field, both as the journal names them: 942100 at
// ARGS:note.
type Target struct {
	Rule  int    `yaml:"rule" json:"rule"`
	Field string `yaml:"field" json:"field"`
}

func (t Target) String() string { return fmt.Sprintf("%d %s", t.Rule, t.Field) }

// Split is the collection and the name within it; the name is "" for what has none.
func (t Target) Split() (collection, name string) {
	collection, name, _ = strings.Cut(t.Field, ":")
	return collection, name
}

// Time is a moment as it stands in the file: 2026-12-24T09:00:00Z.
type Time struct{ time.Time }

// UnmarshalText reads RFC 3339.
func (t *Time) UnmarshalText(b []byte) error {
	at, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return noren.Say(noren.Invalid, noren.Textf("%q は 2026-12-24T09:00:00Z のような日時ではありません", "%q is not a time such as 2026-12-24T09:00:00Z", cut(string(b))))
	}
	t.Time = at.UTC()
	return nil
}

// MarshalText writes RFC 3339, in UTC.
func (t Time) MarshalText() ([]byte, error) {
	return []byte(t.UTC().Truncate(time.Second).Format(time.RFC3339)), nil
}

// At is t to the second, as the file keeps it.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Second)} }

// Bounds of an exclusion.
const (
	Longest    = 90 * 24 * time.Hour
	MaxTargets = 8
	maxPath    = 200
	maxName    = 80 // runes of a field's name, as the journal keeps them
	maxWords   = 1500
)

// State is what an exclusion does at a moment.
type State string

// States.
const (
	Waiting State = "waiting" // for its approval
	InForce State = "in_force"
	Ended   State = "ended"
)

// State is what x does at a moment.
func (x *Exclusion) State(now time.Time) State {
	switch {
	case !now.Before(x.Until.Time):
		return Ended
	case x.ApprovedBy == "":
		return Waiting
	}
	return InForce
}

// Valid reports everything that is wrong with x.
func (x *Exclusion) Valid() error {
	errs := []error{ValidPath(x.Path)}
	bad := func(ja, en string, args ...any) {
		errs = append(errs, noren.Say(noren.Invalid, noren.Textf(ja, en, args...)))
	}
	if _, ok := x.Zone.Info(); !ok {
		bad("ゾーン %q はありません", "there is no zone %q", cut(string(x.Zone)))
	}
	if len(x.Targets) == 0 || len(x.Targets) > MaxTargets {
		bad("検査から外す規則と欄は、1個から%d個までです", "an exclusion names 1 to %d rules and fields", MaxTargets)
	}
	for i, t := range x.Targets {
		errs = append(errs, t.Valid())
		if slices.Contains(x.Targets[:i], t) {
			bad("規則 %d と欄 %q が二度書かれています", "rule %d at %q stands twice", t.Rule, cut(t.Field))
		}
	}
	for what, words := range map[string]string{"id": x.ID, "event": x.Event, "asked_by": x.AskedBy} {
		if words == "" || !plain(words, 64) {
			bad("%s がないか、読めません", "%s is missing or cannot be read", what)
		}
	}
	if !plain(x.ApprovedBy, 64) {
		bad("approved_by が読めません", "approved_by cannot be read")
	}
	if strings.TrimSpace(x.Reason) == "" || len(x.Reason) > maxWords || !utf8.ValidString(x.Reason) {
		bad("理由がないか、長すぎます", "the reason is missing or too long")
	}
	return errors.Join(append(errs, x.validTimes())...)
}

// validTimes holds that x ends, soon enough, and that an approval is whole.
func (x *Exclusion) validTimes() error {
	say := func(ja, en string) error { return noren.Say(noren.Invalid, noren.Text{Ja: ja, En: en}) }
	for _, t := range []Time{x.AskedAt, x.ApprovedAt, x.Until} {
		if !t.IsZero() && (t.Year() < 2000 || t.Year() > 9000) {
			return say("日時がおかしいようです", "a time is out of range")
		}
	}
	switch {
	case x.AskedAt.IsZero() || x.Until.IsZero():
		return say("asked_at（いつ）と until（いつまで）が要ります", "asked_at and until are needed: an exclusion has an end")
	case !x.Until.After(x.AskedAt.Time) || x.Until.Sub(x.AskedAt.Time) > Longest:
		return say("期限は、頼んだ日から90日以内にしてください", "an exclusion ends within 90 days of being asked for")
	case (x.ApprovedBy == "") != x.ApprovedAt.IsZero():
		return say("approved_by と approved_at は、両方書くか、両方書かないでください", "approved_by and approved_at go together")
	case !x.ApprovedAt.IsZero() && x.ApprovedAt.Before(x.AskedAt.Time):
		return say("承認の日時が、頼んだ日時より前です", "it was approved before it was asked for")
	}
	return nil
}

// plain reports text of one line, of at most n bytes.
func plain(s string, n int) bool {
	return len(s) <= n && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' })
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
