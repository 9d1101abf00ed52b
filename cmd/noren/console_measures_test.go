package main

import (
	"slices"
	"testing"

	"noren/gateway"
	"noren/settings"
)

// As installed nothing keeps the admin for named places and nobody is told, and the
// policies against sign-in guessing, card testing and break-ins are in force. Own
// files change that, for one site alone where they stand under it.
func TestConditionsOfMeasures(t *testing.T) {
	changed := settings.Set{}
	for name, text := range shippedSettings() {
		changed[name] = text
	}
	changed[accessFile] = "version: 1\nrules:\n  - {name: office, allow: {networks: [198.51.100.0/28]}, reason: {ja: 会社から, en: the office}}\n"
	changed["sites/other/access.yaml"] = "version: 1\nrules: []\n"
	changed["sites/other/notify.yaml"] = "version: 1\nreceivers:\n  - {name: soc, hook: siem}\n  - {name: owner, mail: owner@shop.example.jp}\ntell: {high: [owner]}\nescalate: [soc]\n"
	enforced := []string{"breakin_enforced", "login_enforced", "payment_enforced"}
	for _, tt := range []struct {
		name string
		set  settings.Set
		want map[string][]string // by site
	}{
		{"as installed", shippedSettings(), map[string][]string{"shop": enforced, "other": enforced}},
		{"changed", changed, map[string][]string{"shop": append([]string{"admin_closed"}, enforced...), "other": append([]string{"alarm_hook"}, append(slices.Clone(enforced), "someone_next")...)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := &Config{Version: 1, Data: t.TempDir(), dir: t.TempDir(), Listen: Listen{HTTP: "127.0.0.1:0"},
				Sites: []gateway.Site{siteFor("shop", "shop.test", "http://127.0.0.1:9"), siteFor("other", "other.test", "http://127.0.0.1:9")}}
			cfg.fill()
			in := open(t, instanceWants{cfg: cfg, initial: tt.set})
			for site, want := range tt.want {
				var got []string
				for name, ask := range in.conditions() {
					ok, err := ask(t.Context(), site)
					if err != nil {
						t.Errorf("%s of %s: %v", name, site, err)
					}
					if ok {
						got = append(got, name)
					}
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%s: %v hold, want %v", site, got, want)
				}
			}
		})
	}
	for name, ask := range (&instance{}).conditions() {
		if ok, err := ask(t.Context(), "shop"); ok || err == nil {
			t.Errorf("%s before there are rules: %v, %v", name, ok, err)
		}
	}
}
