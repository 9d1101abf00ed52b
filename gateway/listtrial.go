package gateway

import (
	"context"
	"fmt"

	"noren"
)

// find returns an entry in force by its id.
func (l *Lists) find(site, id string) *Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[site][id]
}

// LiftEntry takes one entry off its list; one that is not there any more is an
// error with code NotFound.
func (l *Lists) LiftEntry(ctx context.Context, site, id, author string, reason noren.Text) error {
	e := l.find(site, id)
	if e == nil {
		return noren.Errorf(noren.NotFound, "there is no list entry %s at %s", id, site)
	}
	if err := l.report(ctx, *e, "lift", author, reason); err != nil {
		return err
	}
	version, err := l.markLifted(ctx, site, []string{id}, l.opts.Now())
	if err != nil {
		return fmt.Errorf("take %s off the %s list of %s: %w", e.Prefix, e.List, site, err)
	}
	l.apply(site, version, nil, []string{id})
	return nil
}

// ConfirmEntry records that an entry on trial stays.
func (l *Lists) ConfirmEntry(ctx context.Context, site, id, author string) error {
	e := l.find(site, id)
	if e == nil {
		return nil
	}
	return l.report(ctx, *e, "confirm", author, noren.Text{})
}
