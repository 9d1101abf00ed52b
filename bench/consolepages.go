package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"noren/lab/peer"
)

// Of the measurement of the console's pages.
const (
	pageGoal      = "≤ 100 ms, ≤ 100 KiB"
	pageAsks      = 100
	livePages     = 200
	loadsASecond  = 20
	gatewayFor    = 10 * time.Second
	gatewayRounds = 3
)

// pagesAsked are the pages of a site that anybody opens.
func pagesAsked() []string {
	return []string{"/", "/events", "/events?kind=http.blocked", "/stopped", "/policies", "/site", "/notices", "/emergency", "/proof", "/measures", "/digest", "/places", "/setup", "/glossary"}
}

// consolePages measures every page over the kept stores: time until the whole page
// is there, and its size over the wire; then what 200 open live pages and 20 page
// loads a second leave of the gateway's requests a second.
func (b *bencher) consolePages() error {
	for _, open := range []func() (*kept, error){b.keptSQLite, b.keptPostgres} {
		k, err := open()
		if err == nil && k != nil {
			err = b.pagesOf(k)
			k.stop()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bencher) pagesOf(k *kept) error {
	if !k.whole() {
		return fmt.Errorf("no store of %d events in %s: run console-search first", k.events, k.dir)
	}
	h, err := b.openPages(k, nil)
	if err != nil {
		return err
	}
	defer h.close()
	more, err := h.pagesFound()
	if err != nil {
		return err
	}
	for _, p := range append(pagesAsked(), more...) {
		if err := h.page(p, k); err != nil {
			return err
		}
	}
	return h.underLive(k)
}

// pagesFound are pages of one event, of one visitor and of one search, which need to
// know what there is.
func (h *pages) pagesFound() ([]string, error) {
	body, err := h.get("/s/shop/events?kind=http.blocked")
	if err != nil {
		return nil, err
	}
	event := regexp.MustCompile(`href="/s/shop(/events/[^"/?]+)"`).FindStringSubmatch(body)
	if event == nil {
		return nil, errors.New("the page of events shows none")
	}
	address := consoleAddress(577)
	return []string{event[1], event[1] + "/why", "/events?q=" + address, "/events?verdict=block&t=28d", "/visitor?key=address&value=" + address}, nil
}

// pages is a serving noren with an owner signed in at its console.
type pages struct {
	b             *bencher
	upstream      *child
	cmd           *exec.Cmd
	said          bytes.Buffer
	shop, console string
	client        *http.Client
}

// openPages starts a serving noren over a kept store, with a door for browsers
// elsewhere unless it is nil, and signs in.
func (b *bencher) openPages(k *kept, d *door) (*pages, error) {
	upstream, err := startChild(b.ctx, "", "shop")
	if err != nil {
		return nil, err
	}
	ports := [2]int{}
	for i := range ports {
		if ports[i], err = peer.FreePort(); err != nil {
			return nil, err
		}
	}
	config := filepath.Join(b.dir, "pages.yaml")
	listen, console := d.yaml()
	text := fmt.Sprintf("version: 1\ndata: %s\nroot_key: file:%s\ndatabase: {url: %q}\nlisten: {http: \"127.0.0.1:%d\"%s}\nconsole: {listen: \"127.0.0.1:%d\"%s}\nsites:\n  - {name: shop, hosts: [\"127.0.0.1\"], upstream: \"http://%s\", preset: generic, waf: off, trusted_proxies: [127.0.0.1/32]}\n",
		k.dir, k.key(), k.url, ports[0], listen, ports[1], console, upstream.said)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	jar, _ := cookiejar.New(nil)
	h := &pages{b: b, upstream: upstream, cmd: exec.Command(b.noren, "--config", config, "serve"), client: &http.Client{Jar: jar, Timeout: time.Minute},
		shop: fmt.Sprintf("http://127.0.0.1:%d", ports[0]), console: fmt.Sprintf("http://127.0.0.1:%d", ports[1])}
	h.cmd.Stderr = &h.said
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	if err := h.await(); err != nil {
		h.close()
		return nil, err
	}
	if err := h.signIn(config); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *pages) close() {
	h.cmd.Process.Signal(syscall.SIGTERM)
	h.cmd.Wait()
	h.upstream.stop()
}

func (h *pages) await() error {
	for range 1200 {
		if resp, err := http.Get(h.console + "/signin"); err == nil {
			resp.Body.Close()
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("noren did not answer:\n%s", h.said.String())
}

// signIn joins as the first owner, or as a person invited at the machine where the
// kept store has one.
func (h *pages) signIn(config string) error {
	out, err := exec.Command(h.b.noren, "--config", config, "staff", "link", "--json").Output()
	if err != nil {
		if out, err = exec.Command(h.b.noren, "--config", config, "staff", "invite", "--role", "owner", "--json").Output(); err != nil {
			return fmt.Errorf("a link into the console: %w", err)
		}
	}
	var link struct{ Token string }
	if err := json.Unmarshal(out, &link); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	body, err := h.get("/join/" + link.Token)
	if err != nil {
		return err
	}
	secret := regexp.MustCompile(`name="secret" value="([A-Z2-7]+)"`).FindStringSubmatch(body)
	if secret == nil {
		return errors.New("the page of the link shows no secret")
	}
	form := url.Values{"link": {link.Token}, "secret": {secret[1]}, "name": {"bench"}, "mail": {fmt.Sprintf("bench%d@example.jp", time.Now().UnixNano())},
		"password": {"wide meadow copper lantern"}, "code": {totp(secret[1], time.Now())}}
	req, _ := http.NewRequest("POST", h.console+"/join", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 4000))
		return fmt.Errorf("join: %s\n%s", resp.Status, said)
	}
	return nil
}

func totp(secret string, at time.Time) string {
	key, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	mac := hmac.New(sha1.New, key)
	binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&0xf:])&0x7fffffff%1_000_000)
}

func (h *pages) get(path string) (string, error) {
	resp, err := h.client.Get(h.console + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return string(body), err
}

// page measures one page: each ask waits for the whole of it, as it goes over the
// wire.
func (h *pages) page(path string, k *kept) error {
	var took []time.Duration
	size := 0
	for range pageAsks {
		req, _ := http.NewRequest("GET", h.console+"/s/shop"+path, nil)
		req.Header.Set("Accept-Encoding", "gzip") // by hand: the body stays packed
		began := time.Now()
		resp, err := h.client.Do(req)
		if err != nil {
			return err
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		took = append(took, time.Since(began))
		if size = int(n); err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s %v", path, resp.Status, err)
		}
	}
	slices.Sort(took)
	h.b.add(fmt.Sprintf("console, %s, %d events: %s", k.engine, k.events, path), pageGoal, fmt.Sprintf("%.1f KiB", float64(size)/1024),
		"p50 %s, p99 %s", shownTime(took[rank(len(took), 0.5)]), shownTime(took[rank(len(took), 0.99)]))
	return nil
}

// underLive compares the gateway's requests a second without and with the console
// in use, in turns.
func (h *pages) underLive(k *kept) error {
	var ratios []float64
	for range gatewayRounds {
		quiet := h.requests(gatewayFor)
		stop := h.crowd()
		busy := h.requests(gatewayFor)
		stop()
		ratios = append(ratios, busy/quiet)
	}
	slices.Sort(ratios)
	h.b.add(fmt.Sprintf("gateway, %s, with %d live pages open and %d page loads a second", k.engine, livePages, loadsASecond), "≥ 0.85 × its requests/s", "without them, in turns",
		"%.2f ×", ratios[len(ratios)/2])
	return nil
}

// requests is how many pages a second the shop gives through the gateway, from many
// visitors.
func (h *pages) requests(d time.Duration) float64 {
	ctx, cancel := context.WithTimeout(h.b.ctx, d)
	defer cancel()
	var n atomic.Int64
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			for i := 0; ctx.Err() == nil; i++ {
				req, _ := http.NewRequestWithContext(ctx, "GET", h.shop+"/", nil)
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", w+1, i%250+1))
				resp, err := client.Do(req)
				if err != nil {
					continue
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				n.Add(1)
			}
			client.CloseIdleConnections()
		})
	}
	wg.Wait()
	return float64(n.Load()) / d.Seconds()
}

// crowd opens live pages and loads others at a steady pace until it is stopped.
func (h *pages) crowd() (stop func()) {
	ctx, cancel := context.WithCancel(h.b.ctx)
	var wg sync.WaitGroup
	for range livePages {
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", h.console+"/s/shop/live", nil)
			resp, err := (&http.Client{Jar: h.client.Jar}).Do(req)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			io.Copy(io.Discard, resp.Body)
		})
	}
	wg.Go(func() {
		tick := time.NewTicker(time.Second / loadsASecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				p := pagesAsked()[i%len(pagesAsked())]
				wg.Go(func() { h.get("/s/shop" + p) })
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
