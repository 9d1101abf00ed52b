package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/console/ui"
	"noren/docs"
	"noren/gateway"
	"noren/staff"
)

// askedFor are the measures that were asked for, by section of the list: the
// letter and how many there are.
var askedFor = map[string]int{"P": 44, "D": 28, "R": 19, "O": 14, "Y": 43, "C": 14}

// The file says of every measure what Noren does, honestly: each is there once, in
// both languages, leads to places that exist, and what is said to be built is shown
// by a test or package that exists.
func TestMeasuresFile(t *testing.T) {
	w := openWorld(t)
	times := map[string]int{}
	shown := shownBy(t)
	ranks := map[int]string{}
	for _, m := range w.console.measures {
		times[m.ID]++
		if _, _, ok := w.console.routeOf(m.Page); m.Page != "" && !ok {
			t.Errorf("%s: no page %s", m.ID, m.Page)
		}
		if m.Doc != "" {
			if _, err := fs.Stat(docs.Pages, m.Doc); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
		}
		if m.ShownBy != "" && !shown[m.ShownBy] {
			t.Errorf("%s: %s is neither a test nor a package", m.ID, m.ShownBy)
		}
		for _, text := range []string{m.Title.Ja, m.Does.Ja} {
			if !regexp.MustCompile(`\p{Hiragana}|\p{Katakana}|\p{Han}`).MatchString(text) && !slices.Contains([]string{"Y09", "Y10", "Y12", "Y13", "Y15", "Y28", "Y37"}, m.ID) {
				t.Errorf("%s: %q is not Japanese", m.ID, text)
			}
		}
		if n := strings.Count(m.Does.Ja, "。"); n < 1 || n > 2 || !strings.HasSuffix(m.Does.Ja, "。") {
			t.Errorf("%s: %q is not one or two sentences", m.ID, m.Does.Ja)
		}
		if regexp.MustCompile(`\p{Hiragana}|\p{Katakana}|\p{Han}`).MatchString(m.Title.En + m.Does.En) {
			t.Errorf("%s: Japanese in the English text", m.ID)
		}
		if m.Advice != 0 {
			if ranks[m.Advice] != "" {
				t.Errorf("%s and %s have the same rank", m.ID, ranks[m.Advice])
			}
			ranks[m.Advice] = m.ID
		}
	}
	for letter, n := range askedFor {
		for i := 1; i <= n; i++ {
			if id := fmt.Sprintf("%s%02d", letter, i); times[id] != 1 {
				t.Errorf("%s stands %d times", id, times[id])
			}
			delete(times, fmt.Sprintf("%s%02d", letter, i))
		}
	}
	for id := range maps.Keys(times) {
		t.Errorf("%s was not asked for", id)
	}
}

// shownBy are the names of all tests and the directories of all packages.
func shownBy(t *testing.T) map[string]bool {
	t.Helper()
	out, test := map[string]bool{}, regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && p != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, _ := filepath.Rel("..", p)
		if !strings.HasSuffix(p, "_test.go") {
			out[filepath.ToSlash(filepath.Dir(rel))] = true
			return nil
		}
		data, err := os.ReadFile(p)
		for _, m := range test.FindAllSubmatch(data, -1) {
			out[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMeasureFaults(t *testing.T) {
	row := map[string]string{"id": "P01", "title": `{ja: "題", en: "a title"}`, "does": `{ja: "する。", en: "It does."}`, "state": "later"}
	checks := map[string]condition{"some": {ask: func(context.Context, string) (bool, error) { return true, nil }}}
	for _, tt := range []struct{ change, want string }{
		{"", ""},
		{"state: works, shown_by: TestX", ""},
		{"state: needs, check: [some], doc: a/b.md, shown_by: TestX, advice: 1, refs: [ipa-14, card-1]", ""},
		{"id: X1", "an id begins with"},
		{`title: {ja: "題"}`, "both ja and en"},
		{`does: {en: "It does."}`, "both ja and en"},
		{"state: done", "works, needs or later"},
		{"state: works", "shown_by"},
		{"state: needs, doc: a/b.md, shown_by: TestX", "needs goes with a check"},
		{"state: needs, check: [some], shown_by: TestX", "a doc"},
		{"state: needs, check: [other], doc: a/b.md, shown_by: TestX", "no check other"},
		{"shown_by: TestX", "shown_by goes with"},
		{"page: emergency", "begin with /"},
		{"advice: 1", "advice is for"},
		{"refs: [ipa-15]", "refs must be"},
		{"refs: [card-6]", "refs must be"},
		{"refs: [ipa-01]", "refs must be"},
		{"colour: red", "unknown key"},
	} {
		r := maps.Clone(row)
		for _, m := range regexp.MustCompile(`(\w+): (\{[^}]*\}|\[[^\]]*\]|[^,]+)`).FindAllStringSubmatch(tt.change, -1) {
			r[m[1]] = m[2]
		}
		text := "version: 1\nmeasures:\n  -\n"
		for k, v := range r {
			text += "    " + k + ": " + v + "\n"
		}
		_, err := readMeasures("m.yaml", []byte(text), checks)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q: %v, want %q", tt.change, err, tt.want)
		}
	}
	if _, err := readMeasures("m.yaml", []byte("version: 1\nmeasures:\n"+strings.Repeat("  - {id: P01, title: {ja: a, en: a}, does: {ja: b, en: b}, state: later}\n", 2)), nil); err == nil || !strings.Contains(err.Error(), "m.yaml:4:") {
		t.Errorf("an id that stands twice: %v", err)
	}
}

// What cannot be asked is never taken for working.
func TestMeasureStands(t *testing.T) {
	ask := func(check string) (bool, error) {
		return check == "yes", map[bool]error{true: errNotAsked}[check == "away"]
	}
	for _, tt := range []struct {
		state   standing
		checks  []string
		want    standing
		missing string
	}{
		{standsWorks, nil, standsWorks, ""},
		{standsLater, []string{"yes"}, standsLater, ""},
		{standsNeeds, []string{"yes"}, standsWorks, ""},
		{standsNeeds, []string{"yes", "no"}, standsNeeds, "no"},
		{standsNeeds, []string{"away"}, standsUnknown, "away"},
		{standsNeeds, []string{"away", "no"}, standsNeeds, "no"},
		{standsNeeds, []string{"yes", "away", "yes"}, standsUnknown, "away"},
	} {
		m := measure{State: tt.state, Check: tt.checks}
		if got, missing := m.stands(ask); got != tt.want || missing != tt.missing {
			t.Errorf("%s with %v: %s, %q missing; want %s, %q", tt.state, tt.checks, got, missing, tt.want, tt.missing)
		}
	}
}

// The conditions over a site as it is in force.
func TestMeasureConditions(t *testing.T) {
	var sites []gateway.Site
	w := openWorld(t, func(w *world, o *Options) {
		o.Sites = func() []gateway.Site { return sites }
		o.Conditions = map[string]Condition{"admin_closed": func(_ context.Context, site string) (bool, error) { return site == shopSite, nil }}
	})
	all := w.console.conditions()
	for _, tt := range []struct {
		check string
		site  gateway.Site
		want  string
	}{
		{"admin_closed", gateway.Site{}, "yes"},
		{"certificate", gateway.Site{}, "no"},
		{"certificate", gateway.Site{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, "not known"},
		{"certificate", gateway.Site{TLS: &gateway.KeyPair{ACME: true}}, "not known"},
		{"waf_on", gateway.Site{}, "yes"},
		{"waf_on", gateway.Site{WAF: gateway.WAFOn}, "yes"},
		{"waf_on", gateway.Site{WAF: gateway.WAFShadow}, "no"},
		{"waf_on", gateway.Site{WAF: gateway.WAFMode("off")}, "no"},
		{"login_known", gateway.Site{Preset: "eccube4"}, "yes"},
		{"login_known", gateway.Site{Preset: "nothing"}, "not known"},
		{"payments_known", gateway.Site{Preset: "generic"}, "no"},
		{"payments_known", gateway.Site{Preset: "generic", Guard: gateway.GuardConfig{Payment: make([]gateway.PaymentForm, 1)}}, "yes"},
		{"card_stop", gateway.Site{}, "no"},
		{"country_data", gateway.Site{}, "no"},
		{"recovery_sheet", gateway.Site{}, "no"},
		{"second_owner", gateway.Site{}, "no"},
		{"someone_told", gateway.Site{}, "no"},
		{"someone_next", gateway.Site{}, "not known"}, // nobody is wired to tell
		{"login_enforced", gateway.Site{}, "not known"},
		{"checkpoints_outside", gateway.Site{}, "not known"},
		{"spare_server", gateway.Site{}, "no"},
	} {
		tt.site.Name = shopSite
		sites = []gateway.Site{tt.site}
		ok, err := all[tt.check].ask(t.Context(), shopSite)
		got := map[bool]string{true: "yes", false: "no"}[ok]
		if err != nil {
			got = "not known"
		}
		if got != tt.want {
			t.Errorf("%s: %s (%v), want %s", tt.check, got, err, tt.want)
		}
	}
	sites = nil
	for name, c := range all {
		if ok, err := c.ask(t.Context(), "nowhere"); ok && err == nil && name != "recovery_sheet" && name != "second_owner" {
			t.Errorf("%s: a site that is not there has what it needs", name)
		}
	}
}

func TestMeasuresPage(t *testing.T) {
	closed := false
	var away error
	w := openWorld(t, func(w *world, o *Options) {
		o.Version = "1.2.3"
		o.Conditions = map[string]Condition{"admin_closed": func(context.Context, string) (bool, error) { return closed, away }}
	})
	b := w.owner()
	b.get("/s/shop/measures").says(t, "対策一覧", "予防", "検知", "対応", "体制", "名前の挙がった仕組み", "事例", "管理画面に入れる場所を決める", "1.2.3", "sharebar", `href="/s/shop/guide/operate/access"`, `href="/s/shop/emergency"`)
	row := func(id string) string {
		t.Helper()
		_, row, _ := strings.Cut(b.get("/s/shop/measures?q="+id).body, `<tr id="`+id+`"`)
		row, _, _ = strings.Cut(row, "</tr>")
		return row
	}
	if got := row("P08"); !strings.Contains(got, "設定が必要") || !strings.Contains(got, "設定のしかた") {
		t.Errorf("before: %s", got)
	}
	closed = true
	if got := row("P08"); !strings.Contains(got, "動作中") {
		t.Errorf("set up: %s", got)
	}
	away = errors.New("database away")
	if got := row("P08"); strings.Contains(got, "動作中") || !strings.Contains(got, "いま確かめられません") {
		t.Errorf("it cannot be asked: %s", got)
	}
	for query, want := range map[string]int{"?state=later": 133, "?q=Qoo10+later": 0, "?q=heartbleed": 1, "?q=HEARTBLEED+netsea": 1, "?q=D22+IPA": 0, "?q=D22": 1, "?state=nonsense": len(w.console.measures)} {
		if n := strings.Count(b.get("/s/shop/measures"+query).body, `<tr id="`); n != want {
			t.Errorf("%s: %d rows, want %d", query, n, want)
		}
	}
	for _, bad := range []string{`%3Cscript%3Ealert(1)%3C/script%3E`, `%22%3E%3Cimg+src=x+onerror=alert(1)%3E`, "%E2%80%AE%00", strings.Repeat("x", 10_000)} {
		a := b.get("/s/shop/measures?q=" + bad + "&state=" + bad)
		if a.status != 200 || strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img src=x") || len(a.body) > 60_000 {
			t.Errorf("%.40s: status %d, %d bytes", bad, a.status, len(a.body))
		}
	}
	csv := b.get("/s/shop/measures.csv?q=P08")
	if lines := strings.Split(strings.TrimSpace(csv.body), "\n"); len(lines) != 4 || !strings.HasPrefix(csv.body, "\ufeff番号,") || !strings.Contains(lines[1], "1.2.3") || !strings.HasPrefix(lines[1], "P08,") || !strings.Contains(lines[1], "いま確かめられません") {
		t.Errorf("%q", csv.body)
	}
}

// An owner reads what works, then what needs a hand; what is to come is folded away
// and says that it protects nobody.
func TestMeasuresBeginWithWhatWorks(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	page := b.get("/s/shop/measures").body
	last := -1
	for _, id := range []string{"s-works", "s-needs", "s-unknown", "s-part", "s-later"} {
		i := strings.Index(page, `id="`+id+`"`)
		if i <= last {
			t.Errorf("%s is not behind the section before it (%d, %d)", id, i, last)
		}
		last = i
	}
	for _, id := range []string{"s-part", "s-later"} {
		if !strings.Contains(page, `<details class="card group" id="`+id+`">`) {
			t.Errorf("%s is not folded away", id)
		}
		if found := b.get("/s/shop/measures?state=later").body; !strings.Contains(found, `<details class="card group" id="`+id+`" open>`) {
			t.Errorf("%s stays folded for who searches", id)
		}
	}
	if !strings.Contains(page, "いまの Noren はこれらをしません") {
		t.Error("the page does not say that what is to come protects nobody")
	}
	rows := []measureRow{{Standing: standsWorks.info()}, {Standing: standsNeeds.info()}, {Standing: standsLater.info(), Do: deed{URL: "x"}}, {Standing: standsLater.info()}, {Standing: standsUnknown.info()}}
	if got, want := sumsOf(rows), (measureSums{Works: 1, Needs: 1, Unknown: 1, Part: 1, Later: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A button leads nowhere that its reader may not go.
func TestMeasuresOfAViewer(t *testing.T) {
	w := openWorld(t)
	b := w.as(staff.Grants{shopSite: staff.Viewer})
	page := b.get("/s/shop/measures")
	page.says(t, "二段階認証のやり直し")
	for _, to := range regexp.MustCompile(`<a class="button second" href="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
		if got := b.get(to[1]); got.status != 200 && to[1] != "/s/shop/emergency" { // this world has no switches
			t.Errorf("%s: status %d", to[1], got.status)
		}
		if to[1] == "/people" {
			t.Error("a viewer is led to the people's page")
		}
	}
}

// Today advises one measure at most, and the shop stays safe.
func TestMeasureAdvice(t *testing.T) {
	closed := false
	w := openWorld(t, func(_ *world, o *Options) {
		o.Conditions = map[string]Condition{"admin_closed": func(context.Context, string) (bool, error) { return closed, nil }}
	})
	advice := func() string {
		ms := w.console.measureMatters(t.Context(), shopSite, time.Now())
		if len(ms) != 1 {
			t.Fatalf("%d matters", len(ms))
		}
		if ms[0].Tone != ui.Calm || judge(ms).Tone != ui.Good {
			t.Errorf("advice makes the shop unsafe: %+v", ms[0])
		}
		return ms[0].Do.URL
	}
	if got := advice(); got != "/s/shop/guide/operate/access" {
		t.Errorf("first of all: %s", got)
	}
	closed = true
	if got := advice(); got != "/s/shop/guide/operate/tls" {
		t.Errorf("then: %s", got)
	}
	w.console.measures = slices.DeleteFunc(slices.Clone(w.console.measures), func(m measure) bool { return !slices.Contains(m.Check, "admin_closed") })
	if ms := w.console.measureMatters(t.Context(), shopSite, time.Now()); len(ms) != 0 {
		t.Errorf("nothing is left, and yet %v", ms)
	}
}

func TestRefText(t *testing.T) {
	for ref, want := range map[string]string{"ipa-1": "IPA 構築時 1", "ipa-14": "IPA 構築時 14", "card-5": "カード 脆弱性対策 5", "ipa-0": "", "ipa-15": "", "card-6": "", "iso-1": "", "ipa": "", "ipa-1x": "", "": ""} {
		if got := refText(ref); got.Ja != want || (got != noren.Text{}) != (got.En != "") {
			t.Errorf("%q: %q, want %q", ref, got.Ja, want)
		}
	}
}
