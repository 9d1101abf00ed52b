package e2e

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
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
