package console

import (
	"strings"
	"time"

	"noren/console/ui"
)

// lookCookie says which stylesheet a browser has.
const lookCookie = "noren_look"

// look is the stylesheet, and what says that exactly it may stand in a page.
type look struct {
	sheet ui.Sheet
	csp   string
}

func newLook(s ui.Sheet) look {
	return look{s, strings.Replace(csp, "style-src 'self'", "style-src 'self' '"+s.Hash+"'", 1)}
}

// dress puts the stylesheet into the first page that a browser opens, so that the page
// shows without another way to the server and back; from then on the browser has it
// from its file, which it fetches when it has nothing else to do. The policy of that
// answer names the sheet by its hash: another style in a page stays without effect
// (CSP Level 3, 8.3).
func (v *visit) dress(f *ui.Frame) {
	l := &v.c.look
	if v.r.Header.Get("Sec-Fetch-Dest") != "document" || v.cookie(lookCookie) == l.sheet.Name {
		return
	}
	f.Look = l.sheet.Text
	v.w.Header().Set("Content-Security-Policy", l.csp)
	v.keep(lookCookie, l.sheet.Name, 365*24*time.Hour)
}
