package journal

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"noren"
)

// StoryQuery asks for everything around one visitor.
type StoryQuery struct {
	Log          string
	Field, Value string // an entity: address, account, session, device, …
	Since, Until time.Time
	Limit        int // entries, 200 when 0, 1000 at most; the newest are taken
	Links        int // linked entities that are followed, 3 when 0, none below 0, 8 at most
	Within       time.Duration
}

// Story are the entries of an entity and of those that were seen together with it
// most, in the order of time.
type Story struct {
	Entries []StoryEntry
	// Linked are the entities seen together with the one asked for, most often
	// first; Followed ones have their entries in the story.
	Linked []Link
	// More says that there are older entries than those shown. When time ended,
	// links that are neither Followed nor Shared were not looked at.
	More bool
}

// StoryEntry is an entry and why it is there.
type StoryEntry struct {
	Hit
	// Through is the linked entity that led to it, "" for the one asked for.
	Through string
}

// Link is an entity that was seen with the one asked for.
type Link struct {
	Field, Value string
	Entries      int // of the story's in which both are
	First, Last  time.Time
	Followed     bool
	// Shared says that it has so many entries of its own that it is many
	// people's, such as an office's address; it was not followed.
	Shared bool
}

// linkable are the entities a story goes on to, those closest to a person first.
var linkable = [...]string{noren.EntitySession, noren.EntityDevice, noren.EntityAccount, noren.EntityAddress, noren.EntityStaff, noren.EntityMail}

// sharedOver is how many times the entries of the one asked for a linked entity
// may have before it counts as shared, and at least so many.
const (
	sharedOver  = 4
	sharedLeast = 100
	linksMost   = 50
)

// Story joins what is known of one visitor. It follows links one step only, and
// none to what many people share.
func (j *Journal) Story(ctx context.Context, q StoryQuery) (Story, error) {
	s := storyteller{j: j, q: q, seen: map[int64]bool{}, began: time.Now()}
	err := s.valid()
	if err == nil {
		err = s.tell(ctx)
	}
	if err != nil {
		return Story{}, fmt.Errorf("story in log %s: %w", q.Log, err)
	}
	return s.out, nil
}

type storyteller struct {
	j     *Journal
	q     StoryQuery
	out   Story
	seen  map[int64]bool
	began time.Time
}

func (s *storyteller) valid() error {
	if s.q.Limit == 0 {
		s.q.Limit = 200
	}
	if s.q.Links == 0 {
		s.q.Links = 3
	}
	if s.q.Within == 0 {
		s.q.Within = DefaultWithin
	}
	if s.q.Field == "" || s.q.Value == "" || s.q.Limit < 0 || s.q.Limit > 1000 || s.q.Links > 8 {
		return noren.Errorf(noren.Invalid, "a story is of an entity with a value, up to 1000 entries and 8 links")
	}
	return nil
}

func (s *storyteller) tell(ctx context.Context) error {
	own, more, _, err := s.entries(ctx, s.q.Field, s.q.Value, s.q.Limit)
	if err != nil {
		return err
	}
	s.out.More = more
	s.take(own, "")
	s.out.Linked = s.links(own)
	if err := s.follow(ctx, len(own)); err != nil {
		return err
	}
	slices.SortStableFunc(s.out.Entries, func(a, b StoryEntry) int {
		return cmp.Or(a.Entry.Event.At.Compare(b.Entry.Event.At.Time), cmp.Compare(a.Seq, b.Seq))
	})
	if over := len(s.out.Entries) - s.q.Limit; over > 0 {
		s.out.Entries, s.out.More = s.out.Entries[over:], true
	}
	return nil
}

// entries are the newest of one entity; cut says that time ended.
func (s *storyteller) entries(ctx context.Context, field, value string, limit int) (hits []Hit, more, cut bool, err error) {
	q := SearchQuery{Log: s.q.Log, Field: field, Value: value, Since: s.q.Since, Until: s.q.Until, Limit: min(limit, pageMost), Within: s.left()}
	for {
		p, err := s.j.Search(ctx, q)
		if err != nil {
			return nil, false, false, err
		}
		hits = append(hits, p.Hits...)
		q.Cursor, q.Limit = p.Next, min(pageMost, limit-len(hits))
		if q.Cursor == "" || q.Limit <= 0 || p.Partial {
			return hits, q.Cursor != "", p.Partial, nil
		}
	}
}

// left is what is left of the time; never nothing, so that each look gets somewhere.
func (s *storyteller) left() time.Duration {
	return max(s.q.Within-time.Since(s.began), time.Millisecond)
}

func (s *storyteller) take(hits []Hit, through string) {
	for _, h := range hits {
		if !s.seen[h.Seq] {
			s.seen[h.Seq] = true
			s.out.Entries = append(s.out.Entries, StoryEntry{h, through})
		}
	}
}

// links are the entities in entries, most often seen first.
func (s *storyteller) links(hits []Hit) []Link {
	type key struct{ field, value string }
	found := map[key]*Link{}
	for _, h := range hits {
		ev := &h.Entry.Event
		for _, field := range linkable {
			k := key{field, ev.Entities[field]}
			if k.value == "" || field == s.q.Field && k.value == s.q.Value {
				continue
			}
			if found[k] == nil {
				found[k] = &Link{Field: field, Value: k.value, First: ev.At.Time, Last: ev.At.Time}
			}
			found[k].see(ev.At.Time)
		}
	}
	var out []Link
	for _, l := range found {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b Link) int {
		return cmp.Or(cmp.Compare(b.Entries, a.Entries), cmp.Compare(slices.Index(linkable[:], a.Field), slices.Index(linkable[:], b.Field)), cmp.Compare(a.Value, b.Value))
	})
	return out[:min(len(out), linksMost)]
}

func (l *Link) see(at time.Time) {
	l.Entries++
	if at.Before(l.First) {
		l.First = at
	}
	if at.After(l.Last) {
		l.Last = at
	}
}

// follow adds the entries of the entities seen most, unless many share them.
func (s *storyteller) follow(ctx context.Context, own int) error {
	most := max(sharedOver*own, sharedLeast)
	left := s.q.Links
	for i := range s.out.Linked {
		l := &s.out.Linked[i]
		if left <= 0 || time.Since(s.began) > s.q.Within && i > 0 {
			return nil
		}
		hits, more, cut, err := s.entries(ctx, l.Field, l.Value, min(most, s.q.Limit))
		if err != nil {
			return err
		}
		if l.Shared = more && !cut; l.Shared {
			continue
		}
		left--
		l.Followed = true
		s.take(hits, l.Field)
	}
	return nil
}
