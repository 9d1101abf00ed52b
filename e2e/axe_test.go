package e2e

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe is the accessibility checker that runs inside the pages; see testdata/axe.
//
//go:embed testdata/axe/axe.min.js
var axe string

const axeSum = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

func TestAxeIsAsPublished(t *testing.T) {
	if sum := sha256.Sum256([]byte(axe)); hex.EncodeToString(sum[:]) != axeSum {
		t.Errorf("axe.min.js has the sum %x, want %s", sum, axeSum)
	}
}

// What the checkers say of the pages is worth as much as what they find in a bad one.
func TestCheckersFindFaults(t *testing.T) {
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><html><meta charset="utf-8"><meta http-equiv="refresh" content="900"><title></title>
<style>p { color: #999; background: #fff } a { outline: none !important } .wide { width: 400px } @keyframes x { to { margin-left: 1px } } b { animation: x 1s infinite }</style>
<main><p>うすい字</p><img src="/x.png"><input><div class="wide">広い</div><a href="/2" style="position:absolute;top:500px">下</a><a href="/1">上</a><b>動く</b></main>`)
	}))
	t.Cleanup(bad.Close)
	b := openBrowser(t, 360, 740)
	b.open(bad.URL)
	found, _ := b.axe()
	for _, rule := range []string{"html-has-lang", "document-title", "meta-refresh", "color-contrast", "image-alt", "label"} {
		if !slices.ContainsFunc(found, func(f finding) bool { return f.Rule == rule && !f.Unsure }) {
			t.Errorf("axe does not find %s in a bad page: %v", rule, found)
		}
	}
	v := &visitor{b, nil, "ja"}
	if got := v.unreachable(); len(got) < 2 {
		t.Errorf("focus without outline and out of order: %q", got)
	}
	if got := v.cut(); len(got) == 0 {
		t.Error("a wide page fits")
	}
	if v.moving() == 0 {
		t.Error("nothing moves")
	}
}

// axeRules are WCAG 2.2 at its levels A and AA, and what axe counts as good
// practice besides.
const axeRules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]`

// finding is one rule that a page breaks, or about which axe cannot say.
type finding struct {
	Rule   string `json:"rule"`
	Unsure bool   `json:"unsure"`
	Help   string `json:"help"`
	Nodes  string `json:"nodes"`
}

func (f finding) String() string {
	sure := ""
	if f.Unsure {
		sure = " (cannot say)"
	}
	return fmt.Sprintf("%s%s: %s: %s", f.Rule, sure, f.Help, f.Nodes)
}

// axe checks the page as it stands, and returns how many rules were applied.
func (b *browser) axe() (found []finding, rules int) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void]("if (!window.axe) {" + axe + "}; undefined"))
	said := b.evaluate(`axe.run(document, {runOnly: {type: "tag", values: ` + axeRules + `}, preload: false}).then(r => {
		const of = (list, unsure) => list.map(v => ({rule: v.id, unsure, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.failureSummary).join("; ").slice(0, 600)}));
		return JSON.stringify({rules: r.passes.length + r.violations.length + r.incomplete.length, found: of(r.violations, false).concat(of(r.incomplete, true))});
	})`)
	var out struct {
		Rules int       `json:"rules"`
		Found []finding `json:"found"`
	}
	if err := json.Unmarshal([]byte(said), &out); err != nil {
		b.t.Fatalf("axe at %s: %.400s", b.location(), said)
	}
	if out.Rules < 15 {
		b.t.Errorf("axe applied %d rules only: %s", out.Rules, strings.TrimSpace(said))
	}
	return out.Found, out.Rules
}
