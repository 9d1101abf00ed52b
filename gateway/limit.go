package gateway

import (
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/yamlfile"
)

//go:embed limits.yaml
var limitsYAML []byte

// Limit bounds the rate of requests to some zones.
type Limit struct {
	Name    string       `yaml:"name" json:"name"`
	Zones   []noren.Zone `yaml:"zones" json:"zones,omitempty"`     // nil: every zone
	Methods []string     `yaml:"methods" json:"methods,omitempty"` // nil: every method
	By      By           `yaml:"by" json:"by"`
	Rate    Rate         `yaml:"rate" json:"rate"`
	Burst   int          `yaml:"burst" json:"burst,omitempty"`
	Then    Steps        `yaml:"then" json:"then,omitempty"` // nil: wait
}

// Rate is a number of events in a time, written 10/1m.
type Rate struct {
	Events int
	Per    time.Duration
}

// UnmarshalText reads "10/1m".
func (r *Rate) UnmarshalText(b []byte) error {
	events, per, ok := strings.Cut(string(b), "/")
	n, err := strconv.Atoi(strings.TrimSpace(events))
	if !ok || err != nil || n < 1 || n > 1_000_000 {
		return noren.Say(noren.Invalid, noren.Textf("%q は 10/1m（1分に10回）のような速さではありません", "%q is not a rate such as 10/1m", b))
	}
	d, err := yamlfile.ParseDuration(strings.TrimSpace(per))
	if err != nil || d < time.Second || d > 24*time.Hour {
		return noren.Say(noren.Invalid, noren.Textf("%q は 10/1m（1分に10回）のような速さではありません。時間は 1s から 24h です", "%q is not a rate such as 10/1m, over 1s to 24h", b))
	}
	*r = Rate{n, d}
	return nil
}

// MarshalText writes "10/1m0s".
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rate) String() string { return strconv.Itoa(r.Events) + "/" + r.Per.String() }

type limitFile struct {
	Version int     `yaml:"version"`
	Limits  []Limit `yaml:"limits"`
}

// maxFill is how long a bucket may take to fill again: what the shared state can
// count (kv), and longer than anybody remembers.
const maxFill = 366 * 24 * time.Hour

// maxLimits bounds what one request asks of the shared state.
const maxLimits = 100

// ParseLimits reads a file of limits. Every fault is reported, with its line.
func ParseLimits(name string, data []byte) ([]Limit, error) {
	var f limitFile
	doc, err := yamlfile.Decode(name, data, &f)
	errs := []error{err, doc.CheckVersion(1)}
	seen := map[string]bool{}
	for i := range f.Limits {
		l := &f.Limits[i]
		if err := l.Valid(); err != nil {
			errs = append(errs, doc.Say(yamlfile.Words(err), "limits", i))
		}
		if seen[l.Name] {
			errs = append(errs, doc.Say(noren.Textf("上限 %s が二度書かれています", "limit %s stands twice", l.Name), "limits", i))
		}
		seen[l.Name] = true
	}
	if len(f.Limits) > maxLimits {
		errs = append(errs, doc.Say(noren.Textf("上限が %d 個あります。置けるのは %d 個までです", "%d limits are over %d", len(f.Limits), maxLimits), "limits"))
	}
	if err := yamlfile.Join(errs...); err != nil {
		return nil, err
	}
	return f.Limits, nil
}

// ShippedLimits are the limits in force when a site's settings have none.
func ShippedLimits() ([]Limit, error) { return ParseLimits("limits.yaml", limitsYAML) }

// ShippedLimitsFile is the text of the shipped limits, to start one's own from.
func ShippedLimitsFile() []byte { return slices.Clone(limitsYAML) }

// Valid reports everything that is wrong with l, joined.
func (l *Limit) Valid() error {
	var errs []error
	fault := func(ja, en string, args ...any) {
		errs = append(errs, noren.Say(noren.Invalid, noren.Textf(ja, en, args...)))
	}
	if !noren.ValidName(l.Name) {
		fault("上限の名前 %q は使えません。小文字・数字・_・- で書いてください", "limit name %q is not lower-case letters, digits, _ and -", l.Name)
	}
	for _, z := range l.Zones {
		if _, ok := z.Info(); !ok {
			fault("場所 %q はありません", "unknown zone %q", z)
		}
	}
	for _, m := range l.Methods {
		if !validMethod(m) {
			fault("%q は大文字の方法（GET・POST など）ではありません", "%q is not a method in capital letters", m)
		}
	}
	if err := l.By.valid(); err != nil {
		errs = append(errs, err)
	}
	if l.Rate.Events == 0 {
		fault("上限 %s に速さ（rate）がありません", "limit %s has no rate", l.Name)
	}
	if l.Burst < 0 || l.Burst > 1_000_000 {
		fault("burst の %d は大きすぎるか小さすぎます", "burst %d is out of range", l.Burst)
	}
	errs = append(errs, l.validSteps()...)
	if deep := l.deep(); l.Rate.Events > 0 && l.Burst >= 0 && deep.Capacity() > maxFill.Microseconds()/deep.Interval() {
		fault("上限 %s は、元に戻るのに %s より長くかかります。burst を小さくするか、段（then）を減らしてください", "limit %s takes %s to fill again and more; lower burst or leave out answers", l.Name, maxFill)
	}
	return errors.Join(errs...)
}

// applies reports whether l counts a request of this zone and method.
func (l *Limit) applies(z noren.Zone, method string) bool {
	return (len(l.Zones) == 0 || slices.Contains(l.Zones, z)) && (len(l.Methods) == 0 || slices.Contains(l.Methods, method))
}
