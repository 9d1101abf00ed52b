package main

import (
	"context"
	"errors"
	"io/fs"
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
		ShopURL: t.url, Site: sampleSite, Sample: t.shop, Journal: labJournal{t.server.in}, Disk: t.server.diskUse,
		Close: func() error { return t.close(context.WithoutCancel(ctx)) },
	}, nil
}

// diskUse is how large the files of the data directory are, after the
// write-ahead log was copied: it has a size of its own that does not grow.
func (s *server) diskUse(ctx context.Context) (map[string]int64, error) {
	s.in.loop.Flush(ctx)
	if err := errors.Join(s.in.journal.Flush(ctx), s.access.Flush(ctx), s.in.db.Settle(ctx)); err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	err := filepath.WalkDir(s.in.cfg.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sizes[d.Name()] += info.Size()
		}
		return err
	})
	return sizes, err
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

// stops reports whether an entry tells of stopped requests. Whatever stopped
// one, a policy at a sign-in included, it has one entry of this kind.
func stops(e *noren.Entry) bool { return e.Event.Kind == noren.HTTPBlocked }
