// Package valkey is kv over Valkey or Redis (7.0 or later), single or cluster.
// Every op is one Lua script on the keys of one slot, and all ops of a Do
// travel in one pipeline: one round trip.
package valkey

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"noren"
	"noren/kv"
)

// Store is a kv.Store on a server.
type Store struct {
	c   redis.UniversalClient
	lib *library
}

// New prepares a Store without talking to the server, which may be away: then
// every Do gives the code Unavailable until it is back.
func New(url string) (*Store, error) {
	o, err := options(url)
	if err != nil {
		return nil, err
	}
	return &Store{c: redis.NewUniversalClient(o), lib: newLibrary()}, nil
}

// Open connects and checks that the server answers.
func Open(ctx context.Context, url string) (*Store, error) {
	s, err := New(url)
	if err != nil {
		return nil, err
	}
	if err := s.check(ctx); err != nil {
		s.c.Close()
		return nil, err
	}
	return s, nil
}

func (s *Store) check(ctx context.Context) error {
	if err := s.c.Ping(ctx).Err(); err != nil {
		return noren.WithHint(noren.Errorf(noren.Unavailable, "connect to Valkey/Redis: %w", err), connectHint(err))
	}
	if _, single := s.c.(*redis.Client); !single {
		return nil
	}
	// A user without the right to ask is told by the first MOVED instead.
	info, err := s.c.Info(ctx, "cluster").Result()
	if err == nil && strings.Contains(info, "cluster_enabled:1") {
		return noren.WithHint(noren.Errorf(noren.Invalid, "Valkey/Redis is a cluster, and the address names one server"), clusterHint)
	}
	return nil
}

const clusterHint = "add ?cluster=true to the address, or list several servers of the cluster with commas"

func connectHint(err error) string {
	for _, refused := range []string{"NOAUTH", "WRONGPASS", "NOPERM"} {
		if redis.HasErrorPrefix(err, refused) {
			return "check the user and the password in the address; the user needs +@scripting +@read +@write on keys noren:*"
		}
	}
	return "is the server running at this address, and may this machine reach it? Without one, leave it out: a single node needs none"
}

// Close closes the connections.
func (s *Store) Close() error { return s.c.Close() }

// Do implements kv.Store.
func (s *Store) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	if err := kv.Validate(ops); err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, nil
	}
	calls := make([]call, len(ops))
	for i, op := range ops {
		var err error
		if calls[i], err = s.lib.call(op); err != nil {
			return nil, err
		}
	}
	cmds, err := s.run(ctx, calls)
	if err != nil {
		return nil, away(err)
	}
	out := make([]kv.Result, len(ops))
	for i, op := range ops {
		if out[i], err = read(op, cmds[i]); err != nil {
			return nil, away(err)
		}
	}
	return out, nil
}

func away(err error) error {
	err = noren.Errorf(noren.Unavailable, "valkey: %w", err)
	if redis.HasErrorPrefix(err, "MOVED") || strings.Contains(err.Error(), "MOVED ") {
		return noren.WithHint(err, clusterHint)
	}
	return err
}

// run sends all calls at once. A server that restarted has forgotten the
// scripts: the calls that met that, and only those, are sent again in full.
func (s *Store) run(ctx context.Context, calls []call) ([]*redis.Cmd, error) {
	cmds := s.send(ctx, calls, (*redis.Script).EvalSha)
	var forgotten []int
	for i, cmd := range cmds {
		switch err := cmd.Err(); {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			forgotten = append(forgotten, i)
		case err != nil:
			return nil, err
		}
	}
	if len(forgotten) == 0 {
		return cmds, nil
	}
	again := make([]call, len(forgotten))
	for n, i := range forgotten {
		again[n] = calls[i]
	}
	for n, cmd := range s.send(ctx, again, (*redis.Script).Eval) {
		if err := cmd.Err(); err != nil {
			return nil, err
		}
		cmds[forgotten[n]] = cmd
	}
	return cmds, nil
}

type eval func(s *redis.Script, ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// send's errors are those of the commands.
func (s *Store) send(ctx context.Context, calls []call, how eval) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	s.c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, c := range calls {
			cmds[i] = how(c.script, ctx, p, c.keys, c.args...)
		}
		return nil
	})
	return cmds
}

// Timeouts: a server that is away must not hold up a visitor. The deadline of a
// call's context ends it earlier.
const (
	dialTimeout = 300 * time.Millisecond
	ioTimeout   = 500 * time.Millisecond
)
