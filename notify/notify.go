package notify

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"noren"
	"noren/db"
)

// Setup is what a reload exchanges: who is told, and the ways to reach them.
type Setup struct {
	Rules map[string]*Rules // by site; "" for sites without their own
	Mail  *Mail             // nil without a mail server
	Hooks map[string]*Hook  // by name
	// Broken are ways that cannot be used now (a secret that cannot be read), by
	// MailServer or the hook's name: their messages wait.
	Broken map[string]error
}

// MailServer names the mail server in Setup.Broken; no hook may have this name.
const MailServer = "mail server"

// Options are what a Notify needs.
type Options struct {
	DB    *db.DB
	Setup Setup
	// Log is told of what cannot be sent. Its alarms must not come back as
	// notices.
	Log *slog.Logger
	Now func() time.Time // time.Now when nil
	// Step is told what was just done, for tests that end a process there.
	Step func(step string)
}

// Notify tells people. It is safe for concurrent use, and several nodes may share
// one database: each message is sent by one of them.
type Notify struct {
	o     Options
	owner string // of this process's leases
	wake  chan struct{}

	mu    sync.Mutex
	setup Setup
	sent  map[string]time.Time // went out and is not marked in SQL yet
	down  map[string]bool      // channels whose last try failed
}

// New returns a Notify; Run makes it send.
func New(o Options) *Notify {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	var b [8]byte
	rand.Read(b[:])
	return &Notify{o: o, owner: hex.EncodeToString(b[:]), wake: make(chan struct{}, 1), setup: o.Setup, sent: map[string]time.Time{}, down: map[string]bool{}}
}

// Set exchanges the setup; what waits is sent by the new one.
func (n *Notify) Set(s Setup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setup = s
}

func (n *Notify) present() Setup {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.setup
}

// rules are a site's, and the scope they are kept under.
func (s Setup) rules(site string) (r *Rules, scope string) {
	if r := s.Rules[site]; r != nil && site != "" {
		return r, site
	}
	return s.shared(), ""
}

func (s Setup) shared() *Rules {
	if r := s.Rules[""]; r != nil {
		return r
	}
	return defaults()
}

// scoped are the rules of a scope.
func (s Setup) scoped(scope string) *Rules {
	r, _ := s.rules(scope)
	return r
}

// words are what is stored of a notice's text.
type words struct {
	Title noren.Text `json:"title"`
	Text  noren.Text `json:"text"`
	Next  noren.Text `json:"next"`
	Link  string     `json:"link,omitempty"`
}

// Tell stores a notice and returns once it is durable; sending follows. The same
// id is told once. What comes while the group of its key is open is counted there,
// and id is the group's.
func (n *Notify) Tell(ctx context.Context, x Notice) (id string, err error) {
	now := n.o.Now()
	if err := x.tidy(now); err != nil {
		return "", err
	}
	text, err := json.Marshal(words{x.Title, x.Text, x.Next, x.Link})
	if err != nil {
		return "", err
	}
	rules, scope := n.present().rules(x.Site)
	err = n.o.DB.Write(ctx, func(tx *db.Tx) error {
		id, err = n.store(ctx, tx, &x, string(text), rules, scope, now)
		return err
	})
	if err != nil {
		return "", err
	}
	n.o.Step("told")
	n.nudge()
	return id, nil
}

// store puts a notice into the group of its key, or begins one.
func (n *Notify) store(ctx context.Context, tx *db.Tx, x *Notice, text string, rules *Rules, scope string, now time.Time) (string, error) {
	known, err := find(ctx, tx, x.ID)
	if err != nil || known != "" {
		return known, err
	}
	id, ends, err := openGroup(ctx, tx, x, now, now.Add(rules.Group))
	if err != nil {
		return "", err
	}
	if id == x.ID {
		made, err := insertNotice(ctx, tx, x, text, escalateAt(x.Severity, rules, now))
		if err != nil || !made {
			return id, err
		}
		return id, n.post(ctx, tx, x, kindFirst, rules.told(x.Severity), rules, scope, now, rules.due(x.Severity, now))
	}
	group, err := countMore(ctx, tx, id, x)
	if err != nil || group == nil {
		return id, err
	}
	if x.Severity > group.Severity { // it became worse
		if err := raise(ctx, tx, id, x.Severity, escalateAt(x.Severity, rules, now)); err != nil {
			return id, err
		}
		group.Severity = x.Severity
		return id, n.post(ctx, tx, group, kindFirst, rules.told(x.Severity), rules, scope, now, rules.due(x.Severity, now))
	}
	return id, n.post(ctx, tx, group, kindMore, rules.told(group.Severity), rules, scope, now, ends)
}

func escalateAt(s Severity, r *Rules, now time.Time) int64 {
	if s != High || len(r.To.High) == 0 {
		return 0
	}
	return now.Add(r.Within).UnixMicro()
}

// post puts a notice into the outbox, once for each receiver and channel.
func (n *Notify) post(ctx context.Context, tx *db.Tx, x *Notice, kind string, to []string, rules *Rules, scope string, now, due time.Time) error {
	for _, name := range to {
		r := rules.receiver(name)
		if r == nil {
			continue // the rules were checked
		}
		for _, channel := range r.channels() {
			m := outgoing{
				id: rowID(x, kind, scope, name, channel), site: x.Site, kind: kind, notice: x.ID, severity: x.Severity,
				scope: scope, receiver: name, channel: channel, made: now, due: due, state: waiting,
			}
			if at, gone := n.wentOut(m.id); gone {
				m.state, m.sentAt, m.counted = sent, at, x.Count
			}
			if err := m.insert(ctx, tx); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowID names a message for ever, so that whoever makes it again makes the same.
func rowID(x *Notice, kind, scope, receiver, channel string) string {
	parts := [][]byte{[]byte(x.ID), []byte(kind), []byte(scope), []byte(receiver), []byte(channel)}
	if kind == kindFirst {
		parts = append(parts, []byte{byte(x.Severity)})
	}
	return noren.IDOf(x.At, parts...)
}

// nudge wakes the sender of this process.
func (n *Notify) nudge() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// wentOut reports a message that this process has sent and SQL does not know of.
func (n *Notify) wentOut(id string) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.sent[id]
	return at, ok
}

// maxUnmarked bounds what is remembered while the database is away.
const maxUnmarked = 10_000

func (n *Notify) remember(id string, at time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.sent) < maxUnmarked {
		n.sent[id] = at
	}
}

func (n *Notify) forget(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sent, id)
}
