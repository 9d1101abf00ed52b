package console

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"noren/journal"
)

// A count that panics, cannot read or is cut off ends, says which, and the next one
// begins when it is old: the shop's entrance runs in the same process.
func TestCensusThatCannotCount(t *testing.T) {
	w := openWorld(t)
	quiet, none := slog.New(slog.DiscardHandler), func(context.Context) {}
	at := func() walker { return walker{w.journal, shopSite, nil, time.Now().Add(-time.Hour)} }
	closed, end := context.WithCancel(t.Context())
	end()
	broken := openWorld(t)
	broken.db.Close()
	for _, tt := range []struct {
		name            string
		ctx             context.Context
		journal         *journal.Journal
		first           func(context.Context)
		partial, failed bool
	}{
		{"whole", t.Context(), w.journal, none, false, false},
		{"panics", t.Context(), w.journal, func(context.Context) { panic("broken") }, true, true},
		{"no database", t.Context(), broken.journal, none, true, true},
		{"the console closes", closed, w.journal, none, true, false},
	} {
		from := at()
		from.journal = tt.journal
		n := newCounting(time.Now())
		n.run(tt.ctx, from, tt.first, quiet)
		if running, partial, failed, _ := n.state(); running || partial != tt.partial || failed != tt.failed {
			t.Errorf("%s: running %v, partial %v, failed %v", tt.name, running, partial, failed)
		}
		cs, begun := census{sites: map[string]*counting{shopSite: n}}, 0
		again := func(*counting) { begun++ }
		if cs.of(shopSite, n.began.Add(time.Second), censusFresh, again) != n || cs.of(shopSite, n.began.Add(2*censusFresh), censusFresh, again) == n || begun != 1 {
			t.Errorf("%s: begun %d times", tt.name, begun)
		}
	}
}

// Closing the console ends what runs in its background.
func TestCloseEndsTheBackground(t *testing.T) {
	w := openWorld(t)
	w.console.Close()
	if w.console.life.Err() == nil {
		t.Error("the background goes on")
	}
	w.console.Close() // the server's shutdown closes it as well
}
