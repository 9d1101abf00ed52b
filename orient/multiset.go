package orient

// multiset counts how many marks of a window carry each key, so that the
// number of different keys stays exact while marks enter and leave. Most sets
// are small: they are a slice until they grow.
type multiset struct {
	few  []tally
	many map[key]int32
}

type tally struct {
	key key
	n   int32
}

const fewTallies = 12

func (s *multiset) len() int64 {
	if s.many != nil {
		return int64(len(s.many))
	}
	return int64(len(s.few))
}

func (s *multiset) add(k key) {
	if k == 0 {
		return
	}
	if s.many != nil {
		s.many[k]++
		return
	}
	for i := range s.few {
		if s.few[i].key == k {
			s.few[i].n++
			return
		}
	}
	if len(s.few) < fewTallies {
		s.few = append(s.few, tally{k, 1})
		return
	}
	s.many = make(map[key]int32, 2*fewTallies)
	for _, t := range s.few {
		s.many[t.key] = t.n
	}
	s.many[k] = 1
	s.few = nil
}

func (s *multiset) remove(k key) {
	if k == 0 {
		return
	}
	if s.many != nil {
		s.removeMany(k)
		return
	}
	for i := range s.few {
		if s.few[i].key != k {
			continue
		}
		if s.few[i].n--; s.few[i].n == 0 {
			s.few[i] = s.few[len(s.few)-1]
			s.few = s.few[:len(s.few)-1]
		}
		return
	}
}

func (s *multiset) removeMany(k key) {
	switch n := s.many[k]; {
	case n > 1:
		s.many[k] = n - 1
	case n == 1:
		delete(s.many, k)
	}
	if len(s.many) == 0 {
		s.many = nil // give back the space of a burst
	}
}
