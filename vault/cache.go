package vault

import (
	"container/list"
	"crypto/cipher"
	"sync"
	"sync/atomic"

	"noren/db"
)

// who is for whom and when a key seals. It holds the plain id and never leaves
// the process's memory.
type who struct {
	site, kind, id string
	month          month
}

// dek is a subject key ready for use.
type dek struct {
	subjectKey
	who  who    // zero for a key that was loaded to open
	by   string // the seal key that wrapped it
	aead cipher.AEAD
	// rows insert the key; nil once somebody confirmed that they did.
	rows atomic.Pointer[[]db.Row]
}

// unconfirmed returns the rows that must travel with what the key sealed.
func (k *dek) unconfirmed() []db.Row {
	if p := k.rows.Load(); p != nil {
		return (*p)[:len(*p):len(*p)] // an append by the caller must not reach ours
	}
	return nil
}

// cache holds the most recently used keys, by id and, for those that seal, by
// whom they seal for.
type cache struct {
	mu    sync.Mutex
	max   int
	order *list.List // of *dek, most recent first
	byID  map[string]*list.Element
	byWho map[who]*list.Element
}

func newCache(maxKeys int) *cache {
	return &cache{max: maxKeys, order: list.New(), byID: map[string]*list.Element{}, byWho: map[who]*list.Element{}}
}

func (c *cache) forSealing(w who) *dek {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(c.byWho[w])
}

func (c *cache) forOpening(id string) *dek {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.use(c.byID[id])
}

func (c *cache) use(e *list.Element) *dek {
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*dek)
}

// put adds k unless another goroutine was first, whose key it then returns.
// current is asked under the lock that drop takes: a key made before an erasure
// or rotation is refused (nil) and cannot slip in behind the drop.
func (c *cache) put(k *dek, current func() bool) *dek {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !current() {
		return nil
	}
	if e, ok := c.byID[k.id]; ok {
		return c.use(e)
	}
	if e, ok := c.byWho[k.who]; ok && k.who != (who{}) {
		return c.use(e)
	}
	e := c.order.PushFront(k)
	c.byID[k.id] = e
	if k.who != (who{}) {
		c.byWho[k.who] = e
	}
	if c.order.Len() > c.max {
		c.remove(c.order.Back())
	}
	return k
}

// drop forgets every key gone reports.
func (c *cache) drop(gone func(*dek) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Front(); e != nil; {
		next := e.Next()
		if gone(e.Value.(*dek)) {
			c.remove(e)
		}
		e = next
	}
}

func (c *cache) remove(e *list.Element) {
	k := e.Value.(*dek)
	c.order.Remove(e)
	delete(c.byID, k.id)
	delete(c.byWho, k.who)
}

// confirm marks the key's row as committed.
func (c *cache) confirm(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		e.Value.(*dek).rows.Store(nil)
	}
}

func (c *cache) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
