package console

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"noren"
	"noren/console/ui"
	"noren/staff"
)

// leadToSignIn remembers where somebody wanted to go. What was posted is gone, so
// only pages are come back to.
func (v *visit) leadToSignIn() {
	to := "/signin"
	if v.r.Method == http.MethodGet && v.r.URL.Path != "/" && v.r.Header.Get("HX-Request") == "" {
		to += "?" + url.Values{"back": {v.r.URL.RequestURI()}}.Encode()
	}
	if v.r.Header.Get("HX-Request") != "" {
		v.w.Header().Set("HX-Redirect", to) // a part that refreshes itself leads the whole page there
		v.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// signInForm is the first half of a sign-in.
type signInForm struct {
	Mail, Back string
	Wrong      noren.Text
	NoOwner    bool
}

func (c *Console) signInPage(v *visit) error {
	if v.who != nil {
		return v.redirect("/", "")
	}
	has, err := c.o.Staff.HasOwner(v.r.Context())
	if err != nil {
		return err
	}
	return v.page("signin", signInForm{Back: back(v.r.FormValue("back"), ""), NoOwner: !has})
}

func (c *Console) signIn(v *visit) error {
	f := signInForm{Mail: v.field("mail"), Back: back(v.field("back"), "")}
	p, err := c.o.Staff.SignIn(v.r.Context(), staff.Attempt{
		Mail: f.Mail, Password: v.r.PostFormValue("password"), Address: v.from(), UserAgent: v.r.UserAgent(), Device: v.cookie(deviceCookie),
	})
	if text, ok := forPerson(err); ok {
		f.Wrong = text
		return v.pageWith(statusOf(err), "signin", f)
	}
	if err != nil {
		return err
	}
	v.keep(ticketCookie, p.Browser, time.Until(p.Until.Time))
	return v.page("code", codeForm{Ticket: p.Ticket, Back: f.Back})
}

// statusOf is the status of a form that is shown again.
func statusOf(err error) int {
	if _, slow := errors.AsType[*staff.Slow](err); slow {
		return http.StatusTooManyRequests
	}
	return http.StatusUnprocessableEntity
}

// codeForm is the second half.
type codeForm struct {
	Ticket, Back string
	Wrong        noren.Text
}

// codePage is asked for by a reload only: the half-way form is not kept.
func (c *Console) codePage(v *visit) error { return v.redirect("/signin", "") }

func (c *Console) code(v *visit) error {
	f := codeForm{Ticket: v.field("ticket"), Back: back(v.field("back"), "")}
	in, err := c.o.Staff.SecondFactor(v.r.Context(), staff.Answer{
		Ticket: f.Ticket, Browser: v.cookie(ticketCookie), Code: v.field("code"), Device: v.cookie(deviceCookie), Address: v.from(), UserAgent: v.r.UserAgent(),
	})
	if errors.Is(err, staff.ErrTicket) {
		return v.redirect("/signin", "too-late")
	}
	if text, ok := forPerson(err); ok {
		f.Wrong = text
		return v.pageWith(statusOf(err), "code", f)
	}
	if err != nil {
		return err
	}
	v.admit(in)
	http.Redirect(v.w, v.r, back(f.Back, "/"), http.StatusSeeOther)
	return nil
}

// admit gives the browser what it is known by from now on. The session whose cookie
// this replaces ends: nobody could end it by this browser any more, and whoever holds
// a copy of the cookie would stay in.
func (v *visit) admit(in staff.SignedIn) {
	if v.who != nil {
		if err := v.c.o.Staff.SignOut(v.r.Context(), v.who, v.by("")); err != nil && noren.CodeOf(err) != noren.NotFound {
			v.c.o.Log.Error("console: the session that a new one replaces goes on", "session", v.who.ID, "err", err)
		}
	}
	v.keep(ticketCookie, "", 0)
	v.keep(sessionCookie, in.Token, time.Until(in.Session.ExpiresAt.Time))
	v.keep(deviceCookie, in.Device, time.Until(in.DeviceUntil.Time))
}

func (c *Console) signOut(v *visit) error {
	if err := c.o.Staff.SignOut(v.r.Context(), v.who, v.by("")); err != nil && noren.CodeOf(err) != noren.NotFound {
		return err
	}
	v.keep(sessionCookie, "", 0)
	v.who = nil
	return v.redirect("/signin", "signed-out")
}

// forPerson is what a person is told about what they typed. A fault of ours and a
// database that is away are pages of their own.
func forPerson(err error) (noren.Text, bool) {
	if m := mistakeIn(err); m != nil {
		return m.text, true
	}
	if slow, ok := errors.AsType[*staff.Slow](err); ok {
		return slowText(slow.Wait), true
	}
	switch noren.CodeOf(err) {
	case noren.Invalid, noren.Denied, noren.Conflict:
		return noren.TextOf(err)
	}
	return noren.Text{}, false
}

func slowText(wait time.Duration) noren.Text {
	ja, en := ui.Words{Lang: "ja"}, ui.Words{Lang: "en"}
	wait = max(wait, time.Second)
	return noren.Text{Ja: "試した回数が多すぎます。あと" + ja.Span(wait) + "待ってから、もう一度どうぞ。", En: "There were too many tries. Please try again in " + en.Span(wait) + "."}
}

// joinForm is filled in by whoever follows a one-time link.
type joinForm struct {
	Token, Name, Mail, Secret string
	Link                      staff.Link
	Role                      noren.Text
	QR                        template.HTML
	Wrong                     noren.Text
}

func (c *Console) joinPage(v *visit) error {
	return v.showJoin(http.StatusOK, joinForm{Token: v.r.PathValue("link"), Secret: staff.NewSecret()})
}

// showJoin looks at the link again each time: it may have been used meanwhile.
func (v *visit) showJoin(status int, f joinForm) error {
	link, err := v.c.o.Staff.Link(v.r.Context(), f.Token)
	if err != nil {
		return err
	}
	f.Link = link
	if f.Mail == "" {
		f.Mail = link.Mail
	}
	for _, i := range staff.Roles() {
		for _, r := range link.Roles {
			if r == i.Role && f.Role == (noren.Text{}) {
				f.Role = i.Name
			}
		}
	}
	code, err := staff.QR(staff.KeyURI("Noren", orElse(f.Mail, "Noren"), f.Secret))
	if err != nil {
		return err
	}
	f.QR = template.HTML(code.SVG(v.words().T("認証アプリで読み取るQRコード", "QR code for an authenticator app")))
	return v.pageWith(status, "join", f)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func (c *Console) join(v *visit) error {
	f := joinForm{Token: v.field("link"), Name: v.field("name"), Mail: v.field("mail"), Secret: v.field("secret")}
	joined, err := c.o.Staff.Join(v.r.Context(), f.Token, staff.Joining{
		Name: f.Name, Mail: f.Mail, Password: v.r.PostFormValue("password"), Secret: f.Secret, Code: v.field("code"), Address: v.from(), UserAgent: v.r.UserAgent(),
	})
	if text, ok := forPerson(err); ok {
		f.Wrong = text
		return v.showJoin(http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return err
	}
	v.admit(joined.SignedIn)
	v.who = &joined.Session
	return v.page("recovery", kept{joined.RecoveryCodes, v.firstPage()})
}

// kept are the codes to be written down, and where one goes from there.
type kept struct {
	Codes []string
	Next  string // "" for the shop
}

// firstPage is the guided set-up for whoever may do it, while a site waits for it.
func (v *visit) firstPage() string {
	for _, s := range v.c.o.Sites() {
		if !staff.May(v.who.Person, s.Name, staff.Settings) {
			continue
		}
		if ms := v.c.setupMatters(v.r.Context(), s.Name, time.Now()); len(ms) > 0 {
			return sitePath(s.Name, "/setup?said=joined")
		}
	}
	return ""
}

// mine is what somebody sees of themselves.
type mine struct {
	Person   *staff.Person
	Roles    []ui.Link
	Sessions []staff.Session
	This     string
}

func (c *Console) me(v *visit) error {
	sessions, err := c.o.Staff.Sessions(v.r.Context(), v.who.Person.ID)
	if err != nil {
		return err
	}
	return v.page("me", mine{Person: v.who.Person, Sessions: sessions, This: v.who.ID, Roles: v.sites()})
}

func (c *Console) endSession(v *visit) error {
	var err error
	if id := v.field("session"); id == "others" {
		err = c.o.Staff.EndOthers(v.r.Context(), v.who, v.by(""))
	} else {
		err = c.o.Staff.End(v.r.Context(), v.by(""), v.who.Person.ID, id)
	}
	if err != nil && noren.CodeOf(err) != noren.NotFound {
		return err
	}
	return v.redirect("/me", "ended")
}
