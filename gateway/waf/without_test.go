package waf

import (
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/gateway/waf/corpus"
	"noren/gateway/waf/exclusion"
)

func formOf(pairs ...string) *Request {
	body := ""
	for i := 0; i+1 < len(pairs); i += 2 {
		body += pairs[i] + "=" + url.QueryEscape(pairs[i+1]) + "&"
	}
	return &Request{Addr: netip.MustParseAddrPort("192.0.2.1:5"), Method: "POST", URI: "/shopping/confirm", Proto: "HTTP/1.1", Host: "shop.example", Zone: noren.ZoneCheckout,
		Header: map[string][]string{"Content-Type": {"application/x-www-form-urlencoded"}, "User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}}, Body: []byte(body[:len(body)-1])}
}

func TestWithout(t *testing.T) {
	w, err := New(Options{Slots: 4, Budget: time.Minute, Rules: []RuleFile{{"firewall/own.conf", []byte(
		`SecRule ARGS "@contains のし紙" "id:501,phase:2,deny,t:none,msg:'strict'"` + "\n" +
			`SecRule &ARGS:note "@eq 0" "id:502,phase:2,pass,log,t:none,chain"` + "\n" + `SecRule REQUEST_METHOD "@streq NEVER" ""` + "\n" +
			`SecRule ARGS|!ARGS:x|!ARGS:y|!ARGS:z "@contains never" "id:503,phase:2,deny,t:none"`)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	verdict := func(r *Request, without ...exclusion.Target) Result {
		t.Helper()
		r.Without = without
		res, err := w.Inspect(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	own := exclusion.Target{Rule: 501, Field: "ARGS:note"}
	sql := "1' UNION SELECT password FROM users -- "
	if r := verdict(formOf("note", "のし紙に「御祝」")); !r.Blocked || len(r.Hits) == 0 || r.Hits[0].Field != own.Field {
		t.Fatalf("the strict rule: %+v", r)
	}
	for _, c := range []struct {
		name    string
		r       *Request
		without []exclusion.Target
		blocked bool
	}{
		{"the buyer", formOf("note", "のし紙に「御祝」"), []exclusion.Target{own}, false},
		{"name in capitals", formOf("Note", "のし紙"), []exclusion.Target{own}, false}, // the engine keeps names in small letters
		{"an attack in that field", formOf("note", sql), []exclusion.Target{own}, true},
		{"another field", formOf("name", "のし紙"), []exclusion.Target{own}, true},
		{"another rule", formOf("note", "のし紙"), []exclusion.Target{{Rule: 942100, Field: "ARGS:note"}}, true},
		{"the rule that judges", formOf("note", sql), []exclusion.Target{{Rule: 949110, Field: "TX:blocking_inbound_anomaly_score"}}, true},
		{"every field", formOf("note", "のし紙"), []exclusion.Target{{Rule: 501, Field: "ARGS"}}, true},
		{"afterwards", formOf("note", "のし紙"), nil, true},
	} {
		if res := verdict(c.r, c.without...); res.Blocked != c.blocked {
			t.Errorf("%s: %+v", c.name, res)
		}
	}
	for target, ok := range map[exclusion.Target]bool{
		own: true, {Rule: 942100, Field: "ARGS:note"}: true, {Rule: 941100, Field: "REQUEST_HEADERS:User-Agent"}: true,
		{Rule: 502, Field: "ARGS:note"}: false, {Rule: 503, Field: "ARGS:note"}: false, {Rule: 503, Field: "REQUEST_COOKIES:note"}: true, {Rule: 949110, Field: "ARGS:note"}: false, {Rule: 942100, Field: "REQUEST_BODY"}: false,
	} {
		if err := w.Excludable(target); (err == nil) != ok {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// What the screen says is not concerned must get the same verdict either way.
func TestConcerns(t *testing.T) {
	w, err := New(Options{Slots: 4, Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	attacks, err := corpus.Attacks()
	if err != nil {
		t.Fatal(err)
	}
	without := []exclusion.Target{{Rule: 942100, Field: "ARGS:note"}}
	passedOver := 0
	for i := 0; i < len(attacks); i += 41 {
		r := formOf("note", attacks[i].Text)
		if w.Concerns(r, []int{942100}) {
			continue
		}
		passedOver++
		before, err := w.run(r, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		r.Without = without
		if after, err := w.run(r, nil, 0); err != nil || after.Blocked != before.Blocked || after.Score != before.Score {
			t.Errorf("%q: %d and %d, %v", attacks[i].Text, before.Score, after.Score, err)
		}
	}
	if passedOver < 10 {
		t.Errorf("only %d passed over", passedOver)
	}
}

// What one request goes without, no other does, at the same time either: of every
// rule that may be left out (run with -race).
func TestWithoutStaysInItsRequest(t *testing.T) {
	w, err := New(Options{Slots: 8, Budget: time.Minute, NoScreen: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var mine, theirs []exclusion.Target
	for id := range w.fits.counts { // every rule is a key
		for _, c := range []string{"REQUEST_COOKIES", "ARGS", "REQUEST_HEADERS"} {
			a, b := exclusion.Target{Rule: id, Field: c + ":a"}, exclusion.Target{Rule: id, Field: c + ":b"}
			if w.Excludable(a) == nil {
				mine, theirs = append(mine, a), append(theirs, b)
			}
		}
	}
	if len(mine) < 50 {
		t.Fatalf("only %d may be left out", len(mine))
	}
	request := func(name string) *Request {
		r := formOf(name, "1' UNION SELECT password FROM users -- ")
		r.Header["Cookie"] = []string{name + "=1%27%20UNION%20SELECT%20password%20FROM%20users%20--%20"}
		return r
	}
	want, err := w.Inspect(t.Context(), request("b"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 15 {
				r := request("a")
				r.Without = mine
				if res, err := w.Inspect(t.Context(), r); err != nil || res.Score >= want.Score {
					t.Errorf("%d of %d, %v", res.Score, want.Score, err)
				}
			}
		})
		all.Go(func() {
			for range 15 {
				r := request("b")
				r.Without = mine // of the other field
				if res, err := w.Inspect(t.Context(), r); err != nil || res.Score != want.Score {
					t.Errorf("%d, want %d, %v", res.Score, want.Score, err)
				}
				r = request("a")
				r.Without = theirs
				if res, err := w.Inspect(t.Context(), r); err != nil || res.Score != want.Score {
					t.Errorf("%d, want %d, %v", res.Score, want.Score, err)
				}
			}
		})
	}
	all.Wait()
}
