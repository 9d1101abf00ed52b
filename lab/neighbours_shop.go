package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	calmPause    = 40 * time.Millisecond // between a visitor's requests
	calmVisitors = 8
	// The attacked shop works on so many requests at once and takes so long for
	// each: 400 a second, which the flood is more than. It is on a machine of its
	// own, so it takes time here and no processor.
	shopWorkers = 4
	shopTakes   = 10 * time.Millisecond
)

// neighbourShops are the two shops behind Noren.
type neighbourShops struct{ attacked, neighbour shopServer }

type shopServer struct {
	http *http.Server
	url  string
}

func (s *neighbourShops) open() error {
	page := "<!doctype html><title>お隣</title>" + strings.Repeat("<p>お茶と器</p>", 100)
	answer := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, page)
	}
	workers := make(chan struct{}, shopWorkers)
	if err := s.attacked.open(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case workers <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		defer func() { <-workers }()
		if wait(r.Context(), shopTakes) == nil {
			answer(w)
		}
	}); err != nil {
		return err
	}
	return s.neighbour.open(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		answer(w)
	})
}

func (s *shopServer) open(handler http.HandlerFunc) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.http, s.url = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: handler}, "http://"+l.Addr().String()
	go s.http.Serve(l)
	return nil
}

func (s *neighbourShops) close() {
	for _, server := range []*http.Server{s.attacked.http, s.neighbour.http} {
		if server != nil {
			server.Close()
		}
	}
}

// visits are what the neighbour's visitors saw.
type visits struct {
	waits  []time.Duration
	failed []string
}

// visit lets the neighbour's visitors look at pages and send forms.
func (n *neighbours) visit(ctx context.Context, lasts time.Duration) (v visits) {
	ctx, cancel := context.WithTimeout(ctx, lasts)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range calmVisitors {
		wg.Go(func() {
			over := transport(netip.AddrFrom4([4]byte{127, 40, 0, byte(1 + i)}))
			defer over.CloseIdleConnections()
			for k := 0; wait(ctx, calmPause) == nil; k++ {
				begun := time.Now()
				err := n.ask(over, i, k)
				took := time.Since(begun)
				mu.Lock()
				if err != nil && ctx.Err() == nil {
					v.failed = append(v.failed, err.Error())
				} else if err == nil {
					v.waits = append(v.waits, took)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return v
}

func (n *neighbours) ask(over http.RoundTripper, visitor, k int) error {
	method, path, body := http.MethodGet, fmt.Sprintf("/products/%d", k%40), ""
	if k%5 == 4 {
		method, path, body = http.MethodPost, "/cart", "product=cha&quantity=1&note=%E3%83%A1%E3%83%BC%E3%82%AB%E3%83%BC"
	}
	req, err := http.NewRequest(method, "http://"+n.addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Host = neighbourHost
	req.Header.Set("User-Agent", profiles()[visitor%len(profiles())].agent)
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Cookie", fmt.Sprintf("session=visitor%d", visitor))
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := over.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", path, res.StatusCode)
	}
	return nil
}
