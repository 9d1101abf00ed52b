package settings_test

import (
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/settings"
)

// trials is a store whose clock the test moves.
func trials(t *testing.T, d *db.DB, now *time.Time) *settings.Store {
	t.Helper()
	s, err := settings.Open(settings.Options{DB: d, Mode: settings.Console, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t *testing.T, s *settings.Store, k settings.TrialKind) settings.Trial {
	t.Helper()
	tr, err := s.BeginTrial(t.Context(), settings.Trial{Kind: k, Made: "new", Undo: "old"}, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestTrials(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		s, ctx := trials(t, d, &now), t.Context()
		for _, wrong := range []time.Duration{0, -time.Second, 25 * time.Hour} {
			if _, err := s.BeginTrial(ctx, settings.Trial{Kind: settings.TrialBan}, wrong); noren.CodeOf(err) != noren.Invalid {
				t.Errorf("%s to confirm: %v", wrong, err)
			}
		}
		tr := begin(t, s, settings.TrialSettings)
		if _, err := s.BeginTrial(ctx, settings.Trial{Kind: settings.TrialSettings}, time.Minute); noren.CodeOf(err) != noren.Conflict || noren.HintOf(err) == "" {
			t.Errorf("a second change of settings meanwhile: %v", err)
		}
		begin(t, s, settings.TrialPlace)
		claim := func(early, want bool, when string) {
			t.Helper()
			if got, err := s.ClaimTrial(ctx, tr.ID, early); err != nil || got != want {
				t.Errorf("%s: claimed %v, %v; want %v", when, got, err, want)
			}
		}
		claim(false, false, "before its time")
		now = now.Add(10 * time.Minute)
		claim(false, true, "at its time")
		claim(false, false, "claimed already")
		claim(true, false, "confirmed while it is taken back")
		now = now.Add(time.Minute)
		claim(false, true, "when the node that had it died")
		if ended, err := s.EndTrial(ctx, tr.ID, settings.TrialTakenBack); err != nil || !ended {
			t.Errorf("ended %v, %v", ended, err)
		}
		if ended, err := s.EndTrial(ctx, tr.ID, settings.TrialConfirmed); err != nil || ended {
			t.Errorf("ended twice: %v, %v", ended, err)
		}
		now = now.Add(time.Minute)
		claim(true, false, "when it has ended")
		if open, err := s.Trials(ctx); err != nil || len(open) != 1 || open[0].Kind != settings.TrialPlace || open[0].Made != "new" || open[0].Undo != "old" {
			t.Errorf("open: %+v, %v", open, err)
		}
		if err := s.PruneTrials(ctx, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var rows int
		if err := d.Read().QueryRowContext(ctx, `SELECT count(*) FROM settings_trials`).Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d rows after pruning, want the open one; %v", rows, err)
		}
	})
}

// Of many nodes that want to end a trial, one gets it.
func TestTrialIsClaimedOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		s := trials(t, d, &now)
		tr := begin(t, s, settings.TrialBan)
		var wg sync.WaitGroup
		got := make([]bool, 8)
		for i := range got {
			wg.Go(func() {
				var err error
				if got[i], err = s.ClaimTrial(t.Context(), tr.ID, true); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := 0
		for _, ok := range got {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("claimed by %d", n)
		}
	})
}
