package main

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db/dbtest"
	"noren/gateway"
	"noren/journal"
	"noren/settings"
)

// twoNodes are two running instances over one database, with one root key.
func twoNodes(t *testing.T, url string) (a, b *testInstance) {
	t.Helper()
	shop := startShop(t, "shop")
	site := siteFor("shop", "shop.example.jp", shop)
	site.Zones = map[noren.Zone][]string{noren.ZoneAdmin: {"/admin/*"}}
	cfgA := configFor(t.TempDir(), url, site)
	cfgB := configFor(t.TempDir(), url, site)
	cfgB.RootKey, cfgB.Erasures = cfgA.RootKey, cfgA.Erasures
	return open(t, instanceWants{cfg: cfgA}), open(t, instanceWants{cfg: cfgB})
}

// typist is the env of somebody at a keyboard, come by ssh from an address.
func typist(t *testing.T, from string) (*env, *bytes.Buffer) {
	var said bytes.Buffer
	getenv := func(name string) string {
		if name == "SSH_CONNECTION" {
			return from + " 50000 192.0.2.1 22"
		}
		return os.Getenv(name)
	}
	return &env{ctx: t.Context(), io: stdio{nil, io.Discard, &said}, getenv: getenv}, &said
}

// officeSet is the settings in force with the admin closed to all but the office.
func officeSet(t *testing.T, in *instance, rule string) settings.Set {
	t.Helper()
	set, err := in.settings.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	set[accessFile] = "version: 1\nrules:\n  - name: office\n    " + rule + "\n    reason: {en: a test}\n"
	return set
}

// A change on trial is in force, is taken back once by whichever of two nodes
// comes first, and both changes are in the record.
func TestTrialOnTwoNodes(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		a, b := twoNodes(t, url)
		e, said := typist(t, "203.0.113.9")
		before, err := a.settings.CurrentHash(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		set := officeSet(t, a.instance, "allow: {networks: [198.51.100.0/28]}")
		err = a.changeSettings(e, t.Context(), set, "office only", "", trialFlags{})
		if noren.CodeOf(err) != noren.Denied || !strings.Contains(err.Error(), "the rule office") {
			t.Fatalf("shuts out who makes it: %v", err)
		}
		if now, _ := a.settings.CurrentHash(t.Context()); now != before {
			t.Fatal("a refused change is in force")
		}
		if err := a.changeSettings(e, t.Context(), set, "office only", "", trialFlags{ConfirmWithin: "1s"}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(said.String(), "until it is taken back, this shuts you out") {
			t.Errorf("said: %s", said)
		}
		await(t, "the change is taken back", func() bool {
			open, err := b.settings.Trials(t.Context())
			now, err2 := b.settings.CurrentHash(t.Context())
			return err == nil && err2 == nil && len(open) == 0 && now == before
		})
		all, err := b.settings.Versions(t.Context(), 10)
		if err != nil || len(all) != 3 || all[0].Reason != "not confirmed in time" || all[0].Author != "noren" {
			t.Errorf("versions: %+v, %v", all, err)
		}
		a.flush(t)
		b.flush(t)
		if got := recorded(t, a, noren.SettingsChange); got != "office only|not confirmed in time" {
			t.Errorf("recorded %q", got)
		}
		if _, err := b.settings.BeginTrial(t.Context(), settings.Trial{Kind: settings.TrialSettings, Made: "never made", Undo: all[1].ID}, time.Second); err != nil {
			t.Fatal(err)
		}
		await(t, "a trial of what was never made ends", func() bool {
			open, err := a.settings.Trials(t.Context())
			return err == nil && len(open) == 0
		})
		if again, err := b.settings.Versions(t.Context(), 10); err != nil || len(again) != 3 {
			t.Errorf("a crash before the change changed the settings: %+v, %v", again, err)
		}
		if strings.Count(a.log.String()+b.log.String(), "not confirmed in time") != 2 {
			t.Error("not one alarm for each")
		}
	})
}

// recorded lists the reasons of a kind's entries, oldest first.
func recorded(t *testing.T, in *testInstance, k noren.Kind) string {
	t.Helper()
	var reasons []string
	for r, err := range in.journal.Query(t.Context(), journal.Filter{Log: journal.InstanceLog, Kinds: []noren.Kind{k}}) {
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := r.Entry.Event.Payload.(*noren.SettingsVersion); ok {
			reasons = append(reasons, p.Reason)
		}
	}
	return strings.Join(reasons, "|")
}

// What the person at the keyboard is held to: their own way in, as it is now.
func TestWhoIsShutOut(t *testing.T) {
	shop := startShop(t, "shop")
	in := open(t, instanceWants{cfg: configFor(t.TempDir(), "", siteFor("shop", "shop.example.jp", shop), siteFor("second", "second.example.jp", shop))})
	home := netip.MustParsePrefix("203.0.113.9/32")
	if _, _, err := in.places.Set(t.Context(), gateway.NamedPlace{Site: "shop", Name: "自宅", Networks: []netip.Prefix{home}, Author: "hanako"}, false); err != nil {
		t.Fatal(err)
	}
	const atHome = "allow: {places: [自宅]}"
	for name, tt := range map[string]struct {
		from, rule, site string
		flags            trialFlags
		refused          bool
	}{
		"from home":                      {"203.0.113.9", atHome, "shop", trialFlags{}, false},
		"from elsewhere":                 {"203.0.113.7", atHome, "shop", trialFlags{}, true},
		"from elsewhere, as at home":     {"203.0.113.7", atHome, "shop", trialFlags{As: "203.0.113.9"}, false},
		"from home, as elsewhere":        {"203.0.113.9", atHome, "shop", trialFlags{As: "203.0.113.7"}, true},
		"not about them":                 {"203.0.113.7", atHome, "shop", trialFlags{As: "nobody"}, false},
		"on trial":                       {"203.0.113.7", atHome, "shop", trialFlags{ConfirmWithin: "10m"}, false},
		"no ssh":                         {"", atHome, "shop", trialFlags{}, false},
		"another site has no such place": {"203.0.113.9", atHome, "second", trialFlags{}, true},
		"out of the shop":                {"203.0.113.9", "zones: [shop], deny: {networks: [203.0.113.0/24]}", "shop", trialFlags{}, true},
		"only a method":                  {"203.0.113.9", "methods: [DELETE], deny: {networks: [203.0.113.0/24]}", "shop", trialFlags{}, true},
		"shadow":                         {"203.0.113.7", "mode: shadow, " + atHome, "shop", trialFlags{}, false},
		"over":                           {"203.0.113.9", "until: 2020-01-01, " + atHome, "shop", trialFlags{}, true},
		"written as IPv6":                {"::ffff:203.0.113.9", atHome, "shop", trialFlags{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := typist(t, tt.from)
			rules, err := gateway.ParseAccess("access.yaml", []byte("version: 1\nrules: [{name: r, reason: {en: a test}, "+tt.rule+"}]\n"))
			if err != nil {
				t.Fatal(err)
			}
			after := in.entry()
			after.access = accessBySite{tt.site: rules}
			err = in.mayShutOut(e, tt.flags, after)
			if (err != nil) != tt.refused || err != nil && (noren.CodeOf(err) != noren.Denied || noren.HintOf(err) == "") {
				t.Errorf("%v", err)
			}
		})
	}
}

// Rules of the admin need not be looked at by who is shut out already.
func TestShutOutAlready(t *testing.T) {
	before := []refusal{{"shop", "admin", "the rule a"}}
	for _, after := range [][]refusal{nil, before, {{"shop", "admin", "the rule b"}}} {
		if r, out := newRefusal(before, after); out {
			t.Errorf("%v is new", r)
		}
	}
	if r, out := newRefusal(before, append(before, refusal{"shop", "code_edit", "the rule a"}, refusal{"two", "admin", "the rule a"})); !out || r.zone != "code_edit" || r.site != "shop" {
		t.Errorf("%v, %v", r, out)
	}
	if _, out := newRefusal([]refusal{{"shop", everyZone, "the ban"}}, before); out {
		t.Error("a banned person lost something")
	}
}
