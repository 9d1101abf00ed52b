package console

import (
	"net/http"
	"sync"
	"time"

	"noren"
)

// once remembers the forms that were sent, so that a second click or a reload
// does not act twice. A form carries an id; its first post gets it, later ones
// are told where the first one led. It is per process: a form sent twice reaches
// the process that made its page, because the console listens on one machine.
type once struct {
	mu   sync.Mutex
	seen map[string]time.Time
}

const (
	onceFor = time.Hour
	onceMax = 10_000
)

func newOnce() *once { return &once{seen: map[string]time.Time{}} }

// first reports whether id was not used before. An id that is no id of ours is
// never first.
func (o *once) first(id string, now time.Time) bool {
	if len(id) != 26 {
		return false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, used := o.seen[id]; used {
		return false
	}
	if len(o.seen) >= onceMax {
		o.forget(now)
	}
	o.seen[id] = now
	return true
}

// forget drops what is over its time, and everything when that is not enough.
func (o *once) forget(now time.Time) {
	for id, at := range o.seen {
		if now.Sub(at) > onceFor {
			delete(o.seen, id)
		}
	}
	if len(o.seen) >= onceMax {
		clear(o.seen)
	}
}

// release forgets an id: what it was sent for did not happen.
func (o *once) release(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.seen, id)
}

// newForm is the id of a new form.
func newForm() string { return noren.NewID(time.Now()) }

// formID is the id of the form that was posted, "" for none.
func (v *visit) formID() string {
	if v.r.Method != http.MethodPost {
		return ""
	}
	return v.field("once")
}

// again reports that the posted form was sent before; the handler then leads to
// where the first one led, without acting. When the handler fails, the form may be
// sent once more.
func (v *visit) again() bool { return !v.c.once.first(v.formID(), time.Now()) }
