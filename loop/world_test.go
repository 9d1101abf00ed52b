package loop_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
	"noren/kv"
	"noren/loop"
	"noren/orient"
	"noren/policy"
	"noren/vault"
)

// world is a whole Noren without a gateway: real database, vault, journal,
// orient and policies.
type world struct {
	setup
	t       testing.TB
	url     string
	root    *vault.RootKey
	faults  *faults
	heard   *alarms
	bans    *bans
	d       *db.DB
	vault   *vault.Vault
	journal *journal.Journal
	*loop.Loop
}

// setup is what a test wants otherwise.
type setup struct {
	policies []string // of every site; house when nil
	own      map[string][]string
	sources  []orient.Source
	spool    string
	now      func() time.Time
	step     func(string)
	watch    []loop.Observer
}

// each runs f in a bubble of time of its own, once per engine.
func each(t *testing.T, s setup, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		synctest.Test(t, func(t *testing.T) { f(t, start(t, url, s)) })
	})
}

func start(t testing.TB, url string, s setup) *world {
	t.Helper()
	w := &world{setup: s, t: t, url: url, root: vault.NewRootKey(), faults: &faults{}, heard: &alarms{}, bans: &bans{}}
	w.bans.w = w
	w.d = dbtest.OpenURL(t, db.Options{URL: url, Faults: w.faults.at})
	w.wire()
	t.Cleanup(w.stop)
	return w
}

// wire makes everything above the database, as the start of a process does.
func (w *world) wire() {
	w.t.Helper()
	log := slog.New(w.heard)
	w.vault = must(vault.Open(w.t.Context(), vault.Options{DB: w.d, Root: w.root, Log: log}))
	w.journal = must(journal.Open(w.t.Context(), journal.Options{DB: w.d, Sealer: w.vault, Origin: "noren/test", SpoolDir: w.spool, Log: log}))
	w.Loop = loop.New(loop.Options{
		DB: w.d, Rules: w.rules(w.policies, w.own), Journal: w.journal, Sealer: w.vault,
		Actuators: map[noren.ActionKind]noren.Actuator{noren.ActBan: w.bans}, Observers: w.watch,
		Log: log, Node: "n1", Step: w.step, Now: w.now,
	})
}

func (w *world) rules(shared []string, own map[string][]string) loop.Rules {
	w.t.Helper()
	o := must(orient.New(orient.Options{DB: w.d, KV: kv.NewMemory(0), Token: w.vault.Token, Sources: w.sources, Log: slog.New(w.heard)}))
	return rulesOver(o, shared, own)
}

func rulesOver(o *orient.Orient, shared []string, own map[string][]string) loop.Rules {
	if shared == nil {
		shared = house
	}
	r := loop.Rules{Orient: o, Policies: loop.Policies{Shared: load(o, shared), Sites: map[string]*policy.Set{}}}
	for site, policies := range own {
		r.Policies.Sites[site] = load(o, policies)
	}
	return r
}

func load(o *orient.Orient, policies []string) *policy.Set {
	file := "version: 1\npolicies:\n" + strings.Join(policies, "")
	return must(policy.Load([]policy.File{{Name: "test.yaml", Data: []byte(file)}}, o.Catalogue()))
}

// replay is the rules of w over an orient without a database.
func (w *world) replay() *loop.Replay {
	return &loop.Replay{Rules: rulesOver(must(orient.New(orient.Options{Sources: w.sources})), w.policies, w.own)}
}

func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = w.journal.Close(ctx)
}

// restart is a new process on the same database.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.wire()
}

// run runs the loop's background work until the returned function is called.
func (w *world) run() (end func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	return func() { cancel(); <-done }
}

// decide takes ev through the loop, which must record it.
func (w *world) decide(ev noren.Event) noren.Decision {
	w.t.Helper()
	d, err := w.Decide(w.t.Context(), ev)
	if err != nil {
		w.t.Fatalf("decide %s %s: %v", ev.Kind, ev.ID, err)
	}
	return d
}

// entries are the journal's entries of a log, what is queued included.
func (w *world) entries(log string) []noren.Entry {
	w.t.Helper()
	if err := w.journal.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return w.written(log)
}

// written are the entries that are in the database now.
func (w *world) written(log string) (out []noren.Entry) {
	w.t.Helper()
	for s, err := range w.journal.Query(w.t.Context(), journal.Filter{Log: log}) {
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, s.Entry)
	}
	return out
}

// has reports whether the database has the entry of an event.
func (w *world) has(id string) bool {
	_, err := w.journal.Get(w.t.Context(), "shop", id)
	return err == nil
}

// marked reports whether an action has its done mark.
func (w *world) marked(id string) bool {
	w.t.Helper()
	var at sql.NullInt64
	if err := w.d.Read().QueryRow(`SELECT done_at FROM loop_actions WHERE id = $1`, id).Scan(&at); err != nil {
		w.t.Fatalf("action %s: %v", id, err)
	}
	return at.Valid
}

// faults break the database of a world.
type faults struct {
	fault atomic.Pointer[func(db.FaultPoint) db.Fault]
}

func (f *faults) at(p db.FaultPoint) (none db.Fault) {
	if at := f.fault.Load(); at != nil {
		return (*at)(p)
	}
	return none
}

// set breaks everything, commits only commits.
func (f *faults) set(v db.Fault) { f.when(func(db.FaultPoint) bool { return true }, v) }
func (f *faults) commits(v db.Fault) {
	f.when(func(p db.FaultPoint) bool { return p.Op == "commit" }, v)
}

func (f *faults) when(hit func(db.FaultPoint) bool, v db.Fault) {
	at := func(p db.FaultPoint) (none db.Fault) {
		if hit(p) {
			return v
		}
		return none
	}
	f.fault.Store(&at)
}

func (f *faults) heal() { f.fault.Store(nil) }

// alarms keep the log lines that carry an alarm.
type alarms struct {
	mu    sync.Mutex
	lines []string
}

func (a *alarms) Enabled(context.Context, slog.Level) bool { return true }
func (a *alarms) WithAttrs([]slog.Attr) slog.Handler       { return a }
func (a *alarms) WithGroup(string) slog.Handler            { return a }
func (a *alarms) Handle(_ context.Context, r slog.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Attrs(func(at slog.Attr) bool {
		if at.Key == "alarm" {
			a.lines = append(a.lines, r.Message)
		}
		return true
	})
	return nil
}

func (a *alarms) have(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.lines, func(l string) bool { return strings.Contains(l, text) })
}

func (a *alarms) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.lines)
}

// bans is an actuator that notes what it finds.
type bans struct {
	w        *world
	mu       sync.Mutex
	acted    []noren.Action
	recorded []bool // whether the entry was in the journal at that time
	err      error
	slow     time.Duration
	panics   bool
}

func (b *bans) Act(ctx context.Context, a noren.Action) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, _, _ := strings.Cut(a.ID, "/")
	b.acted, b.recorded = append(b.acted, a), append(b.recorded, b.w.has(id))
	if b.panics {
		panic("the trie is gone")
	}
	select {
	case <-time.After(b.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.err
}

func (b *bans) fails(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *bans) ids() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.acted {
		out = append(out, a.ID)
	}
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pol is one policy, with its two test rows.
func pol(name, kind, when, then, facts string, more ...string) string {
	return fmt.Sprintf("  - name: %s\n    kinds: [%s]\n    mode: on\n    when: '%s'\n    then: %s\n    reason: {ja: 理由, en: reason}\n%s    tests: [{facts: {%s}, fires: true}, {fires: false}]\n",
		name, kind, when, then, strings.Join(more, ""), facts)
}

// house are the policies of an ordinary test.
var house = []string{
	pol("guessing", "account.login.attempt", "account.logins_failed_10m >= 4", "limit", "account.logins_failed_10m: 4"),
	pol("attack", "http.blocked", `blocked.cause == "waf" && address.waf_blocked_10m >= 3`, "block", "blocked.cause: waf, address.waf_blocked_10m: 3", "    ban: {entity: address, for: 30m}\n"),
	pol("many-orders", "order.placed", "account.orders_24h >= 3", "review", "account.orders_24h: 3"),
	pol("odd-path", "http.request", `request.path.startsWith("/odd")`, "limit", "request.path: /odd"),
	strings.Replace(pol("maybe", "payment.attempt", "card.payments_1h >= 2", "hold", "card.payments_1h: 2"), "mode: on", "mode: shadow", 1),
	pol("broken", "payment.attempt", "payment.amount == 777 || 10 / (payment.amount - 666) > 99999", "block", "payment.amount: 777"),
}

const client = "203.0.113.7"

func login(id, account string) noren.Event {
	return noren.Event{ID: id, Kind: noren.LoginAttempt, Site: "shop", Zone: noren.ZoneLogin, AttemptID: id,
		Entities: noren.Entities{"account": account, "address": client}, Payload: &noren.Login{User: account}}
}

func answered(id, attempt, account string, ok bool) noren.Event {
	ev := login(id, account)
	ev.Kind, ev.AttemptID, ev.Payload = noren.LoginOutcome, attempt, &noren.LoginResult{User: account, Success: ok}
	return ev
}

func blocked(id, address string, cause noren.Cause, rule string) noren.Event {
	return noren.Event{ID: id, Kind: noren.HTTPBlocked, Site: "shop", Zone: noren.ZoneStorefront, Entities: noren.Entities{"address": address},
		Payload: &noren.Blocked{Request: noren.Request{Method: "GET", Host: "shop.example", Path: "/products/12", Query: "q=1"}, Cause: cause, Rule: rule, Status: 403}}
}

func request(id, path string) noren.Event {
	return noren.Event{ID: id, Kind: noren.HTTPRequest, Site: "shop", Zone: noren.ZoneStorefront, Entities: noren.Entities{"address": client},
		Payload: &noren.Request{Method: "GET", Host: "shop.example", Path: path}}
}

func order(id, account string) noren.Event {
	return noren.Event{ID: id, Kind: noren.OrderPlaced, Site: "shop", Zone: noren.ZoneCheckout, Entities: noren.Entities{"account": account, "address": client},
		Payload: &noren.Order{Number: id, Total: noren.Yen(4000), Items: []noren.Item{{ID: "tea", Quantity: 2, Price: noren.Yen(2000)}}}}
}

func payment(id, card string, yen int64) noren.Event {
	return noren.Event{ID: id, Kind: noren.PaymentAttempt, Site: "shop", Zone: noren.ZoneCheckout, AttemptID: id,
		Entities: noren.Entities{"card": card, "address": client}, Payload: &noren.Payment{Amount: noren.Yen(yen), Method: "card"}}
}

func staffLogin(id string, ok bool) noren.Event {
	return noren.Event{ID: id, Kind: noren.StaffLogin, Site: "shop", Zone: noren.ZoneAdmin, Entities: noren.Entities{"staff": "sato", "address": client},
		Payload: &noren.StaffSignIn{Success: ok, Factor: "totp"}}
}

// eventually waits for what the background does, in the bubble's time.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("it never came to pass that %s", what)
}

func exec(t testing.TB, w *world, query string, args ...any) {
	t.Helper()
	err := w.d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
