package sampleshop

import (
	"maps"
	"net/http"
	"strings"
	"sync"
)

// MarkHeader names who sends a request, for labs that must prove what got
// through: Seen counts by its value. Nothing else looks at it.
const MarkHeader = "X-Lab-Mark"

// maxMarks bounds the marks that are counted apart.
const maxMarks = 1024

// Seen is what reached the shop.
type Seen struct {
	Total int64
	// Routes counts by route ("POST /login"); "other" is what no page answers.
	Routes map[string]int64
	// Marks counts by the value of MarkHeader.
	Marks map[string]MarkSeen
}

// MarkSeen is what reached the shop with one mark.
type MarkSeen struct {
	Total   int64
	Routes  map[string]int64
	Charges int64 // payments that were sent on to the payment provider
}

type seen struct {
	mu     sync.Mutex
	total  int64
	routes map[string]int64
	marks  map[string]*MarkSeen
}

func newSeen() *seen {
	return &seen{routes: map[string]int64{}, marks: map[string]*MarkSeen{}}
}

// count notes a request before it is answered, so that whoever has the answer
// finds it counted.
func (s *seen) count(r *http.Request, route string) {
	if route == "" || route == "/" {
		route = "other"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total++
	s.routes[route]++
	if m := s.mark(r); m != nil {
		m.Total++
		m.Routes[route]++
	}
}

func (s *seen) charge(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.mark(r); m != nil {
		m.Charges++
	}
}

// mark returns the counts of the request's mark, nil for none. The caller holds mu.
func (s *seen) mark(r *http.Request) *MarkSeen {
	name := r.Header.Get(MarkHeader)
	if name == "" || len(name) > 64 {
		return nil
	}
	m, ok := s.marks[name]
	if !ok {
		if len(s.marks) >= maxMarks {
			return nil
		}
		name = strings.Clone(name)
		m = &MarkSeen{Routes: map[string]int64{}}
		s.marks[name] = m
	}
	return m
}

// Seen returns what has reached the shop so far.
func (s *Shop) Seen() Seen {
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	out := Seen{Total: s.seen.total, Routes: maps.Clone(s.seen.routes), Marks: make(map[string]MarkSeen, len(s.seen.marks))}
	for name, m := range s.seen.marks {
		out.Marks[name] = MarkSeen{Total: m.Total, Routes: maps.Clone(m.Routes), Charges: m.Charges}
	}
	return out
}
