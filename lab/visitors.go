package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	calmPause    = 40 * time.Millisecond // between a visitor's requests
	calmVisitors = 8
)

// calm are ordinary visitors of a shop while others attack it or its neighbour.
type calm struct {
	addr, host string // of Noren, and of the shop
}

// visits are what visitors saw.
type visits struct {
	waits  []time.Duration
	failed []string
}

// look lets visitors look at pages and send forms.
func (c calm) look(ctx context.Context, lasts time.Duration) (v visits) {
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
				err := c.ask(over, i, k)
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

func (c calm) ask(over http.RoundTripper, visitor, k int) error {
	method, path, body := http.MethodGet, fmt.Sprintf("/products/%d", k%40), ""
	if k%5 == 4 {
		method, path, body = http.MethodPost, "/cart", "product=cha&quantity=1&note=%E3%83%A1%E3%83%BC%E3%82%AB%E3%83%BC"
	}
	req, err := http.NewRequest(method, "http://"+c.addr+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Host = c.host
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
