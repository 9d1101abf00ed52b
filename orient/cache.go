package orient

import "sync"

// cache holds the states of entities, those used last when it is bounded.
type cache struct{ shards []shard }

type shard struct {
	mu     sync.Mutex
	states map[key]*state
	most   int
	// newest and oldest are the ends of the list by last use.
	newest, oldest *state
	// sweepAt is the size at which a cache without a database looks for states
	// that are past.
	sweepAt int
}

const cacheShards = 64

func newCache(most int) *cache {
	n := cacheShards
	for n > 1 && most/n < 64 {
		n /= 2
	}
	c := &cache{shards: make([]shard, n)}
	for i := range c.shards {
		c.shards[i] = shard{states: map[key]*state{}, most: max(1, most/n), sweepAt: 1024}
	}
	return c
}

// lock locks the shard of k.
func (c *cache) lock(k key) *shard {
	s := &c.shards[uint64(k)%uint64(len(c.shards))]
	s.mu.Lock()
	return s
}

// get returns the state of p, made when there is none. The shard is locked.
func (s *shard) get(p party, l *layout) *state {
	st := s.states[p.key]
	if st == nil {
		s.makeRoom(l.stored)
		st = &state{key: p.key, slot: p.slot}
		s.states[p.key] = st
		s.push(st)
	} else if s.newest != st {
		s.unlink(st)
		s.push(st)
	}
	st.adapt(l)
	return st
}

// makeRoom drops what was unused longest. Without a database what is dropped is
// gone, so only what has left every window is.
func (s *shard) makeRoom(stored bool) {
	if !stored {
		if len(s.states) >= s.sweepAt {
			s.sweep()
		}
		return
	}
	st := s.oldest
	for tries := 0; len(s.states) >= s.most && st != nil && tries < 16; tries++ {
		newer := st.newer
		if st.pins == 0 && st.loading == nil {
			s.drop(st)
		}
		st = newer
	}
}

// sweep drops states whose every mark has left every window. An age that is
// asked for never leaves.
func (s *shard) sweep() {
	var now int64
	for _, st := range s.states {
		now = max(now, st.newest)
	}
	for _, st := range s.states {
		if l := st.of(); st.pins == 0 && !l.first && st.newest < now-l.horizon-lateness {
			s.drop(st)
		}
	}
	s.sweepAt = max(1024, 2*len(s.states))
}

func (s *shard) drop(st *state) {
	s.unlink(st)
	delete(s.states, st.key)
}

func (s *shard) push(st *state) {
	st.older, st.newer = s.newest, nil
	if s.newest != nil {
		s.newest.newer = st
	}
	s.newest = st
	if s.oldest == nil {
		s.oldest = st
	}
}

func (s *shard) unlink(st *state) {
	if st.older != nil {
		st.older.newer = st.newer
	} else {
		s.oldest = st.newer
	}
	if st.newer != nil {
		st.newer.older = st.older
	} else {
		s.newest = st.older
	}
	st.older, st.newer = nil, nil
}
