package notify

import (
	_ "embed"
	"fmt"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"noren"
	"noren/yamlfile"
)

//go:embed shipped.yaml
var shippedYAML []byte

// ShippedFile is the text a new instance begins with: nobody is told.
func ShippedFile() []byte { return slices.Clone(shippedYAML) }

// Rules are notify.yaml: who is told of what, when, and who is next.
type Rules struct {
	Version   int           `yaml:"version"`
	Console   string        `yaml:"console"` // https address of the console, for links; may be ""
	Receivers []Receiver    `yaml:"receivers"`
	To        bySeverity    `yaml:"tell"`
	Escalate  []string      `yaml:"escalate"` // one receiver a step
	Digest    []string      `yaml:"digest"`
	Within    time.Duration `yaml:"acknowledge_within"`
	Group     time.Duration `yaml:"group"`
	PerHour   int           `yaml:"per_hour"`
	Quiet     Quiet         `yaml:"quiet"`
}

// Receiver is a person or a place where people look.
type Receiver struct {
	Name     string `yaml:"name" json:"name"`
	Mail     string `yaml:"mail" json:"mail,omitempty" personal:"mail address of staff"`
	Hook     string `yaml:"hook" json:"hook,omitempty"`         // name of one in noren.yaml
	Language string `yaml:"language" json:"language,omitempty"` // ja when ""
}

type bySeverity struct {
	Low    []string `yaml:"low"`
	Middle []string `yaml:"middle"`
	High   []string `yaml:"high"`
}

// Quiet are the hours in which low notices wait; in Japan, where the shop's people
// are. From after To is over midnight; the same twice is never.
type Quiet struct {
	From Clock `yaml:"from"`
	To   Clock `yaml:"to"`
}

// Clock is a time of day in minutes.
type Clock int

// UnmarshalText reads 7:00 and 22:00.
func (c *Clock) UnmarshalText(b []byte) error {
	t, err := time.Parse("15:04", string(b))
	if err != nil {
		return noren.Errorf(noren.Invalid, "%q is not a time of day such as \"22:00\"", b)
	}
	*c = Clock(t.Hour()*60 + t.Minute())
	return nil
}

// Bounds of the rules.
const (
	maxReceivers = 50
	maxPerHour   = 1000
)

// Parse reads notify.yaml; every fault is reported, with its line. Whether
// noren.yaml has the hooks it names is for the caller to see.
func Parse(name string, data []byte) (*Rules, error) {
	r := defaults()
	doc, err := yamlfile.Decode(name, data, r)
	errs := []error{err, doc.CheckVersion(1)}
	fault := func(at []any, format string, args ...any) {
		errs = append(errs, doc.Fault(fmt.Sprintf(format, args...), at...))
	}
	r.checkReceivers(fault)
	r.checkLists(fault)
	r.checkBounds(fault)
	if err := yamlfile.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

func defaults() *Rules {
	return &Rules{Within: 15 * time.Minute, Group: time.Hour, PerHour: 20, Quiet: Quiet{From: 22 * 60, To: 7 * 60}}
}

type faultFunc func(at []any, format string, args ...any)

func (r *Rules) checkReceivers(fault faultFunc) {
	if len(r.Receivers) > maxReceivers {
		fault([]any{"receivers"}, "%d receivers are over %d", len(r.Receivers), maxReceivers)
	}
	seen := map[string]bool{}
	for i := range r.Receivers {
		x, at := &r.Receivers[i], []any{"receivers", i}
		if !noren.ValidName(x.Name) {
			fault(at, "receiver name %q is not lower-case letters, digits, _ and -", x.Name)
		}
		if seen[x.Name] {
			fault(at, "receiver %s stands twice", x.Name)
		}
		seen[x.Name] = true
		if x.Mail == "" && x.Hook == "" {
			fault(at, "receiver %s needs mail, hook or both", x.Name)
		}
		if x.Mail != "" && !validMail(x.Mail) {
			fault(append(at, "mail"), "%q is not a mail address such as owner@shop.example.jp", CleanLine(x.Mail, 100))
		}
		if x.Hook != "" && !noren.ValidName(x.Hook) {
			fault(append(at, "hook"), "hook %q is no name of one in noren.yaml: its address is a secret and stands there", CleanLine(x.Hook, 100))
		}
		if x.Language != "" && x.Language != "ja" && x.Language != "en" {
			fault(append(at, "language"), "language %q is neither ja nor en", CleanLine(x.Language, 100))
		}
	}
}

func (r *Rules) checkLists(fault faultFunc) {
	for _, l := range []struct {
		at    []any
		names []string
	}{
		{[]any{"tell", "low"}, r.To.Low}, {[]any{"tell", "middle"}, r.To.Middle}, {[]any{"tell", "high"}, r.To.High},
		{[]any{"escalate"}, r.Escalate}, {[]any{"digest"}, r.Digest},
	} {
		for i, name := range l.names {
			if r.receiver(name) == nil {
				fault(append(l.at, i), "there is no receiver %q above", CleanLine(name, 100))
			}
		}
	}
	if len(r.Escalate) > 0 && len(r.To.High) == 0 {
		fault([]any{"escalate"}, "escalate follows tell: high, which names nobody")
	}
}

func (r *Rules) checkBounds(fault faultFunc) {
	if r.Within < time.Minute || r.Within > 24*time.Hour {
		fault([]any{"acknowledge_within"}, "acknowledge_within must be from 1m to 24h")
	}
	if r.Group < time.Minute || r.Group > 24*time.Hour {
		fault([]any{"group"}, "group must be from 1m to 24h")
	}
	if r.PerHour < 1 || r.PerHour > maxPerHour {
		fault([]any{"per_hour"}, "per_hour must be from 1 to %d", maxPerHour)
	}
	if r.Console != "" && !validConsole(r.Console) {
		fault([]any{"console"}, "%q is not an https:// address without path, such as https://console.example.jp", CleanLine(r.Console, 100))
	}
}

func validMail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && !strings.ContainsAny(s, "\r\n\"<>, ")
}

func validConsole(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	local := u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost" || u.Hostname() == "::1"
	return u.Scheme == "https" || u.Scheme == "http" && local
}

func (r *Rules) receiver(name string) *Receiver {
	for i := range r.Receivers {
		if r.Receivers[i].Name == name {
			return &r.Receivers[i]
		}
	}
	return nil
}

// told are the receivers of a severity.
func (r *Rules) told(s Severity) []string {
	switch s {
	case High:
		return r.To.High
	case Middle:
		return r.To.Middle
	}
	return r.To.Low
}

// Untold are the severities of which nobody is told: what `noren check` names.
func (r *Rules) Untold() (out []Severity) {
	for _, s := range Severities() {
		if len(r.told(s)) == 0 {
			out = append(out, s)
		}
	}
	return out
}

// channels are the ways a receiver is told.
func (x *Receiver) channels() (out []string) {
	if x.Mail != "" {
		out = append(out, byMail)
	}
	if x.Hook != "" {
		out = append(out, byHook)
	}
	return out
}

// lang is the language a receiver reads.
func (x *Receiver) lang() string {
	if x.Language == "" {
		return "ja"
	}
	return x.Language
}

// due is when a notice of a severity may leave that comes at t.
func (r *Rules) due(s Severity, t time.Time) time.Time {
	switch {
	case s == High:
		return t
	case s == Low:
		return r.Quiet.end(t.Add(patience))
	}
	return t.Add(patience)
}

// patience is how long a notice that is not high waits for more of its kind.
const patience = 30 * time.Second

// end is t, or the end of the quiet hours t is in.
func (q *Quiet) end(t time.Time) time.Time {
	j := t.In(japan())
	at := Clock(j.Hour()*60 + j.Minute())
	inside := at >= q.From && at < q.To
	if q.From > q.To {
		inside = at >= q.From || at < q.To
	}
	if !inside {
		return t
	}
	end := time.Date(j.Year(), j.Month(), j.Day(), int(q.To)/60, int(q.To)%60, 0, 0, j.Location())
	if !end.After(t) {
		end = end.AddDate(0, 0, 1)
	}
	return end
}

func japan() *time.Location { return time.FixedZone("JST", 9*60*60) }
