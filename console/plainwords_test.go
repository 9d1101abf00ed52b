package console

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"noren"
	"noren/gateway"
)

// japanese reports whether a text has Japanese in it.
func japanese(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) })
}

// Every word of the program has its words for people, in both languages, and keeps
// its own for who looks deeper.
func TestEveryWordIsSaidPlainly(t *testing.T) {
	words := map[string]plain{}
	for _, z := range noren.Zones() {
		words["zone "+string(z.Zone)] = sayZone(z.Zone)
	}
	for _, v := range verdicts() {
		words["verdict "+string(v.Verdict)] = sayVerdict(v.Verdict)
	}
	for _, c := range causes() {
		words["cause "+string(c.Cause)] = sayCause(c.Cause)
	}
	limits, err := gateway.ShippedLimits()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		words["limit "+l.Name] = sayRule(noren.CauseLimit, l.Name)
	}
	for _, p := range []noren.Probe{noren.ProbeScan, noren.ProbeExploit, noren.ProbeShell} {
		words["probe "+string(p)] = sayProbe(p)
	}
	for _, step := range []string{"slow", "line", "check", "wait", "block", "ban"} {
		words["step "+step] = sayStep(step)
	}
	for _, rule := range malformedRules(t) {
		words["malformed "+rule] = sayRule(noren.CauseMalformed, rule)
	}
	for of, w := range words {
		_, raw, _ := strings.Cut(of, " ")
		if !japanese(w.Name.Ja) || w.Name.En == "" || w.Name.En == raw && strings.Contains(raw, "_") {
			t.Errorf("%s is said as %q, %q", of, w.Name.Ja, w.Name.En)
		}
		if w.Raw != raw {
			t.Errorf("%s keeps %q", of, w.Raw)
		}
	}
}

// malformedRules are the words by which the gateway refuses a request's form.
func malformedRules(t *testing.T) (out []string) {
	t.Helper()
	files, err := filepath.Glob("../gateway/*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?:malformed|tooLarge)\("([a-z_]+)"\)|CauseMalformed, rule: "([a-z_]+)"`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			out = append(out, m[1]+m[2])
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d found: the gateway names them otherwise now", len(out))
	}
	return out
}

// What stopped a request decides how its rule reads.
func TestRuleInWords(t *testing.T) {
	for _, c := range []struct {
		cause noren.Cause
		rule  string
		ja    string
	}{
		{noren.CauseWAF, "942100", "データベースをあやつる仕掛け（SQLインジェクション）"},
		{noren.CauseWAF, "cheap", "名簿で知っている攻撃の形"},
		{noren.CauseWAF, "nonsense", "攻撃に似た文字列"},
		{noren.CauseForbidden, "*/.env", "見せてはいけない場所の型「*/.env」"},
		{noren.CauseLimit, "login_address", "ログインの回数の上限（1つのアドレスから）"},
		{noren.CauseLimit, "ours", "速さの上限「ours」"},
		{noren.CauseEmergency, "card", "カード決済だけ停止"},
		{noren.CausePolicy, "secret-files-probed", "お店の方針「secret-files-probed」"},
		{noren.CauseClosed, "closed", "準備中"},
		{noren.CauseBan, "", "遮断中の相手"},
		{noren.CausePolicy, "a\u202eb", "お店の方針「a␣b」"},
	} {
		if got := sayRule(c.cause, c.rule); got.Name.Ja != c.ja {
			t.Errorf("%s %q: %q, want %q", c.cause, c.rule, got.Name.Ja, c.ja)
		}
	}
	if h := sayHit(noren.Hit{Rule: 941100, Field: "ARGS:q", Msg: "XSS <b>\u202e"}); h.Raw != "941100 XSS <b>␣" || h.Meaning.Ja != "入力欄「q」" {
		t.Errorf("%+v", h)
	}
}
