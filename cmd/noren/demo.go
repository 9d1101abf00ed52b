package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/lab"
	"noren/loop"
)

type demoCmd struct {
	Listen  string `default:"127.0.0.1:8080" help:"Address of the gateway."`
	Console string `default:"127.0.0.1:9080" help:"Address of the console."`
	Seed    uint64 `help:"Seed of the traffic (default: a fresh one, printed)."`
	Weak    bool   `help:"A shop as careless as the worst: it folds full-width letters, reads Shift_JIS and builds its search from strings. Attack it past the gateway and through it."`
	Quiet   bool   `help:"No traffic of our own: only the shop and the gateway."`
}

// The demo's traffic: a few buyers somewhat faster than people, and a small
// attack of one kind after the other.
const (
	demoBuyers      = 6
	demoSpeed       = 3
	demoScale       = 0.3
	demoAttackEvery = 6 * time.Second
)

// Help says what the demo is.
func (demoCmd) Help() string {
	return "Everything lies in a temporary folder and is gone when it ends (Ctrl-C)."
}

func (c demoCmd) Run(e *env) error {
	dir, err := os.MkdirTemp("", "noren-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if c.Seed == 0 {
		c.Seed = freshSeed()
	}
	tally := newTally()
	t, err := startThrowaway(e.ctx, dir, c.Listen, c.Seed, backing{byHand: true, console: c.Console, weak: c.Weak}, []loop.Observer{tally}, quiet())
	if err != nil {
		return noren.WithHint(err, "is the port taken? `noren demo --listen 127.0.0.1:8081` uses another")
	}
	defer t.close(context.WithoutCancel(e.ctx))
	link, err := t.server.ownerLink(e.ctx)
	if err != nil {
		return err
	}
	if link == "" {
		link = demoNoConsole.In(e.lang)
	}
	fmt.Fprintf(e.io.out, demoText(e.lang), t.url, t.url, t.shop.AdminPassword(), link, c.Seed)
	var played sync.WaitGroup
	if !c.Quiet {
		played.Go(func() {
			lab.PlayForever(e.ctx, lab.PlayOptions{Shop: t.url, Seed: c.Seed, Members: 200, MemberSeed: c.Seed, Speed: demoSpeed, Scale: demoScale}, demoBuyers, demoAttackEvery, nil, nil)
		})
	}
	tally.show(e.ctx, e.io.out, e.lang)
	played.Wait()
	return nil
}

// demoNoConsole is said when the console's port is taken.
var demoNoConsole = noren.Text{Ja: "（ポートが使われています: --console 127.0.0.1:9081）", En: "(its port is taken: --console 127.0.0.1:9081)"}

func demoText(lang string) string {
	if lang == "ja" {
		return "暖簾のデモ: サンプル店舗・お客様・攻撃者、その前に立つ Noren\n  お店（Noren 経由）  %s\n  お店の管理画面      %s/admin  admin / %s\n  Noren の画面        %s\n  シード              %d\n  終わるには Ctrl-C。あとには何も残りません。\n\n"
	}
	return "Noren demo: a sample shop, its customers, attackers, and Noren before it\n  shop (through Noren)  %s\n  the shop's admin      %s/admin  admin / %s\n  Noren's console       %s\n  seed                  %d\n  Ctrl-C ends it; nothing stays behind.\n\n"
}

// tally counts what the loop decides, for the live summary.
type tally struct {
	mu      sync.Mutex
	passed  int64
	stopped map[string]int64 // by cause
	logins  [2]int64         // failed, succeeded
	paid    [2]int64
	bans    int64
	last    []string // newest stops, for people
	began   time.Time
}

func newTally() *tally { return &tally{stopped: map[string]int64{}, began: time.Now()} }

const lastStops = 6

// Observed implements loop.Observer.
func (t *tally) Observed(_ context.Context, ev noren.Event, d noren.Decision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch p := ev.Payload.(type) {
	case *noren.Request:
		if d.Verdict == noren.Allow {
			t.passed++
		}
	case *noren.Blocked:
		t.stopped[string(p.Cause)]++
		t.note(ev, p)
	case *noren.LoginResult:
		t.logins[one(p.Success)]++
	case *noren.PaymentResult:
		t.paid[one(p.Success)]++
	case *noren.BanEntry:
		t.bans++
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (t *tally) note(ev noren.Event, p *noren.Blocked) {
	line := fmt.Sprintf("%s  %-15s %-14s %-7s %s", shown(ev.At.Time, ofToday), ev.Entities[noren.EntityAddress], p.Cause, p.Method, shorten(p.Path, 48))
	t.last = append(t.last, line)
	if len(t.last) > lastStops {
		t.last = t.last[1:]
	}
}

// shorten cuts a path for one line and takes out what a terminal would obey.
func shorten(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// show prints the summary until ctx ends: on a terminal in place every second,
// elsewhere a line every five seconds.
func (t *tally) show(ctx context.Context, w io.Writer, lang string) {
	live := isTerminal(w)
	every := 5 * time.Second
	if live {
		every = time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	drawn := 0
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(w)
			return
		case <-tick.C:
		}
		if !live {
			fmt.Fprintln(w, t.line(lang))
			continue
		}
		if drawn > 0 {
			fmt.Fprintf(w, "\x1b[%dA\x1b[J", drawn)
		}
		text := t.block(lang)
		fmt.Fprint(w, text)
		drawn = strings.Count(text, "\n")
	}
}

// line is the summary in one line.
func (t *tally) line(lang string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	words := map[string][5]string{
		"ja": {"通過", "遮断", "ログイン 成功/失敗", "決済 成功/失敗", "遮断リスト"},
		"en": {"passed", "stopped", "sign-ins ok/failed", "payments ok/failed", "bans"},
	}[lang]
	return fmt.Sprintf("%4ds  %s %d  %s %d %s  %s %d/%d  %s %d/%d  %s %d", int(time.Since(t.began).Seconds()),
		words[0], t.passed, words[1], t.allStopped(), t.causes(), words[2], t.logins[1], t.logins[0], words[3], t.paid[1], t.paid[0], words[4], t.bans)
}

func (t *tally) allStopped() (n int64) {
	for _, c := range t.stopped {
		n += c
	}
	return n
}

func (t *tally) causes() string {
	var parts []string
	for cause, n := range t.stopped {
		parts = append(parts, fmt.Sprintf("%s %d", cause, n))
	}
	sort.Strings(parts)
	return "(" + strings.Join(parts, ", ") + ")"
}

// block is the summary on a terminal.
func (t *tally) block(lang string) string {
	line := t.line(lang)
	t.mu.Lock()
	defer t.mu.Unlock()
	head := "latest stops:"
	if lang == "ja" {
		head = "最近止めた通信:"
	}
	return line + "\n" + head + "\n  " + strings.Join(t.last, "\n  ") + "\n"
}
