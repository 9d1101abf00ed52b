package journal

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Signed is a stored checkpoint.
type Signed struct {
	Size int64     `json:"size"`
	At   time.Time `json:"at"`
	// Left says that every place outside took it. Without such places nothing
	// ever leaves.
	Left bool   `json:"left"`
	Note string `json:"note"` // as signed, for others to keep
}

// Standing is what a page of proofs shows of a log.
type Standing struct {
	Log     string    `json:"log"`
	Entries int64     `json:"entries"`
	Root    tlog.Hash `json:"root"`
	Last    *Signed   `json:"last,omitempty"`      // nil before the first
	LastOut *Signed   `json:"last_left,omitempty"` // the last that left the machine; nil for none
	// Unsigned are entries that no checkpoint covers yet.
	Unsigned int64 `json:"unsigned"`
	// Outside names where checkpoints go.
	Outside []string `json:"outside"`
}

// Standings say of every log how it stands, by name.
func (j *Journal) Standings(ctx context.Context) ([]Standing, error) {
	heads, err := j.Logs(ctx)
	if err != nil {
		return nil, err
	}
	var out []Standing
	for _, h := range heads {
		s, err := j.standing(ctx, h)
		if err != nil {
			return nil, fmt.Errorf("standing of log %s: %w", h.Log, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func (j *Journal) standing(ctx context.Context, h Head) (Standing, error) {
	s := Standing{Log: h.Log, Entries: h.Size, Root: h.Root, Unsigned: h.Size}
	for _, o := range j.o.Outside {
		s.Outside = append(s.Outside, o.Name())
	}
	last, err := j.checkpoints(ctx, h.Log, `TRUE`, 1)
	if err != nil {
		return s, err
	}
	if len(last) > 0 {
		s.Last, s.Unsigned = &last[0], max(0, h.Size-last[0].Size)
	}
	left, err := j.checkpoints(ctx, h.Log, `sent`, 1)
	if len(left) > 0 {
		s.LastOut = &left[0]
	}
	return s, err
}

// Checkpoints lists the last checkpoints of a log, newest first.
func (j *Journal) Checkpoints(ctx context.Context, log string, limit int) ([]Signed, error) {
	out, err := j.checkpoints(ctx, log, `TRUE`, max(1, min(limit, 1000)))
	if err != nil {
		return nil, fmt.Errorf("checkpoints of log %s: %w", log, err)
	}
	return out, nil
}

func (j *Journal) checkpoints(ctx context.Context, log, condition string, limit int) ([]Signed, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT size, at, sent, note FROM journal_checkpoints WHERE log = $1 AND `+condition+` ORDER BY size DESC LIMIT $2`, log, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Signed
	for rows.Next() {
		var s Signed
		var at int64
		if err := rows.Scan(&s.Size, &at, &s.Left, &s.Note); err != nil {
			return nil, err
		}
		s.At = time.UnixMicro(at).UTC()
		out = append(out, s)
	}
	return out, rows.Err()
}
