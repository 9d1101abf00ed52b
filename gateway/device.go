package gateway

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"

	"noren"
)

// A device cookie tells the shop's visitors apart without an account: a random
// number, signed, given with a page and never read by a script, another site or
// the shop. It accuses nobody: who has none is unknown.
const (
	deviceCookie = "noren_device"
	// deviceFor is thirteen months, the longest that data protection authorities
	// accept for such cookies (CNIL, 2020), and below the 400 days that browsers
	// cut at. It is not extended: a device is a new one then.
	deviceFor = 396 * 24 * time.Hour
)

// deviceBearer is for whom devices are signed: one site, whatever the browser is
// called after its next update.
func (s *shop) deviceBearer() bearer { return bearer{site: s.Name} }

func (s *shop) knowsDevices() bool { return s.DeviceCookie == nil || *s.DeviceCookie }

// readDevice takes the device cookie out of the visitor's cookies: it is not the
// shop's. What we did not sign for this site is no device, and nothing else.
func (x *exchange) readDevice() {
	text := takeCookie(x.r.Header, x.ourCookie(deviceCookie))
	if x.scheme == "https" {
		takeCookie(x.r.Header, deviceCookie) // from before the shop had TLS
	}
	if text == "" || !x.shop.knowsDevices() {
		return
	}
	keys := x.g.secrets(x.r.Context())
	if len(keys) == 0 {
		return
	}
	t, ok := clerk{keys[:1]}.open(text, deviceToken, x.shop.deviceBearer(), x.at.Time)
	if !ok {
		if t, ok = (clerk{keys[1:]}).open(text, deviceToken, x.shop.deviceBearer(), x.at.Time); !ok {
			return
		}
		x.resign = t // a key that was replaced signed it
	}
	x.device = noren.DeviceID(t.from, t.name())
}

// giveDevice sets the cookie with a page of the shop, to a visitor who has none
// or one signed with an old key.
func (x *exchange) giveDevice(res *http.Response) {
	if x.device != "" && x.resign == nil || !x.shop.knowsDevices() || !x.pageForOne(res) {
		return
	}
	keys := x.g.secrets(x.r.Context())
	if keys == nil || x.searchEngine() {
		return
	}
	t := x.resign
	if t == nil {
		t = &token{kind: deviceToken, from: x.at.Time, until: x.at.Add(deviceFor)}
		rand.Read(t.id[:])
	}
	c := http.Cookie{
		Name: x.ourCookie(deviceCookie), Value: clerk{keys}.sign(t, x.shop.deviceBearer()), Path: "/",
		MaxAge: int(t.until.Sub(x.at.Time) / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.scheme == "https",
	}
	res.Header.Add("Set-Cookie", c.String())
	keepPrivate(res.Header)
}

// pageForOne reports whether the answer is a page, in a zone where people are,
// that no shared cache keeps: a cookie in a cache would make one device of all
// who get it from there.
func (x *exchange) pageForOne(res *http.Response) bool {
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	return res.StatusCode == http.StatusOK && x.r.Method == http.MethodGet && strings.EqualFold(strings.TrimSpace(kind), "text/html") &&
		!mustInfo(x.place.Zone).Machine && !x.asset() && !x.shared(res.Header)
}

// shared reports whether a cache that serves many may keep an answer (RFC 9111,
// 3 and 4.2). An answer that says nothing is kept by a CDN that was told to keep
// everything, so behind a proxy only the shop's own word counts.
func (x *exchange) shared(h http.Header) bool {
	cc := cacheControl(h)
	switch {
	case cc["public"] || cc["s-maxage"] || h.Get("Surrogate-Control") != "" || h.Get("Cdn-Cache-Control") != "" || h.Get("Cloudflare-Cdn-Cache-Control") != "":
		return true
	case cc["private"] || cc["no-store"]:
		return false
	case cc["max-age"] || expiresLater(h, x.at.Time):
		return true
	}
	return x.shop.trusts(x.peer.Addr())
}

// keepPrivate says to caches what the cookie makes of the answer.
func keepPrivate(h http.Header) {
	if cc := cacheControl(h); cc["private"] || cc["no-store"] {
		return
	}
	h.Add("Cache-Control", "private")
}

// cacheControl are the directives of an answer by name. max-age=0 is none, and
// private for single fields is not private.
func cacheControl(h http.Header) map[string]bool {
	out := map[string]bool{}
	for d := range strings.SplitSeq(strings.ToLower(strings.Join(h["Cache-Control"], ",")), ",") {
		name, value, has := strings.Cut(strings.TrimSpace(d), "=")
		switch name {
		case "private":
			out[name] = out[name] || !has
		case "max-age":
			n, err := strconv.Atoi(strings.Trim(value, `"`))
			out[name] = out[name] || err != nil || n > 0
		default:
			out[name] = true
		}
	}
	return out
}

func expiresLater(h http.Header, now time.Time) bool {
	if h.Get("Expires") == "" {
		return false
	}
	at, err := http.ParseTime(h.Get("Expires"))
	return err == nil && at.After(now) // RFC 9111, 5.3: what cannot be read is past
}
