package console

import (
	"context"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/gateway"
	"noren/notify"
	"noren/staff"
)

// setups keep for a while what is costly to find out: what the shop runs on, and
// how the steps stand. What was tried last is shown again.
type setups struct {
	mu       sync.Mutex
	detected map[string]detection
	steps    map[string]stepsAt
	tried    map[string][]Tried
	tries    map[string][]time.Time // of late
	answers  map[string][]notify.Answer
}

type detection struct {
	at    time.Time
	found *gateway.Detected
}

type stepsAt struct {
	at    time.Time
	steps []setupStep
}

const (
	detectedFor = 10 * time.Minute
	silentFor   = 30 * time.Second // a shop that did not answer is asked again
	// Test requests are real: policies would ban the machine's own address for more
	// of them within ten minutes, and with it everybody behind a proxy there.
	triesMost = 3
	triesIn   = 10 * time.Minute
	stepsFor  = 15 * time.Second
)

func newSetups() *setups {
	return &setups{detected: map[string]detection{}, steps: map[string]stepsAt{}, tried: map[string][]Tried{}, tries: map[string][]time.Time{}, answers: map[string][]notify.Answer{}}
}

func (s *setups) forget(site string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.steps, site)
}

func (s *setups) forgetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.steps)
}

// looked is what the shop was found to run on lately.
func (s *setups) looked(site string, now time.Time) (*gateway.Detected, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.detected[site]
	keep := detectedFor
	if d.found == nil {
		keep = silentFor
	}
	return d.found, ok && now.Sub(d.at) < keep
}

// mayTry counts a round of test requests, and refuses one too many.
func (s *setups) mayTry(site string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	lately := slices.DeleteFunc(s.tries[site], func(t time.Time) bool { return now.Sub(t) > triesIn })
	may := len(lately) < triesMost
	if may {
		lately = append(lately, now)
	}
	s.tries[site] = lately
	return may
}

// detect asks the shop, unless it was asked lately. nil is a shop that does not
// answer.
func (c *Console) detect(ctx context.Context, site string) *gateway.Detected {
	now := time.Now()
	if d, ok := c.setups.looked(site, now); ok {
		return d
	}
	found, err := c.o.House.Detect(ctx, site)
	var d *gateway.Detected
	if err == nil {
		d = &found
	}
	c.setups.mu.Lock()
	defer c.setups.mu.Unlock()
	c.setups.detected[site] = detection{now, d}
	return d
}

// setupState gathers how a site's set-up stands.
func (c *Console) setupState(ctx context.Context, site string) (s setupState, err error) {
	s.Now = time.Now()
	s.Site, _ = c.siteOf(site)
	s.Servers, s.Certs, s.Places = c.o.Gateway.Servers(site), c.o.Gateway.Certificates(site), c.o.Places.List(site)
	if c.o.Gate != nil {
		s.Rules = c.o.Gate.Rules(site)
	}
	s.Detected, _ = c.setups.looked(site, s.Now)
	if s.Standing, err = c.o.House.Standing(ctx, site); err != nil {
		return s, err
	}
	if _, s.NoSheet, err = c.o.Sheet(ctx); err != nil {
		return s, err
	}
	s.Settled, err = c.o.House.Settled(ctx, site)
	return s, err
}

// setupMatters is the way on while steps are open.
func (c *Console) setupMatters(ctx context.Context, site string, now time.Time) []matter {
	if c.o.House == nil {
		return nil
	}
	c.setups.mu.Lock()
	known := c.setups.steps[site]
	c.setups.mu.Unlock()
	if now.Sub(known.at) > stepsFor {
		s, err := c.setupState(ctx, site)
		if err != nil {
			return nil // the database's absence is told elsewhere
		}
		known = stepsAt{now, s.steps()}
		c.setups.mu.Lock()
		c.setups.steps[site] = known
		c.setups.mu.Unlock()
	}
	if m, ok := setupMatter(site, known.steps); ok {
		return []matter{m}
	}
	return nil
}

// setupView is the guided set-up: all steps, or one of them.
type setupView struct {
	Steps    []setupStep
	Step     setupStep
	N, Of    int
	Next     string // the step after this; "" behind the last
	First    string // the first that is open; "" for none
	Open     int
	Left     int // by a person's decision
	State    setupState
	Knows    []known
	Title    noren.Text // of the preset in force
	Lines    []copyable
	Places   placesView
	Hearers  hearersForm
	Answers  []notify.Answer
	Masked   []string
	Tried    []triedRow
	May      bool
	Once     string
	Certs    []certRow
	SheetMay bool
	Force    force
	Letter   letter
}

// copyable is a block of noren.yaml to be copied.
type copyable struct {
	Says noren.Text
	Text string
}

// hearersForm names who is told by mail.
type hearersForm struct {
	Mail, Next string
	Field      string
	Wrong      noren.Text
}

func (c *Console) setupPage(v *visit) error {
	p, err := c.setupView(v, "")
	if err != nil {
		return err
	}
	return v.page("setup", p)
}

func (c *Console) stepPage(v *visit) error {
	if v.r.PathValue("step") == stepLetter {
		p, err := c.setupView(v, "")
		if err != nil {
			return err
		}
		return v.page("letter", p)
	}
	return c.showStep(v, http.StatusOK, v.r.PathValue("step"), nil)
}

func (c *Console) showStep(v *visit, status int, step string, change func(*setupView)) error {
	p, err := c.setupView(v, step)
	if err != nil {
		return err
	}
	if change != nil {
		change(&p)
	}
	if v.asked("state") {
		return v.part("setupstep", "state", v.frame(p))
	}
	return v.pageWith(status, "setupstep", p)
}

func (c *Console) setupView(v *visit, step string) (p setupView, err error) {
	if c.o.House == nil {
		return p, noren.Errorf(noren.NotFound, "there is no set-up here")
	}
	if step == stepShop {
		c.detect(v.r.Context(), v.site)
	}
	if p.State, err = c.setupState(v.r.Context(), v.site); err != nil {
		return p, err
	}
	p.Steps, p.Once, p.May = p.State.steps(), newForm(), v.may(staff.Settings)
	p.Force, p.Letter = c.forceOf(v.site), v.letter(&p.State)
	p.Of = len(p.Steps)
	for _, s := range p.Steps {
		if s.Settled {
			p.Left++
		}
		if !s.Done {
			if p.Open++; p.First == "" {
				p.First = s.Key
			}
		}
	}
	if step == "" {
		return p, nil
	}
	i := slices.IndexFunc(p.Steps, func(s setupStep) bool { return s.Key == step })
	if i < 0 {
		return p, noren.Errorf(noren.NotFound, "no step %q", step)
	}
	p.Step, p.N = p.Steps[i], i+1
	if i+1 < len(p.Steps) {
		p.Next = p.Steps[i+1].Key
	} else if p.Letter.Asks > 0 {
		p.Next = stepLetter
	}
	return p, c.fillStep(v, &p)
}

// fillStep adds what one step shows.
func (c *Console) fillStep(v *visit, p *setupView) error {
	p.Lines = linesFor(p.Step.Key, &p.State)
	switch p.Step.Key {
	case stepShop:
		preset, err := gateway.LookupPreset(p.State.Site.Preset)
		if err != nil {
			return err
		}
		p.Title, p.Knows = preset.Title, knows(p.State.Site, preset)
	case stepHosts:
		for _, one := range p.State.Certs {
			p.Certs = append(p.Certs, certificateRow(one, p.State.Now))
		}
	case stepPlaces:
		for _, one := range p.State.Places {
			p.Places.Rows = append(p.Places.Rows, v.placeRow(one, p.State.Rules))
		}
		p.Places.Form = placeForm{For: "always"}
		p.Places.Form.fill(v)
		p.Places.Admin = AdminOf(p.State.Rules)
		p.Places.Open = p.Places.Admin.State == AdminOpen
	case stepNotices:
		p.Hearers.Mail = v.who.Person.Mail
		if r := p.State.Standing.Rules; r != nil {
			for _, x := range r.Receivers {
				p.Masked = append(p.Masked, strings.Join(slices.DeleteFunc([]string{notify.MaskMail(x.Mail), x.Hook}, func(s string) bool { return s == "" }), ", "))
			}
		}
		c.setups.mu.Lock()
		p.Answers = c.setups.answers[v.site]
		c.setups.mu.Unlock()
	case stepTest:
		c.setups.mu.Lock()
		tried := slices.Clone(c.setups.tried[v.site])
		c.setups.mu.Unlock()
		for _, one := range tried {
			p.Tried = append(p.Tried, explainTried(one, p.State.Site.WAF))
		}
	case stepSheet:
		p.SheetMay = v.may(staff.People)
	}
	return nil
}

// settleable are the steps that a person may leave as they are.
var settleable = [...]string{stepShop, stepHosts, stepPlaces, stepGuard, stepNotices}

// settle notes that a person leaves a step as it is, or takes that back.
func (c *Console) settle(v *visit) error {
	step, on := v.r.PathValue("step"), v.field("on") != "no"
	if c.o.House == nil || !slices.Contains(settleable[:], step) {
		return noren.Errorf(noren.NotFound, "no step %q that could be settled", step)
	}
	to := v.path("/setup")
	if v.again() {
		return v.redirect(to, "again")
	}
	if err := v.settleStep(step, on); err != nil {
		return err
	}
	id := v.undoable(staff.Settings, func(_ context.Context, by *visit) error { return by.settleStep(step, !on) })
	return v.redirect(to, "settled", "undo", id)
}

func (v *visit) settleStep(step string, on bool) error {
	action := "setup.settled"
	if !on {
		action = "setup.reopened"
	}
	if err := v.record(action, step, 0, ""); err != nil {
		return err
	}
	v.c.setups.forget(v.site)
	return v.c.o.House.Settle(v.r.Context(), v.site, step, v.author(), on)
}

// setHearers names who is told by mail.
func (c *Console) setHearers(v *visit) error {
	f := hearersForm{Mail: v.field("mail"), Next: v.field("next")}
	who, err := f.hearers(v.lang)
	if m := mistakeIn(err); m != nil {
		f.Field, f.Wrong = m.field, m.text
		return c.showStep(v, http.StatusUnprocessableEntity, stepNotices, func(p *setupView) { p.Hearers = f })
	}
	if c.o.Bell == nil {
		return noren.Errorf(noren.Unavailable, "notices cannot be set here")
	}
	to := v.path("/setup/" + stepNotices)
	if v.again() {
		return v.redirect(to, "again")
	}
	back, err := c.o.Bell.Tell(v.r.Context(), v.site, who, v.author(), v.words().T("案内で、知らせる相手を決めた", "named in the guided set-up"))
	if text, ok := noren.TextOf(err); ok {
		f.Wrong = text
		v.c.once.release(v.formID())
		return c.showStep(v, http.StatusConflict, stepNotices, func(p *setupView) { p.Hearers = f })
	}
	if err != nil {
		return err
	}
	c.setups.forget(v.site)
	id := v.undoable(staff.Settings, func(ctx context.Context, by *visit) error { return back(ctx, by.author()) })
	return v.redirect(to, "told", "undo", id)
}

func (f *hearersForm) hearers(lang string) (out []Hearer, err error) {
	for _, one := range []struct {
		field, mail string
		next        bool
	}{{"mail", f.Mail, false}, {"next", f.Next, true}} {
		if one.mail == "" && one.next {
			continue
		}
		a, err := mail.ParseAddress(one.mail)
		if err != nil || a.Name != "" || a.Address != one.mail || len(one.mail) > 254 {
			return nil, wrong(one.field, "owner@shop.example.jp のような、1つのメールアドレスにしてください。", "Please give one mail address such as owner@shop.example.jp.")
		}
		out = append(out, Hearer{Mail: one.mail, Language: lang, Next: one.next})
	}
	return out, nil
}

// testNotice really sends, and shows what each way answered.
func (c *Console) testNotice(v *visit) error {
	to := v.path("/setup/" + stepNotices + "#answers")
	if c.o.Bell == nil {
		return noren.Errorf(noren.Unavailable, "notices cannot be sent here")
	}
	if v.again() {
		return v.redirect(to, "")
	}
	if err := v.record("notify.test", "", 0, ""); err != nil {
		return err
	}
	answers, err := c.o.Bell.Test(v.r.Context(), v.site)
	if err != nil {
		return err
	}
	c.setups.mu.Lock()
	c.setups.answers[v.site] = answers
	c.setups.mu.Unlock()
	return v.redirect(to, "")
}

// tryNow sends the test requests through the gateway's own door.
func (c *Console) tryNow(v *visit) error {
	to := v.path("/setup/" + stepTest + "#tried")
	if c.o.Trial == nil {
		return noren.Errorf(noren.Unavailable, "nothing can be tried here")
	}
	if v.again() {
		return v.redirect(to, "")
	}
	if !c.setups.mayTry(v.site, time.Now()) {
		return v.redirect(v.path("/setup/"+stepTest), "tried-often")
	}
	if err := v.record("setup.test_request", v.site, 0, ""); err != nil {
		return err
	}
	var tried []Tried
	for _, kind := range []TryKind{TryPage, TryAttack, TrySecret} {
		one, err := c.o.Trial.Try(v.r.Context(), v.site, kind)
		if err != nil {
			return err
		}
		tried = append(tried, one)
	}
	c.setups.mu.Lock()
	c.setups.tried[v.site] = tried
	c.setups.mu.Unlock()
	c.setups.forget(v.site)
	if err := c.o.House.Settle(v.r.Context(), v.site, stepTest, v.author(), true); err != nil {
		return err
	}
	return v.redirect(to, "")
}
