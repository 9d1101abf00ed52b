package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"noren"
)

// Settings and configuration change at the same moment, and two parts of the
// program notice. Whichever is second must not put back what the first replaced.
func TestChangedSettingsKeepTheChangedConfiguration(t *testing.T) {
	dir := t.TempDir()
	limits := filepath.Join(dir, "settings", "limits.yaml")
	put := func(i int) {
		text := fmt.Sprintf("version: 1\nlimits:\n  - {name: desk_%d, zones: [contact], by: site, rate: 1/24h}\n", i)
		if err := os.WriteFile(limits, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(limits), 0o700); err != nil {
		t.Fatal(err)
	}
	put(0)
	config := func(i int) *Config {
		site := siteFor("tea", "tea.test", "http://127.0.0.1:9")
		desk := fmt.Sprintf("desk-%d", i)
		site.Contact = noren.Text{Ja: desk, En: desk}
		c := configFor(dir, "", site)
		c.Settings = SettingsConfig{Mode: "files", Dir: filepath.Dir(limits)}
		return c
	}
	in := open(t, instanceWants{cfg: config(0)})
	for i := 1; i <= 20; i++ {
		put(i)
		hash, err := in.settings.CurrentHash(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := in.applySettings(t.Context(), hash, in.gateway); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := in.apply(t.Context(), config(i), in.gateway); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if got, want := in.gateway.Sites()[0].Contact.En, fmt.Sprintf("desk-%d", i); got != want {
			t.Fatalf("the gateway has the configuration of %s, want %s", got, want)
		}
		if got := in.rulesHash(); got != hash {
			t.Fatalf("settings %s are in force, want %s", got, hash)
		}
	}
}
