package journal

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

// logState is a log's head with its unfinished tiles.
type logState struct {
	tree  tree
	root  tlog.Hash
	tiles tileEdge
}

// headsMost bounds the cache of heads; an instance has far fewer sites.
const headsMost = 1024

// try is one transaction with a group. On success every record is settled.
func (c *committer) try(ctx context.Context, group []*record, look bool) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	var a *attempt
	err := c.j.db.Write(ctx, func(tx *sql.Tx) error {
		a = newAttempt(c, tx, group, look)
		return a.run(ctx)
	})
	if err != nil {
		for _, r := range group { // whatever the cache says, the database may say otherwise
			delete(c.heads, r.log)
		}
		return err
	}
	if len(c.heads) > headsMost {
		clear(c.heads)
	}
	maps.Copy(c.heads, a.next)
	a.settle()
	return nil
}

// attempt is the work of one transaction.
type attempt struct {
	c        *committer
	tx       *sql.Tx
	group    []*record
	look     bool
	next     map[string]*logState
	rows     []db.Row
	confirm  []string
	receipts map[*record]Receipt
}

func newAttempt(c *committer, tx *sql.Tx, group []*record, look bool) *attempt {
	return &attempt{c: c, tx: tx, group: group, look: look,
		next: map[string]*logState{}, receipts: make(map[*record]Receipt, len(group))}
}

func (a *attempt) run(ctx context.Context) error {
	byLog := map[string][]*record{}
	for _, r := range a.group {
		if r.body != nil {
			byLog[r.log] = append(byLog[r.log], r)
		}
	}
	a.addKeys()
	logs := slices.Sorted(maps.Keys(byLog)) // one order for all, or two processes could wait for each other
	for _, log := range logs {
		st, err := a.lock(ctx, log)
		if err != nil {
			return err
		}
		a.next[log] = st
	}
	for _, log := range logs {
		if err := a.extend(ctx, log, byLog[log]); err != nil {
			return err
		}
	}
	for _, r := range a.group {
		if r.body == nil {
			a.rows = append(a.rows, r.rows...)
		}
	}
	return db.Insert(ctx, a.tx, a.rows)
}

// addKeys puts the wrapped keys first, each once: even when its entry turns out
// to be there already, others may have been sealed with it meanwhile.
func (a *attempt) addKeys() {
	seen := map[string]bool{}
	for _, r := range a.group {
		if len(r.keys) == 0 || seen[r.keyID] {
			continue
		}
		seen[r.keyID] = true
		a.rows = append(a.rows, r.keys...)
		a.confirm = append(a.confirm, r.keyID)
	}
}

// lock reads the head of a log under lock, with its unfinished tiles.
func (a *attempt) lock(ctx context.Context, log string) (*logState, error) {
	h, err := lockHead(ctx, a.tx, a.c.j.db.Engine(), log)
	if err != nil {
		return nil, err
	}
	if st := a.c.heads[log]; st != nil && st.tree.size == h.tree.size && st.root == h.root {
		return &logState{tree: st.tree.clone(), tiles: st.tiles.clone()}, nil
	}
	st := &logState{tree: h.tree}
	st.tiles.open, err = a.loadTiles(ctx, log, &h.tree)
	return st, err
}

// loadTiles reads the unfinished tile of each level.
func (a *attempt) loadTiles(ctx context.Context, log string, tr *tree) ([]tile, error) {
	var open []tile
	for level := 0; tr.size>>(tileHeight*level) > 0; level++ {
		t := tile{level: level, n: tr.size >> (tileHeight * (level + 1))}
		if tileWidthAt(tr.size, level, t.n) > 0 {
			var err error
			if t.data, err = a.loadTile(ctx, log, t, tr); err != nil {
				return nil, err
			}
		}
		open = append(open, t)
	}
	return open, nil
}

// loadTile reads one unfinished tile. When it does not fit the edge it is made
// again from what is below it. The edge stays what appending goes on from, and
// Verify compares every entry with it.
func (a *attempt) loadTile(ctx context.Context, log string, t tile, tr *tree) ([]byte, error) {
	data, err := getTile(ctx, a.tx, log, t.level, t.n)
	if err != nil || tr.fits(t.level, data) {
		return data, err
	}
	a.c.j.log.Error("journal tile was damaged; making it again", "alarm", true, "log", log, "level", t.level, "tile", t.n,
		"hint", "Run: noren journal verify")
	if t.data, err = a.mendTile(ctx, log, t, tr.size); err != nil {
		return nil, err
	}
	return t.data, putTile(ctx, a.tx, log, t)
}

func (a *attempt) mendTile(ctx context.Context, log string, t tile, size int64) ([]byte, error) {
	width := int64(tileWidthAt(size, t.level, t.n))
	if t.level == 0 {
		return leafHashes(ctx, a.tx, log, t.n*tileWidth, t.n*tileWidth+width)
	}
	var out []byte
	for i := range width {
		data, err := getTile(ctx, a.tx, log, t.level-1, t.n*tileWidth+i)
		if err != nil {
			return nil, err
		}
		if len(data) != tileBytes {
			return nil, noren.Errorf(noren.Tampered, "tile %d/%d of log %s is missing or too short", t.level-1, t.n*tileWidth+i, log)
		}
		h := tileRoot(data)
		out = append(out, h[:]...)
	}
	return out, nil
}

// extend appends the records of one log and writes its tiles and head.
func (a *attempt) extend(ctx context.Context, log string, records []*record) error {
	st := a.next[log]
	before := st.tree.size
	begun := st.tiles.clone()
	known, err := a.known(ctx, log, records)
	if err != nil {
		return err
	}
	var full []tile
	st.tiles.full = func(t tile) { full = append(full, t) }
	var at int64
	for _, r := range records {
		if p, ok := known[r.id]; ok {
			a.receipts[r] = Receipt{Log: log, Seq: p.seq, Leaf: p.hash}
			continue
		}
		known[r.id] = placed{st.tree.size, r.hash}
		a.place(r, st)
		at = max(at, r.at)
	}
	if st.tree.size == before {
		st.root = st.tree.root()
		return nil
	}
	for _, t := range append(full, st.tiles.changed(&begun)...) {
		if err := putTile(ctx, a.tx, log, t); err != nil {
			return err
		}
	}
	st.root = st.tree.root()
	return advanceHead(ctx, a.tx, log, before, &st.tree, at)
}

// known finds the records that are in the log already. A first try does not
// look: an id that is there makes it fail, and the second try does.
func (a *attempt) known(ctx context.Context, log string, records []*record) (map[string]placed, error) {
	if !a.look {
		return make(map[string]placed, len(records)), nil
	}
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.id
	}
	return placesOf(ctx, a.tx, log, ids)
}

// place gives r the next number of its log.
func (a *attempt) place(r *record, st *logState) {
	seq := st.tree.size
	st.tree.add(r.hash, st.tiles.node)
	a.receipts[r] = Receipt{Log: r.log, Seq: seq, Leaf: r.hash}
	a.rows = append(a.rows, db.Row{Table: entryTable,
		Values: []any{r.log, seq, r.id, r.at, r.kind, r.site, r.zone, r.verdict, r.rule, r.count, r.body}})
	for _, t := range r.tokens {
		a.rows = append(a.rows, db.Row{Table: tokenTable, Values: []any{r.log, t.Field, storedToken(spanOf(seq), t.Value), seq}})
	}
	a.rows = append(a.rows, r.rows...)
}

// settle records the results once the transaction is committed.
func (a *attempt) settle() {
	for _, r := range a.group {
		r.receipt = a.receipts[r]
		r.settled = true
	}
	if c, ok := a.c.j.o.Sealer.(confirmer); ok && len(a.confirm) > 0 {
		c.Confirm(a.confirm...)
	}
}
