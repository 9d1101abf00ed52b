package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	idleWanted = 5000
	// idleSettle is how long a process has been idle when its memory is read, with
	// and without the connections: below the 90 s after which they are closed, and
	// long enough for a process that gives back in quiet times to have done so.
	idleSettle = 15 * time.Second
	idleWarm   = 200
)

// idle measures what a kept connection costs a running noren in memory: the
// growth of its resident set over so many connections that asked once.
func (b *bencher) idle() error {
	shop, pair, err := b.startShop()
	if err != nil {
		return err
	}
	defer shop.stop()
	n := idleConnections()
	for _, way := range []struct{ name, ca string }{{"HTTP/1.1", ""}, {"HTTP/2 over TLS", pair.cert}} {
		if err := b.idleBeside(way.name, way.ca, n, shop.said, pair); err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
	}
	return nil
}

// idleBeside measures noren and, as what net/http itself needs, the peer.
func (b *bencher) idleBeside(way, ca string, n int, shop string, pair certificate) error {
	noren, err := b.startNoren("idle-"+filepath.Base(way), shop, pair, "on")
	if err != nil {
		return err
	}
	defer noren.stop()
	each, alone, err := b.idleOnce(noren, ca, n)
	if err != nil {
		return err
	}
	peer, err := b.startPlain(shop, pair)
	if err != nil {
		return err
	}
	defer peer.stop()
	plain, _, err := b.idleOnce(peer, ca, n)
	if err != nil {
		return err
	}
	b.add(fmt.Sprintf("memory of an idle connection, %s, %d of them", way, n), "RSS ≤ 60 KiB each",
		fmt.Sprintf("plain httputil.ReverseProxy: %.1f KiB; noren itself: %d MiB", plain, alone/1024), "%.1f KiB", each)
	return nil
}

// idleConnections is as many as the limit on open files leaves room for.
func idleConnections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > idleWanted+500 {
		return idleWanted
	}
	return max(100, int(limit.Cur)-500)
}

// idleOnce returns what each of n connections takes in KiB, and what the process
// took before.
func (b *bencher) idleOnce(c *contender, ca string, n int) (each float64, before int, err error) {
	plan := loadPlan{Addr: c.plain, CA: ca, Conns: idleWarm}
	if ca != "" {
		plan.Addr = c.secure
	}
	if err := plan.hold(b.ctx, func() {}); err != nil { // everything was made and used once
		return 0, 0, err
	}
	time.Sleep(idleSettle)
	before = residentKiB(c.pids[0])
	plan.Round, plan.Conns = 1, n
	text, err := json.Marshal(plan)
	if err != nil {
		return 0, 0, err
	}
	holder, err := startChild(b.ctx, string(text)+"\n", "hold")
	if err != nil {
		return 0, 0, err
	}
	defer holder.stop()
	time.Sleep(idleSettle)
	return float64(residentKiB(c.pids[0])-before) / float64(n), before, nil
}

func childHold(ctx context.Context) error {
	in := json.NewDecoder(os.Stdin)
	var p loadPlan
	if err := in.Decode(&p); err != nil {
		return err
	}
	return p.hold(ctx, func() {
		fmt.Println("open")
		io.Copy(io.Discard, os.Stdin)
	})
}

// hold opens connections, asks once on each, and keeps them while then runs.
func (p *loadPlan) hold(ctx context.Context, then func()) error {
	var mu sync.Mutex
	var faults []error
	var hangUps []func()
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i := range p.Conns {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			hangUp, err := p.askOnce(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				faults = append(faults, err)
			} else {
				hangUps = append(hangUps, hangUp)
			}
		})
	}
	wg.Wait()
	if len(faults) == 0 {
		then()
	}
	for _, hangUp := range hangUps {
		hangUp()
	}
	return errors.Join(faults[:min(len(faults), 3)]...)
}

// askWithin keeps a proxy that does not answer from holding up the bench.
const askWithin = 30 * time.Second

// askOnce opens a connection, asks once and leaves it open.
func (p *loadPlan) askOnce(ctx context.Context, conn int) (hangUp func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	ask, hangUp, err := p.dial(ctx, conn)
	if err != nil {
		return nil, err
	}
	res, err := ask(p.visitors(conn, 0)[0].next.WithContext(ctx))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("answered %s", res.Status)
	}
	if err != nil {
		hangUp()
		return nil, err
	}
	return hangUp, nil
}

// once asks once on a connection of its own.
func (p *loadPlan) once(ctx context.Context) error {
	hangUp, err := p.askOnce(ctx, 0)
	if err != nil {
		return err
	}
	hangUp()
	return nil
}

// residentKiB is VmRSS of a process.
func residentKiB(pid int) int {
	rss, _ := memoryKiB(pid)
	return rss
}
