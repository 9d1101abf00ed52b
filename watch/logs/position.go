package logs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"noren/db"
)

// Position is how far a log is read, and what came of its lines.
type Position struct {
	Node   string    `json:"node"`
	Site   string    `json:"site"`
	Path   string    `json:"path"`
	Inode  uint64    `json:"inode"`
	Offset int64     `json:"offset"`
	Lines  int64     `json:"lines"`
	Bad    int64     `json:"bad"`
	Raised int64     `json:"raised"` // events
	LineAt time.Time `json:"line_at,omitzero"`
	ReadAt time.Time `json:"read_at,omitzero"`
	Note   string    `json:"note,omitempty"`
	// LeftOut is the number of lines by why nothing was raised.
	LeftOut map[string]int64 `json:"left_out,omitempty"`

	print fingerprint
}

// Why nothing was raised of a line.
const (
	leftOther   = "other"        // says nothing of interest
	leftOwn     = "own_address"  // from this machine itself, Noren among it
	leftProxy   = "proxy"        // from a proxy of ours: the log does not tell the visitor
	leftGateway = "gateway"      // came through Noren, which has seen it
	leftOld     = "old"          // too old to be a rate of now
	leftSoft    = "page_for_all" // a forbidden file "served" by a page that answers everything
)

const positionColumns = `node, site, path, inode, position, fingerprint, fingerprint_len, lines, bad, raised, left_out, line_at, read_at, note`

// load returns the stored position; ok is false for a log that was never read.
func load(ctx context.Context, d *db.DB, node, site, path string) (p Position, ok bool, err error) {
	row := d.Read().QueryRowContext(ctx, `SELECT `+positionColumns+` FROM watch_logs WHERE node = $1 AND site = $2 AND path = $3`, node, site, path)
	p, err = scanPosition(row)
	if errors.Is(err, sql.ErrNoRows) {
		return Position{Node: node, Site: site, Path: path, LeftOut: map[string]int64{}}, false, nil
	}
	return p, err == nil, err
}

// Positions lists how far every log is read, of all nodes.
func Positions(ctx context.Context, d *db.DB) ([]Position, error) {
	rows, err := d.Read().QueryContext(ctx, `SELECT `+positionColumns+` FROM watch_logs ORDER BY node, site, path`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Position
	for rows.Next() {
		p, err := scanPosition(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

func scanPosition(row interface{ Scan(...any) error }) (Position, error) {
	var p Position
	var inode, lineAt, readAt int64
	var left string
	err := row.Scan(&p.Node, &p.Site, &p.Path, &inode, &p.Offset, &p.print.sum, &p.print.n, &p.Lines, &p.Bad, &p.Raised, &left, &lineAt, &readAt, &p.Note)
	if err != nil {
		return p, err
	}
	p.Inode, p.LineAt, p.ReadAt = uint64(inode), fromMicros(lineAt), fromMicros(readAt)
	p.LeftOut = map[string]int64{}
	return p, json.Unmarshal([]byte(left), &p.LeftOut)
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func toMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func (p *Position) save(ctx context.Context, d *db.DB) error {
	left, err := json.Marshal(p.LeftOut)
	if err != nil {
		return err
	}
	return d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO watch_logs (`+positionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
			ON CONFLICT (node, site, path) DO UPDATE SET inode = excluded.inode, position = excluded.position, fingerprint = excluded.fingerprint,
			fingerprint_len = excluded.fingerprint_len, lines = excluded.lines, bad = excluded.bad, raised = excluded.raised,
			left_out = excluded.left_out, line_at = excluded.line_at, read_at = excluded.read_at, note = excluded.note`,
			p.Node, p.Site, p.Path, int64(p.Inode), p.Offset, p.print.sum, p.print.n, p.Lines, p.Bad, p.Raised, string(left), toMicros(p.LineAt), toMicros(p.ReadAt), p.Note)
		return err
	})
}
