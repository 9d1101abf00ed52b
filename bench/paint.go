package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Of the measurement of the first paint.
const (
	paintGoal   = 1000 * time.Millisecond
	paintRounds = 5
	paintHost   = "console.shop.example"
	farLine     = 150 * time.Millisecond
	narrowLine  = 1.6e6 // bits a second
)

// consolePaint measures when a browser that has never been here shows the first of a
// page: over https with a certificate, on a line of 150 ms and 1.6 Mbit/s, with new
// connections and nothing kept.
func (b *bencher) consolePaint() error {
	k, err := b.keptSQLite()
	if err != nil {
		return err
	}
	if k == nil || !k.whole() {
		return fmt.Errorf("no store on SQLite: run console-search first")
	}
	door, err := newDoor(b.dir)
	if err != nil {
		return err
	}
	h, err := b.openPages(k, door)
	if err != nil {
		return err
	}
	defer h.close()
	line, err := openLink(b.ctx, door.address(), farLine, narrowLine)
	if err != nil {
		return err
	}
	p, err := h.openPainter(line, door)
	if err != nil {
		return err
	}
	defer p.close()
	more, err := h.pagesFound()
	if err != nil {
		return err
	}
	return p.all(more)
}

// painter is a browser whose every page comes over the line.
type painter struct {
	h       *pages
	ctx     context.Context
	close   func()
	console string
	session string
}

func (h *pages) openPainter(line *link, d *door) (*painter, error) {
	at, _ := url.Parse(h.console)
	session := ""
	for _, c := range h.client.Jar.Cookies(at) {
		if c.Name == "noren_session" {
			session = c.Value
		}
	}
	address := line.listener.Addr().String()
	_, port, _ := strings.Cut(address, ":")
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("accept-lang", "ja,en"), chromedp.Flag("host-resolver-rules", "MAP "+paintHost+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", d.keyHash))
	alloc, stop := chromedp.NewExecAllocator(h.b.ctx, opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	p := &painter{h: h, ctx: ctx, close: func() { cancel(); stop() }, console: "https://" + paintHost + ":" + port, session: session}
	if err := chromedp.Do(ctx); err != nil {
		p.close()
		return nil, fmt.Errorf("start Chromium: %w; is it installed? run: make deps", err)
	}
	return p, nil
}

// paint is what a browser says of one page.
type paint struct {
	First    float64 `json:"first"`    // contentful paint, ms after the address was typed
	Answered float64 `json:"answered"` // the page's first byte
	Bytes    int     `json:"bytes"`    // over the line, without the handshake
	Requests int     `json:"requests"`
	Protocol string  `json:"protocol"`
	At       string  `json:"at"`
}

// all looks at every page in turn, several times over, and reports the medians.
func (p *painter) all(more []string) error {
	list := []string{"/signin", "/", "/me", "/people", "/style"}
	for _, at := range append(pagesAsked(), more...) {
		list = append(list, "/s/shop"+at)
	}
	got := map[string][]paint{}
	for range paintRounds {
		for _, at := range list {
			one, err := p.look(at)
			if err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
			got[at] = append(got[at], one)
		}
	}
	over := 0
	for _, at := range list {
		slices.SortFunc(got[at], func(a, b paint) int { return int(a.First - b.First) })
		mid, last := got[at][len(got[at])/2], got[at][len(got[at])-1]
		if mid.First > float64(paintGoal.Milliseconds()) {
			over++
		}
		p.h.b.add("first paint, "+at, "≤ 1 s", fmt.Sprintf("%.1f KiB in %d requests over %s; answered after %.0f ms", float64(mid.Bytes)/1024, mid.Requests, mid.Protocol, mid.Answered),
			"median %.0f ms, longest %.0f ms", mid.First, last.First)
	}
	p.h.b.add("first paint: pages whose median is over a second", "0", fmt.Sprintf("%d pages, %d times each", len(list), paintRounds), "%d", over)
	return nil
}

// look opens one page as somebody who was never here.
func (p *painter) look(at string) (one paint, err error) {
	ctx, cancel := chromedp.NewContext(p.ctx, chromedp.WithNewBrowserContext())
	defer cancel()
	ctx, expire := context.WithTimeout(ctx, time.Minute)
	defer expire()
	steps := []chromedp.Action[chromedp.Void]{chromedp.EmulateViewport(1280, 900)}
	if err := chromedp.Do(ctx, steps...); err != nil {
		return one, err
	}
	if at != "/signin" {
		yes := true
		c := network.SetCookieParams{Name: "__Host-noren_session", Value: p.session, URL: p.console + "/", Path: "/", Secure: &yes, HTTPOnly: &yes}
		if _, err := chromedp.Call(ctx, network.SetCookie, c); err != nil {
			return one, err
		}
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(p.console+at)); err != nil {
		return one, err
	}
	for ctx.Err() == nil {
		said, err := chromedp.Run(ctx, chromedp.Evaluate[string](painted))
		if err != nil {
			return one, err
		}
		if err := json.Unmarshal([]byte(said), &one); err != nil {
			return one, err
		}
		if one.First > 0 {
			return one, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return one, ctx.Err()
}

// painted asks a page for its own times (Paint Timing, Navigation Timing).
const painted = `JSON.stringify((() => {
	const nav = performance.getEntriesByType("navigation")[0], all = [nav, ...performance.getEntriesByType("resource")];
	return {first: performance.getEntriesByName("first-contentful-paint")[0]?.startTime || 0, answered: nav.responseStart,
		bytes: all.reduce((sum, r) => sum + (r.transferSize || 0), 0), requests: all.length, protocol: nav.nextHopProtocol, at: location.pathname};
})())`
