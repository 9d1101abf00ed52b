package screen

import (
	"hash/maphash"
	"sync/atomic"
)

// Bounds of what is remembered of keys: names of fields and cookies, of which a
// shop has a few hundred.
const (
	keyPlaces = 1024
	keyBytes  = 64
)

// keys knows which selectors want a key. Selectors that say the same are one;
// the patterns of some are dearer than all else that is done with a short value.
type keys struct {
	selectors []*selector // by bit
	bits      map[string]uint64
	seed      maphash.Seed
	place     [keyPlaces]atomic.Pointer[keyEntry]
}

type keyEntry struct {
	key    string
	wanted uint64
}

func newKeys() *keys { return &keys{bits: map[string]uint64{}, seed: maphash.MakeSeed()} }

// bit is that of a selector among all that say the same; 0 if there are too many.
func (k *keys) bit(sel *selector) uint64 {
	text := sel.text()
	b, ok := k.bits[text]
	if !ok {
		b = 1 << len(k.selectors) // 0 from the 65th on
		k.bits[text] = b
		k.selectors = append(k.selectors, sel)
	}
	return b
}

// number gives entries the bits of their selectors.
func (k *keys) number(entries []entry) {
	for i := range entries {
		if e := &entries[i]; e.sel != nil {
			e.who = k.bit(e.sel)
		}
	}
}

// wanted are the bits of the selectors that want a key.
func (k *keys) wanted(key string) uint64 {
	if len(key) > keyBytes {
		return k.ask(key)
	}
	place := &k.place[maphash.String(k.seed, key)%keyPlaces]
	if e := place.Load(); e != nil && e.key == key {
		return e.wanted
	}
	e := &keyEntry{string([]byte(key)), k.ask(key)}
	place.Store(e)
	return e.wanted
}

func (k *keys) ask(key string) (wanted uint64) {
	for i, sel := range k.selectors[:min(len(k.selectors), 64)] {
		if sel.wants(key) {
			wanted |= 1 << i
		}
	}
	return wanted
}
