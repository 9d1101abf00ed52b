package gateway

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
)

// Headers are response headers that a site may ask Noren to add. The shop's own
// are never overwritten, unless Force names them.
type Headers struct {
	HSTS              *HSTS       `yaml:"hsts" json:"hsts,omitempty" jsonschema:"description=Tell browsers to come by HTTPS only; longer and longer over the first month"`
	NoSniff           bool        `yaml:"no_sniff" json:"no_sniff,omitempty" jsonschema:"description=X-Content-Type-Options: nosniff"`
	ReferrerPolicy    string      `yaml:"referrer_policy" json:"referrer_policy,omitempty" jsonschema:"description=Referrer-Policy such as strict-origin-when-cross-origin"`
	PermissionsPolicy string      `yaml:"permissions_policy" json:"permissions_policy,omitempty" jsonschema:"description=Permissions-Policy such as camera=()\\, microphone=()"`
	FrameAncestors    []string    `yaml:"frame_ancestors" json:"frame_ancestors,omitempty" jsonschema:"description=Who may show the shop in a frame: 'self'\\, 'none' or origins; added to the shop's Content-Security-Policy and never in place of it"`
	Cookies           CookieFlags `yaml:"cookies" json:"cookies,omitzero" jsonschema:"description=Flags to add to the shop's cookies"`
	Force             []string    `yaml:"force" json:"force,omitempty" jsonschema:"description=Headers of this list replace the shop's own: hsts\\, no_sniff\\, referrer_policy\\, permissions_policy\\, frame_ancestors"`
}

// HSTS is Strict-Transport-Security (RFC 6797).
type HSTS struct {
	Since             string `yaml:"since" json:"since" jsonschema:"description=The day it was switched on\\, such as 2026-11-27. Browsers are told 5 minutes on the first day\\, then a day\\, after a week a week\\, after 30 days max_age"`
	MaxAge            int64  `yaml:"max_age" json:"max_age,omitempty" jsonschema:"description=Seconds browsers remember it once the first month is over,default=31536000"`
	IncludeSubdomains bool   `yaml:"include_subdomains" json:"include_subdomains,omitempty" jsonschema:"description=For every name below the hosts too\\, also those Noren does not serve"`
	Preload           bool   `yaml:"preload" json:"preload,omitempty" jsonschema:"description=Agree to be built into browsers; hard to undo. Needs include_subdomains and a year of max_age\\, and is said after the first month only"`
}

// CookieFlags are added to the shop's Set-Cookie where they are missing.
type CookieFlags struct {
	Secure      bool     `yaml:"secure" json:"secure,omitempty" jsonschema:"description=Secure on every cookie set over HTTPS"`
	HTTPOnly    []string `yaml:"http_only" json:"http_only,omitempty" jsonschema:"description=Cookies that scripts need not read: names\\, * at the end allowed\\, and the word session for the shop's session cookies"`
	SameSiteLax []string `yaml:"same_site_lax" json:"same_site_lax,omitempty" jsonschema:"description=Cookies not sent with forms of other sites: names\\, or session. Not for a shop to which a payment page returns by POST"`
}

const (
	day       = 24 * time.Hour
	yearOfAge = 31536000 // what hstspreload.org asks for
)

// value is the header at a time. preload is said at the end of the ramp only.
func (h *HSTS) value(now time.Time) string {
	since, err := time.Parse(time.DateOnly, h.Since)
	if err != nil {
		return ""
	}
	most := h.MaxAge
	if most == 0 {
		most = yearOfAge
	}
	age := most
	switch on := now.Sub(since); {
	case on < day:
		age = min(age, 300)
	case on < 7*day:
		age = min(age, 86400)
	case on < 30*day:
		age = min(age, 7*86400)
	}
	v := "max-age=" + strconv.FormatInt(age, 10)
	if h.IncludeSubdomains {
		v += "; includeSubDomains"
	}
	if h.Preload && age == most {
		v += "; preload"
	}
	return v
}

var referrerPolicies = [...]string{
	"no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin", "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url",
}

var forcible = [...]string{"hsts", "no_sniff", "referrer_policy", "permissions_policy", "frame_ancestors"}

var (
	permissions = regexp.MustCompile(`^[a-z-]+=(\*|self|\([^()\\;]*\))(, *[a-z-]+=(\*|self|\([^()\\;]*\)))*$`)
	ancestor    = regexp.MustCompile(`^('self'|'none'|https?:|(https?://)?(\*\.)?[A-Za-z0-9.-]+(:[0-9]{1,5})?)$`)
	cookieName  = regexp.MustCompile("^[!#$%&'+.^_`|~0-9A-Za-z-]+\\*?$") // RFC 6265, 4.1.1
)

// valid reports everything that is wrong with h.
func (h *Headers) valid() (errs []error) {
	fault := func(format string, args ...any) {
		errs = append(errs, noren.Errorf(noren.Invalid, "headers: "+format, args...))
	}
	if s := h.HSTS; s != nil {
		if _, err := time.Parse(time.DateOnly, s.Since); err != nil {
			fault("hsts.since %q is not a day such as 2026-11-27; write the day you switch it on", s.Since)
		}
		if s.MaxAge < 0 || s.MaxAge > 10*yearOfAge {
			fault("hsts.max_age %d is not from 1 second to ten years", s.MaxAge)
		}
		if s.Preload && (!s.IncludeSubdomains || s.MaxAge != 0 && s.MaxAge < yearOfAge) {
			fault("hsts.preload needs include_subdomains and max_age of at least %d", yearOfAge)
		}
	}
	if p := h.ReferrerPolicy; p != "" && !slices.Contains(referrerPolicies[:], p) {
		fault("referrer_policy %q is none of %s", p, strings.Join(referrerPolicies[:], ", "))
	}
	if p := h.PermissionsPolicy; p != "" && !permissions.MatchString(p) {
		fault("permissions_policy %q is not a list such as camera=(), geolocation=(self)", p)
	}
	for _, a := range h.FrameAncestors {
		if !ancestor.MatchString(a) || a == "'none'" && len(h.FrameAncestors) > 1 {
			fault("frame_ancestors %q is not 'self', an origin such as https://pay.example.jp, or 'none' alone", a)
		}
	}
	for _, c := range slices.Concat(h.Cookies.HTTPOnly, h.Cookies.SameSiteLax) {
		if !cookieName.MatchString(c) {
			fault("%q is not a cookie's name", c)
		}
	}
	for _, f := range h.Force {
		if !slices.Contains(forcible[:], f) {
			fault("force %q is none of %s", f, strings.Join(forcible[:], ", "))
		}
	}
	return errs
}

func (h *Headers) forced(name string) bool { return slices.Contains(h.Force, name) }

// dress adds what the site asked for to an answer of the shop.
func (x *exchange) dress(res *http.Response) {
	h := res.Header
	// It could lead browsers to the shop past Noren (RFC 7838).
	h.Del("Alt-Svc")
	want := &x.shop.Headers
	x.addHSTS(h)
	add := func(key, name, value string) {
		if value != "" && (want.forced(key) || len(h[name]) == 0) {
			h.Set(name, value)
		}
	}
	if want.NoSniff {
		add("no_sniff", "X-Content-Type-Options", "nosniff")
	}
	add("referrer_policy", "Referrer-Policy", want.ReferrerPolicy)
	add("permissions_policy", "Permissions-Policy", want.PermissionsPolicy)
	want.addAncestors(h)
	x.flagCookies(h)
}

// addHSTS sets Strict-Transport-Security in h. Over plain HTTP it must not be
// sent (RFC 6797, 7.2); the shop's own stays.
func (x *exchange) addHSTS(h http.Header) {
	const name = "Strict-Transport-Security"
	want := &x.shop.Headers
	if want.HSTS == nil {
		return
	}
	if x.scheme != "https" {
		h.Del(name)
		return
	}
	if len(h[name]) == 0 || want.forced("hsts") {
		h.Set(name, want.HSTS.value(x.at.Time))
	}
}

// addAncestors adds a policy of its own beside the shop's. Browsers enforce all
// of them together (CSP3, 2.4), so the shop's is never weakened. Where the shop
// says X-Frame-Options instead, frame-ancestors would make browsers pass over
// that: it stays alone.
func (h *Headers) addAncestors(to http.Header) {
	if len(h.FrameAncestors) == 0 {
		return
	}
	said := len(to["X-Frame-Options"]) > 0
	for _, line := range to["Content-Security-Policy"] {
		for directive := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ';' || r == ',' }) {
			name, _, _ := strings.Cut(strings.TrimSpace(directive), " ")
			said = said || strings.EqualFold(name, "frame-ancestors")
		}
	}
	if !said || h.forced("frame_ancestors") {
		to.Add("Content-Security-Policy", "frame-ancestors "+strings.Join(h.FrameAncestors, " "))
	}
}

// flagCookies appends flags that are missing; the lines stay as they are before
// them.
func (x *exchange) flagCookies(h http.Header) {
	want := &x.shop.Headers.Cookies
	if !want.Secure && len(want.HTTPOnly)+len(want.SameSiteLax) == 0 {
		return
	}
	lines := h["Set-Cookie"]
	for i, line := range lines {
		name, _, ok := strings.Cut(line, "=")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.Contains(name, ";") {
			continue
		}
		flags := cookieFlags(line)
		if want.Secure && x.scheme == "https" && !flags["secure"] {
			line += "; Secure"
		}
		if x.shop.named(want.HTTPOnly, name) && !flags["httponly"] {
			line += "; HttpOnly"
		}
		if x.shop.named(want.SameSiteLax, name) && !flags["samesite"] {
			line += "; SameSite=Lax"
		}
		lines[i] = line
	}
}

// cookieFlags are the attributes of a Set-Cookie line, in lower case.
func cookieFlags(line string) map[string]bool {
	flags := map[string]bool{}
	_, attributes, _ := strings.Cut(line, ";")
	for a := range strings.SplitSeq(attributes, ";") {
		name, _, _ := strings.Cut(a, "=")
		flags[strings.ToLower(strings.TrimSpace(name))] = true
	}
	return flags
}

// named reports whether a list of cookies has one of this name.
func (s *shop) named(list []string, cookie string) bool {
	for _, want := range list {
		if want == "session" && slices.ContainsFunc(s.sessions, func(p string) bool { return glob(p, cookie) }) || glob(want, cookie) {
			return true
		}
	}
	return false
}
