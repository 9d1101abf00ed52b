// Package valkey is kv over Valkey or Redis (7.0 or later), single or cluster.
// Every op is one Lua script on one key, and all ops of a Do travel in one
// pipeline: one round trip.
package valkey

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"noren"
	"noren/kv"
)

// Store is a kv.Store on a server.
type Store struct {
	c redis.UniversalClient
}

// Timeouts: a server that is away must not hold up a visitor; Failover bounds
// the whole call as well.
const (
	dialTimeout = 500 * time.Millisecond
	ioTimeout   = time.Second
)

// Open connects to redis://, rediss:// or several comma-separated addresses of
// a cluster, and checks that the server answers.
func Open(ctx context.Context, url string) (*Store, error) {
	o, err := options(url)
	if err != nil {
		return nil, err
	}
	s := &Store{c: redis.NewUniversalClient(o)}
	if err := s.c.Ping(ctx).Err(); err != nil {
		s.c.Close()
		return nil, noren.WithHint(noren.Errorf(noren.Unavailable, "connect to Valkey/Redis: %w", err),
			"is the server running at the address under shared:? Without one, leave shared: out")
	}
	return s, nil
}

func options(url string) (*redis.UniversalOptions, error) {
	first, rest, _ := strings.Cut(url, ",")
	o, err := redis.ParseURL(first)
	if err != nil {
		// The parser's error may quote the address with its password.
		return nil, noren.WithHint(noren.Errorf(noren.Invalid, "address of Valkey/Redis cannot be read"),
			"write redis://host:6379/0 or rediss://user:password@host:6379/0")
	}
	u := &redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
		DialTimeout: dialTimeout, ReadTimeout: ioTimeout, WriteTimeout: ioTimeout, MaxRetries: -1,
	}
	for more := range strings.SplitSeq(rest, ",") {
		if more != "" {
			u.Addrs = append(u.Addrs, more)
		}
	}
	return u, nil
}

// Close closes the connections.
func (s *Store) Close() error { return s.c.Close() }

// Do implements kv.Store.
func (s *Store) Do(ctx context.Context, ops ...kv.Op) ([]kv.Result, error) {
	if err := kv.Validate(ops); err != nil {
		return nil, err
	}
	res, err := s.try(ctx, ops)
	if isNoScript(err) { // a restarted server has forgotten the scripts
		if err = s.load(ctx); err == nil {
			res, err = s.try(ctx, ops)
		}
	}
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "valkey: %w", err)
	}
	return res, nil
}

func (s *Store) try(ctx context.Context, ops []kv.Op) ([]kv.Result, error) {
	cmds := make([]*redis.Cmd, len(ops))
	_, err := s.c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, op := range ops {
			cmds[i] = send(ctx, p, op)
		}
		return nil
	})
	if err != nil {
		return nil, firstError(cmds, err)
	}
	out := make([]kv.Result, len(ops))
	for i, op := range ops {
		if out[i], err = read(op, cmds[i]); err != nil {
			return nil, fmt.Errorf("read answer %d: %w", i, err)
		}
	}
	return out, nil
}

// firstError prefers NOSCRIPT, which can be mended.
func firstError(cmds []*redis.Cmd, err error) error {
	for _, c := range cmds {
		if isNoScript(c.Err()) {
			return c.Err()
		}
	}
	return err
}

func isNoScript(err error) bool { return err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") }

func (s *Store) load(ctx context.Context) error {
	for _, script := range scripts() {
		if err := script.Load(ctx, s.c).Err(); err != nil {
			return err
		}
	}
	return nil
}

func send(ctx context.Context, p redis.Pipeliner, op kv.Op) *redis.Cmd {
	switch op := op.(type) {
	case kv.Take:
		return takeScript.EvalSha(ctx, p, []string{"noren:t:" + op.Key},
			op.At.UnixMicro(), op.Rate.Interval(), op.Rate.Capacity(), max(1, op.Cost), flag(op.Peek))
	case kv.Count:
		return sendCount(ctx, p, op)
	case kv.Tail:
		args := []any{op.Epoch, op.From, op.Keep.Milliseconds(), kv.MaxTail, noren.NewID(time.Now())}
		for _, item := range op.Items {
			args = append(args, item)
		}
		// Both keys of a log hash to one slot of a cluster.
		return tailScript.EvalSha(ctx, p, []string{"noren:l:{" + op.Key + "}", "noren:m:{" + op.Key + "}"}, args...)
	case kv.Beat:
		return sendCount(ctx, p, kv.Count{Key: "beat", At: op.At, Window: op.Window, Member: op.Node})
	}
	return redis.NewCmd(ctx)
}

func sendCount(ctx context.Context, p redis.Pipeliner, op kv.Count) *redis.Cmd {
	return countScript.EvalSha(ctx, p, []string{"noren:c:" + op.Key},
		op.At.UnixMicro(), op.Window.Microseconds(), op.Counted(), op.Limit(), flag(op.Peek))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

var errAnswer = errors.New("answer has another shape than the script gives")

func read(op kv.Op, cmd *redis.Cmd) (kv.Result, error) {
	v, err := cmd.Slice()
	if err != nil {
		return kv.Result{}, err
	}
	switch op := op.(type) {
	case kv.Take:
		n, err := ints(v, 3)
		if err != nil {
			return kv.Result{}, err
		}
		return kv.Result{Allowed: n[0] == 1, Remaining: n[1], RetryAfter: time.Duration(n[2]) * time.Microsecond}, nil
	case kv.Count:
		n, err := ints(v, 1)
		if err != nil {
			return kv.Result{}, err
		}
		return kv.Result{N: n[0], Capped: n[0] >= int64(op.Limit())}, nil
	case kv.Beat:
		n, err := ints(v, 1)
		if err != nil {
			return kv.Result{}, err
		}
		return kv.Result{N: n[0]}, nil
	case kv.Tail:
		return readTail(v)
	}
	return kv.Result{}, errAnswer
}

func ints(v []any, n int) ([]int64, error) {
	if len(v) < n {
		return nil, errAnswer
	}
	out := make([]int64, n)
	for i := range out {
		x, ok := v[i].(int64)
		if !ok {
			return nil, errAnswer
		}
		out[i] = x
	}
	return out, nil
}

func readTail(v []any) (kv.Result, error) {
	if len(v) != 4 {
		return kv.Result{}, errAnswer
	}
	fresh, ok1 := v[0].(int64)
	epoch, ok2 := v[1].(string)
	next, ok3 := v[2].(int64)
	items, ok4 := v[3].([]any)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return kv.Result{}, errAnswer
	}
	r := kv.Result{Fresh: fresh == 1, Epoch: epoch, Next: next}
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return kv.Result{}, errAnswer
		}
		r.Items = append(r.Items, []byte(s))
	}
	return r, nil
}
