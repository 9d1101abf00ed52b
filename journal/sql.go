package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

var (
	entryTable = &db.Table{Name: "journal_entries",
		Columns: []string{"log", "seq", "id", "at", "kind", "site", "zone", "verdict", "rule", "count", "body"}}
	tokenTable = &db.Table{Name: "journal_tokens",
		Columns: []string{"log", "field", "token", "seq"}}
)

// querier is *sql.DB or *db.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// head is a row of journal_logs.
type head struct {
	tree tree
	root tlog.Hash
}

var errNoHead = errors.New("the log has no head")

// lockHead reads a log's head and keeps others from advancing it until the
// transaction ends. SQLite holds its one write lock already.
func lockHead(ctx context.Context, tx *db.Tx, log string) (head, error) {
	suffix := ""
	if tx.Engine() == db.Postgres {
		suffix = " FOR UPDATE"
	}
	h, err := readHead(ctx, tx, log, suffix)
	if !errors.Is(err, errNoHead) {
		return h, err
	}
	var entries bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM journal_entries WHERE log = $1)`, log).Scan(&entries); err != nil {
		return h, err
	}
	if entries {
		return h, noren.Errorf(noren.Tampered, "log %s has entries and no head", log)
	}
	empty := tree{}
	root := empty.root()
	if _, err := tx.ExecContext(ctx, `INSERT INTO journal_logs (log, size, root, edge, updated_at)
		VALUES ($1, 0, $2, $3, 0) ON CONFLICT DO NOTHING`, log, root[:], []byte{}); err != nil {
		return h, err
	}
	return readHead(ctx, tx, log, suffix)
}

func readHead(ctx context.Context, q querier, log, suffix string) (h head, err error) {
	var size int64
	var root, edge []byte
	err = q.QueryRowContext(ctx, `SELECT size, root, edge FROM journal_logs WHERE log = $1`+suffix, log).Scan(&size, &root, &edge)
	if errors.Is(err, sql.ErrNoRows) {
		return h, errNoHead
	}
	if err != nil {
		return h, err
	}
	return parseHead(log, size, root, edge)
}

func parseHead(log string, size int64, root, edge []byte) (h head, err error) {
	if h.tree, err = parseTree(size, edge); err != nil {
		return h, fmt.Errorf("head of log %s: %w", log, err)
	}
	if len(root) != tlog.HashSize || h.tree.root() != tlog.Hash(root) {
		return h, noren.Errorf(noren.Tampered, "head of log %s: root and edge do not belong together", log)
	}
	h.root = tlog.Hash(root)
	return h, nil
}

// advanceHead replaces the head that was read before. One that is another now
// gets no size, which its column refuses: an error of the statement, so that
// nothing of the transaction stays.
func advanceHead(b *db.Batch, log string, before int64, was tlog.Hash, st *logState, at int64) {
	b.ExecOne("advance the head of log "+log, `UPDATE journal_logs
		SET size = CASE WHEN size = $1 AND root = $2 THEN CAST($3 AS BIGINT) END, root = $4, edge = $5, updated_at = $6 WHERE log = $7`,
		before, was[:], st.tree.size, st.root[:], st.tree.edgeBytes(), at, log)
}

func putTile(b *db.Batch, log string, t tile) {
	b.Exec("store a tile of log "+log, `INSERT INTO journal_tiles (log, level, n, data) VALUES ($1, $2, $3, $4)
		ON CONFLICT (log, level, n) DO UPDATE SET data = excluded.data`, log, t.level, t.n, t.data)
}

// getTile returns nil for a tile that is not there.
func getTile(ctx context.Context, q querier, log string, level int, n int64) ([]byte, error) {
	var data []byte
	err := q.QueryRowContext(ctx, `SELECT data FROM journal_tiles WHERE log = $1 AND level = $2 AND n = $3`, log, level, n).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return data, err
}

// placed is where an entry with a known id stands.
type placed struct {
	seq  int64
	hash tlog.Hash
}

// placesOf looks up which ids the log has already.
func placesOf(ctx context.Context, q querier, log string, ids []string) (map[string]placed, error) {
	out := map[string]placed{}
	for len(ids) > 0 {
		n := min(len(ids), 200)
		if err := placesOfSome(ctx, q, log, ids[:n], out); err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return out, nil
}

func placesOfSome(ctx context.Context, q querier, log string, ids []string, out map[string]placed) error {
	args := []any{log}
	for _, id := range ids {
		args = append(args, id)
	}
	rows, err := q.QueryContext(ctx, `SELECT id, seq, body FROM journal_entries WHERE log = $1 AND id IN (`+placeholders(2, len(ids))+`)`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var p placed
		var body []byte
		if err := rows.Scan(&id, &p.seq, &body); err != nil {
			return err
		}
		p.hash = tlog.RecordHash(body)
		out[id] = p
	}
	return rows.Err()
}

// placeholders is "$from,$from+1,…".
func placeholders(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(from + i))
	}
	return b.String()
}

// leafHashes recomputes the hashes of entries first to size-1 from their bodies.
func leafHashes(ctx context.Context, q querier, log string, first, size int64) ([]byte, error) {
	rows, err := q.QueryContext(ctx, `SELECT seq, body FROM journal_entries WHERE log = $1 AND seq >= $2 AND seq < $3 ORDER BY seq`, log, first, size)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []byte
	for want := first; rows.Next(); want++ {
		var seq int64
		var body []byte
		if err := rows.Scan(&seq, &body); err != nil {
			return nil, err
		}
		if seq != want {
			return nil, noren.Errorf(noren.Tampered, "entry %d of log %s is missing", want, log)
		}
		h := tlog.RecordHash(body)
		out = append(out, h[:]...)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if len(out) != int(size-first)*tlog.HashSize {
		return nil, noren.Errorf(noren.Tampered, "log %s is shorter than its head says", log)
	}
	return out, nil
}

// ping changes nothing and succeeds only when the database takes a commit.
func ping(ctx context.Context, d *db.DB) error {
	return d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE journal_logs SET updated_at = updated_at WHERE log = ''`)
		return err
	})
}

// tileReader serves tlog's proofs from journal_tiles. What it returns is checked
// against the root by tlog.TileHashReader.
type tileReader struct {
	ctx context.Context
	q   querier
	log string
}

func (r tileReader) Height() int                        { return tileHeight }
func (r tileReader) SaveTiles([]tlog.Tile, [][]byte)    {}
func (r tileReader) hashes(t tlog.Tree) tlog.HashReader { return tlog.TileHashReader(t, r) }

func (r tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := getTile(r.ctx, r.q, r.log, t.L, t.N)
		if err != nil {
			return nil, err
		}
		if len(data) < t.W*tlog.HashSize {
			return nil, noren.Errorf(noren.Tampered, "tile %d/%d of log %s is missing or too short", t.L, t.N, r.log)
		}
		out[i] = data[:t.W*tlog.HashSize]
	}
	return out, nil
}
