package console

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"noren"
	"noren/console/ui"
	"noren/journal"
	"noren/staff"
)

// proofPage shows how the record stands and that nobody altered it.
type proofPage struct {
	Standing journal.Standing
	Found    bool // the site has a log
	Tone     ui.Tone
	Says     noren.Text
	Limits   noren.Text       // what a clean check cannot tell
	Marks    []journal.Signed // the last checkpoints
	Check    *verification
	Sheet    noren.Text // why the recovery sheet should be printed
	NoSheet  bool
	May      bool // print and confirm the sheet
	Once     string
	Key      string
	Paste    bool   // compare with a checkpoint of their own
	Entry    string // the one whose proof was asked for; "" for none
}

func (c *Console) proof(v *visit) error {
	ctx := v.r.Context()
	p := proofPage{Once: newForm(), May: v.maySheet(), Paste: v.may(staff.Act)}
	all, err := c.o.Journal.Standings(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.Log == v.site {
			p.Standing, p.Found = s, true
		}
	}
	if p.Marks, err = c.o.Journal.Checkpoints(ctx, v.site, 10); err != nil {
		return err
	}
	if p.Key, err = c.o.Journal.VerifierKey(v.site); err != nil {
		return err
	}
	if n, err := strconv.ParseInt(v.r.FormValue("entry"), 10, 64); err == nil && n >= 0 && n < p.Standing.Entries {
		p.Entry = strconv.FormatInt(n, 10)
	}
	if p.Sheet, p.NoSheet, err = c.o.Sheet(ctx); err != nil {
		return err
	}
	p.Check = c.checks.of(v.site)
	p.Tone, p.Says = standingSays(p.Standing, p.Check)
	p.Limits = cannotTell(p.Standing, p.Check)
	if v.asked("check") {
		return v.part("proof", "check", v.frame(p))
	}
	return v.page("proof", p)
}

// standingSays is how the record stands in one sentence. It is pure.
func standingSays(s journal.Standing, check *verification) (ui.Tone, noren.Text) {
	switch {
	case check != nil && check.Done() && len(check.Report.Findings) > 0:
		return ui.Alert, noren.Text{Ja: "記録に、変えられた跡があります", En: "The record shows signs of having been altered"}
	case s.Entries == 0:
		return ui.Calm, noren.Text{Ja: "記録はまだありません", En: "There is no record yet"}
	case check != nil && check.Done():
		return ui.Good, noren.Text{Ja: "記録はすべて、書かれたときのままです", En: "The whole record is as it was written"}
	case len(s.Outside) == 0:
		return ui.Check, noren.Text{Ja: "記録は守られていますが、証明がこの機械の中にしかありません", En: "The record is kept safe, but its proof is on this machine only"}
	case s.LastOut == nil:
		return ui.Check, noren.Text{Ja: "記録は守られています。証明は、まだ機械の外へ出ていません", En: "The record is kept safe; no proof of it has left this machine yet"}
	}
	return ui.Good, noren.Text{Ja: "記録は守られています", En: "The record is kept safe"}
}

// cannotTell is what a clean check leaves open, after the good news. It is pure.
func cannotTell(s journal.Standing, check *verification) noren.Text {
	if check == nil || !check.Done() || len(check.Report.Findings) > 0 || s.Entries == 0 {
		return noren.Text{}
	}
	switch {
	case len(s.Outside) == 0:
		return noren.Text{Ja: "ただし、証明がこの機械の中にしかないため、機械を丸ごと乗っ取った人がすべてを書き直していても、この点検では分かりません。下の「機械の外への控え」を始めると、それも分かるようになります。",
			En: "What it cannot tell: the proof is on this machine only, so somebody who took over the whole machine could have written everything anew. Copies outside, below, close that gap."}
	case s.LastOut == nil:
		return noren.Text{Ja: "ただし、証明の控えがまだ機械の外へ出ていないため、機械を丸ごと乗っ取られた場合のことは、この点検では分かりません。", En: "What it cannot tell: no copy of the proof has left this machine yet, so a takeover of the whole machine would not show."}
	}
	return noren.Text{}
}

// verification is one check of a site's record, under way or done.
type verification struct {
	mu          sync.Mutex
	Began       noren.Time
	Ended       noren.Time
	done, total int64
	Report      journal.Report
	Err         error
	cancel      context.CancelFunc
}

// Done reports whether it came to its end.
func (x *verification) Done() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.Ended.IsZero() && x.Err == nil
}

// Running reports whether it is under way.
func (x *verification) Running() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.Ended.IsZero()
}

// Mistyped reports whether what was pasted is no checkpoint of this record.
func (x *verification) Mistyped() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return noren.CodeOf(x.Err) == noren.Invalid
}

// Entries are how many were looked at, and of how many.
func (x *verification) Entries() (n [2]int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return [2]int64{x.done, x.total}
}

func (x *verification) progress(done, total int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done, x.total = done, total
}

func (x *verification) end(r journal.Report, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Report, x.Err, x.Ended = r, err, noren.At(time.Now())
}

// checks are the last verification of each site. One runs at a time on a site.
type checks struct {
	mu     sync.Mutex
	bySite map[string]*verification
}

func newChecks() *checks { return &checks{bySite: map[string]*verification{}} }

func (k *checks) of(site string) *verification {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.bySite[site]
}

// begin starts one unless one runs already.
func (k *checks) begin(life context.Context, site string, run func(ctx context.Context, progress func(done, total int64)) (journal.Report, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if x := k.bySite[site]; x != nil && x.Running() {
		return
	}
	ctx, cancel := context.WithTimeout(life, verifyAtMost)
	x := &verification{Began: noren.At(time.Now()), cancel: cancel}
	k.bySite[site] = x
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil { // the shop's entrance runs in this process
				x.end(journal.Report{}, noren.Errorf(noren.Internal, "panic: %v", p))
			}
		}()
		x.end(run(ctx, x.progress))
	}()
}

func (k *checks) stop(site string) {
	if x := k.of(site); x != nil {
		x.cancel()
	}
}

// verifyAtMost ends a check that would go on for ever; ten million entries take a
// few minutes.
const verifyAtMost = 2 * time.Hour

// verify begins to recompute the site's whole record, in the background.
func (c *Console) verify(v *visit) error {
	outside := []byte(v.r.PostFormValue("checkpoint"))
	if len(outside) > 10_000 {
		return wrong("checkpoint", "保管してあるチェックポイントは、数行の短い文字です。", "A checkpoint is a few short lines.")
	}
	switch {
	case len(outside) == 0:
		outside = nil
	case !v.may(staff.Act): // a forged one would alarm everybody of the shop
		return noren.Errorf(noren.Denied, "compare the record with a checkpoint that somebody pasted")
	}
	site := v.site
	c.checks.begin(c.life, site, func(ctx context.Context, progress func(done, total int64)) (journal.Report, error) {
		return c.o.Journal.Verify(ctx, journal.VerifyOptions{Log: site, Checkpoint: outside, Progress: progress})
	})
	return v.redirect(v.path("/proof#check"), "")
}

func (c *Console) stopVerify(v *visit) error {
	c.checks.stop(v.site)
	return v.redirect(v.path("/proof#check"), "")
}

// proofBundle is the proof of one entry to take away.
func (c *Console) proofBundle(v *visit) error {
	seq, err := strconv.ParseInt(v.r.PathValue("seq"), 10, 64)
	if err != nil || seq < 0 {
		return noren.Errorf(noren.NotFound, "no entry %q", v.r.PathValue("seq"))
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="proof-`+v.site+"-"+strconv.FormatInt(seq, 10)+`.zip"`)
	if err := c.o.Journal.Bundle(v.r.Context(), v.w, v.site, seq); err != nil {
		h.Del("Content-Disposition")
		return err
	}
	return nil
}

// checkpoint is the newest signed one, for somebody to keep outside.
func (c *Console) checkpoint(v *visit) error {
	note, err := c.o.Journal.Checkpoint(v.r.Context(), v.site)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="checkpoint-`+v.site+"-"+time.Now().In(ui.JST()).Format("20060102-1504")+`.txt"`)
	v.w.WriteHeader(http.StatusOK)
	_, err = v.w.Write(note)
	return err
}

// maySheet reports whether the visitor may say that the recovery sheet is kept safe:
// it is the machine's, so an owner of one shop must not quieten it for all.
func (v *visit) maySheet() bool { return staff.May(v.who.Person, staff.AllSites, staff.People) }

// sheetPrinted confirms that somebody holds the recovery sheet in their hands.
func (c *Console) sheetPrinted(v *visit) error {
	if !v.maySheet() {
		return noren.Errorf(noren.Denied, "the recovery sheet is of the whole machine")
	}
	if v.field("held") == "" {
		return wrong("held", "紙を手にしていることを確かめてから、印を付けてください。", "Please tick the box once you hold the sheet in your hands.")
	}
	if err := v.confirmed(); err != nil {
		return err
	}
	to := v.path("/proof#sheet")
	if v.field("to") == "setup" {
		to = v.path("/setup/" + stepSheet)
	}
	if v.again() {
		return v.redirect(to, "again")
	}
	if err := v.record("recovery_sheet.confirmed", "", 0, ""); err != nil {
		return err
	}
	if err := c.o.SheetDone(v.r.Context()); err != nil {
		return err
	}
	c.setups.forgetAll() // the sheet is of the whole machine
	return v.redirect(to, "sheet")
}
