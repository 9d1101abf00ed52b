package vault

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	checkEvery  = time.Second     // how old the answer may be before the next is fetched
	waitAfter   = 3 * time.Second // how old it may be before a call waits for the next
	waitAtMost  = 100 * time.Millisecond
	checkAtMost = 2 * time.Second
	maxLearned  = 1000 // erasures learned one by one; beyond, all keys are dropped
)

// watch keeps what is known of other nodes' erasures and rotations fresh.
type watch struct {
	wait    time.Duration             // how long a call waits for an answer
	limit   time.Duration             // how long an answer may take
	checked atomic.Pointer[time.Time] // when the last good answer was asked for

	mu      sync.Mutex
	tried   time.Time
	running chan struct{} // closed when the check under way ends; nil when there is none
	away    bool          // the last check failed or took too long: nobody waits
	said    string        // the failure last logged
}

// Run looks for what other nodes did once a second, also while nobody seals or
// opens, until ctx ends.
func (v *Vault) Run(ctx context.Context) {
	tick := time.NewTicker(checkEvery / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			v.startCheck(v.now())
		}
	}
}

// catchUp makes sure that what other nodes did is known; see Seal for the bound.
func (v *Vault) catchUp() {
	now := v.now()
	age := now.Sub(*v.watch.checked.Load())
	if age >= 0 && age < checkEvery {
		return
	}
	done, wait := v.startCheck(now)
	if !wait || age >= 0 && age < waitAfter {
		return
	}
	timer := time.NewTimer(v.watch.wait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		v.watch.mu.Lock()
		v.watch.away = true
		v.watch.mu.Unlock()
	}
}

// startCheck starts a check unless one runs or ran just now. wait is false when
// waiting for it makes no sense.
func (v *Vault) startCheck(now time.Time) (done <-chan struct{}, wait bool) {
	w := &v.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	since := now.Sub(w.tried)
	if w.running == nil && (since < 0 || since >= checkEvery) {
		w.running, w.tried = make(chan struct{}), now
		go v.check(w.running)
	}
	return w.running, w.running != nil && !w.away
}

func (v *Vault) check(done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), v.watch.limit)
	defer cancel()
	w := &v.watch
	before := w.checked.Load()
	err := v.learn(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running, w.away = nil, w.checked.Load() == before
	close(done)
	said := ""
	if err != nil {
		said = err.Error()
	}
	if said != w.said && said != "" {
		v.log.Warn("vault cannot look for erasures and rotations of other nodes", "err", err)
	}
	w.said = said
}

// refresh learns after a change of our own, which is done whether the state can
// be read again or not; the next check makes up for it.
func (v *Vault) refresh(ctx context.Context) {
	if err := v.learn(ctx); err != nil {
		v.log.Warn("vault could not read its state again after a change", "err", err)
	}
}

// learn brings the vault up to date with the database. What is new is published
// first, then changes is counted up, then keys are dropped: a key made or loaded
// with older knowledge is either dropped or refused by cache.put, never kept.
func (v *Vault) learn(ctx context.Context) error {
	v.learning.Lock()
	defer v.learning.Unlock()
	now := v.now()
	state, err := loadState(ctx, v.db.Read())
	if err != nil {
		return readError("read the vault's state", err)
	}
	if err := v.learnErasures(ctx, state[stateErasures]); err != nil {
		return err
	}
	if err := v.learnRetention(state[stateRetained]); err != nil {
		return err
	}
	v.watch.checked.Store(&now)
	return v.learnKeys(ctx, state)
}

func (v *Vault) learnErasures(ctx context.Context, value string) error {
	number, err := counter(value)
	if err != nil {
		return err
	}
	known := v.era.Load()
	if number == known {
		return nil
	}
	list, err := loadErasures(ctx, v.db.Read(), known, maxLearned+1)
	if err != nil {
		return readError("read erasures", err)
	}
	v.era.Store(number)
	v.changes.Add(1)
	defer v.erasureEnded(true)
	// Fewer than known: somebody put an older database in place.
	if number < known || len(list) > maxLearned {
		v.forget(func(*dek) bool { return true })
		return nil
	}
	type victim struct{ site, token string }
	gone := map[victim]bool{}
	for _, e := range list {
		gone[victim{e.Site, string(e.Subject)}] = true
	}
	v.forget(func(k *dek) bool { return gone[victim{k.site, string(k.token[:])}] })
	return nil
}

func (v *Vault) learnRetention(value string) error {
	if value == v.retained {
		return nil
	}
	text, _, _ := strings.Cut(value, " ")
	first, err := parseMonth(text)
	if err != nil {
		return err
	}
	v.retained = value
	v.changes.Add(1)
	v.forget(func(k *dek) bool { return k.month < first })
	return nil
}

func (v *Vault) learnKeys(ctx context.Context, state map[string]string) error {
	version, err := counter(state[stateKeys])
	if err != nil {
		return err
	}
	old := v.ring.Load()
	if version == old.version {
		return nil
	}
	if err := v.checkRoot(state[stateRoot]); err != nil {
		return err
	}
	ring, err := v.readRing(ctx, v.db.Read(), version)
	if err != nil {
		return err
	}
	v.ring.Store(ring)
	v.changes.Add(1)
	if active := ring.active[PurposeSeal]; active != nil && active != old.active[PurposeSeal] {
		v.sealing.drop(func(k *dek) bool { return k.by != active.id })
	}
	return nil
}

// forget drops keys from both caches.
func (v *Vault) forget(gone func(*dek) bool) {
	v.sealing.drop(gone)
	v.opening.drop(gone)
}
