package journal

import (
	"context"

	"golang.org/x/mod/sumdb/note"
)

// storedCheckpoints walks the stored checkpoints of a log in the order of their
// sizes, a page at a time, beside an audit.
type storedCheckpoints struct {
	j    *Journal
	log  string
	keys note.Verifiers
	last int64 // the greatest size to look at
	f    *findings

	after int64 // greatest size read
	page  []storedCheckpoint
	done  bool
	held  int64
	said  bool // the first that does not hold
	short bool // the first that has more entries than there are
}

type storedCheckpoint struct {
	size int64
	note string
}

const checkpointPage = 256

// next returns the next checkpoint without removing it; nil at the end.
func (s *storedCheckpoints) next(ctx context.Context) (*storedCheckpoint, error) {
	if len(s.page) == 0 && !s.done {
		if err := s.read(ctx); err != nil {
			return nil, err
		}
		s.done = len(s.page) == 0
	}
	if s.done {
		return nil, nil
	}
	return &s.page[0], nil
}

func (s *storedCheckpoints) read(ctx context.Context) error {
	rows, err := s.j.db.Read().QueryContext(ctx, `SELECT size, note FROM journal_checkpoints
		WHERE log = $1 AND size > $2 AND size <= $3 ORDER BY size LIMIT $4`, s.log, s.after, s.last, checkpointPage)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var c storedCheckpoint
		if err := rows.Scan(&c.size, &c.note); err != nil {
			return err
		}
		s.after = c.size
		s.page = append(s.page, c)
	}
	return rows.Err()
}

// arrive compares the checkpoints of the size that the audit reached.
func (s *storedCheckpoints) arrive(ctx context.Context, a *audit) error {
	for {
		c, err := s.next(ctx)
		if err != nil || c == nil || c.size > a.entries.size {
			return err
		}
		if signed, ok := s.check(c); ok {
			a.at(anchor{size: c.size, root: signed.root, holds: func() { s.held++ }, differs: s.differs(c.size)})
		}
		s.page = s.page[1:]
	}
}

// differs reports the first checkpoint that does not hold: those behind it do
// not either.
func (s *storedCheckpoints) differs(size int64) func(from int64) {
	return func(from int64) {
		if s.said {
			return
		}
		s.said = true
		s.f.add(FoundCheckpoint, -1, "%d番から%d番の記録の中に、署名されたときと違うものがあります", "among entries %d to %d are some that are not those signed", from, size-1)
	}
}

// rest reports checkpoints of more entries than there are.
func (s *storedCheckpoints) rest(ctx context.Context, have int64) error {
	for {
		c, err := s.next(ctx)
		if err != nil || c == nil {
			return err
		}
		if _, ok := s.check(c); ok && !s.short {
			s.short = true
			s.f.add(FoundTruncated, have, "%d件まで署名されていますが、記録は%d件です。末尾が失われています", "%d entries were signed and %d are there: the end is missing", c.size, have)
		}
		s.page = s.page[1:]
	}
}

func (s *storedCheckpoints) check(c *storedCheckpoint) (checkpoint, bool) {
	signed, err := parseSigned([]byte(c.note), s.keys)
	switch {
	case err != nil:
		s.f.add(FoundSignature, -1, "%d件のチェックポイントの署名が正しくありません（%v）", "the checkpoint of %d entries is not signed by this log's key: %v", c.size, err)
		return signed, false
	case signed.size != c.size || signed.origin != s.j.origin(s.log):
		s.f.add(FoundCheckpoint, -1, "%d件のチェックポイントは別のもの（%s、%d件）です", "the checkpoint stored for %d entries is of %s with %d", c.size, signed.origin, signed.size)
		return signed, false
	}
	return signed, true
}
