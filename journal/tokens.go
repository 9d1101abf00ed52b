package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"strings"
)

// Tokens are random, so an index over all of them is written at random places:
// with ten million entries nearly every token would dirty, and first fetch, a
// page of its own. The stored token therefore begins with the number of a span
// of entries. Appending touches the few pages of the last span only; a search
// looks into each span, newest or oldest first, many of them in one statement
// while it finds nothing.
const (
	spanEntries = 1024
	spansAtOnce = 256
)

func spanOf(seq int64) int64 { return seq / spanEntries }

// storedToken is a token as it stands in journal_tokens.
func storedToken(span int64, token []byte) []byte {
	b := make([]byte, 4, 4+len(token))
	binary.BigEndian.PutUint32(b, uint32(span))
	return append(b, token...)
}

// tokenSearch walks the spans of a log for one token.
type tokenSearch struct {
	field string
	token []byte
	desc  bool
	width int64 // spans in the next statement
}

// spans are the next ones to look into for entries low to high; to is the last
// entry's number that they can hold in the direction of the search.
func (s *tokenSearch) spans(low, high int64) (from, to int64) {
	s.width = min(max(s.width, 1), spansAtOnce)
	if s.desc {
		to = spanOf(high)
		return max(spanOf(low), to-s.width+1), to
	}
	from = spanOf(low)
	return from, min(spanOf(high), from+s.width-1)
}

// condition selects the rows of the token in spans from to to.
func (s *tokenSearch) condition(from, to int64, arg func(any) string) string {
	var b strings.Builder
	b.WriteString(`t.field = ` + arg(s.field) + ` AND t.token IN (`)
	for span := from; span <= to; span++ {
		if span > from {
			b.WriteByte(',')
		}
		b.WriteString(arg(storedToken(span, s.token)))
	}
	b.WriteByte(')')
	return b.String()
}

// lastSeq is the number of the last entry, -1 for an empty log.
func lastSeq(ctx context.Context, q querier, log string) (int64, error) {
	var last sql.NullInt64
	err := q.QueryRowContext(ctx, `SELECT MAX(seq) FROM journal_entries WHERE log = $1`, log).Scan(&last)
	return orMinusOne(last), err
}
