package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/notify"
)

// teller turns alarms of the log into notices to people: whatever is worth a line
// with alarm=true is worth telling somebody, and one table (telltable.go) says with
// which severity and in which words. Whoever logs an alarm waits for nothing: the
// teller counts it in memory and stores it a moment later. While the database is
// away, high notices go out past it.
type teller struct {
	plain  *slog.Logger // without notices: for what notify itself has to say
	notify *notify.Notify
	node   string

	mu      sync.Mutex
	pending map[tellKey]*notify.Notice
	lost    int64 // alarms that found no room
	direct  map[tellKey]time.Time
}

type tellKey struct{ site, key string }

// Bounds of what waits in memory: kinds of trouble, not alarms.
const (
	tellAtMost  = 500
	tellEvery   = time.Second
	directAgain = time.Hour
)

func newTeller(plain *slog.Logger, node string) *teller {
	return &teller{plain: plain, node: node, pending: map[tellKey]*notify.Notice{}, direct: map[tellKey]time.Time{}}
}

// logger is plain, with its alarms told.
func (t *teller) logger() *slog.Logger {
	return slog.New(&tellHandler{Handler: t.plain.Handler(), teller: t})
}

// tellHandler passes every record on and hands alarms to the teller.
type tellHandler struct {
	slog.Handler
	teller *teller
	attrs  []slog.Attr
}

func (h *tellHandler) Handle(ctx context.Context, r slog.Record) error {
	if a := readAlarm(r, h.attrs); a != nil {
		h.teller.add(a.notice(h.teller.node))
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// Enabled lets alarms come in whatever the log itself leaves out.
func (h *tellHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn || h.Handler.Enabled(ctx, l)
}

func (h *tellHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &tellHandler{h.Handler.WithAttrs(attrs), h.teller, append(slices.Clip(h.attrs), attrs...)}
}

func (h *tellHandler) WithGroup(name string) slog.Handler {
	return &tellHandler{h.Handler.WithGroup(name), h.teller, h.attrs}
}

// alarm is a line of the log with alarm=true.
type alarm struct {
	says  string
	at    time.Time
	attrs map[string]string
}

func readAlarm(r slog.Record, more []slog.Attr) *alarm {
	a := alarm{says: r.Message, at: r.Time, attrs: map[string]string{}}
	read := func(at slog.Attr) bool {
		if len(a.attrs) < 40 {
			a.attrs[at.Key] = at.Value.Resolve().String()
		}
		return true
	}
	for _, at := range more {
		read(at)
	}
	r.Attrs(read)
	if a.attrs["alarm"] != "true" {
		return nil
	}
	return &a
}

// add counts an alarm; it never waits.
func (t *teller) add(n notify.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := tellKey{n.Site, n.Key}
	switch old := t.pending[k]; {
	case old != nil:
		old.Count += max(n.Count, 1)
		old.Severity = max(old.Severity, n.Severity)
	case len(t.pending) >= tellAtMost:
		t.lost++
	default:
		n.ID, n.Count = noren.NewID(n.At), max(n.Count, 1)
		t.pending[k] = &n
	}
}

// run stores what was counted, until ctx ends and once more then.
func (t *teller) run(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			t.flush(last)
			return
		case <-tick.C:
			t.flush(ctx)
		}
	}
}

// flush stores what waits; what cannot be stored now waits on.
func (t *teller) flush(ctx context.Context) {
	t.mu.Lock()
	now := t.pending
	t.pending = map[tellKey]*notify.Notice{}
	if t.lost > 0 {
		t.plain.Error("so many kinds of alarms at once that not all became notices", "alarm", true, "lost", t.lost)
		t.lost = 0
	}
	t.mu.Unlock()
	for _, k := range slices.SortedFunc(maps.Keys(now), func(a, b tellKey) int { return strings.Compare(now[a].ID, now[b].ID) }) {
		_, err := t.notify.Tell(ctx, *now[k])
		switch {
		case err == nil:
		case noren.CodeOf(err) == noren.Invalid:
			t.plain.Error("an alarm cannot be told", "alarm", true, "key", k.key, "err", err)
		default:
			t.tellDirectly(ctx, k, *now[k])
			t.putBack(k, now[k])
		}
	}
}

// putBack keeps a notice that could not be stored, with what came meanwhile.
func (t *teller) putBack(k tellKey, n *notify.Notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if newer := t.pending[k]; newer != nil {
		n.Count += newer.Count
		n.Severity = max(n.Severity, newer.Severity)
	}
	t.pending[k] = n
}

// tellDirectly sends a high notice while the database is away, once an hour for
// each trouble. It is not waited for: a mail server may be slow.
func (t *teller) tellDirectly(ctx context.Context, k tellKey, n notify.Notice) {
	if n.Severity != notify.High {
		return
	}
	t.mu.Lock()
	soon := time.Since(t.direct[k]) < directAgain
	if !soon && len(t.direct) < tellAtMost {
		t.direct[k] = time.Now()
	}
	t.mu.Unlock()
	if soon {
		return
	}
	if err := t.notify.TellNow(ctx, n); err != nil {
		t.plain.Error("people could not be told while the database is away", "alarm", true, "key", k.key, "err", err, "hint", noren.HintOf(err))
		t.mu.Lock()
		t.direct[k] = time.Now().Add(time.Minute - directAgain) // again in a minute
		t.mu.Unlock()
	}
}
