package journal

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

// VerifyOptions say what to verify.
type VerifyOptions struct {
	Log string // "" for every log
	// Known are sites that must have a log because something was sealed for
	// them; one whose log is gone altogether would not be missed otherwise.
	Known []string
	// Checkpoint was kept outside: the present log must extend it.
	Checkpoint []byte
	// Progress is called now and then with the entries verified so far.
	Progress func(done, total int64)
}

// Verify recomputes every leaf, tree, tile and root from the stored entries and
// compares them with the stored tiles, heads and checkpoints, and the columns
// with the entries they belong to. It reads in pages, holds no lock and may run
// beside appends. The tokens and the sent and time columns of checkpoints are
// aids, not evidence, and are not verified.
func (j *Journal) Verify(ctx context.Context, o VerifyOptions) (Report, error) {
	outside, err := j.outsideOf(o)
	if err != nil {
		return Report{}, fmt.Errorf("verify journal: %w", err)
	}
	logs := []string{o.Log}
	if o.Log == "" {
		if logs, err = j.allLogs(ctx); err != nil {
			return Report{}, fmt.Errorf("verify journal: %w", err)
		}
		for _, site := range o.Known {
			logs = append(logs, logOf(site))
		}
		if outside != nil {
			logs = append(logs, outside.log)
		}
		slices.Sort(logs)
		logs = slices.Compact(logs)
	}
	var rep Report
	var states []logAtRest
	p := progress{report: o.Progress}
	for _, log := range logs {
		s, err := j.atRest(ctx, log)
		if err != nil {
			if !unreadable(ctx, err) {
				return Report{}, fmt.Errorf("verify log %s: %w", log, err)
			}
			rep.unreadable(log, err)
			continue
		}
		states = append(states, s)
		p.total += s.end()
	}
	var inside []string
	for _, s := range states {
		if err := j.verifyLog(ctx, &rep, s, outside, &p); err != nil {
			if !unreadable(ctx, err) {
				return Report{}, fmt.Errorf("verify log %s: %w", s.log, err)
			}
			rep.unreadable(s.log, err)
		}
		if outside == nil || outside.log != s.log {
			inside = append(inside, s.log)
		}
	}
	rep.warnInside(inside...)
	return rep, nil
}

// unreadable reports whether the rows themselves are at fault, such as a text
// where a number stands, and not the database or our time.
func unreadable(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !db.IsUnavailable(err) && noren.CodeOf(err) != noren.Unavailable
}

// outsideCheckpoint is the one given to Verify.
type outsideCheckpoint struct {
	checkpoint
	log    string
	signed bool
}

func (j *Journal) outsideOf(o VerifyOptions) (*outsideCheckpoint, error) {
	if len(o.Checkpoint) == 0 {
		return nil, nil
	}
	c, err := parseUnsigned(o.Checkpoint)
	if err != nil {
		return nil, err
	}
	log, ok := strings.CutPrefix(c.origin, j.o.Origin+"/")
	if !ok || o.Log != "" && log != o.Log {
		return nil, noren.Errorf(noren.Invalid, "the checkpoint is of %s, not of this log", c.origin)
	}
	keys, err := j.verifiers(log)
	if err != nil {
		return nil, err
	}
	_, err = parseSigned(o.Checkpoint, keys)
	return &outsideCheckpoint{c, log, err == nil}, nil
}

type progress struct {
	report      func(done, total int64)
	done, total int64
}

func (p *progress) add(n int64) {
	p.done += n
	if p.report != nil {
		p.report(p.done, p.total)
	}
}

// allLogs lists every log that anything is known of.
func (j *Journal) allLogs(ctx context.Context) ([]string, error) {
	var logs []string
	for _, table := range []string{"journal_logs", "journal_entries", "journal_checkpoints"} {
		after := ""
		for {
			var log sql.NullString
			err := j.db.Read().QueryRowContext(ctx, `SELECT MIN(log) FROM `+table+` WHERE log > $1`, after).Scan(&log)
			if err != nil {
				return nil, err
			}
			if !log.Valid {
				break
			}
			after = log.String
			logs = append(logs, after)
		}
	}
	slices.Sort(logs)
	return slices.Compact(logs), nil
}

// logAtRest is what one statement saw of a log, so that appends going on
// meanwhile do not look like tampering.
type logAtRest struct {
	log              string
	size             int64 // -1 when the log has no head
	root, edge       []byte
	first, last      int64 // numbers of the entries; -1 for none
	lastCheckpointed int64
}

// end is one more than the last entry's number.
func (s *logAtRest) end() int64 { return s.last + 1 }

func (j *Journal) atRest(ctx context.Context, log string) (logAtRest, error) {
	s := logAtRest{log: log}
	var size, first, last, signed sql.NullInt64
	err := j.db.Read().QueryRowContext(ctx, `SELECT l.size, l.root, l.edge,
			(SELECT MIN(seq) FROM journal_entries WHERE log = $1),
			(SELECT MAX(seq) FROM journal_entries WHERE log = $1),
			(SELECT MAX(size) FROM journal_checkpoints WHERE log = $1)
		FROM (SELECT 1 AS one) AS x LEFT JOIN journal_logs AS l ON l.log = $1`, log).
		Scan(&size, &s.root, &s.edge, &first, &last, &signed)
	s.size, s.first, s.last, s.lastCheckpointed = orMinusOne(size), orMinusOne(first), orMinusOne(last), signed.Int64
	return s, err
}

func orMinusOne(n sql.NullInt64) int64 {
	if n.Valid {
		return n.Int64
	}
	return -1
}

// logCheck verifies one log.
type logCheck struct {
	j       *Journal
	s       logAtRest
	f       *findings
	a       *audit
	rep     LogReport
	anchors []anchor // sorted; those that are not from the table of checkpoints
	stored  *storedCheckpoints
}

func (j *Journal) verifyLog(ctx context.Context, rep *Report, s logAtRest, outside *outsideCheckpoint, p *progress) error {
	keys, err := j.verifiers(s.log)
	if err != nil {
		return err
	}
	c := &logCheck{j: j, s: s, f: &findings{log: s.log}, rep: LogReport{Log: s.log}}
	c.a = newAudit(c.f, dbTiles{j, s.log}, s.end())
	c.stored = &storedCheckpoints{j: j, log: s.log, keys: keys, last: s.lastCheckpointed, f: c.f}
	c.shape()
	if outside != nil && outside.log == s.log {
		c.addOutside(named{"the checkpoint given", outside.checkpoint}, outside.signed)
	}
	c.addSinks(ctx, keys)
	slices.SortStableFunc(c.anchors, func(a, b anchor) int { return int(min(max(a.size-b.size, -1), 1)) })
	if err := c.stream(ctx, p); err != nil {
		return err
	}
	rep.take(c.f)
	c.rep.Entries, c.rep.Root, c.rep.Checkpoints = s.end(), c.a.entries.root(), c.stored.held
	rep.Logs = append(rep.Logs, c.rep)
	return nil
}

// shape looks at the head alone and makes it an anchor.
func (c *logCheck) shape() {
	s := c.s
	if s.size < 0 {
		c.f.add(FoundHead, -1, "ログの先頭情報が失われています", "the log has no head")
		return
	}
	h, err := parseHead(s.log, s.size, s.root, s.edge)
	if err != nil {
		c.f.add(FoundHead, -1, "ログの先頭情報が壊れています（%v）", "the head is damaged: %v", err)
	}
	if s.last >= s.size {
		c.f.add(FoundHead, -1, "先頭情報は%d件ですが、記録は%d件あります", "the head counts %d entries and there are %d", s.size, s.last+1)
	}
	if s.last+1 < s.size {
		c.f.add(FoundTruncated, s.last+1, "%d番から後の記録が失われています（先頭情報は%d件）", "entries from %d on are missing; the head counts %d", s.last+1, s.size)
	}
	if s.first < 0 && s.last >= 0 {
		c.f.add(FoundColumn, s.first, "番号が負の記録があります", "an entry has a negative number")
	}
	if err != nil {
		return
	}
	c.anchors = append(c.anchors, anchor{size: s.size, root: h.root, holds: func() {}, differs: func(from int64) {
		c.f.add(FoundHead, -1, "先頭情報が記録と一致しません（%d番以降）", "the head does not follow from the entries (from %d on)", from)
	}})
}

// addOutside makes a checkpoint from outside an anchor.
func (c *logCheck) addOutside(n named, signed bool) {
	if !signed {
		c.f.add(FoundSignature, -1, "外部のチェックポイントがこのログの鍵で署名されていません（%s）", "not signed by this log's key: %s", n.name)
		return
	}
	if n.size > c.s.end() {
		c.f.add(FoundRollback, c.s.end(), "外部のチェックポイントは%d件、ログは%d件です。古い状態に戻されています（%s）",
			"%d entries were signed, the log has %d: it was rolled back (%s)", n.size, c.s.end(), n.name)
		return
	}
	c.anchors = append(c.anchors, anchor{size: n.size, root: n.root, holds: func() { c.rep.Outside++ }, differs: func(from int64) {
		c.f.add(FoundForked, -1, "%d番から%d番の記録が、外部のチェックポイント（%s）のときのものと違います",
			"entries %d to %d are not those of %s: the log was rewritten", from, n.size-1, n.name)
	}})
}

// addSinks compares with what the sinks kept as well, where they can tell. A
// sink that cannot be read is no finding: it may be on a network.
func (c *logCheck) addSinks(ctx context.Context, keys note.Verifiers) {
	kept, err := c.j.latestOutside(ctx, c.s.log)
	if err != nil {
		c.j.log.Warn("last checkpoint outside could not be read", "log", c.s.log, "err", err)
	}
	for _, n := range kept {
		_, err := parseSigned(n.note, keys)
		c.addOutside(n, err == nil)
	}
}

// stream runs every entry through the audit, stopping at each anchor.
func (c *logCheck) stream(ctx context.Context, p *progress) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.arrive(ctx); err != nil {
		return err
	}
	for page := range c.j.pages(ctx, c.s.log, c.s.last) {
		if page.err != nil {
			return page.err
		}
		for i := range page.rows {
			if c.tooWide(&page.rows[i]) {
				return c.a.finish(ctx) // said; nothing behind it could be compared
			}
			if err := c.row(ctx, &page.rows[i]); err != nil {
				return err
			}
		}
		p.add(int64(len(page.rows)))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.stored.rest(ctx, c.a.entries.size); err != nil {
		return err
	}
	return c.a.finish(ctx)
}

// maxGap bounds how many missing entries in a row are replaced by their hashes
// from the tiles.
const maxGap = 1 << 20

// tooWide reports the entries missing before r and whether they are too many.
func (c *logCheck) tooWide(r *entryRow) bool {
	next := c.a.entries.size
	if r.seq == next {
		return false
	}
	c.f.add(FoundRemoved, next, "%d番から%d番の記録が失われています", "entries %d to %d are missing", next, r.seq-1)
	return r.seq-next > maxGap
}

// row takes the next entry that is there.
func (c *logCheck) row(ctx context.Context, r *entryRow) error {
	for c.a.entries.size < r.seq {
		if err := c.step(ctx, nil); err != nil {
			return err
		}
	}
	return c.step(ctx, c.entry(r))
}

func (c *logCheck) step(ctx context.Context, got *tlog.Hash) error {
	if err := c.a.next(ctx, got); err != nil {
		return err
	}
	return c.arrive(ctx)
}

// arrive compares with the anchors of the size reached.
func (c *logCheck) arrive(ctx context.Context) error {
	for len(c.anchors) > 0 && c.anchors[0].size == c.a.entries.size {
		c.a.at(c.anchors[0])
		c.anchors = c.anchors[1:]
	}
	return c.stored.arrive(ctx, c.a)
}

// entry hashes a row and compares its columns.
func (c *logCheck) entry(r *entryRow) *tlog.Hash {
	h := tlog.RecordHash(r.body)
	var buf [512]byte
	if r.log != logOf(r.site) || !bytes.HasPrefix(r.body, appendPublic(buf[:0], &r.columns)) {
		c.columns(r)
	}
	return &h
}

// columns names the columns that differ from the entry.
func (c *logCheck) columns(r *entryRow) {
	l, err := parseLeaf(r.body)
	if err != nil {
		c.f.add(FoundColumn, r.seq, "%d番の記録を読み取れません（%v）", "entry %d cannot be read: %v", r.seq, err)
		return
	}
	was := l.columns()
	for _, d := range []struct {
		name      string
		got, want any
	}{
		{"log", r.log, was.log}, {"id", r.id, was.id}, {"at", r.at, was.at}, {"kind", r.kind, was.kind},
		{"site", r.site, was.site}, {"zone", r.zone, was.zone}, {"verdict", r.verdict, was.verdict},
		{"rule", r.rule, was.rule}, {"count", r.count, was.count},
	} {
		if d.got != d.want {
			c.f.add(FoundColumn, r.seq, "列 %s の値 %v は記録の値 %v と違います", "column %s says %v, the entry says %v", d.name, d.got, d.want)
		}
	}
}

// dbTiles reads tiles for an audit.
type dbTiles struct {
	j   *Journal
	log string
}

func (t dbTiles) tile(ctx context.Context, level int, n int64, width int) ([]byte, error) {
	return getTile(ctx, t.j.db.Read(), t.log, level, n)
}
