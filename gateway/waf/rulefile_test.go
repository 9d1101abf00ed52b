package waf

import (
	"context"
	"strings"
	"testing"

	"noren"
)

func TestOwnRules(t *testing.T) {
	w, err := New(Options{Rules: []RuleFile{{"firewall/own.conf", []byte(`# Our voucher codes are guessed by a tool that calls itself so.
SecRule ARGS:voucher "@rx ^[0-9]{4}$" \
    "id:1001,phase:2,deny,status:403,msg:'voucher, guessed',\
    chain"
    SecRule REQUEST_HEADERS:User-Agent "@contains vouchertool"
SecRule REQUEST_URI "@beginsWith /old-shop/" "id:1002,phase:1,deny,status:403,msg:'closed'"
`)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tool := request("POST", "/cart", "voucher=1234")
	tool.Header["User-Agent"] = []string{"vouchertool/1"}
	for name, tt := range map[string]struct {
		r    *Request
		rule int
	}{
		"the tool":      {tool, 1001},
		"a customer":    {request("POST", "/cart", "voucher=1234"), 0},
		"the old shop":  {request("GET", "/old-shop/x", ""), 1002},
		"an attack":     {request("POST", "/cart", "q=<script>alert(1)</script>"), 100220},
		"anything else": {request("GET", "/", ""), 0},
	} {
		res, err := w.Inspect(context.Background(), tt.r)
		if err != nil {
			t.Fatal(err)
		}
		if tt.rule == 0 {
			if res.Blocked {
				t.Errorf("%s: blocked by %v", name, res.Hits)
			}
			continue
		}
		hit := false
		for _, h := range res.Hits {
			hit = hit || h.Rule == tt.rule
		}
		if !hit || !res.Blocked {
			t.Errorf("%s: blocked %v by %v, want rule %d", name, res.Blocked, res.Hits, tt.rule)
		}
	}
}

func TestOwnRulesAreChecked(t *testing.T) {
	for name, tt := range map[string]struct{ rules, want string }{
		"another directive":    {"SecRuleEngine Off", `f.conf:1: "SecRuleEngine": only rules`},
		"after a comment":      {"# x\n\nInclude /etc/passwd", "f.conf:3: "},
		"no id":                {`SecRule ARGS "@rx x" "phase:2,deny"`, "id \"\" is not a number"},
		"an id of ours":        {`SecRule ARGS "@rx x" "id:941100,phase:2,deny"`, "from 1 to 99999"},
		"the same id twice":    {"SecRule ARGS \"@rx x\" \"id:1,phase:2,deny\"\nSecRule ARGS \"@rx y\" \"id:1,phase:2,deny\"", "f.conf:2: id 1 stands already in f.conf:1"},
		"switching off":        {`SecRule ARGS "@rx x" "id:1,phase:1,pass,ctl:ruleEngine=Off"`, `action "ctl" may not be used`},
		"passing all others":   {`SecRule ARGS "@rx x" "id:1,phase:1,allow"`, `action "allow" may not be used`},
		"a program":            {`SecRule ARGS "@rx x" "id:1,phase:1,exec:/bin/sh"`, `action "exec"`},
		"a file":               {`SecRule ARGS "@pmFromFile /etc/passwd" "id:1,phase:1,deny"`, "operator @pmFromFile may not be used"},
		"a name server":        {`SecRule REMOTE_ADDR "!@rbl example.jp" "id:1,phase:1,deny"`, "operator @rbl"},
		"answers":              {`SecRule RESPONSE_BODY "@rx x" "id:1,phase:4,deny"`, "phase \"4\" is not 1"},
		"the environment":      {`SecRule ARGS "@rx x" "id:1,phase:1,deny,setvar:'ip.x=1'"`, "setvar may set"},
		"removing a variable":  {`SecRule ARGS "@rx x" "id:1,phase:1,deny,setvar:'!tx.x'"`, "the engine fails"},
		"a chain without end":  {`SecRule ARGS "@rx x" "id:1,phase:1,deny,chain"`, "nothing follows"},
		"an id in a chain":     {"SecRule ARGS \"@rx x\" \"id:1,phase:1,deny,chain\"\nSecRule ARGS \"@rx y\" \"id:2\"", "no id of its own"},
		"a second directive":   {"SecRule ARGS \"@rx x\" \"id:1,phase:1,deny\" SecRuleEngine Off", "only rules"},
		"a pattern that fails": {"SecRule ARGS \"@rx a\" \"id:1,phase:2,deny\"\n\nSecRule ARGS \"@rx (\" \"id:2,phase:2,deny\"", "f.conf:3: "},
		"an unknown variable":  {`SecRule NOSUCH "@rx x" "id:1,phase:2,deny"`, "f.conf:1: invalid"},
	} {
		_, err := New(Options{Rules: []RuleFile{{"f.conf", []byte(tt.rules)}}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
			continue
		}
		if noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: code %v", name, noren.CodeOf(err))
		}
	}
}

// One report has every fault, whatever its kind and its order: who mends one and
// imports again must not meet the next.
func TestAllFaultsOfOwnRulesAreReported(t *testing.T) {
	files := []RuleFile{{"a.conf", []byte(`SecRule ARGS "@pmFromFile /etc/passwd" "id:1,phase:2,deny"
SecRule ARGS "@rx (" "id:2,phase:2,deny"
SecRule ARGS "@rx x" "id:3,phase:9,deny"
SecRule ARGS "@rx x" "id:4,phase:2,deny,chain"
    SecRule ARGS "@rx [" "t:none"
SecRule ARGS "@rx good" "id:5,phase:2,deny"`)}, {"b.conf", []byte(`SecRule NOSUCH "@rx x" "id:6,phase:2,deny"`)}}
	report := func(err error) string {
		if noren.CodeOf(err) != noren.Invalid {
			t.Errorf("code %v", noren.CodeOf(err))
		}
		return "\n" + err.Error()
	}
	got := report(CheckRules(files))
	for _, want := range []string{"\na.conf:1: operator", "\na.conf:2: ", "\na.conf:3: phase", "\na.conf:4: ", "\nb.conf:1: "} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%q stands %d times in%s", want, strings.Count(got, want), got)
		}
	}
	if strings.Contains(got, "a.conf:6") {
		t.Errorf("a good rule is reported:%s", got)
	}
	// Two that only the engine finds.
	_, err := New(Options{Rules: []RuleFile{{"c.conf", []byte("SecRule ARGS \"@rx (\" \"id:1,phase:2,deny\"\nSecRule ARGS \"@rx [\" \"id:2,phase:2,deny\"")}}})
	if got := report(err); !strings.Contains(got, "\nc.conf:1: ") || !strings.Contains(got, "\nc.conf:2: ") {
		t.Errorf("two broken patterns:%s", got)
	}
}

// The property: what passes the check holds rules only, each on one line, so
// that the engine cannot read another directive out of it.
func FuzzCheckRules(f *testing.F) {
	f.Add("SecRule ARGS \"@rx x\" \"id:1,phase:2,deny\"")
	f.Add("SecRule ARGS \"x\\\" y\" \\\n \"id:2,phase:1,deny,msg:'a, b'\"")
	f.Add("# x\nSecRule ARGS:a|ARGS:b \"!@streq \\\\\" \"id:3,phase:2,pass,chain\"\nSecRule ARGS \"x\"")
	f.Fuzz(func(t *testing.T, text string) {
		if CheckRules([]RuleFile{{"f", []byte(text)}}) != nil {
			return
		}
		for _, d := range directiveLines(text) {
			if !ruleForm.MatchString(d) || strings.ContainsAny(d, "\n\r\x00") || strings.HasSuffix(d, `\`) {
				t.Fatalf("passed: %q", d)
			}
		}
	})
}
