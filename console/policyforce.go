package console

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"noren"
	"noren/console/ui"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

// reviewPage shows what a draft changes, before it is put in force.
type reviewPage struct {
	draft
	Title    noren.Text
	Diff     []diffLine
	Changes  []policyChange
	Tried    *tried
	CanWatch bool // policies that could record first
	ReadOnly bool // the settings are files: the change is a patch
	Patch    string
	Nothing  bool
	Waits    bool // another change waits for its confirmation
	Weighed  Weighed
	Self     string // the visitor's address, as far as it is known
	AskSelf  bool
	Once     string
	Reason   string
	Within   string
	First    string
	Wrong    noren.Text
	Back     string
}

// diffLine is one line of a comparison.
type diffLine struct {
	Mark string // add, del, hunk, file, same
	Text string
}

const diffMost = 2000 // lines on a page

// diffLines cuts a patch into lines with what each is.
func diffLines(patch string) (out []diffLine) {
	for line := range strings.Lines(patch) {
		line = strings.TrimRight(line, "\r\n")
		mark := "same"
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
			mark = "file"
		case strings.HasPrefix(line, "@@"):
			mark = "hunk"
		case strings.HasPrefix(line, "+"):
			mark = "add"
		case strings.HasPrefix(line, "-"):
			mark = "del"
		}
		if out = append(out, diffLine{mark, line}); len(out) == diffMost {
			return append(out, diffLine{"hunk", "…"})
		}
	}
	return out
}

// review shows a draft before it is put in force. It changes nothing.
func (c *Console) review(v *visit) error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	d.tidy()
	return c.reviewDraft(v, http.StatusOK, d, noren.Text{})
}

// switchMode is review of a draft that switches one policy.
func (c *Console) switchMode(v *visit) error {
	q := v.r.URL.Query()
	d, err := c.modeDraft(v, q.Get("name"), policy.Mode(q.Get("to")))
	if err != nil {
		return err
	}
	return c.reviewDraft(v, http.StatusOK, d, noren.Text{})
}

// modeDraft is the draft in which one policy has another mode.
func (c *Console) modeDraft(v *visit, name string, to policy.Mode) (d draft, err error) {
	now, rules, err := c.inForce(v.r.Context())
	if err != nil {
		return d, err
	}
	for _, p := range rules.Policies(v.site) {
		if p.Name != name {
			continue
		}
		if err := v.mayTouch(p.File); err != nil {
			return d, err
		}
		text, err := policy.SetMode(policy.File{Name: p.File, Data: []byte(now[p.File])}, name, to)
		return draft{Op: opPut, File: p.File, Text: string(text), Base: now.Hash()}, err
	}
	return d, noren.Errorf(noren.NotFound, "no policy %q at site %s", cutTo(name, 80), v.site)
}

// goBack is review of a draft that returns to a version.
func (c *Console) goBack(v *visit) error {
	now, _, err := c.inForce(v.r.Context())
	if now == nil {
		return err
	}
	return c.reviewDraft(v, http.StatusOK, draft{Op: opReturn, Version: v.r.URL.Query().Get("to"), Base: now.Hash()}, noren.Text{})
}

// reviewDraft makes the page; wrong says what was wrong with the last try.
func (c *Console) reviewDraft(v *visit, status int, d draft, wrongly noren.Text) error {
	now, rules, err := c.inForce(v.r.Context())
	if now == nil {
		return v.keepDraft(d, err)
	}
	if d.Base != now.Hash() {
		return c.conflict(v, d, now)
	}
	set, err := c.draftSet(v, d, now)
	if err != nil {
		return err
	}
	compiled, err := c.compileDraft(v.r.Context(), set)
	if err != nil {
		return v.keepDraft(d, err)
	}
	if compiled.Rules == nil || compiled.Err != nil {
		t := &tried{}
		t.judge(compiled, d)
		t.conceal(v.mayName)
		if d.Op == opPut {
			return v.editPage(http.StatusUnprocessableEntity, editPage{draft: d, Tried: t})
		}
		return noren.WithText(noren.Errorf(noren.Invalid, "the settings would not compile"), noren.Text{Ja: "このままでは設定として成り立ちません。", En: "The settings would not compile."})
	}
	p := c.newReview(v, d, now, set)
	p.Wrong = wrongly
	if rules != nil {
		p.Changes = policyChanges(rules.Policies(v.site), compiled.Rules.Policies(v.site))
	}
	for _, ch := range p.Changes {
		p.CanWatch = p.CanWatch || d.Op == opPut && ch.After != nil && ch.After.Mode == policy.On && ch.After.File == d.File
	}
	if open, err := c.settingsOnTrial(v.r.Context()); err == nil && open != nil {
		p.Waits = true
	}
	return v.pageWith(status, "policyreview", p)
}

func (c *Console) newReview(v *visit, d draft, now, set settings.Set) reviewPage {
	patch := settings.Diff(v.shown(now), v.shown(set))
	self, known := v.selfAddress()
	p := reviewPage{draft: d, Diff: diffLines(patch), Nothing: now.Hash() == set.Hash(), Once: newForm(), Weighed: c.o.Desk.Weigh(set, self),
		Reason: v.field("reason"), Within: v.field("within"), First: v.field("first"), Back: v.path("/policies")}
	if p.Within == "" {
		p.Within = "10m"
	}
	if p.AskSelf = p.Weighed.Access; p.AskSelf {
		if p.Self = v.field("as"); p.Self == "" && known {
			p.Self = self.String()
		}
	}
	if p.ReadOnly = c.o.Settings.Mode() == settings.Files; p.ReadOnly {
		p.Patch = patch
	}
	return p
}

// draftSet is the set that a draft makes.
func (c *Console) draftSet(v *visit, d draft, now settings.Set) (settings.Set, error) {
	var before settings.Set
	if d.Op == opReturn {
		var err error
		if before, err = c.o.Settings.Get(v.r.Context(), d.Version); err != nil {
			return nil, err
		}
	}
	return d.on(now, before, v.edits), nil
}

// selfAddress is where the visitor is, as the shop would see it. The address of
// this machine tells nothing: then they are asked.
func (v *visit) selfAddress() (netip.Addr, bool) {
	if typed, err := netip.ParseAddr(v.field("as")); err == nil {
		return typed.Unmap().WithZone(""), true
	}
	if a := v.from(); v.field("as") == "" && a.IsValid() && !a.IsLoopback() {
		return a, true
	}
	return netip.Addr{}, false
}

// nobody is what is typed when a change is not about the one who makes it.
const nobody = "nobody"

// change puts a draft in force.
func (c *Console) change(v *visit) error {
	d, err := v.draft()
	if err != nil {
		return err
	}
	if v.formID() == "" {
		return noren.Errorf(noren.Invalid, "the form has no id")
	}
	if within, err := trialOf(v.field("within")); err == nil && within == 0 {
		if err := v.confirmed(); err != nil { // nothing takes it back by itself
			return err
		}
	}
	if v.again() {
		return v.redirect(v.path("/policies"), "again")
	}
	said, err := c.putInForce(v, d)
	switch m := mistakeIn(err); {
	case err == nil:
		return v.redirect(v.path("/policies?"+url.Values{"open": {d.File}}.Encode()), said)
	case m != nil:
		c.once.release(v.formID())
		return c.reviewDraft(v, http.StatusUnprocessableEntity, d, m.text)
	}
	return v.keepDraft(d, err)
}

func (c *Console) putInForce(v *visit, d draft) (said string, err error) {
	ctx := v.r.Context()
	reason, err := v.reason()
	if err != nil {
		return "", err
	}
	within, err := trialOf(v.field("within"))
	if err != nil {
		return "", err
	}
	now, rules, err := c.inForce(ctx)
	if now == nil {
		return "", err
	}
	if d.Base != now.Hash() {
		return "", noren.WithText(noren.Errorf(noren.Conflict, "version %s is in force, the change was made from %s", now.Hash(), d.Base),
			noren.Text{Ja: "ほかの人が先に設定を変えました。上書きはしていません。あなたの文は下に残っています。", En: "Somebody changed the settings first. Nothing was overwritten; your text is below."})
	}
	if v.field("first") == "shadow" && rules != nil {
		compiled, err := c.compileDraft(ctx, d.on(now, nil, v.edits))
		if err != nil || compiled.Rules == nil {
			return "", cmpErr(err, compiled.Err)
		}
		if err := d.inShadow(policyChanges(rules.Policies(v.site), compiled.Rules.Policies(v.site))); err != nil {
			return "", err
		}
	}
	set, err := c.draftSet(v, d, now)
	if err != nil {
		return "", err
	}
	if set.Hash() == now.Hash() {
		return "policy-same", nil
	}
	if err := c.lockOut(v, set, within); err != nil {
		return "", err
	}
	self, _ := v.selfAddress()
	if _, err := c.o.Desk.Change(ctx, SettingsChange{Set: set, Author: v.author(), Reason: reason, Base: d.Base, Within: within, Self: self, MayShutOut: v.field("shut") != ""}); err != nil {
		return "", c.changeError(ctx, err)
	}
	if within > 0 {
		return "policy-trial", nil
	}
	return "policy-changed", nil
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return noren.Errorf(noren.Invalid, "the draft does not compile")
}

// changeError puts words for the person beside what the part says.
func (c *Console) changeError(ctx context.Context, err error) error {
	if open, terr := c.settingsOnTrial(ctx); terr == nil && open != nil && stale(err) {
		return wrong("base", "前の変更が確定を待っています。上の帯の「確定する」か「今すぐ戻す」を先に押してください。", "An earlier change waits for its confirmation. Press “Keep it” or “Take it back” above first.")
	}
	if _, files := errors.AsType[*settings.Refused](err); files {
		return wrong("file", "この設定はファイルで管理されています。下のパッチを、設定のディレクトリで当ててください。", "These settings are files. Apply the patch below in their directory.")
	}
	if noren.CodeOf(err) == noren.Denied {
		return wrong("as", "この変更を入れると、あなた自身がお店に入れなくなります。何も変えていません。", "This change would shut you out yourself. Nothing was changed.")
	}
	return err
}

// lockOut refuses a change of who may enter unless it is known whether it shuts
// out the one who makes it, or they know that it does and it is taken back by
// itself.
func (c *Console) lockOut(v *visit, set settings.Set, within time.Duration) error {
	self, known := v.selfAddress()
	w := c.o.Desk.Weigh(set, self)
	switch typed := v.field("as"); {
	case !w.Access:
		return nil
	case typed != "" && typed != nobody && !known:
		return wrong("as", "IPアドレスの形ではありません。", "That is no IP address.")
	case !known && typed != nobody:
		return wrong("as", "お店をふだん開くときのあなたのIPアドレスを書いてください。自分に関係のない変更なら nobody と書きます。", "Please give your own address as the shop sees it, or “nobody” when the change is not about you.")
	case w.ShutOut == "":
		return nil
	case within == 0:
		return wrong("within", "この変更を入れると、あなた自身が入れなくなります。自動で戻る時間を選んでください。", "This change would shut you out yourself. Choose a time after which it is taken back.")
	case v.field("shut") == "":
		return wrong("shut", "この変更を入れると、自動で戻るまであなた自身が入れなくなります。承知のうえなら、印を付けてください。", "Until it is taken back this change shuts you out yourself. Tick the box if you know.")
	}
	return nil
}

// trialOf is how long a change waits for its confirmation; 0 for one that stays.
func trialOf(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if s == "" || err != nil || d < 0 || d > 24*time.Hour || d > 0 && d < time.Second {
		return 0, wrong("within", "自動で戻るまでの時間を選んでください。", "Please choose a time after which the change is taken back.")
	}
	return d, nil
}

// conflict shows the form again when somebody changed the settings first: the text
// stays, on the settings that are in force now.
func (c *Console) conflict(v *visit, d draft, now settings.Set) error {
	p := editPage{draft: d, Wrong: noren.Text{Ja: "ほかの人が先に設定を変えました。上書きはしていません。あなたの文は下に残っています。下の違いを見て、もう一度「反映へ進む」を押してください。",
		En: "Somebody changed the settings first. Nothing was overwritten; your text is below. Look at the difference and press “Go on” again."}}
	p.Base = now.Hash()
	if d.Op != opPut {
		return noren.Errorf(noren.Conflict, "version %s is in force, the change was made from %s", now.Hash(), d.Base)
	}
	p.Theirs = diffLines(settings.Diff(settings.Set{d.File: now[d.File]}, settings.Set{d.File: d.Text}))
	return v.editPage(http.StatusConflict, p)
}

// settingsOnTrial is the change of settings that waits for its confirmation, nil
// for none.
func (c *Console) settingsOnTrial(ctx context.Context) (*settings.Trial, error) {
	if c.o.Settings == nil {
		return nil, nil
	}
	open, err := c.o.Settings.Trials(ctx)
	if err != nil {
		return nil, err
	}
	for i := range open {
		if open[i].Kind == settings.TrialSettings {
			return &open[i], nil
		}
	}
	return nil, nil
}

// waits is the band on every page of a site while a change waits.
func (v *visit) waits() *ui.Waits {
	t, err := v.c.settingsOnTrial(v.r.Context())
	if err != nil || t == nil {
		return nil
	}
	files, err := v.trialFiles(t)
	if err != nil {
		return nil
	}
	seen := false
	for _, f := range files {
		seen = seen || v.sees(f)
	}
	if !seen {
		return nil
	}
	return &ui.Waits{Due: t.Due, Left: max(0, time.Until(t.Due.Time)).Round(time.Second), May: v.may(staff.Policies) && v.editsAll(files), Trial: t.ID,
		Keep: v.path("/policies/confirm"), Back: v.path("/policies/back"), Once: newForm(), Look: v.path("/policies/versions")}
}

// trialFiles are the files that a change on trial is about. When that cannot be
// told, nobody may end the trial here: it ends by itself.
func (v *visit) trialFiles(t *settings.Trial) (out []string, err error) {
	ctx := v.r.Context()
	now, err := v.c.o.Settings.Current(ctx)
	if err != nil {
		return nil, err
	}
	if now.Hash() != t.Made {
		return nil, noren.Errorf(noren.Conflict, "the settings were changed again since the change on trial")
	}
	before, err := v.c.o.Settings.Get(ctx, t.Undo)
	if err != nil {
		return nil, err
	}
	for p, text := range now {
		if was, there := before[p]; !there || was != text {
			out = append(out, p)
		}
	}
	for p := range before {
		if _, there := now[p]; !there {
			out = append(out, p)
		}
	}
	return out, nil
}

func (v *visit) editsAll(files []string) bool {
	for _, f := range files {
		if !v.edits(f) {
			return false
		}
	}
	return true
}

// confirmChange keeps the change that waits; takeBack returns from it.
func (c *Console) confirmChange(v *visit) error { return c.endTrial(v, true) }
func (c *Console) takeBack(v *visit) error      { return c.endTrial(v, false) }

func (c *Console) endTrial(v *visit, keep bool) error {
	if c.o.Desk == nil {
		return errNoDesk
	}
	t, err := c.settingsOnTrial(v.r.Context())
	switch {
	case err != nil:
		return err
	case t == nil || t.ID != v.field("trial"):
		return v.redirect(v.path("/policies"), "policy-over")
	}
	files, err := v.trialFiles(t)
	switch {
	case err != nil && !(noren.CodeOf(err) == noren.Conflict && v.editsAll([]string{"access.yaml", "limits.yaml"})):
		return err // whose files it is about is not known: only who may change all of them goes on
	case !v.editsAll(files):
		return noren.Errorf(noren.Denied, "the change on trial is about files of others")
	case v.again():
		return v.redirect(v.path("/policies"), "again")
	}
	state, err := c.o.Desk.Settle(v.r.Context(), *t, keep, v.author())
	if err != nil {
		return err
	}
	said := map[string]string{settings.TrialConfirmed: "policy-kept", settings.TrialTakenBack: "policy-back"}[state]
	if said == "" {
		said = "policy-over"
	}
	return v.redirect(v.path("/policies"), said)
}
