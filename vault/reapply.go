package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"noren/db"
)

// Reapply carries out the erasures of the erasures file that the database does
// not know, because it is a restored copy or the last start ended in the middle
// of one, and returns how many. Call it at each start, after OnEraseToken. It
// also writes to the file what only the database knows, so that every node's
// file is complete after each of its starts. A damaged line is an error after
// the others were applied.
func (v *Vault) Reapply(ctx context.Context) (n int, err error) {
	lines, damaged := v.file.read()
	known, err := v.allErasures(ctx)
	if err != nil {
		return 0, fmt.Errorf("re-apply erasures: %w", err)
	}
	n, listed, err := v.applyMissing(ctx, lines, known)
	if err != nil {
		return n, fmt.Errorf("re-apply erasures: %w", err)
	}
	swept, err := v.sweep(ctx)
	if err != nil {
		return n, fmt.Errorf("re-apply erasures: %w", err)
	}
	if n > 0 || swept > 0 {
		v.scrub(ctx)
		v.log.Info("erasures applied again", "erasures", n, "late_keys", swept)
	}
	if damaged != nil { // a person must put it right before anything is added
		return n, damaged
	}
	return n, v.complete(known, listed)
}

// applyMissing carries out the lines that are not known and returns the ids of
// all of this database's lines.
func (v *Vault) applyMissing(ctx context.Context, lines []erasureLine, known map[string]Erasure) (n int, listed map[string]bool, err error) {
	listed = map[string]bool{}
	foreign := 0
	for _, line := range lines {
		if line.Key != v.search.id {
			foreign++
			continue
		}
		e := line.Erasure
		_, skip := known[e.ID]
		skip = skip || listed[e.ID]
		listed[e.ID] = true
		if skip {
			continue
		}
		done, err := v.destroy(ctx, &e, func(tx *db.Tx) error { return v.runTokenErasers(ctx, tx, e.Site, e.Subject) })
		if err != nil {
			return n, listed, err
		}
		if done {
			n++
		}
	}
	if foreign > 0 {
		v.log.Warn("erasures of another database are in the erasures file and were left alone", "lines", foreign)
	}
	return n, listed, nil
}

// complete appends the erasures the file does not list.
func (v *Vault) complete(known map[string]Erasure, listed map[string]bool) error {
	if v.file.path == "" {
		return nil
	}
	var missing []Erasure
	for id, e := range known {
		if !listed[id] {
			missing = append(missing, e)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.SortFunc(missing, func(a, b Erasure) int { return cmp.Compare(a.Number, b.Number) })
	return v.file.append(v.search.id, missing...)
}

func (v *Vault) allErasures(ctx context.Context) (map[string]Erasure, error) {
	all := map[string]Erasure{}
	after := int64(0)
	for {
		page, err := loadErasures(ctx, v.db.Read(), after, maxLearned)
		if err != nil {
			return nil, readError("read erasures", err)
		}
		for _, e := range page {
			all[e.ID] = e
			after = e.Number
		}
		if len(page) < maxLearned {
			return all, nil
		}
	}
}

// sweep deletes keys that reached the database after their subject's erasure.
// They open nothing already; this makes them gone.
func (v *Vault) sweep(ctx context.Context) (int64, error) {
	dead, err := deadKeys(ctx, v.db.Read())
	if err != nil {
		return 0, readError("look for late keys", err)
	}
	if len(dead) == 0 {
		return 0, nil
	}
	err = v.db.Write(ctx, func(tx *db.Tx) error {
		for _, id := range dead {
			if _, err := tx.ExecContext(ctx, `DELETE FROM vault_subject_keys WHERE id = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, writeError("delete late keys", err)
	}
	return int64(len(dead)), nil
}

// maxSwept bounds the keys one sweep takes; the next takes the rest.
const maxSwept = 10_000

// deadKeys returns the ids of keys made without knowledge of their subject's
// last erasure. A key whose number cannot be read is left for Open to report.
func deadKeys(ctx context.Context, q querier) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT k.id, k.wrapped, e.last
		FROM (SELECT site, subject, MAX(id) AS last FROM vault_erasures GROUP BY site, subject) e
		JOIN vault_subject_keys k ON k.site = e.site AND k.subject = e.subject`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var dead []string
	for rows.Next() && len(dead) < maxSwept {
		var id, last string
		var wrapped []byte
		if err := rows.Scan(&id, &wrapped, &last); err != nil {
			return nil, err
		}
		number, _, err := parseErasureID(last)
		if err != nil {
			return nil, err
		}
		if w, err := parseWrapped(wrapped); err == nil && w.era < number {
			dead = append(dead, id)
		}
	}
	return dead, rows.Err()
}
