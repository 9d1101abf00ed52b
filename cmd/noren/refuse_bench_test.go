package main

import (
	"context"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"noren"
	"noren/gateway"
)

// BenchmarkRefused is what a flood costs a serving noren for each request that
// it turns away, the loop and its record included.
func BenchmarkRefused(b *testing.B) {
	dir := b.TempDir()
	cfg := &Config{Version: 1, Data: dir, dir: dir, Listen: Listen{HTTP: "127.0.0.1:0"}, Sites: []gateway.Site{{
		Name: "shop", Hosts: []string{"*"}, Upstream: "http://127.0.0.1:9", Preset: "generic"}}}
	cfg.fill()
	in, err := openInstance(b.Context(), cfg, wants{create: true, getenv: os.Getenv}, quiet())
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close(context.Background())
	g, access, err := in.openGateway()
	if err != nil {
		b.Fatal(err)
	}
	defer access.Close()
	in.run(b.Context())
	ask := func(path string) int {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = "203.0.113.7:50000"
		r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36")
		r.Header.Set("Accept", "text/html,*/*;q=0.8")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w.Code
	}
	refused := func(b *testing.B, path string) {
		b.ReportAllocs()
		for b.Loop() {
			if code := ask(path); code < 400 {
				b.Fatalf("answered %d", code)
			}
		}
	}
	b.Run("forbidden", func(b *testing.B) { refused(b, "/.git/config") })
	attack := gateway.SiteMode{Mode: gateway.ModeAttack, Until: noren.At(time.Now().Add(time.Hour))}
	if err := in.modes.Set(b.Context(), "shop", attack, "bench", "bench"); err != nil {
		b.Fatal(err)
	}
	b.Run("check", func(b *testing.B) { refused(b, "/products/1?cb=1") })
	ban := gateway.Entry{Site: "shop", List: gateway.ListBan, Author: "bench", Reason: noren.Text{Ja: "試験", En: "bench"}}
	if ban.Prefix, err = gateway.ParsePrefix("203.0.113.7"); err != nil {
		b.Fatal(err)
	}
	if _, err := in.lists.Set(b.Context(), ban); err != nil {
		b.Fatal(err)
	}
	b.Run("banned", func(b *testing.B) { refused(b, "/products/1") })
}
