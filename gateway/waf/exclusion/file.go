package exclusion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"noren"
	"noren/yamlfile"
)

// Most is how many exclusions a site may have. Whoever needs more has a rule that
// does not fit the shop, and should say so to us.
const Most = 200

// file is exclusions.yaml of a site.
type file struct {
	Version    int         `yaml:"version"`
	Exclusions []Exclusion `yaml:"exclusions"`
}

// Parse reads a site's exclusions. Every fault is reported, with its line.
func Parse(name string, data []byte) ([]Exclusion, error) {
	var f file
	doc, err := yamlfile.Decode(name, data, &f)
	errs := []error{err, doc.CheckVersion(1)}
	seen := map[string]bool{}
	for i := range f.Exclusions {
		x := &f.Exclusions[i]
		if err := x.Valid(); err != nil {
			errs = append(errs, doc.Say(yamlfile.Words(err), "exclusions", i))
		}
		if seen[x.ID] {
			errs = append(errs, doc.Say(noren.Textf("%s が二度書かれています", "%s stands twice", cut(x.ID)), "exclusions", i))
		}
		seen[x.ID] = true
	}
	if len(f.Exclusions) > Most {
		errs = append(errs, doc.Say(noren.Textf("検査から外すものが %d 個あります。置けるのは %d 個までです", "%d exclusions are over %d", len(f.Exclusions), Most), "exclusions"))
	}
	if err := yamlfile.Join(errs...); err != nil {
		return nil, err
	}
	return f.Exclusions, nil
}

// Format writes what Parse reads. Texts are written as JSON, which is YAML too.
func Format(list []Exclusion) []byte {
	var b bytes.Buffer
	b.WriteString("# What this shop's people took out of the firewall for customers whom it stopped\n# by mistake: each with a page, fields, rules and an end. See docs/operate/mistaken.md.\nversion: 1\nexclusions:")
	if len(list) == 0 {
		b.WriteString(" []\n")
		return b.Bytes()
	}
	b.WriteByte('\n')
	for i := range list {
		list[i].write(&b)
	}
	return b.Bytes()
}

func (x *Exclusion) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "  - id: %s\n    path: %s\n    zone: %s\n    targets:\n", text(x.ID), text(x.Path), text(string(x.Zone)))
	for _, t := range x.Targets {
		fmt.Fprintf(b, "      - {rule: %d, field: %s}\n", t.Rule, text(t.Field))
	}
	at := func(t Time) string { return text(t.UTC().Format(time.RFC3339)) }
	fmt.Fprintf(b, "    event: %s\n    reason: %s\n    asked_by: %s\n    asked_at: %s\n", text(x.Event), text(x.Reason), text(x.AskedBy), at(x.AskedAt))
	if x.ApprovedBy != "" {
		fmt.Fprintf(b, "    approved_by: %s\n    approved_at: %s\n", text(x.ApprovedBy), at(x.ApprovedAt))
	}
	fmt.Fprintf(b, "    until: %s\n", at(x.Until))
	if t := x.Tried; !t.At.IsZero() {
		fmt.Fprintf(b, "    tried: {at: %s, attacks: %d, opened: %d, benign: %d, saved: %d, events: %d, visitors: %d, buyers: %d}\n",
			at(t.At), t.Attacks, t.Opened, t.Benign, t.Saved, t.Events, t.Visitors, t.Buyers)
	}
}

func text(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// Set is a site's exclusions, ready to be asked for each request. The zero Set and
// a nil one have none.
type Set struct{ approved []Exclusion }

// NewSet keeps those that are approved.
func NewSet(list []Exclusion) *Set {
	s := &Set{approved: slices.DeleteFunc(slices.Clone(list), func(x Exclusion) bool { return x.ApprovedBy == "" })}
	if len(s.approved) == 0 {
		return nil
	}
	return s
}

// For are the rules and fields that a request goes without: those of its page and
// zone whose time is not over. Nobody has to do anything when it is.
func (s *Set) For(zone noren.Zone, path string, now time.Time) (out []Target) {
	if s == nil {
		return nil
	}
	for i := range s.approved {
		if x := &s.approved[i]; x.Zone == zone && x.On(path) && x.State(now) == InForce {
			out = append(out, x.Targets...)
		}
	}
	return out
}
