package console

import (
	"sync"
	"time"

	"noren"
	"noren/staff"
)

// What people do with personal data, as the record names it.
const (
	actReveal  = "personal.reveal"
	actConceal = "personal.conceal"
	actExport  = "personal.export"
)

// revealedFor is how long personal data stays laid open.
const revealedFor = 10 * time.Minute

// revealed remembers which session asked to see personal data of which site. It is
// kept in this process, where pages are made, and not in the browser: a copied page
// or cookie reveals nothing, and a restart hides everything.
type revealed struct {
	mu    sync.Mutex
	until map[[2]string]time.Time // by session and site
}

// revealedMost bounds the table; a shop has a handful of people.
const revealedMost = 1000

func newRevealed() *revealed { return &revealed{until: map[[2]string]time.Time{}} }

func (r *revealed) open(session, site string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.until) >= revealedMost {
		for k, end := range r.until {
			if !now.Before(end) {
				delete(r.until, k)
			}
		}
		if len(r.until) >= revealedMost {
			clear(r.until)
		}
	}
	r.until[[2]string{session, site}] = now.Add(revealedFor)
}

func (r *revealed) shut(session, site string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.until, [2]string{session, site})
}

// end is when the view closes again; zero when it is closed.
func (r *revealed) end(session, site string, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	end := r.until[[2]string{session, site}]
	if !now.Before(end) {
		return time.Time{}
	}
	return end
}

// openUntil is how long this visit sees personal data here; zero when it does not.
// The role is asked again each time: it may have been taken away meanwhile.
func (v *visit) openUntil() noren.Time {
	if !v.may(staff.SeePersonal) {
		return noren.Time{}
	}
	end := v.c.revealed.end(v.who.ID, v.site, time.Now())
	if end.IsZero() {
		return noren.Time{}
	}
	return noren.At(end)
}

// mask is how personal data is written for this visit.
func (v *visit) mask() mask { return mask{open: !v.openUntil().IsZero()} }

// veil is what a page needs to offer laying personal data open.
type veil struct {
	May   bool
	Until noren.Time // zero: hidden
	Back  string
	Form  string // id of the form
	Post  string // where it goes
	Hide  string // where hiding goes
}

func (v *visit) veil() veil {
	return veil{May: v.may(staff.SeePersonal), Until: v.openUntil(), Back: v.self(), Form: newForm(), Post: v.path("/reveal"), Hide: v.path("/conceal")}
}

// reveal lays personal data of a site open for ten minutes. It is recorded first:
// without an entry nothing is shown.
func (c *Console) reveal(v *visit) error {
	to := back(v.field("back"), v.path("/events"))
	if v.again() {
		return v.redirect(to, "")
	}
	if err := v.record(actReveal, pathOf(to), 0, noren.MaskCards(firstRunes(v.field("reason"), 500))); err != nil {
		return err
	}
	c.revealed.open(v.who.ID, v.site, time.Now())
	return v.redirect(to, "revealed")
}

// conceal hides it again before the time is over.
func (c *Console) conceal(v *visit) error {
	to := back(v.field("back"), v.path("/events"))
	if v.openUntil().IsZero() {
		return v.redirect(to, "")
	}
	c.revealed.shut(v.who.ID, v.site) // first: hiding must not fail
	if err := v.record(actConceal, pathOf(to), 0, ""); err != nil {
		return err
	}
	return v.redirect(to, "concealed")
}

// pathOf is a page without what it was asked: the record names the page, not whom
// somebody looked for.
func pathOf(to string) string {
	for i := range len(to) {
		if to[i] == '?' || to[i] == '#' {
			return to[:i]
		}
	}
	return to
}

func firstRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// record writes down what the visitor does. A policy may refuse it.
func (v *visit) record(act, object string, records int64, reason string) error {
	ev := noren.Event{
		Kind: noren.StaffAction, Site: v.site,
		Entities: noren.Entities{noren.EntityStaff: v.who.Person.ID},
		Payload:  &noren.Operation{Action: act, Object: firstRunes(object, 200), Records: records, Reason: reason},
	}
	if a := v.from(); a.IsValid() {
		ev.Entities[noren.EntityAddress] = a.String()
	}
	d, err := v.c.o.Decider.Decide(v.r.Context(), ev)
	if err != nil {
		return err
	}
	if d.Verdict != noren.Allow && d.Verdict != noren.Review && d.Verdict != "" {
		return noren.Errorf(noren.Denied, "a policy refuses %s", act)
	}
	return nil
}
