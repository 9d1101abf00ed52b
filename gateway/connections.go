package gateway

import (
	"errors"
	"time"

	"noren"
)

// Connections bound what visitors may hold open. Behind one address of a mobile
// carrier stand a thousand buyers, so what one client may have is wide; what
// keeps one client from taking everything is fairness (callers.fits): the fuller
// it gets, the less one client may hold.
type Connections struct {
	Most      int           `yaml:"most" json:"most,omitempty" jsonschema:"description=Connections in all; the newest is closed. On a small machine by default as many as fit into a quarter of its memory,default=16384"`
	PerClient int           `yaml:"per_client" json:"per_client,omitempty" jsonschema:"description=Connections of one IPv4 address or one IPv6 /64; of its /24 or /48 twice as many,default=4096"`
	Rate      Rate          `yaml:"rate" json:"rate,omitzero" jsonschema:"type=string,description=New connections of one client such as 200/1s,default=200/1s"`
	Burst     int           `yaml:"burst" json:"burst,omitempty" jsonschema:"description=New connections on top for a client that was quiet,default=4000"`
	Handshake time.Duration `yaml:"handshake" json:"handshake,omitempty" jsonschema:"type=string,description=Time for a TLS handshake such as 10s; at most 10s,default=10s"`
	Stalled   time.Duration `yaml:"stalled" json:"stalled,omitempty" jsonschema:"type=string,description=A visitor who takes nothing of an answer for so long is cut off,default=60s"`
	// Streams is told to browsers when a connection begins.
	Streams          int `yaml:"streams" json:"streams,omitempty" jsonschema:"description=Requests at once on one HTTP/2 connection; changes with a hand-over,default=100"`
	StreamsPerClient int `yaml:"streams_per_client" json:"streams_per_client,omitempty" jsonschema:"description=Requests at once of one client on all its connections,default=4096"`
}

// DefaultConnections: an idle connection takes 30 KiB over HTTP/1.1 and 55 KiB
// over HTTP/2 with TLS (docs/internals/performance.md), and up to twice as much
// while they come, so that all of them together take from 0.5 to 1.7 GiB.
func DefaultConnections() Connections {
	return Connections{
		Most: 16_384, PerClient: 4_096, Rate: Rate{200, time.Second}, Burst: 4_000,
		Handshake: headerTimeout, Stalled: writeTimeout, Streams: 100, StreamsPerClient: 4_096,
	}
}

// withDefaults fills in what was left out.
func (c Connections) withDefaults() Connections {
	d := DefaultConnections()
	for _, n := range []struct {
		have *int
		or   int
	}{{&c.Most, d.Most}, {&c.PerClient, d.PerClient}, {&c.Burst, d.Burst}, {&c.Streams, d.Streams}, {&c.StreamsPerClient, d.StreamsPerClient}} {
		if *n.have == 0 {
			*n.have = n.or
		}
	}
	if c.Rate.Events == 0 {
		c.Rate = d.Rate
	}
	if c.Handshake == 0 {
		c.Handshake = d.Handshake
	}
	if c.Stalled == 0 {
		c.Stalled = d.Stalled
	}
	return c
}

// Valid reports everything that is wrong with c, joined; zero values are the
// defaults.
func (c Connections) Valid() error {
	c = c.withDefaults()
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, noren.Errorf(noren.Invalid, format, args...)) }
	for _, n := range []struct {
		name              string
		have, least, most int
	}{
		{"most", c.Most, 64, 1_000_000},
		{"per_client", c.PerClient, 16, c.Most},
		{"burst", c.Burst, 1, 1_000_000},
		{"streams", c.Streams, 10, 1_000},
		{"streams_per_client", c.StreamsPerClient, c.Streams, 1_000_000},
	} {
		if n.have < n.least || n.have > n.most {
			fault("connections: %s is %d, and must be from %d to %d", n.name, n.have, n.least, n.most)
		}
	}
	if c.Handshake < time.Second || c.Handshake > headerTimeout {
		fault("connections: handshake is %s, and must be from 1s to %s", c.Handshake, headerTimeout)
	}
	if c.Stalled < time.Second || c.Stalled > time.Hour {
		fault("connections: stalled is %s, and must be from 1s to 1h", c.Stalled)
	}
	return errors.Join(errs...)
}
