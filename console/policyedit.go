package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

func (v *visit) fileURL(name string) string {
	return v.path("/policies/edit?file=" + url.QueryEscape(name))
}

// editPage is a file in its form.
type editPage struct {
	draft
	New      bool // not in force yet
	May      bool
	ReadOnly bool // the settings are files: a change becomes a patch
	Tried    *tried
	Wrong    noren.Text // why what was asked for did not happen
	Ticket   string
	Theirs   []diffLine // what somebody else changed meanwhile
	Rows     int        // lines of the form
}

// tried is how a draft compiled and how its test rows went.
type tried struct {
	OK      bool
	Nothing bool // as in force
	Faults  []fault
	Rest    []noren.Text
	More    int // faults that are not shown
	Rows    []policy.RowResult
	Failed  int
	Changes []policyChange
}

// fault is one thing wrong, with the lines around it.
type fault struct {
	policy.Fault
	Lines []faultLine
	URL   string // of another file
}

type faultLine struct {
	N    int
	Text string
	Here bool
}

const faultsShown = 20

// edit shows one file.
func (c *Console) edit(v *visit) error {
	if c.o.Settings == nil {
		return errNoDesk
	}
	set, err := c.o.Settings.Current(v.r.Context())
	if err != nil {
		return err
	}
	name := v.r.URL.Query().Get("file")
	p := editPage{draft: draft{Op: opPut, File: name, Base: set.Hash()}}
	if v.r.URL.Query().Get("new") != "" {
		if !v.may(staff.Policies) {
			return noren.Errorf(noren.Denied, "a new file")
		}
		p.New, p.File = true, v.newFile()
		p.Text = newPolicyText
	} else {
		text, there := set[name]
		if !there || !v.sees(name) {
			return noren.Errorf(noren.NotFound, "no file %q at site %s", cutTo(name, 80), v.site)
		}
		p.Text = text
	}
	return v.editPage(http.StatusOK, p)
}

// newFile is where a new file may stand.
func (v *visit) newFile() string {
	if v.edits("policies/x.yaml") {
		return "policies/new.yaml"
	}
	return "sites/" + v.site + "/policies/new.yaml"
}

const newPolicyText = `version: 1
policies:
  - name: my-policy
    kinds: [order.placed]
    mode: shadow
    when: order.total >= 100000
    then: review
    reason:
      ja: 高額の注文です
      en: A large order
    tests:
      - {name: large, facts: {order.total: 100000}, fires: true}
      - {name: ordinary, facts: {order.total: 3000}, fires: false}
`

func (v *visit) editPage(status int, p editPage) error {
	p.May = v.edits(p.File) && v.may(staff.Policies)
	p.ReadOnly = v.c.o.Settings.Mode() == settings.Files
	p.Rows = min(40, max(12, strings.Count(p.Text, "\n")+2))
	return v.pageWith(status, "policyedit", p)
}

// keepDraft shows the form again after something went wrong: what was typed stays.
func (v *visit) keepDraft(d draft, err error) error {
	if d.Op == opReturn || d.File == "" || v.mayTouch(d.File) != nil {
		return err
	}
	err = v.c.away(err)
	t, status := troubleOf(err)
	p := editPage{draft: d, Wrong: noren.Text{Ja: t.Title.Ja + "。" + t.Text.Ja, En: t.Title.En + ". " + t.Text.En}}
	if text, ok := forPerson(err); ok {
		p.Wrong = text
	}
	if status >= http.StatusInternalServerError {
		p.Ticket = noren.NewTicket()
		v.c.o.Log.Error("console", "ticket", p.Ticket, "path", loggedPath(v.r.URL.Path), "err", err, "hint", noren.HintOf(err))
	}
	v.c.once.release(v.formID())
	return v.editPage(status, p)
}

// test compiles a draft and runs its test rows. It stores nothing.
func (c *Console) test(v *visit) error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	t, err := c.try(v, d)
	switch {
	case v.r.Context().Err() != nil:
		return v.r.Context().Err() // typed on
	case v.asked("tried"):
		p := editPage{draft: d, Tried: t}
		if err != nil {
			p.Wrong = noren.Text{Ja: "いまは試せません。少し待つともう一度試します。", En: "It cannot be tried just now; it is tried again shortly."}
		}
		return v.part("policyedit", "tried", p)
	case err != nil:
		return v.keepDraft(d, err)
	}
	return v.editPage(http.StatusOK, editPage{draft: d, Tried: t})
}

// try compiles a draft on the settings in force, one at a time.
func (c *Console) try(v *visit, d draft) (*tried, error) {
	now, rules, err := c.inForce(v.r.Context())
	if now == nil {
		return nil, err
	}
	set := d.on(now, nil, v.edits)
	t := &tried{Nothing: set.Hash() == now.Hash()}
	compiled, err := c.compileDraft(v.r.Context(), set)
	if err != nil {
		return nil, err
	}
	t.judge(compiled, d)
	t.conceal(v.mayName)
	if compiled.Rules != nil && rules != nil {
		t.Changes = policyChanges(rules.Policies(v.site), compiled.Rules.Policies(v.site))
	}
	for i := range t.Faults {
		if t.Faults[i].File != d.File && v.sees(t.Faults[i].File) {
			t.Faults[i].URL = v.fileURL(t.Faults[i].File)
		}
	}
	return t, nil
}

// compileDraft waits for its turn, as long as somebody waits for the answer.
func (c *Console) compileDraft(ctx context.Context, set settings.Set) (Compiled, error) {
	if err := set.Valid(); err != nil {
		return Compiled{Err: err}, nil
	}
	select {
	case c.trying <- struct{}{}:
		defer func() { <-c.trying }()
		return c.o.Desk.Compile(set), ctx.Err()
	case <-ctx.Done():
		return Compiled{}, ctx.Err()
	}
}

// placed finds the place in a fault that is told as text.
var placed = regexp.MustCompile(`^([a-z0-9/_.-]+):(\d{1,6})(?::(\d{1,6}))?: (.+)$`)

// placedIn is a text without the place before it.
func placedIn(s string) string {
	if m := placed.FindStringSubmatch(s); m != nil {
		return m[4]
	}
	return s
}

// judge sorts what came of a draft.
func (t *tried) judge(c Compiled, d draft) {
	t.OK = c.Rules != nil && c.Err == nil
	faults, rest := policy.Faults(c.Err)
	for _, text := range rest {
		m := placed.FindStringSubmatch(text.En)
		if m == nil {
			t.Rest = append(t.Rest, noren.Text{Ja: cutTo(text.Ja, 2000), En: cutTo(text.En, 2000)})
			continue
		}
		line, _ := strconv.Atoi(m[2])
		col, _ := strconv.Atoi(m[3])
		faults = append(faults, policy.Fault{File: m[1], Line: line, Col: col, Msg: m[4], Ja: placedIn(text.Ja)})
	}
	t.More = max(0, len(faults)-faultsShown)
	lines := strings.Split(d.Text, "\n")
	for _, f := range faults[:min(len(faults), faultsShown)] {
		x := fault{Fault: f}
		if f.File == d.File {
			x.Lines = around(lines, f.Line)
		}
		t.Faults = append(t.Faults, x)
	}
	slices.SortStableFunc(c.Rows, func(a, b policy.RowResult) int { return cmp.Compare(holds(a), holds(b)) })
	for _, r := range c.Rows {
		if r.File == d.File {
			t.Rows = append(t.Rows, r)
			if !r.Held {
				t.Failed++
			}
		}
	}
}

// siteFile is how messages name a file of one site.
var siteFile = regexp.MustCompile(`sites/[a-z0-9_-]+/[a-z0-9/_.-]*`)

// concealed is a text without the names of files that may not be named.
func concealed(s string, may func(file string) bool) string {
	return siteFile.ReplaceAllStringFunc(s, func(f string) string {
		if may(f) {
			return f
		}
		return "sites/…"
	})
}

// conceal takes names of other sites' files out of what is said.
func (t *tried) conceal(may func(file string) bool) {
	hide := func(s string) string { return concealed(s, may) }
	for i := range t.Faults {
		f := &t.Faults[i]
		f.File, f.Msg, f.Ja = hide(f.File), hide(f.Msg), hide(f.Ja)
	}
	for i := range t.Rest {
		t.Rest[i] = noren.Text{Ja: hide(t.Rest[i].Ja), En: hide(t.Rest[i].En)}
	}
}

// holds puts rows that do not hold first.
func holds(r policy.RowResult) int {
	if r.Held {
		return 1
	}
	return 0
}

// around are the lines about one of them.
func around(lines []string, n int) (out []faultLine) {
	for i := max(1, n-2); i <= min(len(lines), n+1); i++ {
		out = append(out, faultLine{i, cutTo(lines[i-1], 300), i == n})
	}
	return out
}

// replay begins a back-test of a draft.
func (c *Console) replay(v *visit) error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	if name, to := v.field("name"), policy.Mode(v.field("to")); name != "" {
		if d, err = c.modeDraft(v, name, to); err != nil {
			return err
		}
	}
	days, err := strconv.Atoi(v.field("days"))
	if err != nil || days < 1 || days > 28 {
		days = 7
	}
	r, err := c.startReplay(v, d, days)
	if err != nil {
		return v.keepDraft(d, err)
	}
	http.Redirect(v.w, v.r, v.path("/policies/replay/"+r.ID), http.StatusSeeOther)
	return nil
}

func (c *Console) startReplay(v *visit, d draft, days int) (*rehearsal, error) {
	now, rules, err := c.inForce(v.r.Context())
	if err != nil {
		return nil, err
	}
	compiled, err := c.compileDraft(v.r.Context(), d.on(now, nil, v.edits))
	switch {
	case err != nil:
		return nil, err
	case compiled.Rules == nil || compiled.Err != nil:
		return nil, wrong("text", "まだ誤りがあるので、過去の記録では試せません。「試す」で誤りの場所が分かります。", "There are mistakes in it, so it cannot be tried on the past. “Try it” shows where.")
	}
	changes := policyChanges(rules.Policies(v.site), compiled.Rules.Policies(v.site))
	if len(changes) == 0 {
		return nil, wrong("text", "方針は何も変わらないので、過去の記録で試すことがありません（回数の上限や入れる人の決まりは、過去の記録では試せません）。", "No policy changes, so there is nothing to try on the past (limits and who may enter cannot be tried on it).")
	}
	h := newHindsight(rules, compiled.Rules, changes)
	ctx, cancel := context.WithCancel(c.life)
	r := &rehearsal{ID: noren.NewID(time.Now()), Site: v.site, By: v.who.Person.ID, File: d.File, Days: days, Began: time.Now(), cancel: cancel, h: h}
	if c.rehearsals.begin(r) != nil {
		cancel()
		return nil, wrong("text", "ほかの試しが動いています。終わってから、もう一度押してください（一度に一つだけ動きます）。", "Another back-test is running. Press again when it is done; one runs at a time.")
	}
	go r.run(ctx, walker{c.o.Journal, v.site, h.kinds(), time.Now().AddDate(0, 0, -days)}, c.o.Log)
	return r, nil
}

// replayed shows a back-test, running or done.
func (c *Console) replayed(v *visit) error {
	r, err := c.rehearsals.of(v.site, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	s := r.seen()
	s.MayStop = v.may(staff.Policies)
	if v.asked("replay") {
		return v.part("policyreplay", "box", v.frame(s))
	}
	return v.page("policyreplay", s)
}

func (c *Console) stopReplay(v *visit) error {
	r, err := c.rehearsals.of(v.site, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	r.cancel()
	http.Redirect(v.w, v.r, v.path("/policies/replay/"+r.ID), http.StatusSeeOther)
	return nil
}

// stale reports whether an error says that somebody else was first.
func stale(err error) bool {
	return noren.CodeOf(err) == noren.Conflict && !errors.Is(err, context.Canceled)
}
