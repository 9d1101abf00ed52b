package console

import (
	"context"
	"net/netip"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/notify"
)

// Finding is one thing that the check looked at.
type Finding struct {
	Key   string     `json:"key"`
	Title noren.Text `json:"title"`
	Tone  ui.Tone    `json:"tone"` // good, check or alert
	Says  noren.Text `json:"says"`
	Mend  noren.Text `json:"mend"`
	Lines string     `json:"lines,omitempty"` // to be copied as they are
	Grade string     `json:"grade,omitempty"` // of TLS
	Site  string     `json:"site,omitempty"`  // "" for the machine
}

// Checkup is one run of the check over a site, under way or done.
type Checkup struct {
	Began    noren.Time `json:"began"`
	Ended    noren.Time `json:"ended,omitzero"` // zero while it runs
	Done     int        `json:"done"`           // steps, of Of
	Of       int        `json:"of"`
	Now      noren.Text `json:"-"`             // what is looked at at this moment
	Cut      bool       `json:"cut,omitempty"` // its time ran out
	Findings []Finding  `json:"findings"`
}

// Running reports whether it is under way.
func (k *Checkup) Running() bool { return k.Ended.IsZero() }

// Checker runs the check. One runs at a time on a site.
type Checker interface {
	// Begin starts one in the background, unless one runs.
	Begin(site string)
	// Last is the one under way, or the last; ok is false before the first.
	Last(site string) (k Checkup, ok bool)
}

// Standing is what the machine's own file and its surroundings say about a site.
type Standing struct {
	File     string   // noren.yaml; "" where there is none, as in the demo
	Broken   string   // why the file on the disk cannot be used; "" when it can
	NotYet   []string // keys of it that need a hand-over to be in force
	HTTP     string   // where visitors come in; "" for nowhere
	HTTPS    string
	HTTP3    bool
	ACME     bool // an authority is named
	Mail     string
	Hooks    []string
	Data     []DataFile
	Settings string // version in force here
	Files    bool   // the settings are files in a directory
	Nodes    []Node
	// Policies of the site that act, and that only record.
	PoliciesOn, PoliciesShadow int
	NotifyAt                   string // the file of the settings that names whom this site tells
	Rules                      *notify.Rules
}

// DataFile is data about visitors' addresses that the operator may bring.
type DataFile struct {
	Key   string // of addresses: in noren.yaml
	Name  noren.Text
	Gives noren.Text // what it would bring
	File  string     // "" for none
}

// Node is one process of Noren that shares the database.
type Node struct {
	Name     string
	Seen     noren.Time // zero for this one
	Settings string
	Here     bool
}

// House is what only the wired program knows about a site's set-up.
type House interface {
	Standing(ctx context.Context, site string) (Standing, error)
	// Detect asks the shop what it runs on.
	Detect(ctx context.Context, site string) (gateway.Detected, error)
	// Settled are the steps of the set-up that people decided by hand, and when.
	Settled(ctx context.Context, site string) (map[string]noren.Time, error)
	// Settle notes such a decision, or takes it back.
	Settle(ctx context.Context, site, step, author string, on bool) error
}

// Gate knows the access rules of a site.
type Gate interface {
	// Rules are those in force and in shadow.
	Rules(site string) gateway.AccessRules
	// ShutsOut says what an address could no longer enter if a place became as
	// given, nil for removed; "" for nothing.
	ShutsOut(site string, addr netip.Addr, name string, as *gateway.NamedPlace) noren.Text
	// ClosesOn says what an address could no longer enter if the admin were kept for
	// those places.
	ClosesOn(site string, addr netip.Addr, places []string) noren.Text
	// KeepAdmin closes the admin to everybody but those places, and returns how to
	// take it back.
	KeepAdmin(ctx context.Context, site string, places []string, shadow bool, author, reason string) (back func(ctx context.Context, author string) error, err error)
}

// Bell tells people.
type Bell interface {
	// Tell makes these people the ones who are told.
	Tell(ctx context.Context, site string, who []Hearer, author, reason string) (back func(ctx context.Context, author string) error, err error)
	// Test sends everybody a message, and says what each way answered.
	Test(ctx context.Context, site string) ([]notify.Answer, error)
}

// Hearer is somebody who is told by mail.
type Hearer struct {
	Mail     string
	Language string
	Next     bool // asked when nobody has acknowledged a high notice
}

// Trial sends a request through the gateway's own door and follows what becomes
// of it.
type Trial interface {
	Try(ctx context.Context, site string, kind TryKind) (Tried, error)
}

// TryKind is what is tried.
type TryKind string

// What is tried.
const (
	TryPage   TryKind = "page"   // the front page, as a customer
	TryAttack TryKind = "attack" // an attack in the address, which does no harm
	TrySecret TryKind = "secret" // a file that no shop serves
)

// Tried is what became of it.
type Tried struct {
	Kind    TryKind
	Mark    string // stands in its address, by which it is found again
	Line    string // as it was sent
	Status  int
	Took    time.Duration
	Ticket  string // on the page that was answered; "" when it passed
	Seen    bool   // the loop decided about it
	Zone    noren.Zone
	Verdict noren.Verdict
	Cause   noren.Cause
	Rule    string
	Score   int
	Hits    []noren.Hit
	Reasons []noren.Reason
	Shadow  []noren.Reason
	Address string
	Entry   string // its number in the record; "" when it was only counted
}

// Millis is how long the answer took.
func (t Tried) Millis() int64 { return max(t.Took.Milliseconds(), 1) }
