package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"noren"
)

// How often expired entries are ended and old rows dropped, and how long an
// ended entry is kept for questions about it.
const (
	sweepEvery = 15 * time.Second
	keepEnded  = 30 * 24 * time.Hour
)

// Run follows other nodes' changes and ends what has expired, until ctx does.
// While the database is away the last snapshot stays in force.
func (l *Lists) Run(ctx context.Context) {
	poll, sweep := time.NewTicker(l.opts.Poll), time.NewTicker(sweepEvery)
	defer poll.Stop()
	defer sweep.Stop()
	away := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			err = l.Refresh(ctx)
		case <-sweep.C:
			err = l.Sweep(ctx)
		}
		if failed := err != nil && ctx.Err() == nil; failed != away {
			away = failed
			if failed {
				l.opts.Log.Error("bans and allow-lists cannot be read; the last state stays in force", "alarm", true, "err", err)
			} else {
				l.opts.Log.Info("bans and allow-lists are read again")
			}
		}
	}
}

// Refresh brings the snapshot up to what SQL says.
func (l *Lists) Refresh(ctx context.Context) error {
	now, err := l.currentVersions(ctx)
	if err != nil {
		return fmt.Errorf("read list versions: %w", err)
	}
	for site, n := range now {
		l.mu.Lock()
		behind := l.versions[site] != n
		l.mu.Unlock()
		if behind {
			if err := l.reload(ctx, site, n); err != nil {
				return fmt.Errorf("read lists of %s: %w", site, err)
			}
		}
	}
	return nil
}

// reload fetches what is new and drops what is gone. Changes that this node
// makes meanwhile are not lost: they have counted the version on, so the next
// poll reads again.
func (l *Lists) reload(ctx context.Context, site string, version int64) error {
	l.mu.Lock()
	known, before := slices.Sorted(maps.Keys(l.byID[site])), l.versions[site]
	l.mu.Unlock()
	ids, err := l.liveIDs(ctx, site)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	fresh, gone := without(ids, known), without(known, ids)
	entries, err := l.readEntries(ctx, site, fresh)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.versions[site] == before {
		l.versions[site] = version
		l.publish(site, entries, gone)
	}
	return nil
}

// without returns what of a is not in b; both are sorted.
func without(a, b []string) (out []string) {
	for _, id := range a {
		if _, found := slices.BinarySearch(b, id); !found {
			out = append(out, id)
		}
	}
	return out
}

// Sweep ends entries whose time is over, records that, and drops old rows.
func (l *Lists) Sweep(ctx context.Context) error {
	now := l.opts.Now()
	ids, err := l.markExpired(ctx, now)
	if err != nil {
		return fmt.Errorf("end expired list entries: %w", err)
	}
	for _, e := range l.takeOut(ids) {
		reason := noren.Text{Ja: "期限が来たため", En: "its time is over"}
		if err := l.report(ctx, *e, "expire", "noren", reason); err != nil {
			l.opts.Log.Error("end of a list entry is not recorded", "alarm", true, "site", e.Site, "id", e.ID, "err", err)
		}
	}
	if err := l.prune(ctx, now.Add(-keepEnded)); err != nil {
		return fmt.Errorf("drop old list entries: %w", err)
	}
	return nil
}

// takeOut drops ended entries from the snapshot. They have stopped counting
// when their time came; this only frees their memory.
func (l *Lists) takeOut(ids []string) []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*Entry
	for site, have := range l.byID {
		var here []string
		for _, id := range ids {
			if e := have[id]; e != nil {
				out = append(out, e)
				here = append(here, id)
			}
		}
		if len(here) > 0 {
			l.publish(site, nil, here)
		}
	}
	return out
}
