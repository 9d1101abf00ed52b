package notify

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
)

const byHooks = `
version: 1
receivers:
  - {name: chat, hook: chat}
tell: {low: [chat], middle: [chat], high: [chat]}
`

func TestHooksAreCalled(t *testing.T) {
	for _, chat := range []bool{true, false} {
		c := startHook(t)
		k := newDesk(t, dbtest.Open(t, db.SQLite), byHooks)
		setup := k.present()
		setup.Hooks = map[string]*Hook{"chat": c.hook(t, HookOptions{Chat: chat, Secret: "0123456789abcdef"})}
		k.Set(setup)
		k.tell(t, High, "shop-down")
		k.after(t, 0)
		if c.count() != 1 {
			t.Fatal(c.count())
		}
		var body map[string]any
		if err := json.Unmarshal(c.bodies[0], &body); err != nil {
			t.Fatal(err)
		}
		head := c.heads[0]
		if chat {
			if !strings.Contains(body["text"].(string), "お店が表示できません") || head.Get("Noren-Signature") != "" {
				t.Error(body, head)
			}
			continue
		}
		if body["severity"] != "high" || body["key"] != "shop-down" || body["version"] != 1.0 || head.Get("Idempotency-Key") != body["id"] {
			t.Error(body, head)
		}
		if want := Signature("0123456789abcdef", head.Get("Noren-Timestamp"), c.bodies[0]); head.Get("Noren-Signature") != want {
			t.Error(head.Get("Noren-Signature"), want)
		}
	}
}

func TestHookAnswers(t *testing.T) {
	for status, want := range map[int]struct{ ok, again bool }{200: {true, false}, 204: {true, false}, 302: {false, false}, 404: {false, false}, 429: {false, true}, 503: {false, true}} {
		c := startHook(t)
		c.status = status
		err := c.hook(t, HookOptions{Chat: true}).send(t.Context(), testLetter(time.Now(), "", "", "ja"))
		_, forGood := err.(refusal)
		if (err == nil) != want.ok || err != nil && forGood == want.again || c.count() != 1 {
			t.Errorf("%d: %v (refused %t), %d calls", status, err, forGood, c.count())
		}
		if err != nil && strings.Contains(err.Error(), c.server.URL) {
			t.Error("the URL is a secret:", err)
		}
	}
}

func TestHooksReachNobodyInside(t *testing.T) {
	c := startHook(t)
	for _, allow := range [][]netip.Prefix{{}, {netip.MustParsePrefix("10.0.0.0/8")}} {
		err := c.hook(t, HookOptions{Chat: true, Allow: allow}).send(t.Context(), testLetter(time.Now(), "", "", "ja"))
		if noren.HintOf(err) == "" || c.count() != 0 {
			t.Errorf("%v, %d calls", err, c.count())
		}
	}
	for _, a := range []string{"127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a9fe:a9fe]", "0.0.0.0", "100.100.100.200"} {
		if guard(nil)("tcp", a+":443", nil) == nil {
			t.Errorf("%s may be called", a)
		}
	}
	for _, a := range []string{"203.0.113.5", "[2001:db8::1]"} {
		if err := guard(nil)("tcp", a+":443", nil); err != nil {
			t.Error(err)
		}
	}
}

// A receiver that answers without end, or not at all, holds nobody up.
func TestHookAnswersAreBounded(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	h, err := NewHook(HookOptions{Name: "endless", URL: s.URL, Allow: loopback()})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.send(t.Context(), testLetter(time.Now(), "", "", "ja")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // accepts, and never answers
	silent, err := NewHook(HookOptions{Name: "silent", URL: "http://" + l.Addr().String(), Allow: loopback()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := silent.send(ctx, testLetter(time.Now(), "", "", "ja")); err == nil {
		t.Fatal("no answer is an answer")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []HookOptions{{URL: ""}, {URL: "ftp://x.test"}, {URL: "http://x.test/"}, {URL: "https://user:pass@x.test"}, {URL: "https://x.test", Secret: "short"}} {
		if _, err := NewHook(o); noren.CodeOf(err) != noren.Invalid || strings.Contains(err.Error(), "x.test") {
			t.Errorf("%+v: %v", o, err)
		}
	}
	good := MailOptions{Server: "smtp.test:587", From: "noren@shop.test"}
	for name, change := range map[string]func(*MailOptions){
		"no port":           func(o *MailOptions) { o.Server = "smtp.test" },
		"port of words":     func(o *MailOptions) { o.Server = "smtp.test:smtp" },
		"no sender":         func(o *MailOptions) { o.From = "" },
		"two lines":         func(o *MailOptions) { o.From = "a@b.test\r\nBcc: c@d.test" },
		"unknown TLS":       func(o *MailOptions) { o.TLS = "maybe" },
		"none to the world": func(o *MailOptions) { o.TLS = noTLS },
		"user alone":        func(o *MailOptions) { o.User = "noren" },
	} {
		o := good
		change(&o)
		if _, err := NewMail(o); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewMail(good); err != nil {
		t.Error(err)
	}
}

func TestBrokenWayWaits(t *testing.T) {
	c := startHook(t)
	k := newDesk(t, dbtest.Open(t, db.SQLite), byHooks)
	setup := k.present()
	setup.Broken = map[string]error{"chat": noren.Errorf(noren.NotFound, "its secret cannot be read")}
	k.Set(setup)
	k.tell(t, High, "shop-down")
	for range 5 {
		k.after(t, 10*time.Minute)
	}
	setup.Broken, setup.Hooks = nil, map[string]*Hook{"chat": c.hook(t, HookOptions{Chat: true})}
	k.Set(setup)
	k.after(t, mostWait)
	if c.count() == 0 {
		t.Error("what waited was lost")
	}
}

func TestTestSaysWhatEachWayAnswers(t *testing.T) {
	c := startHook(t)
	c.status = http.StatusNotFound
	k := newDesk(t, dbtest.Open(t, db.SQLite), "version: 1\nreceivers: [{name: both, mail: both@shop.test, hook: chat}, {name: other, mail: other@shop.test}]\n")
	setup := k.present()
	setup.Hooks = map[string]*Hook{"chat": c.hook(t, HookOptions{Chat: true})}
	k.Set(setup)
	got, err := k.Test(t.Context(), "shop", []string{"both"})
	if err != nil || len(got) != 2 || !got[0].OK || got[1].OK || got[1].Hint == "" || got[0].To != "b***@shop.test" {
		t.Fatalf("%+v %v", got, err)
	}
	if _, err := k.Test(t.Context(), "shop", []string{"nobody"}); noren.CodeOf(err) != noren.NotFound {
		t.Error(err)
	}
}
