package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
)

// pagesStand is a gateway before a shop whose answers have the headers that a request
// asks for in "want": "Name: value" lines after a |.
type pagesStand struct {
	*standing
	keys atomic.Pointer[[][]byte]
	now  atomic.Int64 // hours after noon
}

func standPages(t *testing.T, change func(*Options)) *pagesStand {
	t.Helper()
	p := &pagesStand{}
	p.keys.Store(&[][]byte{[]byte("first key of the test")})
	p.standing = stand(t, func(o *Options) {
		secure(t, o)
		o.Secrets = func(context.Context) ([][]byte, error) { return *p.keys.Load(), nil }
		o.Now = func() time.Time { return noon.Add(time.Duration(p.now.Load()) * time.Hour) }
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("X-Got-Cookies", strings.Join(r.Header["Cookie"], "|"))
			for line := range strings.SplitSeq(r.URL.Query().Get("want"), "|") {
				if name, value, ok := strings.Cut(line, ":"); ok {
					w.Header().Set(name, value)
				}
			}
			if r.URL.Query().Get("status") != "" {
				w.WriteHeader(http.StatusNotFound)
			}
		})
		if change != nil {
			change(o)
		}
	})
	return p
}

// deviceOf is the device cookie that an answer sets.
func deviceOf(res *http.Response) *http.Cookie {
	for _, c := range res.Cookies() {
		if strings.HasSuffix(c.Name, deviceCookie) {
			return c
		}
	}
	return nil
}

// lastDevice is the device of the last request as its event tells it.
func (p *pagesStand) lastDevice() string {
	all := p.loop.of(noren.HTTPRequest)
	return all[len(all)-1].Entities[noren.EntityDevice]
}

func TestDeviceCookie(t *testing.T) {
	p := standPages(t, nil)
	res, _ := p.do("GET", "/", "", "Cookie: eccube=abc")
	c := deviceOf(res)
	if c == nil || c.Name != "noren_device" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 396*24*3600 {
		t.Fatalf("cookie %+v", c)
	}
	if p.lastDevice() != "" {
		t.Error("a visitor without a cookie is a known device")
	}
	if cc := res.Header.Get("Cache-Control"); cc != "private" {
		t.Errorf("a page with a cookie says %q to caches", cc)
	}
	p.now.Store(24 * 30)
	res, _ = p.do("GET", "/products/list", "", "Cookie: eccube=abc; noren_device="+c.Value+"; a=b")
	if deviceOf(res) != nil {
		t.Error("who has a cookie gets another")
	}
	if got := res.Header.Get("X-Got-Cookies"); got != "eccube=abc; a=b" {
		t.Errorf("the shop got %q", got)
	}
	id := p.lastDevice()
	all := p.loop.of(noren.HTTPRequest)
	ev := all[len(all)-1]
	facts := map[string]any{}
	for _, f := range noren.EventFacts() {
		if strings.HasPrefix(f.Name, "device.") {
			facts[f.Name] = f.Read(&ev)
		}
	}
	if facts["device.known"] != true || facts["device.age"] != int64(30) || ev.Subject() != (noren.Subject{Kind: "device", ID: id}) {
		t.Errorf("device %q: facts %v, subject %v", id, facts, ev.Subject())
	}
	p.now.Store(24 * 397)
	if p.do("GET", "/", "", "Cookie: noren_device="+c.Value); p.lastDevice() != "" {
		t.Error("a device is known after thirteen months")
	}
}

// What we did not sign for this site is unknown, and nobody is stopped for it.
func TestForgedDevices(t *testing.T) {
	p := standPages(t, nil)
	res, _ := p.do("GET", "/", "")
	good := deviceOf(res).Value
	raw, _ := base64.RawURLEncoding.DecodeString(good)
	raw[20] ^= 1
	key := clerk{*p.keys.Load()}
	of := func(kind tokenKind, b bearer) string {
		return key.sign(&token{kind: kind, from: noon, until: noon.Add(time.Hour)}, b)
	}
	for name, value := range map[string]string{
		"changed": base64.RawURLEncoding.EncodeToString(raw), "cut": good[:20], "garbage": "AAAA", "empty": "", "long": strings.Repeat("A", 8000),
		"of another site": of(deviceToken, bearer{site: "other"}), "a pass": of(passToken, bearer{site: "shop"}),
		"for another browser": of(deviceToken, bearer{site: "shop", agent: "x"}),
	} {
		res, _ := p.do("GET", "/", "", "Cookie: noren_device="+value)
		if res.StatusCode != 200 || p.lastDevice() != "" || deviceOf(res) == nil || res.Header.Get("X-Got-Cookies") != "" {
			t.Errorf("%s: %d, device %q, new cookie %v, the shop got %q", name, res.StatusCode, p.lastDevice(), deviceOf(res), res.Header.Get("X-Got-Cookies"))
		}
	}
}

// A rotation of keys forgets nobody: the cookie is signed anew, with the same id
// and the same end.
func TestDevicesAfterARotation(t *testing.T) {
	p := standPages(t, nil)
	res, _ := p.do("GET", "/", "")
	old := deviceOf(res)
	p.do("GET", "/", "", "Cookie: noren_device="+old.Value)
	id := p.lastDevice()
	p.keys.Store(&[][]byte{[]byte("second key"), []byte("first key of the test")})
	p.now.Store(48)
	res, _ = p.do("GET", "/", "", "Cookie: noren_device="+old.Value)
	anew := deviceOf(res)
	if p.lastDevice() != id || anew == nil || anew.Value == old.Value || anew.MaxAge != old.MaxAge-48*3600 {
		t.Fatalf("device %q, was %q; signed anew: %+v", p.lastDevice(), id, anew)
	}
	p.keys.Store(&[][]byte{[]byte("second key")})
	if p.do("GET", "/", "", "Cookie: noren_device="+anew.Value); p.lastDevice() != id {
		t.Errorf("with the old key gone the device is %q", p.lastDevice())
	}
}

// The cookie goes out with pages for one visitor only.
func TestWhereDevicesAreGiven(t *testing.T) {
	p := standPages(t, func(o *Options) {
		o.Settings.Sites[0].Zones = map[noren.Zone][]string{noren.ZoneCallback: {"/callback"}}
	})
	later := noon.Add(time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		name, method, target string
		want                 bool
		cache                string
	}{
		{"no word about caches", "GET", "/", true, "private"},
		{"PHP's session", "GET", "/?want=Cache-Control:no-store,+no-cache,+must-revalidate|Expires:Thu,+19+Nov+1981+08:52:00+GMT", true, "no-store, no-cache, must-revalidate"},
		{"Symfony", "GET", "/?want=Cache-Control:max-age%3D0,+must-revalidate,+private", true, "max-age=0, must-revalidate, private"},
		{"to be asked for again", "GET", "/?want=Cache-Control:no-cache", true, "no-cache|private"},
		{"public", "GET", "/?want=Cache-Control:public,+max-age%3D60", false, "public, max-age=60"},
		{"for shared caches", "GET", "/?want=Cache-Control:s-maxage%3D60", false, "s-maxage=60"},
		{"for a while", "GET", "/?want=Cache-Control:max-age%3D60", false, "max-age=60"},
		{"private for one field", "GET", "/?want=Cache-Control:private%3D\"set-cookie\",+max-age%3D60", false, "private=\"set-cookie\", max-age=60"},
		{"contradicting itself", "GET", "/?want=Cache-Control:private,+public", false, "private, public"},
		{"ends later", "GET", "/?want=Expires:" + strings.ReplaceAll(later, " ", "+"), false, ""},
		{"a CDN's own word", "GET", "/?want=CDN-Cache-Control:max-age%3D60", false, ""},
		{"JSON", "GET", "/?want=Content-Type:application/json", false, ""},
		{"a picture", "GET", "/html/upload/a.jpg", false, ""},
		{"an error", "GET", "/?status=404", false, ""},
		{"a form", "POST", "/", false, ""},
		{"the payment provider calls", "GET", "/callback", false, ""},
	} {
		body := ""
		if c.method == "POST" {
			body = "a=b"
		}
		res, _ := p.do(c.method, c.target, body)
		if got := deviceOf(res) != nil; got != c.want {
			t.Errorf("%s (%d): given %v, want %v", c.name, res.StatusCode, got, c.want)
		}
		if got := strings.Join(res.Header["Cache-Control"], "|"); c.cache != "" && got != c.cache {
			t.Errorf("%s: %q to caches, want %q", c.name, got, c.cache)
		}
	}
}

func TestSitesThatWantNoDevices(t *testing.T) {
	no := false
	p := standPages(t, func(o *Options) { o.Settings.Sites[0].DeviceCookie = &no })
	key := clerk{*p.keys.Load()}
	value := key.sign(&token{kind: deviceToken, from: noon, until: noon.Add(time.Hour)}, bearer{site: "shop"})
	res, _ := p.do("GET", "/", "", "Cookie: a=b; noren_device="+value)
	if deviceOf(res) != nil || p.lastDevice() != "" || res.Header.Get("X-Got-Cookies") != "a=b" {
		t.Errorf("given %v, device %q, the shop got %q", deviceOf(res), p.lastDevice(), res.Header.Get("X-Got-Cookies"))
	}
}

// Over TLS the cookie cannot be set by another host or over plain http. Behind a
// proxy, which may cache, only pages that the shop itself calls private get one.
func TestDevicesOverTLSAndBehindAProxy(t *testing.T) {
	p := standPages(t, func(o *Options) {
		o.Settings.Sites[0].TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	res, _ := p.do("GET", "/?want=Cache-Control:private", "", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https")
	c := deviceOf(res)
	if c == nil || c.Name != "__Host-noren_device" || !c.Secure {
		t.Fatalf("cookie %+v", c)
	}
	res, _ = p.do("GET", "/", "", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https")
	if deviceOf(res) != nil {
		t.Error("a page that says nothing of caches got a cookie behind a proxy")
	}
	res, _ = p.do("GET", "/", "", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "Cookie: __Host-noren_device="+c.Value+"; noren_device=x; a=b")
	if p.lastDevice() == "" || res.Header.Get("X-Got-Cookies") != "a=b" {
		t.Errorf("device %q, the shop got %q", p.lastDevice(), res.Header.Get("X-Got-Cookies"))
	}
}

// Without keys nobody gets a device, nobody's is known, and nobody is stopped.
func TestDevicesWithoutKeys(t *testing.T) {
	p := standPages(t, nil)
	res, _ := p.do("GET", "/", "")
	value := deviceOf(res).Value
	p.opts.Secrets = func(context.Context) ([][]byte, error) { return nil, errors.New("the vault is away") }
	for _, cookie := range []string{"a=b", "a=b; noren_device=" + value} {
		res, _ = p.do("GET", "/", "", "Cookie: "+cookie)
		if res.StatusCode != 200 || deviceOf(res) != nil || p.lastDevice() != "" || res.Header.Get("X-Got-Cookies") != "a=b" {
			t.Errorf("%s: %d, given %v, device %q, the shop got %q", cookie, res.StatusCode, deviceOf(res), p.lastDevice(), res.Header.Get("X-Got-Cookies"))
		}
	}
}
