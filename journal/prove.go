package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"noren"
)

// Kinds of proofs.
const (
	ProofInclusion   = "inclusion"   // an entry is in the log
	ProofConsistency = "consistency" // a longer log has the shorter one as its beginning
)

const proofVersion = 1

// Proof stands on its own: with the verifier key, CheckProof needs nothing else.
type Proof struct {
	V          int         `json:"v"`
	Kind       string      `json:"kind"`
	Log        string      `json:"log"`
	Seq        int64       `json:"seq"`              // of an inclusion
	Leaf       []byte      `json:"leaf,omitempty"`   // of an inclusion: the entry as hashed
	Size       int64       `json:"size"`             // entries that Checkpoint signs
	Hashes     []tlog.Hash `json:"hashes"`           // RFC 6962 audit path or consistency proof
	Before     string      `json:"before,omitempty"` // of a consistency proof: the earlier checkpoint
	Checkpoint string      `json:"checkpoint"`
}

// Prove proves that entry seq is in the log as signed at size entries; size 0
// means the last checkpoint, which is made when it does not reach the entry.
func (j *Journal) Prove(ctx context.Context, log string, seq, size int64) (Proof, error) {
	p, err := j.prove(ctx, log, seq, size)
	if err != nil {
		return Proof{}, fmt.Errorf("prove entry %d of log %s: %w", seq, log, err)
	}
	return p, nil
}

func (j *Journal) prove(ctx context.Context, log string, seq, size int64) (Proof, error) {
	c, err := j.covering(ctx, log, seq, size)
	if err != nil {
		return Proof{}, err
	}
	if seq < 0 || seq >= c.size {
		return Proof{}, noren.Errorf(noren.NotFound, "no such entry among the %d signed", c.size)
	}
	var body []byte
	err = j.db.Read().QueryRowContext(ctx, `SELECT body FROM journal_entries WHERE log = $1 AND seq = $2`, log, seq).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return Proof{}, noren.Errorf(noren.Tampered, "the entry is missing")
	}
	if err != nil {
		return Proof{}, err
	}
	reader := tileReader{ctx, j.db.Read(), log}.hashes(tlog.Tree{N: c.size, Hash: c.root})
	path, err := tlog.ProveRecord(c.size, seq, reader)
	if err != nil {
		return Proof{}, noren.Errorf(noren.Tampered, "tiles do not fit the checkpoint: %w", err)
	}
	if err := tlog.CheckRecord(path, c.size, c.root, seq, tlog.RecordHash(body)); err != nil {
		return Proof{}, noren.Errorf(noren.Tampered, "the entry is not the one that was signed: %w", err)
	}
	return Proof{V: proofVersion, Kind: ProofInclusion, Log: log, Seq: seq, Leaf: body, Size: c.size, Hashes: path, Checkpoint: string(c.note)}, nil
}

// ProveConsistency proves that the log as signed at newer entries has the log as
// signed at older entries as its beginning; newer 0 means the last checkpoint.
func (j *Journal) ProveConsistency(ctx context.Context, log string, older, newer int64) (Proof, error) {
	p, err := j.proveConsistency(ctx, log, older, newer)
	if err != nil {
		return Proof{}, fmt.Errorf("prove consistency of log %s: %w", log, err)
	}
	return p, nil
}

func (j *Journal) proveConsistency(ctx context.Context, log string, older, newer int64) (Proof, error) {
	a, err := j.signedAt(ctx, log, older)
	if err != nil {
		return Proof{}, err
	}
	b, err := j.covering(ctx, log, older-1, newer)
	if err != nil {
		return Proof{}, err
	}
	if a.size > b.size {
		return Proof{}, noren.Errorf(noren.Invalid, "the older checkpoint has %d entries, the newer %d", a.size, b.size)
	}
	reader := tileReader{ctx, j.db.Read(), log}.hashes(tlog.Tree{N: b.size, Hash: b.root})
	path, err := tlog.ProveTree(b.size, a.size, reader)
	if err != nil {
		return Proof{}, noren.Errorf(noren.Tampered, "tiles do not fit the checkpoint: %w", err)
	}
	if err := tlog.CheckTree(path, b.size, b.root, a.size, a.root); err != nil {
		return Proof{}, noren.Errorf(noren.Tampered, "the log was rewritten between the two: %w", err)
	}
	return Proof{V: proofVersion, Kind: ProofConsistency, Log: log, Size: b.size, Hashes: path, Before: string(a.note), Checkpoint: string(b.note)}, nil
}

// covering returns the checkpoint of size entries, or the last one for size 0,
// signing the present head when the last does not reach seq.
func (j *Journal) covering(ctx context.Context, log string, seq, size int64) (checkpoint, error) {
	if size != 0 {
		return j.signedAt(ctx, log, size)
	}
	c, _, err := lastCheckpoint(ctx, j.db.Read(), log)
	if err != nil || c.size > seq {
		return c, err
	}
	msg, err := j.Checkpoint(ctx, log)
	if msg == nil {
		return checkpoint{}, err
	}
	return parseUnsigned(msg) // a sink that failed was alarmed and is tried again
}

func (j *Journal) signedAt(ctx context.Context, log string, size int64) (checkpoint, error) {
	var msg string
	err := j.db.Read().QueryRowContext(ctx, `SELECT note FROM journal_checkpoints WHERE log = $1 AND size = $2`, log, size).Scan(&msg)
	if errors.Is(err, sql.ErrNoRows) {
		return checkpoint{}, noren.WithHint(noren.Errorf(noren.NotFound, "no checkpoint of %d entries was signed", size), j.signedNear(ctx, log, size))
	}
	if err != nil {
		return checkpoint{}, err
	}
	return parseUnsigned([]byte(msg))
}

// signedNear is the hint that names sizes which were signed.
func (j *Journal) signedNear(ctx context.Context, log string, size int64) string {
	var before, after sql.NullInt64
	err := j.db.Read().QueryRowContext(ctx, `SELECT (SELECT MAX(size) FROM journal_checkpoints WHERE log = $1 AND size < $2),
		(SELECT MIN(size) FROM journal_checkpoints WHERE log = $1 AND size > $2)`, log, size).Scan(&before, &after)
	switch {
	case err != nil || !before.Valid && !after.Valid:
		return "sign one first: noren journal checkpoint"
	case !before.Valid:
		return fmt.Sprintf("the first one was signed at %d entries", after.Int64)
	case !after.Valid:
		return fmt.Sprintf("the last one was signed at %d entries", before.Int64)
	}
	return fmt.Sprintf("the nearest were signed at %d and %d entries", before.Int64, after.Int64)
}

// maxProof bounds a proof from outside: a leaf in base64 and two notes.
const maxProof = 256 << 10

// CheckProof verifies a proof with nothing but the verifier key (several may be
// given, separated by white space). A proof that does not hold has code
// Tampered, one that is none has code Invalid.
func CheckProof(proof []byte, verifierKey string) (Proof, error) {
	var p Proof
	if len(proof) > maxProof {
		return p, noren.Errorf(noren.Invalid, "proof of %d bytes is over the limit of %d", len(proof), maxProof)
	}
	if err := parseStrict(proof, &p); err != nil {
		return p, fmt.Errorf("read proof: %w", err)
	}
	keys, err := parseKeys(verifierKey)
	if err != nil {
		return p, err
	}
	if p.V != proofVersion || len(p.Hashes) > 128 {
		return p, noren.Errorf(noren.Invalid, "read proof: version %d with %d hashes is not known", p.V, len(p.Hashes))
	}
	c, err := parseSigned([]byte(p.Checkpoint), keys)
	if err != nil {
		return p, err
	}
	if logOfOrigin(c.origin) != p.Log || c.size != p.Size {
		return p, noren.Errorf(noren.Tampered, "the proof is of log %q with %d entries, its checkpoint of %s with %d", p.Log, p.Size, c.origin, c.size)
	}
	switch p.Kind {
	case ProofInclusion:
		return p, p.checkInclusion(&c)
	case ProofConsistency:
		return p, p.checkConsistency(&c, keys)
	}
	return p, noren.Errorf(noren.Invalid, "read proof: kind %q is not known", p.Kind)
}

func (p *Proof) checkInclusion(c *checkpoint) error {
	if p.Before != "" || p.Seq < 0 || p.Seq >= c.size {
		return noren.Errorf(noren.Invalid, "read proof: entry %d among %d", p.Seq, c.size)
	}
	if err := tlog.CheckRecord(p.Hashes, c.size, c.root, p.Seq, tlog.RecordHash(p.Leaf)); err != nil {
		return noren.Errorf(noren.Tampered, "the proof does not hold: %w", err)
	}
	return nil
}

func (p *Proof) checkConsistency(c *checkpoint, keys note.Verifiers) error {
	before, err := parseSigned([]byte(p.Before), keys)
	if err != nil {
		return fmt.Errorf("earlier checkpoint: %w", err)
	}
	if before.origin != c.origin || p.Leaf != nil || p.Seq != 0 {
		return noren.Errorf(noren.Invalid, "read proof: parts of different proofs")
	}
	if before.size < 1 || before.size > c.size {
		return noren.Errorf(noren.Invalid, "read proof: from %d entries to %d", before.size, c.size)
	}
	if err := tlog.CheckTree(p.Hashes, c.size, c.root, before.size, before.root); err != nil {
		return noren.Errorf(noren.Tampered, "the proof does not hold: %w", err)
	}
	return nil
}

// JSON is the proof as a file.
func (p *Proof) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, noren.Errorf(noren.Internal, "encode proof: %w", err)
	}
	return append(b, '\n'), nil
}
