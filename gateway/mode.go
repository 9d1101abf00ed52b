package gateway

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/db"
)

// Mode is what a site is switched to by hand.
type Mode string

// Modes. All but the ordinary one spare who is on the allow-list, payments under
// way and calls from machines.
const (
	// ModeNormal is every day.
	ModeNormal Mode = "normal"
	// ModeBusy lets new visitors in at a steady rate, in the order they came.
	ModeBusy Mode = "busy"
	// ModeAttack asks every visitor for the check once.
	ModeAttack Mode = "attack"
	// ModeClosed shows the standby page.
	ModeClosed Mode = "closed"
)

// ModeInfo is a mode and what it means.
type ModeInfo struct {
	Mode    Mode
	Meaning noren.Text
}

// Modes lists them.
func Modes() []ModeInfo {
	return []ModeInfo{
		{ModeNormal, noren.Text{Ja: "ふだんどおり", En: "every day"}},
		{ModeBusy, noren.Text{Ja: "混雑モード：新しい方を一定の速さで、来た順にお通しする", En: "busy: new visitors come in at a steady rate, in the order they came"}},
		{ModeAttack, noren.Text{Ja: "攻撃モード：どなたにも一度だけ確認のページを通っていただく", En: "under attack: every visitor passes the check once"}},
		{ModeClosed, noren.Text{Ja: "準備中：お店を閉め、案内のページだけを出す", En: "closed: the standby page instead of the shop"}},
	}
}

// DefaultAdmit is how many new visitors a minute the busy mode lets in.
const DefaultAdmit = 120

// SiteMode is a site's mode.
type SiteMode struct {
	Mode  Mode       `json:"mode"`
	Admit int        `json:"admit,omitempty"` // busy: new visitors a minute
	Until noren.Time `json:"until,omitzero"`  // zero: until changed
	// Since, Author and Reason tell of the switch; empty where they are not known.
	Since  noren.Time `json:"since,omitzero"`
	Author string     `json:"author,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// at is the mode in force at a time.
func (m SiteMode) at(t time.Time) SiteMode {
	if m.Mode == "" || !m.Until.IsZero() && !t.Before(m.Until.Time) {
		return SiteMode{Mode: ModeNormal}
	}
	return m
}

// ModeSwitchOptions are what a ModeSwitch needs.
type ModeSwitchOptions struct {
	DB     *db.DB           // nil: every site is in its ordinary mode
	Sealer Sealer           // nil: who switched and why is not kept
	Now    func() time.Time // nil: the system clock
	Log    *slog.Logger
	Poll   time.Duration // 0: DefaultPoll
}

// ModeSwitch holds the mode of every site. A change goes to SQL and is in force
// on this node at once and on the others within Poll. It is an orient.Source for
// the fact site.mode. The zero ModeSwitch, and nil, hold every site ordinary.
type ModeSwitch struct {
	o       ModeSwitchOptions
	snap    atomic.Pointer[map[string]SiteMode]
	decider atomic.Pointer[noren.Decider]
	mu      sync.Mutex // held while the snapshot is exchanged
}

// OpenModes reads the modes.
func OpenModes(ctx context.Context, o ModeSwitchOptions) (*ModeSwitch, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Poll <= 0 {
		o.Poll = DefaultPoll
	}
	m := &ModeSwitch{o: o}
	m.snap.Store(&map[string]SiteMode{})
	return m, m.Refresh(ctx)
}

// RaiseTo names where changes are recorded. Before that, changes fail.
func (m *ModeSwitch) RaiseTo(d noren.Decider) { m.decider.Store(&d) }

// Of is a site's mode at a time.
func (m *ModeSwitch) Of(site string, at time.Time) SiteMode {
	if m == nil || m.snap.Load() == nil {
		return SiteMode{Mode: ModeNormal}
	}
	return (*m.snap.Load())[site].at(at)
}

// Set switches a site. The change is recorded first.
func (m *ModeSwitch) Set(ctx context.Context, site string, mode SiteMode, author, reason string) error {
	if err := mode.valid(m.o.Now()); err != nil {
		return err
	}
	d := m.decider.Load()
	if d == nil {
		return noren.Errorf(noren.Unavailable, "the modes are not attached to the loop yet; a change cannot be recorded")
	}
	now := noren.At(m.o.Now())
	_, err := (*d).Decide(ctx, noren.Event{Kind: noren.ModeChange, At: now, Site: site,
		Payload: &noren.SiteModeChange{Mode: string(mode.Mode), Admit: int64(mode.Admit), Until: mode.Until, Author: author, Reason: reason}})
	if err != nil {
		return fmt.Errorf("record the change of mode: %w", err)
	}
	mode.Since, mode.Author, mode.Reason = now, author, reason
	if err := m.store(ctx, site, mode, now); err != nil {
		return fmt.Errorf("switch site %s to %s: %w", site, mode.Mode, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next := maps.Clone(*m.snap.Load())
	next[site] = mode
	m.snap.Store(&next)
	return nil
}

func (m *SiteMode) valid(now time.Time) error {
	known := slices.ContainsFunc(Modes(), func(i ModeInfo) bool { return i.Mode == m.Mode })
	switch {
	case !known:
		return noren.Errorf(noren.Invalid, "mode %q is not %s", m.Mode, modeNames())
	case m.Mode != ModeBusy && m.Admit != 0 || m.Admit < 0 || m.Admit > 100_000:
		return noren.Errorf(noren.Invalid, "admit is for the busy mode, 1 to 100,000 new visitors a minute")
	case !m.Until.IsZero() && !m.Until.After(now):
		return noren.Errorf(noren.Invalid, "the mode would end %s, before it begins", m.Until.Format(time.RFC3339))
	}
	if m.Mode == ModeBusy && m.Admit == 0 {
		m.Admit = DefaultAdmit
	}
	return nil
}

func modeNames() string {
	var names []string
	for _, i := range Modes() {
		names = append(names, string(i.Mode))
	}
	return strings.Join(names, ", ")
}

func (m *ModeSwitch) store(ctx context.Context, site string, mode SiteMode, now noren.Time) error {
	var keyRows []db.Row
	var sealedKey, sealedData any
	if m.o.Sealer != nil {
		sealed, rows, err := stamp{mode.Author, mode.Reason}.seal(m.o.Sealer, modesTable, site, "", now)
		if err != nil {
			return err
		}
		keyRows, sealedKey, sealedData = rows, sealed.Key, sealed.Data
	}
	return m.o.DB.Write(ctx, func(tx *db.Tx) error {
		if err := tx.Insert(ctx, keyRows); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO gateway_modes (site, mode, admit, until, changed_at, sealed_key, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (site) DO UPDATE SET mode = excluded.mode, admit = excluded.admit, until = excluded.until, changed_at = excluded.changed_at,
				sealed_key = excluded.sealed_key, sealed = excluded.sealed`,
			site, string(mode.Mode), mode.Admit, micros(mode.Until), now.UnixMicro(), sealedKey, sealedData)
		return err
	})
}

// Refresh brings the modes up to what SQL says.
func (m *ModeSwitch) Refresh(ctx context.Context) error {
	if m.o.DB == nil {
		return nil
	}
	m.mu.Lock() // a change of this node must not be read over by what was before it
	defer m.mu.Unlock()
	next, err := m.read(ctx)
	if err != nil {
		return fmt.Errorf("read the sites' modes: %w", err)
	}
	m.snap.Store(&next)
	return nil
}

func (m *ModeSwitch) read(ctx context.Context) (map[string]SiteMode, error) {
	rows, err := m.o.DB.Read().QueryContext(ctx, `SELECT site, mode, admit, until, changed_at, sealed_key, sealed FROM gateway_modes`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out, shut := map[string]SiteMode{}, map[string]noren.Sealed{}
	for rows.Next() {
		site, mode, sealed, err := scanMode(rows)
		if err != nil {
			return nil, err
		}
		if old := (*m.snap.Load())[site]; old.Since.Equal(mode.Since.Time) { // not opened again
			mode.Author, mode.Reason = old.Author, old.Reason
		} else if sealed.Key != "" && m.o.Sealer != nil {
			shut[site] = sealed
		}
		out[site] = mode
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close() // the vault may have to read a key
	for site, sealed := range shut {
		mode, who := out[site], openStamp(ctx, m.o.Sealer, modesTable, site, "", sealed)
		mode.Author, mode.Reason = who.Author, who.Reason
		out[site] = mode
	}
	return out, nil
}

func scanMode(rows *sql.Rows) (site string, mode SiteMode, sealed noren.Sealed, err error) {
	var until sql.NullInt64
	var key sql.NullString
	var at int64
	if err := rows.Scan(&site, &mode.Mode, &mode.Admit, &until, &at, &key, &sealed.Data); err != nil {
		return "", mode, sealed, err
	}
	sealed.Key, mode.Since = key.String, noren.FromMicros(at)
	if until.Valid {
		mode.Until = noren.FromMicros(until.Int64)
	}
	return site, mode, sealed, nil
}

// Run follows other nodes' changes until ctx ends. While the database is away
// the last modes stay in force.
func (m *ModeSwitch) Run(ctx context.Context) {
	poll := time.NewTicker(m.o.Poll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			if err := m.Refresh(ctx); err != nil && ctx.Err() == nil {
				m.o.Log.Debug("the sites' modes cannot be read; the last ones stay in force", "err", err) // the lists raise the alarm
			}
		}
	}
}

// Facts implements orient.Source.
func (m *ModeSwitch) Facts() []noren.Fact {
	return []noren.Fact{{Name: "site.mode", Type: noren.Str, Meaning: noren.Text{
		Ja: "お店の切り替え（normal ふだん、busy 混雑、attack 攻撃、closed 準備中）", En: "What the site is switched to: normal, busy, attack or closed"}}}
}

// Read implements orient.Source.
func (m *ModeSwitch) Read(_ context.Context, ev *noren.Event, into noren.Facts) error {
	into["site.mode"] = string(m.Of(ev.Site, ev.At.Time).Mode)
	return nil
}
