package exclusion

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"noren"
)

var day = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

func some() Exclusion {
	return Exclusion{ID: "01K", Path: "/shopping/confirm", Zone: noren.ZoneCheckout, Targets: []Target{{942100, "ARGS:note"}}, Event: "01E",
		Reason: "のし紙の書き方", AskedBy: "staff:1", AskedAt: At(day), ApprovedBy: "staff:2", ApprovedAt: At(day.Add(time.Hour)), Until: At(day.Add(30 * 24 * time.Hour))}
}

func TestValid(t *testing.T) {
	x := some()
	if err := x.Valid(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Exclusion){
		"no page":         func(x *Exclusion) { x.Path = "" },
		"all pages":       func(x *Exclusion) { x.Path = "/*" },
		"half a part":     func(x *Exclusion) { x.Path = "/order*" },
		"star within":     func(x *Exclusion) { x.Path = "/a/*/b" },
		"query":           func(x *Exclusion) { x.Path = "/a?b" },
		"dots":            func(x *Exclusion) { x.Path = "/a/../b" },
		"no zone":         func(x *Exclusion) { x.Zone = "" },
		"odd zone":        func(x *Exclusion) { x.Zone = "everywhere" },
		"no target":       func(x *Exclusion) { x.Targets = nil },
		"twice":           func(x *Exclusion) { x.Targets = append(x.Targets, x.Targets[0]) },
		"nine":            func(x *Exclusion) { x.Targets = make([]Target, 9) },
		"judging":         func(x *Exclusion) { x.Targets[0].Rule = 949110 },
		"sum":             func(x *Exclusion) { x.Targets[0].Rule = 980170 },
		"unreadable body": func(x *Exclusion) { x.Targets[0].Rule = 100002 },
		"budget":          func(x *Exclusion) { x.Targets[0].Rule = 100010 },
		"set-up":          func(x *Exclusion) { x.Targets[0].Rule = 901340 },
		"every field":     func(x *Exclusion) { x.Targets[0].Field = "ARGS" },
		"empty name":      func(x *Exclusion) { x.Targets[0].Field = "ARGS:" },
		"star field":      func(x *Exclusion) { x.Targets[0].Field = "ARGS:*" },
		"pattern":         func(x *Exclusion) { x.Targets[0].Field = "ARGS:/.*/" },
		"body":            func(x *Exclusion) { x.Targets[0].Field = "REQUEST_BODY" },
		"all of JSON":     func(x *Exclusion) { x.Targets[0].Field = "ARGS:json" },
		"XML":             func(x *Exclusion) { x.Targets[0].Field = "XML:/*" },
		"all cookies":     func(x *Exclusion) { x.Targets[0].Field = "REQUEST_HEADERS:cookie" },
		"score":           func(x *Exclusion) { x.Targets[0].Field = "TX:inbound_anomaly_score_pl1" },
		"no end":          func(x *Exclusion) { x.Until = Time{} },
		"91 days":         func(x *Exclusion) { x.Until = At(day.Add(91 * 24 * time.Hour)) },
		"half approved":   func(x *Exclusion) { x.ApprovedBy = "" },
		"no reason":       func(x *Exclusion) { x.Reason = " " },
		"nobody":          func(x *Exclusion) { x.AskedBy = "" },
		"no event":        func(x *Exclusion) { x.Event = "" },
		"line end":        func(x *Exclusion) { x.AskedBy = "a\nb" },
	} {
		x := some()
		spoil(&x)
		if x.Valid() == nil {
			t.Errorf("%s: accepted", name)
		}
		if text, ok := noren.TextOf(x.Valid()); ok && (text.Ja == "" || text.En == "") {
			t.Errorf("%s: no words: %+v", name, text)
		}
	}
}

func TestFor(t *testing.T) {
	x, waits, order := some(), some(), some()
	waits.ApprovedBy, waits.ApprovedAt, waits.Path = "", Time{}, "/waits"
	order.Path = "/order/*"
	s := NewSet([]Exclusion{x, waits, order})
	at := day.Add(2 * time.Hour)
	for _, c := range []struct {
		zone noren.Zone
		path string
		at   time.Time
		want bool
	}{
		{noren.ZoneCheckout, "/shopping/confirm", at, true},
		{noren.ZoneCheckout, "/shopping/confirm", x.Until.Add(-time.Second), true},
		{noren.ZoneCheckout, "/shopping/confirm", x.Until.Time, false},
		{noren.ZoneLogin, "/shopping/confirm", at, false},
		{noren.ZoneCheckout, "/shopping/confirm/", at, false},
		{noren.ZoneCheckout, "/shopping//confirm", at, false},
		{noren.ZoneCheckout, "/shopping/%63onfirm", at, false},
		{noren.ZoneCheckout, "/shopping/confirm2", at, false},
		{noren.ZoneCheckout, "/waits", at, false},
		{noren.ZoneCheckout, "/order/1234", at, true},
		{noren.ZoneCheckout, "/order/list", at, false},
		{noren.ZoneCheckout, "/order/1/edit", at, false},
		{noren.ZoneCheckout, "/order/1%2f2", at, false},
		{noren.ZoneCheckout, "/order/", at, false},
	} {
		if got := len(s.For(c.zone, c.path, c.at)) > 0; got != c.want {
			t.Errorf("%s %s %s: %v", c.zone, c.path, c.at, got)
		}
	}
	if (*Set)(nil).For(noren.ZoneCheckout, "/", at) != nil {
		t.Error("nothing excludes something")
	}
}

func stopped(path string, hits ...noren.Hit) *noren.Event {
	return &noren.Event{ID: "01E", Kind: noren.HTTPBlocked, Zone: noren.ZoneCheckout,
		Payload: &noren.Blocked{Cause: noren.CauseWAF, Request: noren.Request{Path: path, Hits: hits}}}
}

func TestNarrowest(t *testing.T) {
	for _, c := range []struct {
		name string
		ev   *noren.Event
		path string
		want int // targets; 0: refused
	}{
		{"one", stopped("/a", noren.Hit{Rule: 942100, Field: "ARGS:note", Score: 5}), "/a", 1},
		{"the heaviest is enough", stopped("/a", noren.Hit{Rule: 920230, Field: "ARGS:note", Score: 3}, noren.Hit{Rule: 942100, Field: "ARGS:note", Score: 5}), "/a", 1},
		{"two", stopped("/a", noren.Hit{Rule: 942100, Field: "ARGS:a", Score: 5}, noren.Hit{Rule: 942100, Field: "ARGS:b", Score: 5}), "/a", 2},
		{"number", stopped("/order/1234", noren.Hit{Rule: 7, Field: "ARGS:note", Score: 5}), "/order/*", 1},
		{"name with a digit", stopped("/step/v2", noren.Hit{Rule: 7, Field: "ARGS:note", Score: 5}), "/step/v2", 1},
		{"unreadable", stopped("/a", noren.Hit{Rule: 100002, Score: 5}), "", 0},
		{"whole body", stopped("/a", noren.Hit{Rule: 942100, Field: "REQUEST_BODY", Score: 5}), "", 0},
		{"page's own name", stopped("/a", noren.Hit{Rule: 930130, Field: "REQUEST_FILENAME", Score: 5}), "/a", 1},
		{"no hit", stopped("/a"), "", 0},
		{"another cause", &noren.Event{Payload: &noren.Blocked{Cause: noren.CauseBan}}, "", 0},
	} {
		x, _, err := Narrowest(c.ev, 5)
		if (err == nil) != (c.want > 0) || err == nil && (len(x.Targets) != c.want || x.Path != c.path) {
			t.Errorf("%s: %+v %v", c.name, x, err)
		}
		if err == nil && x.Rest(c.ev) >= 5 {
			t.Errorf("%s: still stopped", c.name)
		}
	}
}

func TestFormatIsRead(t *testing.T) {
	waits := some()
	waits.ID, waits.ApprovedBy, waits.ApprovedAt, waits.Reason = "01W", "", Time{}, "\"quoted\": #1\n- 二行目 \u202e"
	list := []Exclusion{some(), waits}
	list[0].Tried = Tried{At(day), 3900, 2, 5000, 1, 12, 3, 2}
	got, err := Parse("sites/a/exclusions.yaml", Format(list))
	if err != nil || len(got) != 2 || !bytes.Equal(Format(got), Format(list)) || got[1].Reason != waits.Reason || got[0].Tried != list[0].Tried {
		t.Errorf("%v\n%s", err, Format(list))
	}
	if got, err := Parse("x", Format(nil)); err != nil || len(got) != 0 {
		t.Errorf("%v %v", got, err)
	}
}

// FuzzParse holds that whatever is read is narrow, and is written back as it was.
func FuzzParse(f *testing.F) {
	f.Add(string(Format([]Exclusion{some()})))
	f.Add(strings.Replace(string(Format([]Exclusion{some()})), "942100", "949110", 1))
	f.Add("version: 1\nexclusions: [{path: /*}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := Parse("f.yaml", []byte(text))
		if err != nil {
			return
		}
		for i := range list {
			x := &list[i]
			if x.Path == "/*" || x.On("/other/page") && x.On("/third") || x.Until.Sub(x.AskedAt.Time) > Longest || len(x.Targets) == 0 {
				t.Fatalf("wide: %+v", x)
			}
			for _, target := range x.Targets {
				if c, name := target.Split(); target.Rule/1000 == 949 || name == "" && c != "REQUEST_FILENAME" && c != "REQUEST_BASENAME" {
					t.Fatalf("wide: %+v", target)
				}
			}
		}
		again, err := Parse("f.yaml", Format(list))
		if err != nil || !bytes.Equal(Format(again), Format(list)) {
			t.Fatalf("%v\n%s", err, Format(list))
		}
	})
}
