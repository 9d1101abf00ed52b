package console

import (
	"net/http"
	"net/netip"
	"time"

	"noren"
	"noren/staff"
)

// errSignIn leads to the sign-in instead of to an error's page.
var errSignIn = noren.Errorf(noren.Denied, "nobody is signed in")

// Cookies of the console. Where browsers come by https their names begin with
// __Host-, so that no other host of the domain can set them (RFC 6265bis, 4.1.3).
const (
	sessionCookie = "noren_session"
	deviceCookie  = "noren_device" // a browser that signed in before
	ticketCookie  = "noren_ticket" // half of a sign-in
	siteCookie    = "noren_site"   // whose menu stands beside pages of no site
)

func (v *visit) cookieName(name string) string {
	if v.secure() {
		return "__Host-" + name
	}
	return name
}

// secure reports whether the browser came by https; without it only from this
// machine.
func (v *visit) secure() bool { return v.r.TLS != nil }

func (v *visit) cookie(name string) string {
	ck, err := v.r.Cookie(v.cookieName(name))
	if err != nil {
		return ""
	}
	return ck.Value
}

// keep sets a cookie for some time; for none it goes.
func (v *visit) keep(name, value string, d time.Duration) {
	age := int(d.Seconds())
	if value == "" {
		age = -1
	}
	// Lax, so that a link in a mail finds the person signed in; acts are posts,
	// which other sites cannot make (guard.go, sameOrigin).
	http.SetCookie(v.w, &http.Cookie{Name: v.cookieName(name), Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteLaxMode})
}

// recognise finds out who asks. A token that is nobody's is the same as none.
func (v *visit) recognise() error {
	token := v.cookie(sessionCookie)
	if token == "" {
		return nil
	}
	x, err := v.c.o.Staff.Session(v.r.Context(), token)
	switch noren.CodeOf(err) {
	case "":
		v.who = x
	case noren.Denied:
	default:
		return err
	}
	return nil
}

// from is the address that the browser came from.
func (v *visit) from() netip.Addr {
	ap, err := netip.ParseAddrPort(v.r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// by is the visitor as who does something.
func (v *visit) by(reason string) staff.By { return v.who.By(v.from(), reason) }

// author is how lists and settings name the visitor.
func (v *visit) author() string { return "staff:" + v.who.Person.ID }

func roleName(r staff.Role) noren.Text {
	i, _ := r.Info()
	return i.Name
}

// roleHere is the stronger of the visitor's roles that hold here.
func (v *visit) roleHere() staff.Role {
	g := v.who.Person.Roles
	for _, i := range staff.Roles() {
		if g[staff.AllSites] == i.Role || v.site != "" && g[v.site] == i.Role {
			return i.Role
		}
	}
	return ""
}
