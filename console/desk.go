package console

import (
	"context"
	"net/netip"
	"time"

	"noren"
	"noren/policy"
	"noren/settings"
)

// Desk is what the wired program does with settings: only it knows the sites, the
// facts and the firewall that a set is compiled for.
type Desk interface {
	// Compile reads a set as a node would. Its Rules are nil when anything is wrong.
	Compile(set settings.Set) Compiled
	// Weigh says what a set would change of who may enter, for an address; the zero
	// Addr when nobody's is known.
	Weigh(set settings.Set, self netip.Addr) Weighed
	// Change checks, records and stores a set. It refuses to shut its author out.
	Change(ctx context.Context, c SettingsChange) (settings.Version, error)
	// Settle ends a trial: the change stays, or is taken back now.
	Settle(ctx context.Context, t settings.Trial, keep bool, author string) (state string, err error)
}

// Rules are the compiled policies of a set.
type Rules interface {
	Policies(site string) []policy.Info
	// Decide decides a recorded entry again, from the facts stored with it.
	Decide(e *noren.Entry) noren.Decision
}

// Compiled is what came of a set.
type Compiled struct {
	Rules Rules
	Rows  []policy.RowResult
	Err   error
}

// Weighed is what a set means for who may enter.
type Weighed struct {
	Access  bool     // other people may enter than before
	ShutOut string   // where the address would no longer get in; "" for nowhere
	Places  []string // what it names and nobody has made
}

// SettingsChange is one change that a person makes.
type SettingsChange struct {
	Set            settings.Set
	Author, Reason string
	Base           string // hash of what the person saw
	Within         time.Duration
	Self           netip.Addr
	MayShutOut     bool // they know, and it is taken back by itself
}

// errNoDesk is of a console that was wired without one.
var errNoDesk = noren.Errorf(noren.Unavailable, "the settings cannot be reached from this console")
