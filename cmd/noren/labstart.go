package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"

	"noren"
	"noren/journal"
	"noren/lab"
)

// start starts a throw-away Noren for a lab.
func (l *labEnv) start(ctx context.Context, w lab.Want) (*lab.Instance, error) {
	dir, err := os.MkdirTemp(l.dir, "instance")
	if err != nil {
		return nil, err
	}
	t, err := startThrowaway(ctx, filepath.Clean(dir), "127.0.0.1:0", w.Seed, l.on, nil, quiet())
	if err != nil {
		return nil, err
	}
	return &lab.Instance{
		ShopURL: t.url, Site: sampleSite, Sample: t.shop, Journal: labJournal{t.server.in},
		Close: func() error { return t.close(context.WithoutCancel(ctx)) },
	}, nil
}

// labJournal answers what labs ask of the record.
type labJournal struct{ in *instance }

// Stopped implements lab.Journal.
func (j labJournal) Stopped(ctx context.Context) (lab.Stops, error) {
	s := lab.Stops{ByRule: map[string]int64{}, ByClient: map[netip.Addr]int64{}}
	j.in.loop.Flush(ctx)
	if err := j.in.journal.Flush(ctx); err != nil {
		return s, err
	}
	for stored, err := range j.in.journal.Query(ctx, journal.Filter{Log: sampleSite}) {
		if err != nil {
			return s, err
		}
		e := &stored.Entry
		if !stops(e) {
			continue
		}
		s.ByRule[e.Rule] += e.Count
		if a := e.Event.Address(); a.IsValid() {
			s.ByClient[a] += e.Count
		}
	}
	return s, nil
}

// stops reports whether an entry tells of stopped requests. A request that a
// policy stopped has an http.blocked entry of its own.
func stops(e *noren.Entry) bool {
	info, err := e.Event.Kind.Info()
	if err != nil || info.Operational {
		return false
	}
	switch e.Decision.Verdict {
	case noren.Limit, noren.Challenge, noren.StepUp, noren.Block:
		return e.Event.Kind != noren.HTTPRequest
	}
	return false
}
