package main

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall"
	"time"

	"noren/lab"
)

// labFloodCmd is the attackers' process of the flood lab. Hidden, because it is
// of no use by itself.
type labFloodCmd struct {
	Shop string        `required:"" help:"Address of the shop, on loopback."`
	Seed uint64        `help:"Seed of the attackers."`
	Rate int           `default:"2000" help:"Requests a second."`
	For  time.Duration `default:"1m" help:"End after this time."`

	Heavy int `help:"How many send heavy forms beside."`
}

// politeness gives way to everybody else on the machine.
const politeness = 19

func (c labFloodCmd) Run(e *env) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, politeness); err != nil {
		return fmt.Errorf("give way: %w", err)
	}
	ctx, cancel := context.WithTimeout(e.ctx, c.For)
	defer cancel()
	done, err := lab.Flood(ctx, c.Shop, c.Seed, c.Rate, c.Heavy)
	if err != nil {
		return err
	}
	return json.NewEncoder(e.io.out).Encode(done)
}

// labSinkCmd takes every request and answers at once: what labs attack to learn
// what the attack itself costs the machine. Hidden as well.
type labSinkCmd struct{}

func (labSinkCmd) Run(e *env) error { return lab.Sink(e.io.in, e.io.out) }
