package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/acme"
	"noren/console"
	"noren/db"
	"noren/gateway"
	"noren/journal"
	"noren/kv"
	"noren/kv/valkey"
	"noren/loop"
	"noren/notify"
	"noren/orient"
	"noren/settings"
	"noren/staff"
	"noren/vault"
	"noren/watch/logs"
)

// instance is one wired Noren: everything but the listeners. It is what
// commands, the demo, labs and tests start; the order of construction is the
// order of dependence, and Close undoes it.
type instance struct {
	cfg      *Config
	node     string
	memory   int64 // bytes this process may use; 0 when the system does not say
	log      *slog.Logger
	db       *db.DB
	vault    *vault.Vault
	journal  *journal.Journal
	kv       kv.Store
	shared   *kv.Failover // nil with memory of this process
	settings *settings.Store
	lists    *gateway.Lists
	modes    *gateway.ModeSwitch
	stops    *gateway.Emergency
	places   *gateway.Places
	loop     *loop.Loop
	logs     *logs.Reader // nil where nobody serves
	logSeen  *logs.Seen
	shopMaps shopMaps
	acme     *acme.Manager // nil without an authority
	staff    *staff.Staff
	feed     *console.Feed // what open pages are told
	tries    *tries        // test requests of the console
	file     string        // noren.yaml; "" where there is none
	notify   *notify.Notify
	teller   *teller

	mu        sync.Mutex // guards what a reload exchanges
	now       *Config    // sites and address data may differ from cfg after one
	rules     *rules
	orient    *orient.Orient
	addresses *orient.Addresses

	applying sync.Mutex // one change of rules at a time
	firewall *firewall  // of the gateway; under applying

	running sync.WaitGroup
	getenv  func(string) string
	stop    context.CancelFunc
	closers []func(context.Context) error
}

// wants are the choices of whoever opens an instance.
type wants struct {
	create  bool              // make database, keys and first settings when missing
	reads   bool              // nothing will be recorded
	urgent  bool              // settings that cannot be used are no reason not to open
	step    func(step string) // for the kill lab
	faults  func(db.FaultPoint) db.Fault
	initial settings.Set // instead of the shipped settings, on the first start
	getenv  func(string) string
	observe []loop.Observer
}

// openInstance wires an instance. What was opened is closed again when a later
// step fails.
func openInstance(ctx context.Context, cfg *Config, w wants, log *slog.Logger) (in *instance, err error) {
	in = &instance{cfg: cfg, memory: machineMemory("/"), node: nodeName(), log: log, now: cfg, getenv: w.getenv, logSeen: logs.NewSeen(), feed: console.NewFeed(), tries: newTries()}
	in.teller = newTeller(log, in.node)
	in.log = in.teller.logger()
	if in.getenv == nil {
		in.getenv = os.Getenv
	}
	defer func() {
		if err != nil {
			in.Close(context.WithoutCancel(ctx))
			in = nil
		}
	}()
	for _, step := range []func(context.Context, wants) error{
		in.openDatabase, in.openVault, in.openJournal, in.openShared, in.openSettings, in.openLoop, in.openNotify, in.openStaff, in.reapplyErasures, in.openACME,
	} {
		if err := step(ctx, w); err != nil {
			return in, err
		}
	}
	return in, nil
}

// nodeName names this machine's node; the spool file is called after it.
func nodeName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "node"
	}
	return name
}

func (in *instance) onClose(f func(context.Context) error) { in.closers = append(in.closers, f) }

// Close stops what runs and closes in reverse order. Posted entries are flushed
// first; ctx bounds how long that may take.
func (in *instance) Close(ctx context.Context) error {
	if in.stop != nil {
		in.stop()
	}
	in.running.Wait()
	var errs []error
	for i := len(in.closers) - 1; i >= 0; i-- {
		errs = append(errs, in.closers[i](ctx))
	}
	in.closers = nil
	return errors.Join(errs...)
}

func (in *instance) openDatabase(ctx context.Context, w wants) error {
	url, err := secretRef(in.cfg.Database.URL, w.getenv)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := in.cfg.lostDatabase(); err != nil {
		return err
	}
	if w.create {
		if err := os.MkdirAll(in.cfg.Data, 0o700); err != nil {
			return noren.WithHint(noren.Errorf(noren.Unavailable, "make data directory: %w", err), "set data: to a directory this user may write to")
		}
	}
	in.db, err = db.Open(ctx, db.Options{URL: url, Create: w.create, AllowUnsafe: in.cfg.Database.AllowUnsafe, Log: in.log, Faults: w.faults})
	if err != nil {
		return err
	}
	in.onClose(func(context.Context) error { return in.db.Close() })
	return in.db.Migrate(ctx)
}

func (in *instance) openVault(ctx context.Context, w wants) error {
	root, err := in.rootKey(ctx, w)
	if err != nil {
		return err
	}
	in.vault, err = vault.Open(ctx, vault.Options{
		DB: in.db, Root: root, Log: in.log,
		ErasuresFile: in.cfg.Erasures,
		Location:     withoutPassword(in.cfg.Database.URL),
	})
	if err != nil {
		return err
	}
	return nil
}

// reapplyErasures erases again what a restored backup brought back, before
// anything is served.
func (in *instance) reapplyErasures(ctx context.Context, _ wants) error {
	in.vault.OnErase(in.eraseEverywhere)
	in.vault.OnErased(in.facts().Erased) // those that follow it share its memory
	in.vault.OnEraseToken(func(ctx context.Context, tx *db.Tx, site string, token []byte) error {
		return errors.Join(in.lists.EraseToken(ctx, tx, site, token), in.places.EraseToken(ctx, tx, site, token), in.journal.EraseToken(ctx, tx, site, token))
	})
	n, err := in.vault.Reapply(ctx)
	if err != nil {
		return fmt.Errorf("re-apply erasures: %w", err)
	}
	if n > 0 {
		in.log.Warn("erasures re-applied; the database seems to be a restored copy", "erasures", n)
	}
	return errors.Join(in.lists.Refresh(ctx), in.places.Refresh(ctx))
}

// rootKey loads the root key. For a new database it is made; for one that holds
// keys already a missing root key is an error, because a new one could not open
// anything.
func (in *instance) rootKey(ctx context.Context, w wants) (*vault.RootKey, error) {
	path, isFile := strings.CutPrefix(in.cfg.RootKey, "file:")
	if isFile && w.create {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			empty, err := in.noKeysYet(ctx)
			if err != nil {
				return nil, err
			}
			if empty {
				if err := vault.GenerateRootKey(path); err != nil {
					return nil, err
				}
				in.log.Warn("a new root key was made; print the recovery sheet and keep it apart: noren keys sheet", "file", path)
			}
		}
	}
	return vault.LoadRootKey(in.cfg.RootKey)
}

func (in *instance) noKeysYet(ctx context.Context) (bool, error) {
	var n int
	err := in.db.Read().QueryRowContext(ctx, `SELECT count(*) FROM vault_keys`).Scan(&n)
	return n == 0, err
}

// withoutPassword is how a recovery sheet may name the database.
func withoutPassword(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	if _, host, has := strings.Cut(rest, "@"); has {
		rest = host
	}
	return scheme + "://" + rest
}

func (in *instance) openJournal(ctx context.Context, w wants) error {
	id, key, err := in.vault.SigningKey(ctx, "checkpoint")
	if err != nil {
		return err
	}
	sinks, err := in.checkpointSinks()
	if err != nil {
		return err
	}
	in.journal, err = journal.Open(ctx, journal.Options{
		DB: in.db, Sealer: in.vault, SigningKey: key, KeyID: id, OldKeys: in.retiredSigners(),
		Origin: in.cfg.Journal.Origin + "/" + in.vault.Instance(), Node: in.node,
		SpoolDir: in.spoolDir(w), SpoolMax: in.cfg.Journal.SpoolMiB << 20,
		Outside: sinks, Log: in.log,
	})
	if err != nil {
		return err
	}
	in.onClose(in.journal.Close)
	return nil
}

func (in *instance) spoolDir(w wants) string {
	if w.reads {
		return ""
	}
	return filepath.Join(in.cfg.Data, "spool")
}

// retiredSigners are the keys that signed before a rotation: what they signed
// still counts.
func (in *instance) retiredSigners() []ed25519.PublicKey {
	var out []ed25519.PublicKey
	for _, k := range in.vault.Keys("checkpoint") {
		if k.State != vault.Active && len(k.Public) > 0 {
			out = append(out, k.Public)
		}
	}
	return out
}

func (in *instance) checkpointSinks() ([]journal.CheckpointSink, error) {
	var sinks []journal.CheckpointSink
	for _, to := range in.cfg.Journal.CheckpointTo {
		if strings.HasPrefix(to, "https://") || strings.HasPrefix(to, "http://") {
			s, err := journal.NewWebhookSink(journal.WebhookOptions{URL: to})
			if err != nil {
				return nil, err
			}
			sinks = append(sinks, s)
			continue
		}
		s, err := journal.NewDirectorySink(in.cfg.path(to))
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, s)
	}
	return sinks, nil
}

func (in *instance) openShared(ctx context.Context, w wants) error {
	if in.cfg.Shared == "" {
		in.kv = kv.NewMemory(0)
		in.onClose(func(context.Context) error { return in.kv.Close() })
		return nil
	}
	url, err := secretRef(in.cfg.Shared, w.getenv)
	if err != nil {
		return fmt.Errorf("shared: %w", err)
	}
	store, err := valkey.Open(ctx, url)
	if err != nil {
		return err
	}
	in.shared = kv.NewFailover(store, in.node, in.log)
	in.kv = in.shared
	in.onClose(func(context.Context) error { return in.kv.Close() })
	return nil
}

func (in *instance) openSettings(ctx context.Context, w wants) error {
	var err error
	in.settings, err = settings.Open(settings.Options{DB: in.db, Mode: settings.Mode(in.cfg.Settings.Mode), Dir: in.cfg.Settings.Dir})
	if err != nil {
		return err
	}
	if w.create && in.cfg.Settings.Mode == "console" {
		first := w.initial
		if first == nil {
			first = shippedSettings()
		}
		return in.settings.Init(ctx, first, "noren", "first start")
	}
	return nil
}

func (in *instance) openLoop(ctx context.Context, w wants) error {
	var err error
	if in.modes, err = gateway.OpenModes(ctx, gateway.ModeSwitchOptions{DB: in.db, Sealer: in.vault, Log: in.log}); err != nil {
		return err
	}
	if in.places, err = gateway.OpenPlaces(ctx, gateway.PlacesOptions{DB: in.db, Sealer: in.vault, Log: in.log}); err != nil {
		return err
	}
	if err := in.openRules(ctx, w); err != nil {
		return err
	}
	in.lists, err = gateway.OpenLists(ctx, gateway.ListsOptions{DB: in.db, Sealer: in.vault, Log: in.log})
	if err != nil {
		return err
	}
	if err := in.openEmergency(ctx); err != nil {
		return err
	}
	in.loop = loop.New(loop.Options{
		DB: in.db, Rules: loop.Rules{Orient: in.orient, Policies: in.rules.policies, Settings: in.rules.hash}, Journal: in.journal, Sealer: in.vault,
		Actuators: map[noren.ActionKind]noren.Actuator{noren.ActBan: in.lists, noren.ActCheck: in.lists},
		Observers: append(w.observe, in.logSeen, in.feed, in.tries), Log: in.log, Node: in.node, Step: w.step,
	})
	in.lists.RaiseTo(in.loop)
	in.modes.RaiseTo(in.loop)
	in.stops.RaiseTo(in.loop)
	in.places.RaiseTo(in.loop)
	return nil
}

// openRules compiles the settings in force.
func (in *instance) openRules(ctx context.Context, w wants) error {
	set, err := in.settings.Current(ctx)
	if err == nil {
		in.rules, in.orient, in.addresses, err = in.compile(set, in.cfg)
	}
	if err == nil || !w.urgent {
		return err
	}
	in.log.Warn("the settings in force cannot be used; what you do now works all the same", "err", err, "hint", noren.HintOf(err))
	plain := *in.cfg
	plain.Lookup = LookupConfig{}
	in.rules, in.orient, in.addresses, err = in.compile(shippedSettings(), &plain)
	return err
}

// compile makes the rules of a settings set and the facts they ask for.
func (in *instance) compile(set settings.Set, cfg *Config) (*rules, *orient.Orient, *orient.Addresses, error) {
	addresses, err := loadAddresses(&cfg.Lookup, cfg.path, in.log)
	if err != nil {
		return nil, nil, nil, err
	}
	var o *orient.Orient
	r, err := compileSettings(set, cfg.siteNames(), func(d declared) (*noren.Catalogue, error) {
		o, err = orient.New(orient.Options{
			DB: in.db, KV: in.kv, Shared: in.shared != nil, Token: in.vault.Token,
			Addresses: addresses, Entities: d.entities, Sequences: d.sequences, Sources: []orient.Source{in.modes}, After: in.facts(), Log: in.log,
		})
		if err != nil {
			return nil, err
		}
		return o.Catalogue(), nil
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if err := r.access.haveData(&cfg.Lookup); err != nil {
		return nil, nil, nil, err
	}
	return r, o, addresses, o.Track(r.needs())
}

// facts returns the orient in force.
func (in *instance) facts() *orient.Orient {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.orient
}

// eraseEverywhere deletes the rows that parts keep about a person.
func (in *instance) eraseEverywhere(ctx context.Context, tx *db.Tx, site string, s noren.Subject) error {
	return errors.Join(in.facts().Erase(ctx, tx, site, s), in.lists.Erase(ctx, tx, site, s), in.places.Erase(ctx, tx, site, s), in.journal.Erase(ctx, tx, site, s))
}

// run starts the background work: redoing actions, checkpoints, watching lists
// and the database, retention, and what else there is.
func (in *instance) run(ctx context.Context, more ...func(context.Context)) {
	ctx, in.stop = context.WithCancel(ctx)
	every, _ := time.ParseDuration(in.cfg.Journal.CheckpointEvery) // checked when the file was read
	for _, work := range append(more,
		func(ctx context.Context) { in.vault.Run(ctx) },
		func(ctx context.Context) { in.loop.Run(ctx) },
		func(ctx context.Context) { in.journal.RunCheckpoints(ctx, every) },
		func(ctx context.Context) { in.journal.RunRollups(ctx) },
		func(ctx context.Context) { in.lists.Run(ctx) },
		func(ctx context.Context) { in.modes.Run(ctx) },
		func(ctx context.Context) { in.stops.Run(ctx) },
		func(ctx context.Context) { in.places.Run(ctx) },
		func(ctx context.Context) { in.staff.Run(ctx) },
		in.notify.Run,
		in.teller.run,
		in.watchTrials,
		in.housekeeping,
	) {
		in.running.Go(func() { work(ctx) })
	}
}

// housekeeping checks the database file every few seconds, rolls up counters
// every few minutes, and every hour destroys what is over its term.
func (in *instance) housekeeping(ctx context.Context) {
	check := time.NewTicker(5 * time.Second)
	defer check.Stop()
	roll := time.NewTicker(5 * time.Minute)
	defer roll.Stop()
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-check.C:
			if err := in.db.Check(ctx); err != nil && ctx.Err() == nil {
				in.log.Error("database", "alarm", true, "err", err, "hint", noren.HintOf(err))
			}
		case now := <-roll.C:
			if _, err := in.facts().Roll(ctx, now); err != nil {
				in.log.Error("roll up counters", "alarm", true, "err", err)
			}
		case <-hour.C:
			in.retain(ctx, time.Now())
		}
	}
}

func (in *instance) retain(ctx context.Context, now time.Time) {
	keep := time.Duration(in.cfg.Keep.Months) * 31 * 24 * time.Hour
	if _, err := in.lists.Reseal(ctx, now, now.Add(-keep/2)); err != nil {
		in.log.Error("bans and allow-lists cannot be sealed anew; those without an end would be lost with the key of their month", "alarm", true, "err", err)
		return
	}
	if err := in.places.Reseal(ctx, now, now.Add(-keep/2)); err != nil {
		in.log.Error("named places cannot be sealed anew; they would be lost with the key of their month", "alarm", true, "err", err)
		return
	}
	if err := in.staff.Prune(ctx, now, now.Add(-keep)); err != nil {
		in.log.Error("delete sessions and links of staff that are over", "alarm", true, "err", err)
	}
	if err := in.settings.PruneTrials(ctx, now.Add(-keep)); err != nil {
		in.log.Error("drop old trials", "alarm", true, "err", err)
	}
	if err := in.notify.Prune(ctx, now.Add(-keep)); err != nil {
		in.log.Error("delete old notices", "alarm", true, "err", err)
	}
	if n, err := in.vault.Retain(ctx, now, keep); err != nil {
		in.log.Error("destroy keys over their term", "alarm", true, "err", err)
	} else if n > 0 {
		in.log.Info("keys over their term destroyed", "keys", n)
	}
	if err := in.loop.Prune(ctx, now.Add(-24*time.Hour)); err != nil {
		in.log.Error("delete old actions", "alarm", true, "err", err)
	}
	if err := in.facts().PruneSteps(ctx, now); err != nil {
		in.log.Error("delete steps of sequences over their time", "alarm", true, "err", err)
	}
	if _, err := in.facts().Prune(ctx, now.Add(-keep)); err != nil {
		in.log.Error("delete counters over their term", "alarm", true, "err", err)
	}
}
