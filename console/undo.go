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
	sure bool // the act asked for the second factor, and so does taking it back
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

// take is find for the one who goes that way: of two clicks one does.
func (u *undos) take(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.ways[id]
	delete(u.ways, id)
	return ok
}

// keep gives a way back that could not be gone.
func (u *undos) keep(id string, w undo) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ways[id] = w
}

// undoable keeps how to take back what the visitor just did here.
func (v *visit) undoable(need staff.Permission, back func(ctx context.Context, v *visit) error) string {
	return v.c.undos.add(undo{site: v.site, need: need, sure: v.sure, at: time.Now(), back: back})
}

// changedSince is the answer when what would be taken back is no longer as it was
// left: an undo must not undo a colleague.
func changedSince(what string) error {
	return noren.Errorf(noren.Conflict, "%s was changed again since", what)
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
	if w.sure {
		if err := v.confirmed(); err != nil {
			return err
		}
	}
	if !c.undos.take(id) {
		return v.redirect(back(v.field("to"), home), "again")
	}
	switch err := w.back(v.r.Context(), v); noren.CodeOf(err) {
	case "":
	case noren.NotFound: // somebody else took it back
		return v.redirect(back(v.field("to"), home), "undo-gone")
	case noren.Conflict: // somebody else changed it since
		return err
	default:
		c.undos.keep(id, w)
		return err
	}
	return v.redirect(back(v.field("to"), home), "undone")
}
