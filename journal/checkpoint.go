package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

// maxNote bounds a checkpoint from outside; ours have about 250 bytes.
const maxNote = 16 << 10

// checkpoint is a tree head as signed (C2SP tlog-checkpoint).
type checkpoint struct {
	origin string
	size   int64
	root   tlog.Hash
	note   []byte
}

func (c *checkpoint) text() string {
	return c.origin + "\n" + strconv.FormatInt(c.size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.root[:]) + "\n"
}

// parseText reads the text of a checkpoint strictly. Extension lines are
// refused: we write none, and nobody could check them.
func parseText(text string) (checkpoint, error) {
	bad := noren.Errorf(noren.Invalid, "not a checkpoint: it needs the three lines origin, size and root")
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" || len(lines[0]) > 256 {
		return checkpoint{}, bad
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || lines[1] != strconv.FormatInt(size, 10) {
		return checkpoint{}, bad
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return checkpoint{}, bad
	}
	return checkpoint{origin: lines[0], size: size, root: tlog.Hash(root)}, nil
}

// parseUnsigned reads what a checkpoint says without asking who signed it.
func parseUnsigned(msg []byte) (checkpoint, error) {
	if len(msg) > maxNote {
		return checkpoint{}, noren.Errorf(noren.Invalid, "checkpoint of %d bytes is over the limit of %d", len(msg), maxNote)
	}
	text, _, ok := bytes.Cut(msg, []byte("\n\n"))
	if !ok {
		return checkpoint{}, noren.Errorf(noren.Invalid, "not a checkpoint: it has no signature")
	}
	c, err := parseText(string(text) + "\n")
	c.note = msg
	return c, err
}

// parseSigned reads a checkpoint that one of the keys signed. Keys are named
// like the origin of the log they sign for.
func parseSigned(msg []byte, keys note.Verifiers) (checkpoint, error) {
	if len(msg) > maxNote {
		return checkpoint{}, noren.Errorf(noren.Invalid, "checkpoint of %d bytes is over the limit of %d", len(msg), maxNote)
	}
	n, err := note.Open(msg, keys)
	if err != nil {
		return checkpoint{}, noren.Errorf(noren.Tampered, "checkpoint: %w", err)
	}
	c, err := parseText(n.Text)
	if err != nil {
		return checkpoint{}, err
	}
	if n.Sigs[0].Name != c.origin {
		return checkpoint{}, noren.Errorf(noren.Tampered, "checkpoint of %s is signed by %s", c.origin, n.Sigs[0].Name)
	}
	c.note = msg
	return c, nil
}

// noteSigner signs for one log with the instance's key.
type noteSigner struct {
	name string
	key  ed25519.PrivateKey
}

func (s noteSigner) Name() string                    { return s.name }
func (s noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// KeyHash is the key ID of C2SP signed-note for Ed25519 keys.
func (s noteSigner) KeyHash() uint32 {
	h := sha256.Sum256([]byte(s.name + "\n\x01" + string(s.key.Public().(ed25519.PublicKey))))
	return binary.BigEndian.Uint32(h[:4])
}

// VerifierKey is what others need to check a log's checkpoints, proofs and
// exports: a signed-note key, one line of text.
func (j *Journal) VerifierKey(log string) (string, error) {
	if j.o.SigningKey == nil {
		return "", noren.Errorf(noren.NotFound, "this journal has no signing key")
	}
	return note.NewEd25519VerifierKey(j.origin(log), j.o.SigningKey.Public().(ed25519.PublicKey))
}

// verifierTexts are the keys, present and past, that may have signed for a log.
func (j *Journal) verifierTexts(log string) ([]string, error) {
	keys := j.o.OldKeys
	if j.o.SigningKey != nil {
		keys = append([]ed25519.PublicKey{j.o.SigningKey.Public().(ed25519.PublicKey)}, keys...)
	}
	var out []string
	for _, k := range keys {
		text, err := note.NewEd25519VerifierKey(j.origin(log), k)
		if err != nil {
			return nil, fmt.Errorf("checkpoint key: %w", err)
		}
		out = append(out, text)
	}
	return out, nil
}

// verifiers are the same, to verify with.
func (j *Journal) verifiers(log string) (note.Verifiers, error) {
	texts, err := j.verifierTexts(log)
	if err != nil {
		return nil, err
	}
	var list []note.Verifier
	for _, text := range texts {
		v, err := note.NewVerifier(text)
		if err != nil {
			return nil, fmt.Errorf("checkpoint key: %w", err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// parseKeys reads one or more verifier keys, separated by white space.
func parseKeys(text string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, f := range strings.Fields(text) {
		v, err := note.NewVerifier(f)
		if err != nil {
			return nil, noren.Errorf(noren.Invalid, "verifier key %q: %w", f, err)
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return nil, noren.Errorf(noren.Invalid, "a verifier key is needed, for example NAME+1234abcd+AeF…")
	}
	return note.VerifierList(list...), nil
}

// signedHeads serialises signing and remembers what this process signed: a
// database swapped under a running process must not pass for the old one.
type signedHeads struct {
	mu   sync.Mutex
	last map[string]checkpoint
}

// Checkpoint signs the present head of a log, stores it and sends it to every
// sink. When the head is signed already it is only sent where it is missing. It
// refuses (code Tampered) to sign a head that does not extend what was signed
// before. An error beside a checkpoint says that a sink failed.
func (j *Journal) Checkpoint(ctx context.Context, log string) ([]byte, error) {
	j.signed.mu.Lock()
	defer j.signed.mu.Unlock()
	c, sent, err := j.sign(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of log %s: %w", log, err)
	}
	if sent {
		return c.note, nil
	}
	return c.note, j.send(ctx, log, c)
}

// sign returns the checkpoint of the present head and whether it left already.
func (j *Journal) sign(ctx context.Context, log string) (c checkpoint, sent bool, err error) {
	if j.o.SigningKey == nil {
		return c, false, noren.Errorf(noren.Denied, "this journal has no signing key")
	}
	h, err := readHead(ctx, j.db.Read(), log, "")
	if errors.Is(err, errNoHead) || err == nil && h.tree.size == 0 {
		return c, false, noren.Errorf(noren.NotFound, "the log has no entries")
	}
	if err != nil {
		return c, false, err
	}
	last, sent, err := lastCheckpoint(ctx, j.db.Read(), log)
	if err != nil {
		return c, false, err
	}
	if err := j.extendsAll(ctx, log, h, last); err != nil {
		return c, false, err
	}
	if last.size == h.tree.size && last.origin == j.origin(log) {
		j.remember(log, last)
		return last, sent || len(j.o.Outside) == 0, nil
	}
	c = checkpoint{origin: j.origin(log), size: h.tree.size, root: h.root}
	if c.note, err = note.Sign(&note.Note{Text: c.text()}, noteSigner{c.origin, j.o.SigningKey}); err != nil {
		return c, false, fmt.Errorf("sign: %w", err)
	}
	if err := j.storeCheckpoint(ctx, log, &c); err != nil {
		return c, false, err
	}
	j.remember(log, c)
	j.log.Info("checkpoint signed", "log", log, "size", c.size, "root", c.root.String(), "key", j.o.KeyID)
	return c, false, nil
}

func (j *Journal) remember(log string, c checkpoint) {
	if j.signed.last == nil {
		j.signed.last = map[string]checkpoint{}
	}
	j.signed.last[log] = c
}

// extendsAll compares the head with every checkpoint in reach: the last stored
// one, the last of this process and the last that each sink kept.
func (j *Journal) extendsAll(ctx context.Context, log string, h head, stored checkpoint) error {
	earlier := []named{{"the last stored checkpoint", stored}}
	if c, ok := j.signed.last[log]; ok {
		earlier = append(earlier, named{"the last checkpoint of this process", c})
	}
	outside, err := j.latestOutside(ctx, log)
	if err != nil {
		j.log.Warn("last checkpoint outside could not be read", "alarm", true, "log", log, "err", err)
	}
	for _, e := range append(earlier, outside...) {
		if e.size == 0 {
			continue
		}
		if err := j.extends(ctx, log, h, e.checkpoint); err != nil {
			return noren.WithHint(noren.Errorf(noren.Tampered, "the log does not extend %s: %w", e.name, err),
				"Run: noren journal verify --checkpoint FILE with a checkpoint kept outside. If you restored a backup on purpose, keep the outside checkpoints as evidence elsewhere and let the directory start empty.")
		}
	}
	return nil
}

// named is a checkpoint with the place it was found at.
type named struct {
	name string
	checkpoint
}

// latestOutside asks the sinks that can tell for the last checkpoint they took.
func (j *Journal) latestOutside(ctx context.Context, log string) ([]named, error) {
	var out []named
	var errs []error
	for _, s := range j.o.Outside {
		src, ok := s.(CheckpointSource)
		if !ok {
			continue
		}
		msg, err := src.Latest(ctx, j.origin(log))
		if err == nil && msg == nil {
			continue
		}
		var c checkpoint
		if err == nil {
			c, err = parseUnsigned(msg)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Name(), err))
			continue
		}
		out = append(out, named{"the checkpoint kept by " + s.Name(), c})
	}
	return out, errors.Join(errs...)
}

// extends proves that the tree under h has the tree of c as its beginning.
func (j *Journal) extends(ctx context.Context, log string, h head, c checkpoint) error {
	if c.size > h.tree.size {
		return noren.Errorf(noren.Tampered, "%d entries were signed, the log has %d", c.size, h.tree.size)
	}
	reader := tileReader{ctx, j.db.Read(), log}.hashes(tlog.Tree{N: h.tree.size, Hash: h.root})
	proof, err := tlog.ProveTree(h.tree.size, c.size, reader)
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	if err := tlog.CheckTree(proof, h.tree.size, h.root, c.size, c.root); err != nil {
		return noren.Errorf(noren.Tampered, "the first %d entries are not those that were signed", c.size)
	}
	return nil
}

func lastCheckpoint(ctx context.Context, q querier, log string) (c checkpoint, sent bool, err error) {
	var msg string
	err = q.QueryRowContext(ctx, `SELECT note, sent FROM journal_checkpoints WHERE log = $1 ORDER BY size DESC LIMIT 1`, log).Scan(&msg, &sent)
	if errors.Is(err, sql.ErrNoRows) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	c, err = parseUnsigned([]byte(msg))
	return c, sent, err
}

// storeCheckpoint keeps c. Another process may have signed the same head: the
// signature is deterministic, so theirs is ours.
func (j *Journal) storeCheckpoint(ctx context.Context, log string, c *checkpoint) error {
	return j.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO journal_checkpoints (log, size, note, at, sent) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			log, c.size, string(c.note), time.Now().UnixMicro(), false)
		return err
	})
}

// sendTimeout bounds one sink.
const sendTimeout = 30 * time.Second

// send gives c to every sink and marks it sent when all took it.
func (j *Journal) send(ctx context.Context, log string, c checkpoint) error {
	var errs []error
	for _, s := range j.o.Outside {
		if err := j.put(ctx, s, c); err != nil {
			j.log.Error("checkpoint did not leave the machine", "alarm", true, "log", log, "size", c.size, "sink", s.Name(), "err", err)
			errs = append(errs, fmt.Errorf("checkpoint of log %s to %s: %w", log, s.Name(), err))
		}
	}
	if len(errs) > 0 || len(j.o.Outside) == 0 {
		return errors.Join(errs...)
	}
	return j.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE journal_checkpoints SET sent = $1 WHERE log = $2 AND size = $3`, true, log, c.size)
		return err
	})
}

func (j *Journal) put(ctx context.Context, s CheckpointSink, c checkpoint) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return s.Put(ctx, c.origin, c.note)
}

// retryCheckpoints is how soon a failed round is tried again.
const retryCheckpoints = time.Minute

// RunCheckpoints signs and sends every log that grew, now and then every so
// often, until ctx ends. What fails is an alarm and tried again within a minute.
func (j *Journal) RunCheckpoints(ctx context.Context, every time.Duration) {
	for ctx.Err() == nil {
		pause := every
		if err := j.CheckpointAll(ctx); err != nil && ctx.Err() == nil {
			j.log.Error("checkpoint failed", "alarm", true, "err", err, "hint", noren.HintOf(err))
			pause = min(every, retryCheckpoints)
		}
		sleep(ctx, pause)
	}
}

// CheckpointAll is one round of RunCheckpoints.
func (j *Journal) CheckpointAll(ctx context.Context) error {
	logs, err := j.namesOfLogs(ctx)
	if err != nil {
		return fmt.Errorf("list logs: %w", err)
	}
	var errs []error
	for _, log := range logs {
		if _, err := j.Checkpoint(ctx, log); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// namesOfLogs lists the logs that have entries.
func (j *Journal) namesOfLogs(ctx context.Context) ([]string, error) {
	rows, err := j.db.Read().QueryContext(ctx, `SELECT log FROM journal_logs WHERE size > 0 ORDER BY log`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var log string
		if err := rows.Scan(&log); err != nil {
			return nil, err
		}
		out = append(out, log)
	}
	return out, rows.Err()
}
