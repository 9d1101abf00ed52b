package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"noren/gateway"
	"noren/loop"
	"noren/sampleshop"
)

// throwaway is a whole Noren in front of a sample shop, all state in one
// folder: what the demo and the labs run against.
type throwaway struct {
	server *server
	shop   *sampleshop.Shop
	url    string // through Noren

	shopDB  *sql.DB
	servers []*http.Server
}

// backing is what an instance keeps its state in; the zero value is SQLite and
// memory. byHand leaves the attack mode to people: the demo's attackers run on
// the same machine, and a slow one must not show its owner the check.
type backing struct {
	database, shared string
	byHand           bool
	console          string // its address; "" for none
	weak             bool   // the shop builds its search from strings: sampleshop.Options.Weak
}

// sampleSite is the name of the one site.
const sampleSite = "sample"

// startThrowaway starts one in dir; listen is Noren's address, with port 0 for
// any free one. more are further sites.
func startThrowaway(ctx context.Context, dir, listen string, seed uint64, on backing, observers []loop.Observer, log *slog.Logger, more ...gateway.Site) (t *throwaway, err error) {
	t = &throwaway{}
	defer func() {
		if err != nil {
			t.close(context.WithoutCancel(ctx))
		}
	}()
	front, err := openListener(nil, listen)
	if err != nil {
		return t, err
	}
	front.Close() // the address is known now; the server opens it again
	t.url = "http://" + front.Addr().String()
	upstream, err := t.startShop(ctx, dir, seed, on.weak)
	if err != nil {
		return t, err
	}
	cfg := &Config{Version: 1, Data: filepath.Join(dir, "noren"), dir: dir, Listen: Listen{HTTP: front.Addr().String()}, Sites: []gateway.Site{{
		Name: sampleSite, Hosts: []string{"127.0.0.1", "localhost"}, Upstream: upstream, Preset: "sampleshop",
	}}}
	if on.weak {
		cfg.Sites[0].Encodings = []string{"utf-8", "shift_jis"}
	}
	if on.byHand {
		cfg.Sites[0].AttackMode = gateway.AttackByHand
	}
	cfg.Sites = append(cfg.Sites, more...)
	cfg.Database.URL, cfg.Shared = on.database, on.shared
	cfg.Console.Listen = consoleOff
	setIf(&cfg.Console.Listen, on.console)
	cfg.fill()
	in, err := openInstance(ctx, cfg, wants{create: true, getenv: os.Getenv, observe: observers}, log)
	if err != nil {
		return t, err
	}
	if t.server, err = startServer(ctx, in, func(string) string { return "" }); err != nil {
		in.Close(context.WithoutCancel(ctx))
	}
	return t, err
}

func setIf(s *string, value string) {
	if value != "" {
		*s = value
	}
}

// startShop serves the sample shop and its payment provider on ports of their
// own.
func (t *throwaway) startShop(ctx context.Context, dir string, seed uint64, weak bool) (upstream string, err error) {
	if t.shopDB, err = sql.Open("sqlite", sampleshop.DSN(filepath.Join(dir, "shop.db"))); err != nil {
		return "", err
	}
	shopAt, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	pspAt, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	psp := "http://" + pspAt.Addr().String()
	if t.shop, err = sampleshop.New(ctx, t.shopDB, sampleshop.Options{Seed: seed, BaseURL: t.url, PSPBaseURL: psp, Weak: weak}); err != nil {
		return "", fmt.Errorf("open the sample shop: %w", err)
	}
	t.serve(shopAt, t.shop)
	t.serve(pspAt, t.shop.PSP())
	return "http://" + shopAt.Addr().String(), nil
}

func (t *throwaway) serve(l net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	t.servers = append(t.servers, s)
	go s.Serve(l)
}

func (t *throwaway) close(ctx context.Context) error {
	var errs []error
	if t.server != nil {
		errs = append(errs, t.server.close(ctx))
	}
	for _, s := range t.servers {
		errs = append(errs, s.Close())
	}
	if t.shop != nil {
		t.shop.Close()
	}
	if t.shopDB != nil {
		errs = append(errs, t.shopDB.Close())
	}
	return errors.Join(errs...)
}
