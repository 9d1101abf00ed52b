package console

import (
	"context"
	"sync"
	"time"

	"noren"
	"noren/staff"
)

// undos are ways back from what was just done. They live in this process for an
// hour: an undo is for a mistake one notices at once; later there are the pages
// themselves.
type undos struct {
	mu   sync.Mutex
	ways map[string]undo
}

type undo struct {
	site string
	need staff.Permission
	at   time.Time
	back func(ctx context.Context, v *visit) error
}

const (
	undoFor = time.Hour
	undoMax = 1000
)

func newUndos() *undos { return &undos{ways: map[string]undo{}} }

// add keeps a way back and names it.
func (u *undos) add(w undo) string {
	id := noren.NewID(w.at)
	u.mu.Lock()
	defer u.mu.Unlock()
	for old, way := range u.ways {
		if len(u.ways) >= undoMax || w.at.Sub(way.at) > undoFor {
			delete(u.ways, old)
		}
	}
	u.ways[id] = w
	return id
}

// find is a way back that still exists.
func (u *undos) find(id string, now time.Time) (undo, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w, ok := u.ways[id]
	return w, ok && now.Sub(w.at) <= undoFor
}

func (u *undos) drop(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.ways, id)
}

// undoable keeps how to take back what the visitor just did here.
func (v *visit) undoable(need staff.Permission, back func(ctx context.Context, v *visit) error) string {
	return v.c.undos.add(undo{site: v.site, need: need, at: time.Now(), back: back})
}

// undo takes something back. Whoever may do it may undo it, also for a colleague.
func (c *Console) undo(v *visit) error {
	id, home := v.field("undo"), "/"
	if v.site != "" {
		home = v.path("/")
	}
	w, ok := c.undos.find(id, time.Now())
	if !ok || w.site != v.site {
		return v.redirect(back(v.field("to"), home), "undo-over")
	}
	if !v.may(w.need) {
		return noren.Errorf(noren.Denied, "undo asks for %s", w.need)
	}
	c.undos.drop(id)
	if err := w.back(v.r.Context(), v); err != nil {
		return err
	}
	return v.redirect(back(v.field("to"), home), "undone")
}
