package valkey_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"noren"
	"noren/kv"
	"noren/kv/kvtest"
	"noren/kv/valkey"
	"noren/lab/peer"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, url string) *valkey.Store {
	t.Helper()
	s, err := valkey.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// admin is a client for what an operator does to a server.
func admin(t testing.TB, url string) *redis.Client {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestValkey(t *testing.T) {
	url := kvtest.Valkey(t)
	kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, url) })
}

// TestCluster: a cluster refuses a script whose keys lie in different slots,
// even when one server has them all.
func TestCluster(t *testing.T) {
	url := cluster(t)
	kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, url+"?cluster=true") })
	_, err := valkey.Open(t.Context(), url)
	if noren.CodeOf(err) != noren.Invalid || !strings.Contains(noren.HintOf(err), "cluster=true") {
		t.Errorf("a cluster taken for one server: got %v (hint %q)", err, noren.HintOf(err))
	}
	addr := strings.TrimPrefix(url, "redis://")
	kvtest.Run(t, func(t *testing.T) kv.Store { return open(t, url+","+addr) })
}

func cluster(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bus := l.Addr().(*net.TCPAddr).Port
	l.Close()
	url := kvtest.Valkey(t, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus))
	c := admin(t, url)
	if err := c.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		info, err := c.ClusterInfo(ctx).Result()
		if strings.Contains(info, "cluster_state:ok") {
			return url
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the cluster did not form: %s %v", info, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestSameAnswersAsMemory compares server, memory and model, call by call.
func TestSameAnswersAsMemory(t *testing.T) {
	s := open(t, kvtest.Valkey(t))
	rapid.Check(t, func(t *rapid.T) {
		onServer, inMemory := kvtest.NewPair(s), kvtest.NewPair(kv.NewMemory(0))
		at := start
		for range rapid.IntRange(1, 20).Draw(t, "calls") {
			ops := make([]kv.Op, rapid.IntRange(1, 5).Draw(t, "ops"))
			for i := range ops {
				at = at.Add(time.Duration(rapid.Int64Range(-1_000_000, 5_000_000).Draw(t, "µs")) * time.Microsecond)
				ops[i] = drawOp(t, at)
			}
			for name, pair := range map[string]*kvtest.Pair{"server": onServer, "memory": inMemory} {
				if diff := pair.Compare(context.Background(), ops...); diff != "" {
					t.Fatalf("%s: %s", name, diff)
				}
			}
		}
	})
}

func drawOp(t *rapid.T, at time.Time) kv.Op {
	number := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	key, peek := rapid.StringMatching(`[ab}{]`).Draw(t, "key"), rapid.Bool().Draw(t, "peek")
	window := time.Duration(1+number("window", 20_000_000)) * time.Microsecond
	switch number("kind", 2) {
	case 0:
		return kv.Take{Key: key, At: at, Peek: peek, Back: number("back", 3) == 0, Cost: number("cost", 4),
			Rate: kv.Rate{Events: 1 + number("events", 1000), Per: window + time.Second, Burst: number("burst", 5)}}
	case 1:
		return kv.Count{Key: key, At: at, Window: window + time.Millisecond, Peek: peek, Cap: number("cap", 6), ID: rapid.StringMatching(`[a-f\x00é]`).Draw(t, "id")}
	}
	return kv.Tail{Key: key, From: int64(number("from", 12)), Keep: time.Minute, Items: [][]byte{[]byte(rapid.String().Draw(t, "item"))}[:number("items", 1)]}
}

func TestEmptiedServerStartsAnew(t *testing.T) {
	url := kvtest.Valkey(t)
	s, c := open(t, url), admin(t, url)
	rate := kv.Rate{Events: 1, Per: time.Hour}
	ops := []kv.Op{
		kv.Tail{Key: "k", Keep: time.Minute, Items: [][]byte{[]byte("a")}},
		kv.Take{Key: "k", At: start, Rate: rate},
		kv.Count{Key: "k", At: start, Window: time.Minute, ID: "x"},
	}
	first, err := s.Do(t.Context(), ops...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	ops[0] = kv.Tail{Key: "k", Epoch: first[0].Epoch, From: first[0].Next, Keep: time.Minute}
	again, err := s.Do(t.Context(), ops...)
	if err != nil || !again[0].Fresh || again[0].Epoch == first[0].Epoch || len(again[0].Items) != 0 {
		t.Errorf("got %+v, %v; want a fresh log of another epoch", again, err)
	}
	if !again[1].Allowed || again[2].N != 1 {
		t.Errorf("got %+v, want limits and counts of their own", again)
	}
}

// TestForgottenScriptRunsOnce: a server that knows one script of two must not
// run the known one again with the other.
func TestForgottenScriptRunsOnce(t *testing.T) {
	url := kvtest.Valkey(t)
	s, c := open(t, url), admin(t, url)
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	take := kv.Take{Key: "k", At: start, Rate: kv.Rate{Events: 10, Per: time.Hour}}
	if _, err := s.Do(t.Context(), take); err != nil {
		t.Fatal(err)
	}
	res, err := s.Do(t.Context(), take, kv.Count{Key: "k", At: start, Window: time.Minute, ID: "x"}, take)
	if err != nil {
		t.Fatal(err)
	}
	if got := []int64{res[0].Remaining, res[1].N, res[2].Remaining}; !cmp.Equal(got, []int64{8, 1, 7}) {
		t.Errorf("got %v, want each op once", got)
	}
}

// TestOneRoundTrip counts the packets that a proxy sees from the client.
func TestOneRoundTrip(t *testing.T) {
	url := kvtest.Valkey(t)
	proxy, requests := countingProxy(t, strings.TrimPrefix(url, "redis://"))
	s := open(t, "redis://"+proxy)
	ops := []kv.Op{
		kv.Take{Key: "a", At: start, Rate: kv.Rate{Events: 10, Per: time.Hour}},
		kv.Count{Key: "b", At: start, Window: time.Minute, ID: "x"},
		kv.Tail{Key: "c", Keep: time.Minute},
		kv.Beat{Node: "n", At: start, Window: time.Minute},
	}
	for range 3 { // connections are made and scripts loaded
		if _, err := s.Do(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	before := requests.Load()
	if _, err := s.Do(t.Context(), ops...); err != nil {
		t.Fatal(err)
	}
	if n := requests.Load() - before; n != 1 {
		t.Errorf("%d packets to the server for one Do, want 1", n)
	}
}

func countingProxy(t *testing.T, server string) (addr string, requests *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests = new(atomic.Int64)
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				continue
			}
			go pump(client, up, new(atomic.Int64))
			go pump(up, client, requests)
		}
	}()
	return l.Addr().String(), requests
}

func pump(to, from net.Conn, packets *atomic.Int64) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		packets.Add(1)
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	url := kvtest.Valkey(t, "--requirepass", "right")
	addr := strings.TrimPrefix(url, "redis://")
	for name, tt := range map[string]struct {
		url  string
		code noren.Code
	}{
		"empty":            {"", noren.Invalid},
		"other scheme":     {"http://u:s3cret@localhost", noren.Invalid},
		"unreadable":       {"redis://u:s3cret@%zz", noren.Invalid},
		"unknown option":   {"redis://u:s3cret@localhost?colour=red", noren.Invalid},
		"cluster maybe":    {"redis://u:s3cret@localhost?cluster=perhaps", noren.Invalid},
		"cluster database": {"redis://u:s3cret@localhost/3?cluster=true", noren.Invalid},
		"nobody there":     {"redis://u:s3cret@127.0.0.1:1", noren.Unavailable},
		"no password":      {url, noren.Unavailable},
		"wrong password":   {"redis://:s3cret@" + addr, noren.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := valkey.Open(t.Context(), tt.url)
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			if noren.CodeOf(err) != tt.code || noren.HintOf(err) == "" {
				t.Errorf("got %s %q (hint %q), want code %s with a hint", noren.CodeOf(err), err, noren.HintOf(err), tt.code)
			}
			if strings.Contains(err.Error()+noren.HintOf(err), "s3cret") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	open(t, "redis://:right@"+addr)
}

func TestFailoverFromADeadServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	server, err := peer.StartValkey(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	f := kv.NewFailover(open(t, server.URL()), "n1", nil)
	defer f.Close()
	server.Stop()
	notHeldUp(t, f)
}

// TestFailoverFromAFrozenServer: it accepts and never answers.
func TestFailoverFromAFrozenServer(t *testing.T) {
	url := kvtest.Valkey(t)
	s, c := open(t, url), admin(t, url)
	f := kv.NewFailover(s, "n1", nil)
	defer f.Close()
	if err := c.ClientPause(t.Context(), 3*time.Second).Err(); err != nil {
		t.Fatal(err)
	}
	notHeldUp(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for f.Degraded() {
		select {
		case <-ctx.Done():
			t.Fatal("the server answers again and is not used")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// notHeldUp asks several times; the bound leaves room for a busy machine.
func notHeldUp(t *testing.T, f *kv.Failover) {
	t.Helper()
	for i := range 5 {
		began := time.Now()
		res, err := f.Do(t.Context(), kv.Take{Key: fmt.Sprint(i), At: began, Rate: kv.Rate{Events: 1, Per: time.Hour}})
		if err != nil || !res[0].Allowed {
			t.Fatalf("got %+v, %v", res, err)
		}
		if waited := time.Since(began); waited > 250*time.Millisecond {
			t.Errorf("call %d held a visitor up for %s", i, waited)
		}
	}
	if !f.Degraded() {
		t.Error("the failover does not say that it serves alone")
	}
}

// TestNewWaitsForItsServer: a node starts while the server is away.
func TestNewWaitsForItsServer(t *testing.T) {
	s, err := valkey.New("redis://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	f := kv.NewFailover(s, "n1", nil)
	defer f.Close()
	notHeldUp(t, f)
}

func BenchmarkDo(b *testing.B) {
	s := open(b, kvtest.Valkey(b))
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprint(n, " ops"), func(b *testing.B) {
			ops := make([]kv.Op, n)
			for i := range ops {
				ops[i] = kv.Take{Key: fmt.Sprint(i), At: start, Rate: kv.Rate{Events: 1 << 20, Per: time.Hour}}
			}
			for b.Loop() {
				if _, err := s.Do(b.Context(), ops...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
