package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"noren"
	"noren/db"
	"noren/journal"
	"noren/lab"
)

// tamper makes a record in dir, alters it one way and verifies it with and
// without the checkpoint that was kept outside.
func (l *labEnv) tamper(ctx context.Context, dir string, way lab.Tampering, seed uint64) (lab.Tampered, error) {
	t := &tamperer{e: l.e, dir: dir, r: rand.New(rand.NewPCG(seed, 7))}
	if err := t.make(ctx); err != nil {
		return lab.Tampered{}, err
	}
	var got lab.Tampered
	var err error
	if got.Before, _, err = t.verify(ctx, t.outside); err != nil {
		return got, err
	}
	if err := t.alter(ctx, way.Name); err != nil {
		return got, fmt.Errorf("alter: %w", err)
	}
	if got.Inside, got.Warned, err = t.verify(ctx, nil); err != nil {
		return got, err
	}
	got.Found = got.Inside
	if way.Outside {
		got.Found, _, err = t.verify(ctx, t.outside)
	}
	return got, err
}

// tamperer works on one throw-away SQLite instance.
type tamperer struct {
	e       *env
	dir     string
	r       *rand.Rand
	outside []byte // checkpoint kept outside
}

func (t *tamperer) file() string         { return filepath.Join(t.dir, "noren.db") }
func (t *tamperer) copy(n string) string { return filepath.Join(t.dir, n+".copy") }

// with opens the instance for f and closes it, so that the file is whole.
func (t *tamperer) with(ctx context.Context, f func(in *instance) error) error {
	in, err := openInstance(ctx, labConfig(t.dir, ""), wants{create: true, getenv: t.e.getenv, initial: labSettings()}, quiet())
	if err != nil {
		return err
	}
	ferr := f(in)
	if err := in.Close(ctx); ferr == nil {
		ferr = err
	}
	return ferr
}

// make writes a record in three parts and keeps a copy of the database after
// each of the first two.
func (t *tamperer) make(ctx context.Context) error {
	for _, part := range []struct {
		entries int
		keep    string
	}{{0, "empty"}, {200, "old"}, {150, ""}} {
		if err := t.with(ctx, func(in *instance) error { return t.write(ctx, in, part.entries, part.keep == "") }); err != nil {
			return err
		}
		if part.keep != "" {
			if err := copyFile(t.file(), t.copy(part.keep)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tamperer) write(ctx context.Context, in *instance, n int, keepOutside bool) error {
	for range n {
		if _, err := in.loop.Decide(ctx, labEvent(t.r)); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	note, err := in.journal.Checkpoint(ctx, labSite)
	if keepOutside {
		t.outside = note
	}
	return err
}

func (t *tamperer) verify(ctx context.Context, outside []byte) (kinds []string, warned bool, err error) {
	err = t.with(ctx, func(in *instance) error {
		rep, err := in.journal.Verify(ctx, journal.VerifyOptions{Log: labSite, Checkpoint: outside})
		if err != nil {
			return err
		}
		for _, f := range rep.Findings {
			if !strings.Contains(" "+strings.Join(kinds, " ")+" ", " "+string(f.Kind)+" ") {
				kinds = append(kinds, string(f.Kind))
			}
		}
		warned = len(rep.Warnings) > 0
		return nil
	})
	return kinds, warned, err
}

// alter does what the way says.
func (t *tamperer) alter(ctx context.Context, name string) error {
	switch name {
	case "put an old copy of the whole database back":
		return t.replace("old")
	case "write the whole log anew and sign it with the stolen key":
		if err := t.replace("empty"); err != nil {
			return err
		}
		return t.with(ctx, func(in *instance) error { return t.write(ctx, in, 400, false) })
	}
	statements, ok := t.statements()[name]
	if !ok {
		return noren.Errorf(noren.Internal, "no such tampering: %s", name)
	}
	d, err := db.Open(ctx, db.Options{URL: "sqlite:" + t.file()})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Write(ctx, func(tx *db.Tx) error {
		for _, s := range statements {
			res, err := tx.ExecContext(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			if n, err := res.RowsAffected(); err == nil && n == 0 {
				return fmt.Errorf("%s changed nothing", s)
			}
		}
		return nil
	})
}

// statements are what somebody with the database open would type. Sequence
// numbers are chosen from the seed, within what stays after each change.
func (t *tamperer) statements() map[string][]string {
	at := fmt.Sprintf("log = '%s' AND seq = %d", labSite, 20+t.r.IntN(300))
	pair := 20 + t.r.IntN(300)
	body := fmt.Sprintf(`UPDATE journal_entries SET body = CAST(replace(CAST(body AS TEXT), '"verdict":"', '"verdict":"x') AS BLOB) WHERE %s`, at)
	tail := fmt.Sprintf("DELETE FROM journal_entries WHERE log = '%s' AND seq >= 330", labSite)
	return map[string][]string{
		"change a byte of an entry":     {body},
		"change the verdict column":     {"UPDATE journal_entries SET verdict = 'hold' WHERE " + at},
		"change the time column":        {"UPDATE journal_entries SET at = at + 1000000 WHERE " + at},
		"remove an entry in the middle": {"DELETE FROM journal_entries WHERE " + at},
		"swap two entries": {
			fmt.Sprintf("UPDATE journal_entries SET seq = -1 WHERE log = '%s' AND seq = %d", labSite, pair),
			fmt.Sprintf("UPDATE journal_entries SET seq = %d WHERE log = '%s' AND seq = %d", pair, labSite, pair+1),
			fmt.Sprintf("UPDATE journal_entries SET seq = %d WHERE log = '%s' AND seq = -1", pair+1, labSite),
		},
		"remove the last entries": {tail},
		"remove the last entries and set the head back": {
			tail, fmt.Sprintf("UPDATE journal_logs SET size = 330 WHERE log = '%s'", labSite),
		},
		"change a tile":              {fmt.Sprintf("UPDATE journal_tiles SET data = CAST(CASE substr(data, 1, 1) WHEN x'00' THEN x'01' ELSE x'00' END || substr(data, 2) AS BLOB) WHERE log = '%s' AND level = 0 AND n = 0", labSite)},
		"change the head":            {fmt.Sprintf("UPDATE journal_logs SET root = zeroblob(32) WHERE log = '%s'", labSite)},
		"change a stored checkpoint": {fmt.Sprintf("UPDATE journal_checkpoints SET note = replace(note, char(10) || size || char(10), char(10) || (size + 1) || char(10)) WHERE log = '%s' AND size = (SELECT min(size) FROM journal_checkpoints WHERE log = '%s')", labSite, labSite)},
	}
}

// replace puts a kept copy in the database's place.
func (t *tamperer) replace(kept string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(t.file() + suffix)
	}
	return copyFile(t.copy(kept), t.file())
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
