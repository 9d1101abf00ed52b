package loop

import (
	"context"
	"fmt"
	"time"

	"noren"
	"noren/db"
)

const (
	beatEvery = 10 * time.Second
	nodeAlive = time.Minute // without a beat a node is not compared any more
	// nodesApart is how far two nodes' clocks may be apart: windows of counters
	// and the order of entries bear that much.
	nodesApart = time.Second
	// compareWithin keeps a server that fell silent from holding up the loop.
	compareWithin = 3 * time.Second
	// roundTripMost is the slowest answer by which clocks can be compared.
	roundTripMost = 400 * time.Millisecond
)

// CompareClocks notes how far this node's clock is ahead of the database's and
// raises clock.stepped when another node's is over a second apart from it; once,
// until they were together again. Run does it every ten seconds. Nodes on SQLite
// share a machine and its clock.
func (l *Loop) CompareClocks(ctx context.Context) {
	if l.o.DB.Engine() != db.Postgres {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, compareWithin)
	defer cancel()
	ahead, ok, err := l.aheadOfDatabase(ctx)
	if err != nil || !ok {
		return // the database's absence is told elsewhere; a slow answer says nothing
	}
	others, err := l.beat(ctx, ahead)
	if err != nil {
		return
	}
	for node, theirs := range others {
		l.compare(ctx, node, ahead-theirs)
	}
}

// compare tells of a difference, from one of the two nodes only.
func (l *Loop) compare(ctx context.Context, node string, apart time.Duration) {
	told := l.apart[node]
	l.apart[node] = apart.Abs() > nodesApart
	if !l.apart[node] || told || l.o.Node > node {
		return
	}
	l.o.Log.Error("the clocks of two nodes are apart; check the time service of both (timedatectl)", "alarm", true, "node", l.o.Node, "ahead", apart, "than", node)
	ev := noren.Event{Kind: noren.ClockStep, Payload: &noren.ClockJump{StepMicros: apart.Microseconds(), Node: l.o.Node, Than: node}}
	if _, err := l.Decide(ctx, ev); err != nil {
		l.o.Log.Error("record the difference of two clocks", "err", err)
	}
}

// aheadOfDatabase compares the wall clock with the database's in the middle of a
// round trip.
func (l *Loop) aheadOfDatabase(ctx context.Context) (ahead time.Duration, ok bool, err error) {
	sent := l.clock.read()
	var micros int64
	err = l.o.DB.Read().QueryRowContext(ctx, `SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&micros)
	took := l.clock.read().mono - sent.mono
	return sent.wall.Add(took / 2).Sub(time.UnixMicro(micros)), took <= roundTripMost, err
}

// beat tells the others how far this node is ahead, and returns how far they are.
func (l *Loop) beat(ctx context.Context, ahead time.Duration) (others map[string]time.Duration, err error) {
	const now = `CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	err = l.o.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO nodes (id, seen_at, ahead, settings) VALUES ($1, `+now+`, $2, $3)
			ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, ahead = excluded.ahead, settings = excluded.settings`, l.o.Node, ahead.Microseconds(), l.Rules().Settings)
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err := l.o.DB.Read().QueryContext(ctx, `SELECT id, ahead FROM nodes WHERE id <> $1 AND seen_at > `+now+` - $2`, l.o.Node, nodeAlive.Microseconds())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	others = map[string]time.Duration{}
	for rows.Next() {
		var node string
		var micros int64
		if err := rows.Scan(&node, &micros); err != nil {
			return nil, err
		}
		others[node] = time.Duration(micros) * time.Microsecond
	}
	return others, rows.Err()
}

// Node is a process that works from the same database.
type Node struct {
	Name     string
	Seen     noren.Time // by the database's clock
	Settings string     // version it worked by then
}

// nodesListed bounds what Nodes returns: names of machines that are long gone stay
// in the table.
const nodesListed = 100

// Nodes lists those that were heard of within a day, this one included; none on
// SQLite, where there is one.
func (l *Loop) Nodes(ctx context.Context) (out []Node, err error) {
	if l.o.DB.Engine() != db.Postgres {
		return nil, nil
	}
	rows, err := l.o.DB.Read().QueryContext(ctx, `SELECT id, seen_at, settings FROM nodes
		WHERE seen_at > CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) - $1 ORDER BY id LIMIT $2`, (24 * time.Hour).Microseconds(), nodesListed)
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var n Node
		var seen int64
		if err := rows.Scan(&n.Name, &seen, &n.Settings); err != nil {
			return nil, fmt.Errorf("list nodes: %w", err)
		}
		n.Seen = noren.FromMicros(seen)
		out = append(out, n)
	}
	return out, rows.Err()
}
