package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"noren"
	"noren/gateway"
	"noren/gateway/waf"
	"noren/lab"
)

// door starts a gateway before one raw shop: the real steps, firewall, access
// log and listeners, and no policies, lists and limits, which would stop the one
// address that sends everything.
func (l *labEnv) door(ctx context.Context, upstream string, hosts []string) (*lab.Door, error) {
	dir, err := os.MkdirTemp(l.dir, "door")
	if err != nil {
		return nil, err
	}
	engine, err := waf.New(waf.Options{})
	if err != nil {
		return nil, err
	}
	access, err := gateway.OpenAccessLog(gateway.AccessOptions{Dir: filepath.Join(dir, "access")})
	if err != nil {
		return nil, err
	}
	pair, err := selfSigned(dir, hosts)
	if err != nil {
		return nil, err
	}
	watch := &watchedWAF{WAF: engine}
	var sites []gateway.Site
	for i, h := range hosts {
		sites = append(sites, gateway.Site{Name: []string{"shop", "other"}[i%2], Hosts: []string{h}, Upstream: upstream, Preset: "eccube4", TLS: &pair,
			Zones: map[noren.Zone][]string{noren.ZoneAdmin: {"DELETE /items/*"}}})
	}
	g, err := gateway.New(gateway.Options{Settings: gateway.Settings{Sites: sites}, Inspector: watch, Access: access, SpoolDir: filepath.Join(dir, "bodies")})
	if err != nil {
		access.Close()
		return nil, err
	}
	d := &lab.Door{Inspected: watch.take}
	server := g.Server()
	if d.Plain, d.Secure, err = listenBoth(server); err != nil {
		access.Close()
		return nil, err
	}
	end := sync.OnceValue(func() error { err := server.Close(); access.Close(); return err })
	d.Close = end
	d.Logged = func() (int, error) { return countPassed(filepath.Join(dir, "access", "access.jsonl"), end()) }
	return d, nil
}

func listenBoth(server *http.Server) (plain, secure string, err error) {
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	b, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.Close()
		return "", "", err
	}
	go server.Serve(a)
	go server.ServeTLS(b, "", "")
	return a.Addr().String(), b.Addr().String(), nil
}

// countPassed counts the lines of requests that were let through to the shop.
func countPassed(file string, err error) (n int, _ error) {
	if err != nil {
		return 0, err
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line gateway.Line
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return 0, err
		}
		if line.UpstreamMS > 0 {
			n++
		}
	}
	return n, lines.Err()
}

// watchedWAF keeps what it was asked to inspect.
type watchedWAF struct {
	*waf.WAF
	mu   sync.Mutex
	seen []lab.Inspected
}

// Inspect implements gateway.Inspector.
func (w *watchedWAF) Inspect(ctx context.Context, r *waf.Request) (waf.Result, error) {
	values, err := w.Read(r)
	in := lab.Inspected{Method: r.Method, URI: r.URI, Host: r.Host, Header: http.Header(r.Header).Clone(), Body: append([]byte(nil), r.Body...), Zone: r.Zone}
	for _, v := range values {
		in.Values = append(in.Values, v.Value)
	}
	w.mu.Lock()
	w.seen = append(w.seen, in)
	w.mu.Unlock()
	res, ierr := w.WAF.Inspect(ctx, r)
	return res, errors.Join(err, ierr)
}

func (w *watchedWAF) take() []lab.Inspected {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}
