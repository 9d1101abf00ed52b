// Package lab is the proving ground (試験場): seeded, repeatable simulations and
// attack replays against a throw-away instance with the same code as live. A
// shop owner may run them to see what their settings stop.
//
// The players in here know shops and attackers and nothing of the detectors:
// only what a buyer or an attacker sees from outside.
package lab

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"noren"
	"noren/sampleshop"
)

// Lab is one simulation.
type Lab struct {
	Name    string
	Meaning noren.Text
	Run     func(ctx context.Context, env Env, p Params) (Report, error)
}

// All lists every lab. A lab enters here by hand.
func All() []Lab {
	return []Lab{
		trafficLab(),
		killLab(),
		tamperLab(),
		reloadLab(),
		natLab(),
		floodLab(),
		neighboursLab(),
		hostileLab(),
		smuggleLab(),
		wafLab(),
	}
}

// Params are what the command line says. A zero value means the lab's own
// default.
type Params struct {
	Seed   uint64
	Runs   int           // repetitions, for labs that repeat
	Engine string        // kill: sqlite or postgres
	Buyers int           // how many people shop
	Speed  float64       // how much faster than people
	Rate   int           // flood: requests a second
	For    time.Duration // hostile: how long
}

// Env is what a lab is given to work with.
type Env struct {
	// Start makes a throw-away instance with the code of live, in front of a
	// sample shop. The lab closes it.
	Start func(ctx context.Context, w Want) (*Instance, error)
	Log   *slog.Logger
	// Door makes a gateway alone before a shop of the lab's, for labs that look at
	// bytes.
	Door func(ctx context.Context, upstream string, hosts []string) (*Door, error)
	// Shops makes a gateway alone before one shop of the lab's that is many sites:
	// by host, with the encodings of their forms.
	Shops func(ctx context.Context, upstream string, encodings map[string][]string) (*Door, error)
	// Dir is an empty directory for the lab's files.
	Dir string
	// Progress is where a person watches; nil or io.Discard for nobody.
	Progress io.Writer
	// Exec is the path of this program, for labs that start and kill it.
	Exec string
	// Inspect opens the data directory of a killed process, lets the instance
	// recover and looks whether the acknowledged ids are there.
	Inspect func(ctx context.Context, dir, url string, ids []string) (Killed, error)
	// Tamper makes a record in dir, alters it one way and verifies it.
	Tamper func(ctx context.Context, dir string, way Tampering, seed uint64) (Tampered, error)
}

// Want is what a lab asks of an instance.
type Want struct {
	Seed uint64 // of the sample shop's people
}

// Instance is a running instance as a lab sees it.
type Instance struct {
	ShopURL string // the shop as customers reach it, through Noren
	Site    string
	Sample  *sampleshop.Shop
	Journal Journal
	// Disk is how many bytes each of the instance's files takes, once all it
	// holds back is written.
	Disk  func(ctx context.Context) (map[string]int64, error)
	Close func() error
}

// Journal is what a lab asks of the instance's record.
type Journal interface {
	// Stopped counts the requests that the journal says were stopped, each
	// once however many entries tell of it, counted entries with all they
	// stand for. It returns once everything decided before the call is
	// recorded. Labs call it last.
	Stopped(ctx context.Context) (Stops, error)
}

// Stops are the stopped requests in a journal.
type Stops struct {
	ByRule   map[string]int64     // by the entry's public rule id
	ByClient map[netip.Addr]int64 // by address, as far as entries name one
}

// Total is every stopped request.
func (s Stops) Total() int64 {
	var n int64
	for _, k := range s.ByRule {
		n += k
	}
	return n
}

// Check is one thing a lab found, held against what it wanted.
type Check struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`

	// Title says the same for people.
	Title noren.Text `json:"-"`
}

// Report is what a lab found. Its JSON is an interface for scripts.
type Report struct {
	Lab     string         `json:"lab"`
	Seed    uint64         `json:"seed"`
	Checks  []Check        `json:"checks"`
	Figures map[string]any `json:"figures"`
}

// Add notes a check.
func (r *Report) Add(name string, title noren.Text, want, got string, ok bool) {
	r.Checks = append(r.Checks, Check{Name: name, Title: title, Want: want, Got: got, OK: ok})
}

// OK reports whether there were checks and every one held.
func (r Report) OK() bool {
	for _, c := range r.Checks {
		if !c.OK {
			return false
		}
	}
	return len(r.Checks) > 0
}
