package orient

import (
	"container/list"
	"context"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/db"
)

// Sequences count from rows like everything that may ban somebody: a chain is
// loaded when its entity takes a step and is not in memory, and the steps that
// bring it on are rows beside the event's entry, whether that is written whole
// or counted.

const sequencePrefix = "sequence."

var stepsTable = &db.Table{Name: "orient_steps", OrIgnore: true, Columns: []string{"token", "seq", "at", "step", "id"}}

const (
	// maxChains bounds the chains in memory; the one used longest ago is loaded
	// again when needed.
	maxChains = 50_000
	// chainFresh is how long a chain is believed while other nodes may add to it.
	chainFresh = int64(time.Second / time.Microsecond)
	// Rows of one minute: of first steps, which anybody can make many of, and of
	// the others. What is beyond counts in memory alone.
	maxFirstSteps = 600
	maxLaterSteps = 3_000
	// keepSteps is longer than any sequence.
	keepSteps = 31 * 24 * time.Hour
)

// chains are the chains of one process.
type chains struct {
	mu     sync.Mutex
	byKey  map[chainKey]*list.Element // of *held
	use    list.List                  // front: used last
	minute int64
	rows   [2]int // written in that minute: first steps, others
}

type chainKey struct {
	who key
	seq int64
}

type held struct {
	key    chainKey
	chain  chain
	loaded int64 // At of the event it was last loaded for; 0: never
}

func (cs *chains) get(k chainKey) *held {
	if e, ok := cs.byKey[k]; ok {
		cs.use.MoveToFront(e)
		return e.Value.(*held)
	}
	if cs.byKey == nil {
		cs.byKey = map[chainKey]*list.Element{}
	}
	h := &held{key: k}
	cs.byKey[k] = cs.use.PushFront(h)
	if cs.use.Len() > maxChains {
		delete(cs.byKey, cs.use.Remove(cs.use.Back()).(*held).key)
	}
	return h
}

// room takes one row of the minute.
func (cs *chains) room(step int, at int64) bool {
	if m := at / int64(time.Minute/time.Microsecond); m != cs.minute {
		cs.minute, cs.rows = m, [2]int{}
	}
	i, most := 0, maxFirstSteps
	if step > 1 {
		i, most = 1, maxLaterSteps
	}
	cs.rows[i]++
	return cs.rows[i] <= most
}

// sequenceFacts is the family of the declared sequences, none without any.
func (o *Orient) sequenceFacts() []noren.Family {
	if len(o.sequences) == 0 {
		return nil
	}
	return []noren.Family{{
		Pattern: sequencePrefix + "<name>",
		Example: sequencePrefix + o.sequences[0].Name,
		Meaning: noren.Text{Ja: "この出来事が一連の手順（sequences）の何段目まで進めたか。手順でなければ0", En: "How far this event brought somebody in a sequence of a policy file: the number of the step; 0 when it is none"},
		Lookup: func(name string) (noren.Fact, bool, error) {
			q := o.sequence(strings.TrimPrefix(name, sequencePrefix))
			switch {
			case !strings.HasPrefix(name, sequencePrefix):
				return noren.Fact{}, false, nil
			case q == nil:
				return noren.Fact{}, false, noren.Say(noren.Invalid, noren.Textf("事実 %q: この手順（sequence）を書いた方針のファイルがありません", "fact %q: no policy file declares this sequence", name))
			}
			return noren.Fact{Name: name, Type: noren.Int, Meaning: noren.Text{
				Ja: "この出来事が" + q.Name + "（" + q.stepNames("→") + "）の何段目まで進めたか", En: "How far this event brought somebody in " + q.Name + " (" + q.stepNames(" → ") + ")",
			}}, true, nil
		},
	}}
}

func (s *sequence) stepNames(between string) string {
	names := make([]string, len(s.Steps))
	for i, st := range s.Steps {
		names[i] = st.Name
	}
	return strings.Join(names, between)
}

func (o *Orient) sequence(name string) *sequence {
	for i := range o.sequences {
		if o.sequences[i].Name == name {
			return &o.sequences[i]
		}
	}
	return nil
}

// takeSteps counts the steps that the event in hand is and says how far each
// sequence came. All facts asked for are told, 0 for what the event is no step of.
func (o *Orient) takeSteps(ctx context.Context, w *work, seen []noren.StepSeen, facts noren.Facts) (rows []db.Row) {
	for _, name := range w.plan.sequences {
		facts[name] = int64(0)
	}
	if len(seen) == 0 {
		return nil
	}
	id := o.eventKey(w.ev.Site, w.ev.ID)
	for i := range o.sequences {
		s := &o.sequences[i]
		steps := stepsOf(seen, s.Name)
		who := w.parties.of(s.slot)
		if len(steps) == 0 || who == 0 {
			continue
		}
		stage, news := o.advance(ctx, w, s, who, steps, id)
		if name := sequencePrefix + s.Name; facts[name] != nil {
			facts[name] = int64(stage)
		}
		rows = append(rows, news...)
	}
	return rows
}

func stepsOf(seen []noren.StepSeen, name string) (steps []int) {
	for _, s := range seen {
		if s.Sequence == name {
			steps = append(steps, s.Step)
		}
	}
	return steps
}

// advance takes the steps of one entity in one sequence.
func (o *Orient) advance(ctx context.Context, w *work, s *sequence, who key, steps []int, id key) (stage int, rows []db.Row) {
	k := chainKey{who, s.code}
	var stored chain
	var settled []*erasure
	loaded, era := false, o.registry.era.Load()
	if !o.chainKnown(k, w.at) {
		var err error
		if stored, settled, err = o.loadChain(ctx, k, w.at-s.within); err != nil {
			o.log.Warn("steps of a sequence could not be loaded; those in memory count", "sequence", s.Name, "err", err)
			w.degraded = true
		}
		loaded = err == nil
	}
	o.chains.mu.Lock()
	defer o.chains.mu.Unlock()
	h := o.chains.get(k)
	if loaded && (o.registry.era.Load() != era || len(o.unsettled(who, settled)) > 0) {
		defer o.chains.drop(k) // rows are being erased: look them up again next time
		stored = nil
	}
	for _, m := range stored {
		h.chain.put(m, w.at-s.within)
	}
	if loaded {
		h.loaded = w.at
	}
	var news []stepMark
	stage, news = s.take(&h.chain, steps, w.at, id)
	for _, m := range news {
		if o.db != nil && o.chains.room(m.step, m.at) {
			rows = append(rows, db.Row{Table: stepsTable, Values: []any{int64(who), s.code, m.at, int64(m.step), int64(m.id)}})
		}
	}
	return stage, rows
}

// chainKnown reports whether memory knows the chain: always without a database,
// for a second where other nodes write too.
func (o *Orient) chainKnown(k chainKey, at int64) bool {
	if o.db == nil {
		return true
	}
	o.chains.mu.Lock()
	defer o.chains.mu.Unlock()
	e, ok := o.chains.byKey[k]
	if !ok {
		return false
	}
	h := e.Value.(*held)
	return h.loaded != 0 && (!o.shared || at-h.loaded < chainFresh)
}

// loadChain reads the steps after a time. As many at once as other loads.
func (o *Orient) loadChain(ctx context.Context, k chainKey, after int64) (c chain, settled []*erasure, err error) {
	select {
	case o.loader.room <- struct{}{}:
		defer func() { <-o.loader.room }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	if settled, err = o.settled(ctx, o.db.Read(), k.who); err != nil {
		return nil, nil, err
	}
	rows, err := o.db.Read().QueryContext(ctx, `SELECT at, step, id FROM orient_steps
		WHERE token = $1 AND seq = $2 AND at > $3 ORDER BY at DESC LIMIT $4 + 0`, int64(k.who), k.seq, after-lateness, maxChain)
	if err != nil {
		return nil, nil, noren.Errorf(noren.Unavailable, "read steps: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m stepMark
		var id int64
		if err := rows.Scan(&m.at, &m.step, &id); err != nil {
			return nil, nil, noren.Errorf(noren.Unavailable, "read steps: %w", err)
		}
		m.id = key(id)
		c = append(c, m)
	}
	return c, settled, rows.Err()
}

// cancelSteps takes the steps of an event back whose entry was not recorded.
func (o *Orient) cancelSteps(ev *noren.Event) {
	if len(o.sequences) == 0 {
		return
	}
	id := o.eventKey(ev.Site, ev.ID)
	w := work{ev: ev}
	o.parties(ev, &w)
	o.chains.mu.Lock()
	defer o.chains.mu.Unlock()
	for i := range o.sequences {
		s := &o.sequences[i]
		if e, ok := o.chains.byKey[chainKey{w.parties.of(s.slot), s.code}]; ok {
			h := e.Value.(*held)
			h.chain.drop(id)
		}
	}
}

// forget takes the steps of an entity out of memory.
func (cs *chains) forget(who key) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for k := range cs.byKey {
		if k.who == who {
			cs.drop(k)
		}
	}
}

// clear takes all steps out of memory.
func (cs *chains) clear() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	clear(cs.byKey)
	cs.use.Init()
}

// drop takes a chain out of memory.
func (cs *chains) drop(k chainKey) {
	if e, ok := cs.byKey[k]; ok {
		cs.use.Remove(e)
		delete(cs.byKey, k)
	}
}

// PruneSteps deletes steps that no sequence reaches back to any more.
func (o *Orient) PruneSteps(ctx context.Context, now time.Time) error {
	if o.db == nil {
		return nil
	}
	return o.db.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM orient_steps WHERE at < $1`, now.Add(-keepSteps).UnixMicro())
		return err
	})
}
