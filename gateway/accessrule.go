package gateway

import (
	_ "embed"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"noren"
	"noren/yamlfile"
)

//go:embed access.yaml
var accessYAML []byte

// AccessRule says who may enter zones, or who may not. A rule has either Allow
// or Deny.
type AccessRule struct {
	Name    string       `yaml:"name" json:"name"`
	Zones   []noren.Zone `yaml:"zones" json:"zones,omitempty"`     // nil: StaffZones
	Methods []string     `yaml:"methods" json:"methods,omitempty"` // nil: every method
	Mode    AccessMode   `yaml:"mode" json:"mode,omitempty"`       // "" is on
	Allow   *Who         `yaml:"allow" json:"allow,omitempty"`
	Deny    *Who         `yaml:"deny" json:"deny,omitempty"`
	Until   Until        `yaml:"until" json:"until,omitzero"` // zero: for good
	Reason  noren.Text   `yaml:"reason" json:"reason"`
}

// AccessMode says what a rule does.
type AccessMode string

// Modes of a rule.
const (
	AccessOn     AccessMode = "on"
	AccessShadow AccessMode = "shadow" // records what it would have done
)

// Who names visitors; whoever one of the lists names is meant.
type Who struct {
	Places    []string  `yaml:"places" json:"places,omitempty"`
	Networks  []Network `yaml:"networks" json:"networks,omitempty"`
	Countries []string  `yaml:"countries" json:"countries,omitempty"` // ISO 3166-1 alpha-2
	ASNs      []int64   `yaml:"asns" json:"asns,omitempty"`
}

// Network is an address or a network as operators write it.
type Network struct{ netip.Prefix }

// UnmarshalText reads what ParsePrefix reads.
func (n *Network) UnmarshalText(b []byte) (err error) {
	n.Prefix, err = ParsePrefix(string(b))
	return err
}

// Until is the end of something, as operators write it.
type Until struct{ noren.Time }

// Japan is where a date without a time of day ends: there are the shop's people.
func Japan() *time.Location { return time.FixedZone("JST", 9*60*60) }

// UnmarshalText reads 2026-09-30 (to the end of that day in Japan), 2026-09-30
// 18:00 (Japan) or RFC 3339.
func (u *Until) UnmarshalText(b []byte) error {
	s := string(b)
	if t, err := time.ParseInLocation(time.DateOnly, s, Japan()); err == nil {
		u.Time = noren.At(t.AddDate(0, 0, 1))
		return nil
	}
	if t, err := time.ParseInLocation("2006-01-02 15:04", s, Japan()); err == nil {
		u.Time = noren.At(t)
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return noren.Say(noren.Invalid, noren.Textf("%q は 2026-09-30 のような日でも、2026-09-30 18:00 のような日時でもありません", "%q is not a day such as 2026-09-30 or a time such as 2026-09-30 18:00", s))
	}
	u.Time = noren.At(t)
	return nil
}

// Words that stand for several zones in a rule.
const (
	zonesStaff = "staff"
	zonesShop  = "shop"
)

// StaffZones are where the shop's own people work.
func StaffZones() []noren.Zone {
	return []noren.Zone{noren.ZoneAdmin, noren.ZoneAdminLogin, noren.ZoneExport, noren.ZoneCodeEdit}
}

// shopZones are where visitors go. The payment provider's calls are not among
// them: it stands in another country more often than not.
func shopZones() (out []noren.Zone) {
	for _, i := range noren.Zones() {
		if !i.Machine && i.Zone != noren.ZoneForbidden && !staffZone(i.Zone) {
			out = append(out, i.Zone)
		}
	}
	return out
}

type accessFile struct {
	Version int          `yaml:"version"`
	Rules   []AccessRule `yaml:"rules"`
}

// Limits on a file: what one request asks of the rules stays small.
const (
	maxAccessRules = 100
	maxWhoEntries  = 1_000 // of one list
)

// ParseAccess reads a file of access rules. Every fault is reported, with its
// line.
func ParseAccess(name string, data []byte) (AccessRules, error) {
	var f accessFile
	doc, err := yamlfile.Decode(name, data, &f)
	errs := []error{err, doc.CheckVersion(1)}
	seen := map[string]bool{}
	for i := range f.Rules {
		r := &f.Rules[i]
		r.expand()
		if err := r.Valid(); err != nil {
			errs = append(errs, doc.Say(yamlfile.Words(err), "rules", i))
		}
		if seen[r.Name] {
			errs = append(errs, doc.Say(noren.Textf("決まり %s が二度書かれています", "rule %s stands twice", r.Name), "rules", i))
		}
		seen[r.Name] = true
	}
	if len(f.Rules) > maxAccessRules {
		errs = append(errs, doc.Say(noren.Textf("決まりが %d 個あります。置けるのは %d 個までです", "%d rules are over %d", len(f.Rules), maxAccessRules), "rules"))
	}
	if err := yamlfile.Join(errs...); err != nil {
		return nil, err
	}
	return f.Rules, nil
}

// ShippedAccessFile is the text a new instance begins with: no rule, so that
// nobody is locked out by installing.
func ShippedAccessFile() []byte { return slices.Clone(accessYAML) }

// expand puts zones in the place of the words for them, and fills in.
func (r *AccessRule) expand() {
	var zones []noren.Zone
	for _, z := range r.Zones {
		switch z {
		case zonesStaff:
			zones = append(zones, StaffZones()...)
		case zonesShop:
			zones = append(zones, shopZones()...)
		default:
			zones = append(zones, z)
		}
	}
	if zones == nil {
		zones = StaffZones()
	}
	r.Zones = zones
	if r.Mode == "" {
		r.Mode = AccessOn
	}
	if r.Reason.Ja == "" {
		r.Reason.Ja = r.Reason.En
	}
}

// Valid reports everything that is wrong with r, joined.
func (r *AccessRule) Valid() error {
	var errs []error
	fault := func(ja, en string, args ...any) {
		errs = append(errs, noren.Say(noren.Invalid, noren.Textf(ja, en, args...)))
	}
	if !noren.ValidName(r.Name) {
		fault("決まりの名前 %q は使えません。小文字・数字・_・- で書いてください", "rule name %q is not lower-case letters, digits, _ and -", r.Name)
	}
	for _, z := range r.Zones {
		if _, ok := z.Info(); !ok {
			fault("場所 %q はありません。使えるのは「言葉の説明」にある場所と、staff・shop です", "unknown zone %q; zones are those of docs/reference/zones.md, and the words staff and shop", z)
		}
	}
	for _, m := range r.Methods {
		if !validMethod(m) {
			fault("%q は大文字の方法（GET・POST など）ではありません", "%q is not a method in capital letters", m)
		}
	}
	if r.Mode != AccessOn && r.Mode != AccessShadow {
		fault("mode の %q は on か shadow にしてください", "mode %q is not on or shadow", r.Mode)
	}
	if len(r.Reason.Ja) == 0 || len(r.Reason.Ja)+len(r.Reason.En) > maxReasonBytes {
		fault("決まり %s に、理由（reason の ja か en、%d バイトまで）が要ります", "rule %s needs a reason, ja or en, of at most %d bytes", r.Name, maxReasonBytes)
	}
	if (r.Allow == nil) == (r.Deny == nil) {
		fault("決まり %s には、allow（入れる人）か deny（入れない人）のどちらか一つが要ります", "rule %s needs either allow or deny", r.Name)
		return errors.Join(errs...)
	}
	return errors.Join(append(errs, r.who().valid(r.Name)...)...)
}

func (r *AccessRule) who() *Who {
	if r.Deny != nil {
		return r.Deny
	}
	return r.Allow
}

// Uses reports whether r names a place.
func (r *AccessRule) Uses(place string) bool { return slices.Contains(r.who().Places, place) }

func (w *Who) valid(rule string) (errs []error) {
	fault := func(ja, en string, args ...any) {
		errs = append(errs, noren.Say(noren.Invalid, noren.Textf(ja, en, args...)))
	}
	n := len(w.Places) + len(w.Networks) + len(w.Countries) + len(w.ASNs)
	if n == 0 {
		fault("決まり %s がだれのことか分かりません。places・networks・countries・asns のどれかを書いてください", "rule %s names nobody: give places, networks, countries or asns", rule)
	}
	if n > maxWhoEntries {
		fault("決まり %s に、場所・ネットワーク・国・事業者が %d 個あります。書けるのは %d 個までです", "rule %s names %d places, networks, countries and asns; at most %d fit", rule, n, maxWhoEntries)
	}
	for _, p := range w.Places {
		if err := ValidPlaceName(p); err != nil {
			errs = append(errs, err)
		}
	}
	for _, p := range w.Networks {
		if p.IsValid() && p.Bits() == 0 {
			fault("ネットワーク %s は、すべての人になってしまいます", "network %s is everybody", p)
		}
	}
	for _, c := range w.Countries {
		if len(c) != 2 || strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			fault("国 %q は、JP のような大文字2文字ではありません", "country %q is not a code of two capital letters such as JP", c)
		}
	}
	for _, a := range w.ASNs {
		if a < 1 || a > 1<<32-1 {
			fault("%d は通信事業者の番号（ASN）ではありません", "%d is no network's number (ASN)", a)
		}
	}
	return errs
}

const maxPlaceName = 64 // characters

// ValidPlaceName accepts what people call a place: letters of any script,
// composed, without signs that look alike or nothing.
func ValidPlaceName(s string) error {
	ok := s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxPlaceName && strings.TrimSpace(s) == s && s[0] != '-'
	for _, c := range s {
		ok = ok && (unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune(" 　-_・ー．.()（）々", c))
	}
	if ok {
		return nil
	}
	return noren.Say(noren.Invalid, noren.Textf("%q は場所の名前に使えません。「本社」のように、文字と数字で %d 文字までにしてください", "%q is not a name of a place such as 本社: letters and digits, at most %d", cutBytes(s, 100), maxPlaceName))
}

// Needs reports whether any rule asks for countries, and for networks' numbers.
func (rs AccessRules) Needs() (country, asn string) {
	for i := range rs {
		w := rs[i].who()
		if len(w.Countries) > 0 && country == "" {
			country = rs[i].Name
		}
		if len(w.ASNs) > 0 && asn == "" {
			asn = rs[i].Name
		}
	}
	return country, asn
}
