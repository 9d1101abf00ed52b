package vault

import "testing"

func always() bool { return true }

func cached(id string, w who) *dek { return &dek{subjectKey: subjectKey{id: id}, who: w} }

func TestCacheKeepsTheMostRecentlyUsed(t *testing.T) {
	c := newCache(2)
	a, b, d := who{id: "a"}, who{id: "b"}, who{id: "d"}
	c.put(cached("1", a), always)
	c.put(cached("2", b), always)
	c.forSealing(a)
	c.put(cached("3", d), always)
	if c.forSealing(b) != nil || c.forOpening("2") != nil {
		t.Error("the least recently used key is still there")
	}
	if c.forSealing(a) == nil || c.forOpening("1") == nil || c.forSealing(d) == nil {
		t.Error("a recently used key is gone")
	}
	if c.len() != 2 {
		t.Errorf("got %d keys, want 2", c.len())
	}
}

func TestCacheFirstKeyWins(t *testing.T) {
	c := newCache(10)
	w := who{id: "a"}
	first := c.put(cached("1", w), always)
	if got := c.put(cached("2", w), always); got != first {
		t.Errorf("got key %s, want the one that was there first", got.id)
	}
	if c.forOpening("2") != nil {
		t.Error("the loser was kept")
	}
}

func TestCacheRefusesKeysOfBefore(t *testing.T) {
	c := newCache(10)
	if got := c.put(cached("1", who{id: "a"}), func() bool { return false }); got != nil {
		t.Error("a key made before an erasure was taken")
	}
	if c.len() != 0 {
		t.Errorf("got %d keys, want none", c.len())
	}
}

func TestCacheDrop(t *testing.T) {
	c := newCache(10)
	for _, id := range []string{"1", "2", "3"} {
		c.put(cached(id, who{id: id}), always)
	}
	c.put(cached("4", who{}), always)
	c.put(cached("5", who{}), always)
	c.drop(func(k *dek) bool { return k.id == "2" || k.id == "4" })
	for _, id := range []string{"2", "4"} {
		if c.forOpening(id) != nil {
			t.Errorf("key %s is still there", id)
		}
	}
	if c.forSealing(who{id: "2"}) != nil {
		t.Error("a dropped key still seals")
	}
	if c.len() != 3 {
		t.Errorf("got %d keys, want 3", c.len())
	}
}
