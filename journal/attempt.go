package journal

import (
	"context"
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

func (s *logState) clone() *logState {
	return &logState{tree: s.tree.clone(), root: s.root, tiles: s.tiles.clone()}
}

// headsMost bounds the cache of heads; an instance has far fewer sites.
const headsMost = 1024

// try is one transaction with a group. On success every record is settled.
func (c *committer) try(ctx context.Context, group []*record, look bool) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	a := newAttempt(c, group, look)
	if err := a.commit(ctx); err != nil {
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
	tx       *db.Tx // nil when the heads are taken from the cache
	group    []*record
	look     bool
	logs     []string // one order for all, or two processes could wait for each other
	byLog    map[string][]*record
	next     map[string]*logState
	heads    db.Batch // and what else is written, in this order
	tiles    db.Batch
	rows     []db.Row
	confirm  []string
	receipts map[*record]Receipt
}

func newAttempt(c *committer, group []*record, look bool) *attempt {
	a := &attempt{c: c, group: group, look: look, byLog: map[string][]*record{},
		next: map[string]*logState{}, receipts: make(map[*record]Receipt, len(group))}
	for _, r := range group {
		if r.body != nil {
			a.byLog[r.log] = append(a.byLog[r.log], r)
		}
	}
	a.logs = slices.Sorted(maps.Keys(a.byLog))
	return a
}

// steadyAfter is how many commits in a row must have found the heads that this
// process wrote last before it relies on them.
const steadyAfter = 8

// commit makes the group durable. A process that appends alone knows the heads
// and sends everything at once; a head that somebody else moved is an error
// then, and the next try reads it under lock, as do all while others append.
func (a *attempt) commit(ctx context.Context) error {
	if !a.look && a.c.steady >= steadyAfter && a.cached() {
		err := a.commitAtOnce(ctx)
		if err != nil {
			a.c.steady = 0
		}
		return err
	}
	return a.c.j.db.Write(ctx, func(tx *db.Tx) error {
		a.tx = tx
		for _, log := range a.logs {
			if err := a.lock(ctx, log); err != nil {
				return err
			}
		}
		batch, err := a.build(ctx)
		if err != nil {
			return err
		}
		return tx.Run(ctx, batch)
	})
}

// cached takes the heads as this process left them.
func (a *attempt) cached() bool {
	for _, log := range a.logs {
		st := a.c.heads[log]
		if st == nil {
			return false
		}
		a.next[log] = st.clone()
	}
	return true
}

func (a *attempt) commitAtOnce(ctx context.Context) error {
	batch, err := a.build(ctx)
	if err != nil {
		return err
	}
	return a.c.j.db.Run(ctx, batch)
}

// build is everything the group writes. The heads come first: whoever waits,
// waits for them.
func (a *attempt) build(ctx context.Context) (*db.Batch, error) {
	a.addKeys()
	for _, log := range a.logs {
		if err := a.extend(ctx, log, a.byLog[log]); err != nil {
			return nil, err
		}
	}
	for _, r := range a.group {
		if r.body == nil {
			a.rows = append(a.rows, r.rows...)
		}
	}
	a.heads.Append(&a.tiles)
	a.heads.Insert(a.rows)
	return &a.heads, nil
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
func (a *attempt) lock(ctx context.Context, log string) error {
	h, err := lockHead(ctx, a.tx, log)
	if err != nil {
		return err
	}
	if st := a.c.heads[log]; st != nil && st.tree.size == h.tree.size && st.root == h.root {
		a.c.steady++
		a.next[log] = st.clone()
		return nil
	}
	a.c.steady = 0
	st := &logState{tree: h.tree}
	st.tiles.open, err = a.loadTiles(ctx, log, &h.tree)
	a.next[log] = st
	return err
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
	putTile(&a.tiles, log, t)
	return t.data, nil
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
	before, was := st.tree.size, st.tree.root()
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
		putTile(&a.tiles, log, t)
	}
	st.root = st.tree.root()
	advanceHead(&a.heads, log, before, was, st, at)
	return nil
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
