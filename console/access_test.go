package console

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/gateway"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

// foreign is a word in everything of the other shop and of the machine: who works
// at one shop only never reads it.
const foreign = "よそのお店の秘密"

// accessRow says who may ask for a route: o the owner of all sites, s the owner of
// this shop, w its staff, v its viewer; * everybody, before sign-in as well.
type accessRow struct {
	pattern, who string
	kind         string // what {id} names
}

// accessRows is the whole table. A route without a row here fails the test: say who
// may ask for it.
func accessRows() []accessRow {
	return []accessRow{
		{"GET /{$}", "oswv", ""}, {"GET /language", "*", ""},
		{"GET /signin", "*", ""}, {"POST /signin", "*", ""}, {"GET /signin/code", "*", ""}, {"POST /signin/code", "*", ""},
		{"POST /signout", "oswv", ""}, {"GET /join/{link}", "*", ""}, {"POST /join", "*", ""},
		{"GET /me", "oswv", ""}, {"POST /me/confirm", "oswv", ""}, {"POST /me/sessions/end", "oswv", ""}, {"GET /style", "oswv", ""},
		{"GET /people", "o", ""}, {"GET /people/{person}", "o", ""}, {"POST /people/invite", "o", ""}, {"POST /people/withdraw", "o", ""}, {"POST /people/role", "o", ""},
		{"POST /people/reset", "o", ""}, {"POST /people/end", "o", ""}, {"POST /people/remove", "o", ""}, {"POST /undo", "oswv", ""},

		{"GET /s/{site}/{$}", "oswv", ""}, {"GET /s/{site}/live", "oswv", ""}, {"POST /s/{site}/undo", "oswv", ""},
		{"GET /s/{site}/stopped", "oswv", ""}, {"GET /s/{site}/stopped.csv", "osw", ""}, {"GET /s/{site}/stopped/new", "osw", ""}, {"POST /s/{site}/stopped/new", "osw", ""},
		{"GET /s/{site}/stopped/{id}", "oswv", "entry"}, {"POST /s/{site}/stopped/{id}/lift", "osw", "entry"},
		{"GET /notices/{id}", "oswv", "notice"}, {"GET /s/{site}/notices", "oswv", ""}, {"GET /s/{site}/notices/{id}", "oswv", "notice"},
		{"POST /s/{site}/notices/{id}/ack", "osw", "notice"}, {"POST /s/{site}/notices/test", "os", ""},
		{"GET /s/{site}/digest", "oswv", ""}, {"GET /s/{site}/digest/{date}", "oswv", ""}, {"POST /s/{site}/digest/{date}", "oswv", ""},
		{"GET /s/{site}/emergency", "oswv", ""}, {"GET /s/{site}/emergency/{switch}", "oswv", ""}, {"POST /s/{site}/emergency/{switch}", "osw", ""}, {"GET /s/{site}/emergency/{switch}/preview", "oswv", ""},
		{"GET /s/{site}/measures", "oswv", ""}, {"GET /s/{site}/measures.csv", "oswv", ""}, {"GET /s/{site}/guide/{dir}/{page}", "oswv", ""},
		{"GET /s/{site}/proof", "oswv", ""}, {"POST /s/{site}/proof/verify", "oswv", ""}, {"POST /s/{site}/proof/stop", "oswv", ""}, {"GET /s/{site}/proof/checkpoint", "oswv", ""},
		{"GET /s/{site}/proof/entry/{seq}", "oswv", ""}, {"POST /s/{site}/proof/sheet", "o", ""},
		{"GET /s/{site}/policies", "oswv", ""}, {"GET /s/{site}/policies/edit", "oswv", ""}, {"POST /s/{site}/policies/test", "os", ""}, {"POST /s/{site}/policies/replay", "os", ""},
		{"GET /s/{site}/policies/replay/{id}", "oswv", "replay"}, {"POST /s/{site}/policies/replay/{id}/stop", "os", "replay"}, {"GET /s/{site}/policies/mode", "os", ""},
		{"POST /s/{site}/policies/review", "os", ""}, {"POST /s/{site}/policies/change", "os", ""}, {"GET /s/{site}/policies/versions", "oswv", ""}, {"GET /s/{site}/policies/return", "os", ""},
		{"POST /s/{site}/policies/confirm", "os", ""}, {"POST /s/{site}/policies/back", "os", ""},
		{"GET /s/{site}/events", "oswv", ""}, {"GET /s/{site}/events.csv", "oswv", ""}, {"GET /s/{site}/events/{id}", "oswv", "event"}, {"GET /s/{site}/events/{id}/why", "oswv", "event"},
		{"GET /s/{site}/events/{id}/try", "oswv", "event"}, {"GET /s/{site}/events/{id}/free", "osw", "event"}, {"POST /s/{site}/events/{id}/free", "osw", "event"},
		{"GET /s/{site}/events/{id}/ban", "osw", "event"}, {"POST /s/{site}/events/{id}/ban", "osw", "event"}, {"POST /s/{site}/events/{id}/lift", "osw", "event"},
		{"GET /s/{site}/mistaken", "oswv", ""}, {"GET /s/{site}/mistaken/{id}", "oswv", "event"}, {"POST /s/{site}/mistaken/{id}/try", "osw", "event"}, {"POST /s/{site}/mistaken/{id}/ask", "osw", "event"},
		{"GET /s/{site}/exclusions/{id}", "oswv", "exclusion"}, {"POST /s/{site}/exclusions/{id}/approve", "os", "exclusion"}, {"POST /s/{site}/exclusions/{id}/lift", "osw", "exclusion"},
		{"GET /s/{site}/visitor", "oswv", ""}, {"GET /s/{site}/ticket", "oswv", ""}, {"POST /s/{site}/reveal", "osw", ""}, {"POST /s/{site}/conceal", "oswv", ""}, {"GET /s/{site}/glossary", "oswv", ""},
		{"GET /s/{site}/site", "oswv", ""}, {"POST /s/{site}/site/check", "osw", ""}, {"GET /s/{site}/places", "oswv", ""}, {"POST /s/{site}/places", "os", ""}, {"POST /s/{site}/places/admin", "os", ""},
		{"GET /s/{site}/stopping", "oswv", ""}, {"POST /s/{site}/stopping/admin", "os", ""}, {"POST /s/{site}/stopping/policies", "os", ""},
		{"GET /s/{site}/places/{id}", "oswv", "place"}, {"POST /s/{site}/places/{id}", "os", "place"}, {"POST /s/{site}/places/{id}/remove", "os", "place"},
		{"GET /s/{site}/setup", "oswv", ""}, {"GET /s/{site}/setup/{step}", "oswv", ""}, {"POST /s/{site}/setup/{step}/settle", "os", ""},
		{"POST /s/{site}/setup/notices/tell", "os", ""}, {"POST /s/{site}/setup/notices/test", "os", ""}, {"POST /s/{site}/setup/test/now", "os", ""},
	}
}

// asksProgram are acts that only the wired program can carry out; here they say so.
func asksProgram(pattern string) bool {
	return slices.Contains([]string{"POST /s/{site}/site/check", "POST /s/{site}/places/admin", "POST /s/{site}/setup/notices/test", "POST /s/{site}/setup/test/now"}, pattern)
}

// plainDesk compiles policies and stores settings; it asks no gateway.
type plainDesk struct {
	w   *world
	cat *noren.Catalogue
}

type plainRules struct{ set *policy.Set }

func (r plainRules) Policies(string) []policy.Info            { return r.set.Policies() }
func (r plainRules) Decide(e *noren.Entry) (d noren.Decision) { return e.Decision }

func (d plainDesk) Compile(set settings.Set) Compiled {
	var files []policy.File
	for _, p := range set.Paths() {
		if strings.Contains(p, "policies/") && ofSite(p) == "" {
			files = append(files, policy.File{Name: p, Data: []byte(set[p])})
		}
	}
	s, err := policy.Load(files, d.cat)
	if err != nil {
		return Compiled{Err: err}
	}
	return Compiled{Rules: plainRules{s}}
}

func (d plainDesk) Weigh(settings.Set, netip.Addr) Weighed { return Weighed{} }

func (d plainDesk) Change(ctx context.Context, c SettingsChange) (settings.Version, error) {
	before, err := d.w.settings.Versions(ctx, 1)
	if err != nil {
		return settings.Version{}, err
	}
	v, err := d.w.settings.Put(ctx, c.Set, c.Author, c.Reason, c.Base)
	if err == nil && c.Within > 0 {
		_, err = d.w.settings.BeginTrial(ctx, settings.Trial{Kind: settings.TrialSettings, Made: v.Hash, Undo: before[0].ID}, c.Within)
	}
	return v, err
}

func (d plainDesk) Settle(ctx context.Context, t settings.Trial, keep bool, _ string) (string, error) {
	state := map[bool]string{true: settings.TrialConfirmed, false: settings.TrialTakenBack}[keep]
	_, err := d.w.settings.EndTrial(ctx, t.ID, state)
	return state, err
}

const testPolicy = "version: 1\npolicies:\n  - name: no-scan\n    kinds: [http.request]\n    mode: shadow\n    when: request.probe == \"scan\"\n    then: block\n    reason: {ja: 探っている, en: scanning}\n    tests:\n      - {name: a, facts: {request.probe: scan}, fires: true}\n      - {name: b, facts: {request.probe: \"\"}, fires: false}\n"

// openShops opens a world with two shops that have everything a page could show.
func openShops(t *testing.T) (w *world, ids map[string]map[string]string) {
	t.Helper()
	cat := noren.NewCatalogue(noren.EventFacts(), []noren.Family{noren.EntityFacts()})
	w = openWorld(t, func(w *world, o *Options) {
		o.Settings, o.Desk, o.Firewall = w.settings, plainDesk{w, cat}, &storedFirewall{w: w}
		o.SettingsInForce = func() string { h, _ := w.settings.CurrentHash(context.Background()); return h }
		load := func() *policy.Set {
			s, err := policy.Load([]policy.File{{Name: "policies/a.yaml", Data: []byte(testPolicy)}}, cat)
			if err != nil {
				w.Error(err)
			}
			return s
		}
		set := load()
		o.EventOptions = EventOptions{Catalogue: func() *noren.Catalogue { return cat }, Policies: func(string) *policy.Set { return set },
			Versions: func(ctx context.Context) ([]settings.Version, error) { return w.settings.Versions(ctx, 30) }}
	})
	w.owner()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.settings.Put(ctx, settings.Set{"policies/a.yaml": testPolicy, "sites/other/policies/own.yaml": testPolicy}, "noren", "初期", "")
	must(err)
	ids = map[string]map[string]string{}
	for _, site := range []string{shopSite, otherSite} {
		word := map[string]string{shopSite: "うちのこと", otherSite: foreign}[site]
		e, err := w.lists.Set(ctx, gateway.Entry{Site: site, List: gateway.ListBan, Prefix: netip.MustParsePrefix("198.51.100.9/32"), Author: "test", Reason: noren.Text{Ja: word, En: word}})
		must(err)
		ev := noren.Event{ID: noren.NewID(time.Now()), Kind: noren.HTTPBlocked, At: noren.At(time.Now()), Site: site, Zone: noren.ZoneStorefront, Entities: noren.Entities{noren.EntityAddress: "203.0.113.7"},
			Payload: &noren.Blocked{Request: noren.Request{Method: "GET", Path: "/" + word}, Cause: noren.CauseWAF, Ticket: noren.NewTicket(), Status: 403}}
		_, err = w.journal.Append(ctx, noren.Entry{Event: ev, Decision: noren.Decision{EventID: ev.ID, Verdict: noren.Block}, Count: 1})
		must(err)
		r := &rehearsal{ID: noren.NewID(time.Now()), Site: site, File: word, Began: time.Now(), ended: time.Now(), cancel: func() {}, h: newHindsight(plainRules{}, plainRules{}, nil)}
		w.console.rehearsals.begin(r)
		place, _, err := w.places.Set(ctx, gateway.NamedPlace{Site: site, Name: word, Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/28")}, Author: "test", Reason: word}, false)
		must(err)
		ids[site] = map[string]string{"place": place.ID, "entry": e.ID, "event": ev.ID, "replay": r.ID, "notice": w.told(site, word), "exclusion": w.excluded(site, word)}
		if site == otherSite {
			set, err := w.settings.Current(ctx)
			must(err)
			set["sites/other/policies/own.yaml"] = "# " + foreign + "\n" + testPolicy
			_, err = w.settings.Put(ctx, set, "noren", foreign, set2hash(t, w))
			must(err)
		}
	}
	ids[""] = map[string]string{"notice": w.told("", foreign)}
	return w, ids
}

func set2hash(t *testing.T, w *world) string {
	t.Helper()
	h, err := w.settings.CurrentHash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends what a route takes, with an empty form.
func (b *browser) ask(pattern, site string, ids map[string]string, kind string) answer {
	b.w.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	person := "nobody"
	if b.person != nil {
		person = b.person.ID
	}
	path = strings.NewReplacer("{site}", site, "{$}", "", "{id}", ids[kind], "{link}", "none", "{person}", person, "{date}", time.Now().In(time.FixedZone("JST", 9*3600)).Format(time.DateOnly),
		"{switch}", string(gateway.SwitchClosed), "{dir}", "start", "{page}", "install", "{seq}", "0", "{step}", "shop").Replace(path)
	if path == "/s/"+site+"/policies/edit" {
		path += "?file=policies/a.yaml"
	}
	if strings.HasSuffix(path, "/policies/mode") {
		path += "?name=none&to=on"
	}
	ctx, cancel := context.WithCancel(b.w.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, method, b.w.url+path, nil)
	if method == "POST" {
		req.Body, req.ContentLength = http.NoBody, 0
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if strings.HasSuffix(path, "/live") { // it stays open: its head is enough
		resp, err := b.client.Do(req)
		if err != nil {
			b.w.Fatal(err)
		}
		defer resp.Body.Close()
		return answer{resp.StatusCode, resp.Header, ""}
	}
	return b.do(req)
}

func (w *world) stranger() *browser {
	jar, _ := cookiejar.New(nil)
	return &browser{w: w, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func ledToSignIn(a answer) bool {
	return a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/signin")
}

// Every route × role × site (D24): what is not somebody's is refused, and of the
// other shop nothing shows, neither by its own address nor by its ids here.
func TestWhoMayAskForWhat(t *testing.T) {
	w, ids := openShops(t)
	rows := accessRows()
	for _, r := range w.console.routes() {
		if !slices.ContainsFunc(rows, func(a accessRow) bool { return a.pattern == r.pattern }) {
			t.Errorf("%s has no row: say who may ask for it", r.pattern)
		}
	}
	roles := map[string]*browser{"o": w.owner(), "s": w.as(staff.Grants{shopSite: staff.Owner}), "w": w.as(staff.Grants{shopSite: staff.Worker}), "v": w.as(staff.Grants{shopSite: staff.Viewer})}
	for _, row := range rows {
		for role, b := range roles {
			if row.pattern == "POST /signout" {
				b = w.as(b.person.Roles)
			}
			got := b.ask(row.pattern, shopSite, ids[shopSite], row.kind)
			if may := row.who == "*" || strings.Contains(row.who, role); may == (got.status == http.StatusForbidden && row.pattern != "GET /join/{link}" && row.pattern != "POST /join" && row.pattern != "POST /me/confirm") {
				t.Errorf("%s by %s: %d, may: %t", row.pattern, role, got.status, may)
			} else if may && (got.status >= 500 && !(got.status == http.StatusServiceUnavailable && asksProgram(row.pattern)) || row.who != "*" && row.pattern != "POST /signout" && ledToSignIn(got) || row.kind != "" && got.status == http.StatusNotFound) {
				t.Errorf("%s by %s who may: %d\n%.300s", row.pattern, role, got.status, got.body)
			}
			if role != "o" && strings.Contains(got.body, foreign) {
				at := strings.Index(got.body, foreign)
				t.Errorf("%s by %s shows the other shop's: …%s…", row.pattern, role, got.body[max(0, at-200):at+len(foreign)])
			}
			if role == "o" {
				continue
			}
			if strings.Contains(row.pattern, "{site}") {
				for _, site := range []string{otherSite, "nowhere"} {
					if got := b.ask(row.pattern, site, ids[otherSite], row.kind); got.status != http.StatusNotFound || strings.Contains(got.body, foreign) {
						t.Errorf("%s of %s by %s: %d, want 404", row.pattern, site, role, got.status)
					}
				}
			}
			if row.kind != "" {
				for _, other := range []string{otherSite, ""} {
					if got := b.ask(row.pattern, shopSite, ids[other], row.kind); ids[other][row.kind] != "" && (got.status != http.StatusNotFound && (strings.Contains(row.who, role) && other != "" || got.status != http.StatusForbidden && got.status != http.StatusSeeOther) || strings.Contains(got.body, foreign)) {
						t.Errorf("%s with an id of %q by %s: %d, want 404", row.pattern, other, role, got.status)
					}
				}
			}
		}
	}
	w.nobodyAsks(rows, ids, map[string]*browser{"nobody": w.stranger(), "somebody who was removed": w.removedPerson(), "whose session ended": w.endedSession()})
}

func (w *world) nobodyAsks(rows []accessRow, ids map[string]map[string]string, who map[string]*browser) {
	w.Helper()
	for _, row := range rows {
		for name, b := range who {
			got := b.ask(row.pattern, shopSite, ids[shopSite], row.kind)
			if row.who == "*" {
				if strings.Contains(got.body, shopSite+".example") || strings.Contains(got.body, foreign) || got.status >= 500 {
					w.Errorf("%s by %s: %d", row.pattern, name, got.status)
				}
			} else if !ledToSignIn(got) || strings.Contains(got.body, "うちのこと") {
				w.Errorf("%s by %s: %d to %q, want the sign-in", row.pattern, name, got.status, got.header.Get("Location"))
			}
		}
	}
}

func (w *world) removedPerson() *browser {
	w.Helper()
	b := w.as(staff.Grants{shopSite: staff.Worker})
	b.get("/s/shop/")
	if err := w.staff.Remove(w.Context(), staff.AtMachine("test"), b.person.ID); err != nil {
		w.Fatal(err)
	}
	return b
}

func (w *world) endedSession() *browser {
	w.Helper()
	b := w.owner()
	b.get("/s/shop/")
	if err := w.staff.EndAll(w.Context(), staff.AtMachine("test"), b.person.ID); err != nil {
		w.Fatal(err)
	}
	return b
}

// A role that is taken away in the middle holds for the next request, and what was
// laid open closes with it.
func TestRoleChangedInTheMiddle(t *testing.T) {
	w, ids := openShops(t)
	b := w.as(staff.Grants{shopSite: staff.Worker, otherSite: staff.Viewer})
	b.post("/s/shop/reveal", "once", newForm())
	b.get("/s/shop/events").says(t, "203.0.113.7")
	for _, step := range []struct {
		site string
		role staff.Role
	}{{shopSite, staff.Viewer}, {otherSite, ""}} {
		if err := w.staff.SetRole(t.Context(), staff.AtMachine("test"), b.person.ID, step.site, step.role); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.get("/s/shop/events"); got.status != 200 || strings.Contains(got.body, "203.0.113.7") {
		t.Errorf("%d: personal data stays laid open for a viewer", got.status)
	}
	if got := b.post("/s/shop/stopped/"+ids[shopSite]["entry"]+"/lift", "once", newForm(), "reason", "x"); got.status != http.StatusForbidden {
		t.Errorf("an act of a former worker: %d", got.status)
	}
	if got := b.get("/s/other/"); got.status != http.StatusNotFound {
		t.Errorf("a site that was taken away: %d", got.status)
	}
}

// An undo of another site is not there, and needs what the act needed.
func TestUndoOfOthers(t *testing.T) {
	w, _ := openShops(t)
	b := w.owner()
	got := b.post("/s/shop/stopped/new", "once", newForm(), "list", "ban", "who", "192.0.2.77", "for", "24h", "reason", "x", "sure", "yes")
	to, _ := url.Parse(got.header.Get("Location"))
	id := to.Query().Get("undo")
	if id == "" {
		t.Fatalf("no undo: %d %s", got.status, to)
	}
	stay := func(who *browser, path string) {
		t.Helper()
		who.post(path, "undo", id)
		if !slices.ContainsFunc(w.lists.List(shopSite), func(e gateway.Entry) bool { return e.What() == "192.0.2.77/32" }) {
			t.Fatalf("undone by %v, who may not", who.person.Roles)
		}
	}
	stay(w.as(staff.Grants{otherSite: staff.Owner}), "/s/other/undo")
	stay(w.as(staff.Grants{otherSite: staff.Owner}), "/s/shop/undo")
	stay(w.as(staff.Grants{shopSite: staff.Viewer}), "/s/shop/undo")
	stay(b, "/undo")
}
