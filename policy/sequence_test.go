package policy

import (
	"strings"
	"testing"

	"noren"
)

const sequenceFile = `version: 1
sequences:
  - name: two
    by: address
    within: 1h
    steps:
      - name: first
        kinds: [http.blocked]
        when: request.probe == "scan"
        tests: [{facts: {request.probe: scan}, fires: true}, {fires: false}]
      - name: second
        kinds: [http.blocked, http.answered]
        when: request.probe == "web_shell"
        gap: 10m
        tests: [{facts: {request.probe: web_shell}, fires: true}, {fires: false}]
policies:
  - name: p
    kinds: [http.answered]
    mode: on
    when: sequence.two == 2
    then: block
    ban: {entity: address, for: 10m}
    alarm: critical
    reason: {ja: 理由, en: reason}
    tests: [{facts: {sequence.two: 2}, fires: true}, {fires: false}]
`

func TestSteps(t *testing.T) {
	s := mustLoad(t, File{Name: "f.yaml", Data: []byte(sequenceFile)})
	step := func(k noren.Kind, p noren.Probe) string {
		ev := &noren.Event{ID: "e", Kind: k, At: at}
		r := noren.Request{Probe: p}
		ev.Payload = &r
		if k == noren.HTTPBlocked {
			ev.Payload = &noren.Blocked{Request: r}
		}
		out := ""
		for _, st := range s.Steps(ev) {
			out += st.Sequence + string(rune('0'+st.Step))
		}
		return out
	}
	for _, tt := range []struct {
		kind  noren.Kind
		probe noren.Probe
		want  string
	}{
		{noren.HTTPBlocked, noren.ProbeScan, "two1"}, {noren.HTTPBlocked, noren.ProbeShell, "two2"}, {noren.HTTPAnswered, noren.ProbeShell, "two2"},
		{noren.HTTPAnswered, noren.ProbeScan, ""}, {noren.HTTPBlocked, "", ""}, {noren.HTTPRequest, noren.ProbeScan, ""},
	} {
		if got := step(tt.kind, tt.probe); got != tt.want {
			t.Errorf("%s %s: %q, want %q", tt.kind, tt.probe, got, tt.want)
		}
	}
	q := s.Sequences()
	if len(q) != 1 || q[0].Steps[1].Gap == 0 || len(DeclaredSequences([]File{{Name: "f.yaml", Data: []byte(sequenceFile)}})) != 1 {
		t.Errorf("sequences %+v", q)
	}
	d := s.Decide(&noren.Event{ID: "e", Kind: noren.HTTPAnswered, At: at, Payload: &noren.Request{}, Entities: noren.Entities{"address": "203.0.113.7"}}, noren.Facts{"sequence.two": int64(2)})
	if d.Verdict != noren.Block || len(d.Actions) != 1 || d.Reasons[0].Alarm != noren.AlarmCritical {
		t.Errorf("decision %+v", d)
	}
}

// Whatever changes a sequence changes the version; layout does not.
func TestSequencesAreInTheVersion(t *testing.T) {
	version := func(old, new string) string {
		return mustLoad(t, File{Name: "f.yaml", Data: []byte(strings.Replace(sequenceFile, old, new, 1))}).Version()
	}
	was := version("", "")
	for old, new := range map[string]string{"within: 1h": "within: 2h", `"web_shell"`: `"exploit" || request.probe == "web_shell"`, "gap: 10m": "gap: 11m", "[http.blocked, http.answered]": "[http.answered]"} {
		if version(old, new) == was {
			t.Errorf("%s and %s are one version", old, new)
		}
	}
	if version("by: address\n", "by:   address # whose\n") != was {
		t.Error("layout changes the version")
	}
}

func TestSequenceFaults(t *testing.T) {
	for _, tt := range [][3]string{
		{"name: two", "name: Two", "f.yaml:3:"},
		{"by: address", "by: planet", "f.yaml:4:"},
		{"within: 1h", "within: 1s", "1m to 30d"},
		{`request.probe == "scan"`, "address.blocked_10m > 3", "is counted"},
		{`request.probe == "scan"`, "request.prob == 3", "did you mean"},
		{`request.probe == "scan"`, "request.probe", "f.yaml:9:"},
		{"{request.probe: scan}, fires: true", "{request.probe: exploit}, fires: true", "must fire"},
		{"tests: [{facts: {request.probe: scan}, fires: true}, {fires: false}]", "tests: []", "tests are missing"},
		{"gap: 10m", "gap: 2h", "at most as long"},
		{"kinds: [http.blocked]", "kinds: [http.knocked]", "http.blocked"},
		{"alarm: critical", "alarm: loud", "alarm"},
	} {
		_, err := Load([]File{{Name: "f.yaml", Data: []byte(strings.Replace(sequenceFile, tt[0], tt[1], 1))}}, testCatalogue())
		if err == nil || !strings.Contains(err.Error(), tt[2]) || !strings.Contains(err.Error(), "f.yaml:") {
			t.Errorf("%s: %v, want %q", tt[1], err, tt[2])
		}
	}
	other := strings.Replace(sequenceFile, "within: 1h", "within: 2h", 1)
	if err := SameSequences([]File{{Name: "a.yaml", Data: []byte(sequenceFile)}, {Name: "b.yaml", Data: []byte(other)}}); err == nil || !strings.Contains(err.Error(), "b.yaml:3:") {
		t.Errorf("two sequences of one name: %v", err)
	}
	// Evidence about a session bans the session alone.
	session := strings.Replace(sequenceFile, "by: address", "by: session", 1)
	if _, err := Load([]File{{Name: "f.yaml", Data: []byte(session)}}, testCatalogue()); err == nil || !strings.Contains(err.Error(), "one visitor") {
		t.Errorf("a session's steps ban its address: %v", err)
	}
}
