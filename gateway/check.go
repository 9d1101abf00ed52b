package gateway

import (
	"context"
	_ "embed"
	"net/http"
	"net/url"
	"strings"
	"time"

	"noren"
	"noren/kv"
)

//go:embed pages/check.js
var checkJS []byte

// The check asks a visitor for a little work or a little patience before a
// request passes: no third party, nothing to read off a picture, nothing stored.
// Who holds a pass is not asked again.
const (
	checkPath  = reserved + "check"
	scriptPath = reserved + "check.js"

	// A browser keeps a __Host- cookie from being set by another host or over
	// plain http.
	passCookie   = "noren_pass"
	turnCookie   = "noren_turn"
	securePrefix = "__Host-"

	maxCheckForm = 4 << 10
)

// waitRate is how many passes by waiting one client gets: families and offices
// enough, a crowd of scripts too few.
var waitRate = kv.Rate{Events: 20, Per: time.Hour, Burst: 20}

// secrets are the keys for visitors' tokens, nil when there are none.
func (g *Gateway) secrets(ctx context.Context) [][]byte {
	if g.opts.Secrets == nil {
		return nil
	}
	keys, err := g.opts.Secrets(ctx)
	if err != nil {
		g.alarm("keys for visitors' passes cannot be read: attack mode and the line are open, and who should pass the check waits", "", "err", err)
		return nil
	}
	return keys
}

func (x *exchange) bearer() bearer {
	return bearer{site: x.shop.Name, agent: x.r.UserAgent(), addr: x.client}
}

// ourCookie is a cookie's name by the way the visitor came.
func (x *exchange) ourCookie(name string) string {
	if x.scheme == "https" {
		return securePrefix + name
	}
	return name
}

// readPass takes what is ours out of the visitor's cookies: it is not the shop's.
func (x *exchange) readPass() {
	x.turn = takeCookie(x.r.Header, x.ourCookie(turnCookie))
	text := takeCookie(x.r.Header, x.ourCookie(passCookie))
	if text == "" {
		return
	}
	if keys := x.g.secrets(x.r.Context()); keys != nil {
		if t, ok := (clerk{keys}).open(text, passToken, x.bearer(), x.at.Time); ok {
			x.pass = t.name()
		}
	}
}

// takeCookie removes a cookie from the header and returns its value. Everything
// else stays byte for byte, because the shop must receive what was inspected.
func takeCookie(h http.Header, name string) (value string) {
	lines := h["Cookie"]
	for i, line := range lines {
		if !strings.Contains(line, name+"=") {
			continue
		}
		var kept []string
		for part := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			if n != name {
				kept = append(kept, part)
			} else if value == "" {
				value = v
			}
		}
		lines[i] = strings.TrimPrefix(strings.Join(kept, ";"), " ")
	}
	if len(lines) == 1 && lines[0] == "" {
		delete(h, "Cookie")
	}
	return value
}

// canCheck reports whether the visitor can be asked: not who pays, not machines,
// and not for what a page or a newsletter loads. What the visitor says of itself
// exempts nobody.
func (x *exchange) canCheck() bool {
	return checks(x.place.Zone) && !x.own() && !x.asset() && x.g.secrets(x.r.Context()) != nil
}

// checks reports whether anybody is asked for the check in a zone.
func checks(z noren.Zone) bool {
	info := mustInfo(z)
	return !info.Payment && !info.Machine
}

// assets are the endings of what pages load.
var assets = map[string]bool{
	".css": true, ".js": true, ".map": true, ".png": true, ".jpg": true, ".jpeg": true, ".gif": true, ".webp": true, ".avif": true,
	".svg": true, ".ico": true, ".woff": true, ".woff2": true, ".ttf": true,
}

// asset reports whether a file that a page loads is asked for.
func (x *exchange) asset() bool { return isAsset(x.r.Method, x.path, x.place.Zone) }

func isAsset(method, path string, z noren.Zone) bool {
	return (method == http.MethodGet || method == http.MethodHead) && z == noren.ZoneStorefront &&
		plainPath(path) && assets[strings.ToLower(ending(path))]
}

// plainPath reports whether a path holds nothing that one server resolves and
// another does not, so that its zone may open a door and not only close one.
func plainPath(p string) bool {
	return !strings.Contains(p, "..") && !strings.Contains(p, "//") && !strings.ContainsAny(p, "%;\\")
}

// ending is what follows the last dot of the last segment, with the dot.
func ending(p string) string {
	p = p[strings.LastIndexByte(p, '/')+1:]
	if i := strings.LastIndexByte(p, '.'); i >= 0 {
		return p[i:]
	}
	return ""
}

// own reports whether the request is for a page of ours.
func (x *exchange) own() bool { return x.path == checkPath || x.path == scriptPath }

// checkFirst is the stop that asks for the check.
func (x *exchange) checkFirst(cause noren.Cause, rule string) *stop {
	return &stop{cause: cause, rule: rule, status: http.StatusForbidden, check: true}
}

// serveCheck answers on our own paths.
func (x *exchange) serveCheck() {
	if x.path == scriptPath {
		serveScript(x.w, x.r)
		return
	}
	keys := x.g.secrets(x.r.Context())
	if keys == nil || x.r.Method != http.MethodPost {
		x.again(noren.Text{})
		return
	}
	if !x.readCheckForm() {
		x.again(saidWrong)
		return
	}
	back, said := x.earnPass(clerk{keys})
	if said.En != "" {
		x.again(said)
		return
	}
	h := x.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Location", back)
	x.w.WriteHeader(http.StatusSeeOther)
}

// checkFormWithin is how long a visitor's form may take to arrive.
const checkFormWithin = 10 * time.Second

// readCheckForm reads the form, a small one of our own page and nothing else.
func (x *exchange) readCheckForm() bool {
	c := http.NewResponseController(x.w)
	_ = c.SetReadDeadline(time.Now().Add(checkFormWithin)) // a writer without one is a test's
	defer c.SetReadDeadline(time.Time{})
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxCheckForm)
	kind, _, _ := strings.Cut(x.r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") && x.r.ParseForm() == nil
}

func serveScript(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodHead {
		w.Write(checkJS)
	}
}

// again shows the check page for what the visitor wanted to reach.
func (x *exchange) again(said noren.Text) {
	s := x.checkFirst(noren.CauseChallenge, "check")
	s.ticket, s.said = noren.NewTicket(), said
	x.stopped, x.verdict = s, noren.Challenge
	x.calmDown(s)
	x.answer(s)
}

var (
	saidExpired = noren.Text{Ja: "確認の期限が切れていました。もう一度お願いいたします。", En: "That check was too old. Please do it once more."}
	saidEarly   = noren.Text{Ja: "まだ少し早いようです。数秒おいて、もう一度ボタンを押してください。", En: "That was a little early. Please wait a few seconds and press the button again."}
	saidWrong   = noren.Text{Ja: "確認がうまくいきませんでした。もう一度お願いいたします。", En: "The check did not work out. Please try once more."}
	saidCrowd   = noren.Text{Ja: "同じ回線からの確認が続いています。JavaScriptを有効にするか、しばらくしてからお試しください。", En: "There have been many checks from your connection. Please allow JavaScript, or try again later."}
)

// earnPass checks what the form holds and sets the pass. said is what went wrong,
// in the visitor's words.
func (x *exchange) earnPass(c clerk) (back string, said noren.Text) {
	if site := x.r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return "", saidWrong
	}
	text := x.r.PostForm.Get("puzzle")
	puzzle, ok := c.open(text, puzzleToken, x.bearer(), x.at.Time)
	if !ok {
		return "", saidExpired
	}
	last := passFor
	if proof := x.r.PostForm.Get("proof"); proof == "" {
		last = waitPassFor
		if x.at.Sub(puzzle.from) < waitAtLeast {
			x.puzzle = text // keep the time waited so far
			return "", saidEarly
		}
		if !x.mayWait() {
			return "", saidCrowd
		}
	} else if !solved(text, puzzle.level, proof) {
		return "", saidWrong
	}
	http.SetCookie(x.w, &http.Cookie{
		Name: x.ourCookie(passCookie), Value: c.pass(puzzle, x.bearer(), last, x.at.Time), Path: "/", MaxAge: int(last / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: x.scheme == "https",
	})
	return localPath(x.r.PostForm.Get("back")), noren.Text{}
}

// mayWait counts passes that were waited for.
func (x *exchange) mayWait() bool { return x.within("wait", clientNet(x.client).String(), waitRate) }

// within counts one more of a kind for who, and reports whether it is within the
// rate; when nobody can say, it is.
func (x *exchange) within(kind, who string, rate kv.Rate) bool {
	if x.g.opts.KV == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), kvTimeout)
	defer cancel()
	res, err := x.g.opts.KV.Do(ctx, kv.Take{Key: kind + "|" + x.shop.Name + "|" + who, At: x.at.Time, Rate: rate})
	return err != nil || res[0].Allowed
}

// backTo is where the visitor goes after the check: what was asked for, or the
// page that sent a form, which has to be sent again.
func (x *exchange) backTo() string {
	switch {
	case x.own():
		if back := x.r.PostForm.Get("back"); back != "" { // as readCheckForm read it
			return localPath(back)
		}
		return localPath(x.r.URL.Query().Get("back"))
	case x.r.Method == http.MethodGet || x.r.Method == http.MethodHead:
		return localPath(x.r.URL.RequestURI())
	}
	if u, err := url.Parse(x.r.Referer()); err == nil && hostOf(u.Host) == hostOf(x.r.Host) {
		return localPath(u.RequestURI())
	}
	return "/"
}

// maxBack bounds an address to go back to.
const maxBack = 2 << 10

// localPath lets nobody be sent to another host.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxBack || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") ||
		strings.ContainsAny(s, "\\\r\n\t") || strings.HasPrefix(s, reserved) {
		return "/"
	}
	return s
}
