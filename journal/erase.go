package journal

import (
	"context"
	"fmt"
	"strconv"

	"noren"
	"noren/db"
)

// Erase removes the search tokens of an erased subject's entries, so that
// nothing leads to them any more. It is for the vault to call in the transaction
// that destroys the subject's keys. The entries themselves stay, sealed for ever.
func (j *Journal) Erase(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	if err := j.erase(ctx, tx, logOf(site), s); err != nil {
		return fmt.Errorf("erase search tokens: %w", err)
	}
	return nil
}

func (j *Journal) erase(ctx context.Context, tx *db.Tx, log string, s noren.Subject) error {
	high, err := lastSeq(ctx, tx, log)
	if err != nil {
		return err
	}
	search := &tokenSearch{field: s.Kind, token: j.o.Sealer.Token(siteOf(log), s.Kind, s.ID), width: spansAtOnce}
	for low := int64(0); low <= high; {
		from, to := search.spans(low, high)
		if err := j.eraseSpans(ctx, tx, log, s, search, from, to); err != nil {
			return err
		}
		low = (to + 1) * spanEntries
	}
	return nil
}

// eraseSpans removes the tokens of the subject's entries in some spans, page by
// page, and then its own.
func (j *Journal) eraseSpans(ctx context.Context, tx *db.Tx, log string, s noren.Subject, search *tokenSearch, from, to int64) error {
	for after := int64(-1); ; {
		page, err := entriesOfToken(ctx, tx, log, search, from, to, after)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			if err := j.eraseTokens(ctx, tx, &page[i], s); err != nil {
				return err
			}
		}
		after = page[len(page)-1].seq
	}
	return deleteTokens(ctx, tx, log, search, from, to)
}

func entriesOfToken(ctx context.Context, q querier, log string, search *tokenSearch, from, to, after int64) ([]entryRow, error) {
	args := []any{log, after, queryPage}
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	rows, err := q.QueryContext(ctx, `SELECT `+entryColumns+` FROM journal_tokens AS t JOIN journal_entries AS e ON e.log = t.log AND e.seq = t.seq
		WHERE t.log = $1 AND t.seq > $2 AND `+search.condition(from, to, arg)+` ORDER BY t.seq LIMIT $3`, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// eraseTokens removes all tokens of an entry that is sealed for s. When it can
// no longer be opened, the subject's own token goes and the others, which name
// nobody without the search key, stay.
func (j *Journal) eraseTokens(ctx context.Context, tx *db.Tx, r *entryRow, s noren.Subject) error {
	stored, err := j.restore(ctx, r)
	if err != nil || stored.Erased || stored.Entry.Event.Subject() != s {
		return nil
	}
	for _, t := range j.tokensOf(&stored.Entry.Event) {
		_, err := tx.ExecContext(ctx, `DELETE FROM journal_tokens WHERE log = $1 AND field = $2 AND token = $3 AND seq = $4`,
			r.log, t.Field, storedToken(spanOf(r.seq), t.Value), r.seq)
		if err != nil {
			return err
		}
	}
	return nil
}

// EraseToken removes the search tokens of a person known by their token only;
// for the vault when it erases a restored backup again. Of which kind the person
// is, the token does not tell.
func (j *Journal) EraseToken(ctx context.Context, tx *db.Tx, site string, subject []byte) error {
	log := logOf(site)
	high, err := lastSeq(ctx, tx, log)
	if err != nil {
		return fmt.Errorf("erase search tokens: %w", err)
	}
	for _, field := range searchable {
		search := &tokenSearch{field: field, token: subject, width: spansAtOnce}
		for low := int64(0); low <= high; {
			from, to := search.spans(low, high)
			if err := deleteTokens(ctx, tx, log, search, from, to); err != nil {
				return fmt.Errorf("erase search tokens: %w", err)
			}
			low = (to + 1) * spanEntries
		}
	}
	return nil
}

// deleteTokens removes a token from some spans.
func deleteTokens(ctx context.Context, tx *db.Tx, log string, search *tokenSearch, from, to int64) error {
	args := []any{log}
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	_, err := tx.ExecContext(ctx, `DELETE FROM journal_tokens AS t WHERE t.log = $1 AND `+search.condition(from, to, arg), args...)
	return err
}
