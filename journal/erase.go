package journal

import (
	"context"
	"database/sql"
	"fmt"

	"noren"
)

// Erase removes the search tokens of an erased subject's entries, so that
// nothing leads to them any more. It is for the vault to call in the transaction
// that destroys the subject's keys. The entries themselves stay, sealed for ever.
func (j *Journal) Erase(ctx context.Context, tx *sql.Tx, site string, s noren.Subject) error {
	log := logOf(site)
	own := token{s.Kind, j.o.Sealer.Token(site, s.Kind, s.ID)}
	for after := int64(-1); ; {
		rows, err := tx.QueryContext(ctx, `SELECT `+entryColumns+` FROM journal_tokens AS t JOIN journal_entries AS e ON e.log = t.log AND e.seq = t.seq
			WHERE t.log = $1 AND t.field = $2 AND t.token = $3 AND t.seq > $4 ORDER BY t.seq LIMIT $5`, log, own.Field, own.Value, after, queryPage)
		if err != nil {
			return fmt.Errorf("erase tokens: %w", err)
		}
		page, err := collect(rows)
		if err != nil {
			return fmt.Errorf("erase tokens: %w", err)
		}
		for i := range page {
			if err := j.eraseTokens(ctx, tx, &page[i], s); err != nil {
				return fmt.Errorf("erase tokens: %w", err)
			}
			after = page[i].seq
		}
		if len(page) == 0 {
			break
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM journal_tokens WHERE log = $1 AND field = $2 AND token = $3`, log, own.Field, own.Value)
	if err != nil {
		return fmt.Errorf("erase tokens: %w", err)
	}
	return nil
}

// eraseTokens removes all tokens of an entry that is sealed for s. When it can
// no longer be opened, the subject's own token goes and the others, which name
// nobody without the search key, stay.
func (j *Journal) eraseTokens(ctx context.Context, tx *sql.Tx, r *entryRow, s noren.Subject) error {
	stored, err := j.restore(ctx, r)
	if err != nil || stored.Erased || stored.Entry.Event.Subject() != s {
		return nil
	}
	for _, t := range j.tokensOf(&stored.Entry.Event) {
		_, err := tx.ExecContext(ctx, `DELETE FROM journal_tokens WHERE log = $1 AND field = $2 AND token = $3 AND seq = $4`, r.log, t.Field, t.Value, r.seq)
		if err != nil {
			return err
		}
	}
	return nil
}
