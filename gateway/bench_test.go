package gateway

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"noren"
	"noren/kv"
)

// instant answers like a shop that takes no time and no connection, so that
// what is measured is the way there.
type instant struct{}

func (instant) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/html"}},
		Body: http.NoBody, Request: r}, nil
}

func page(target string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	r.RemoteAddr = "203.0.113.7:50000"
	r.Header.Set("User-Agent", browserUA)
	r.Header.Set("Accept", "text/html,*/*;q=0.8")
	r.Header.Set("Accept-Language", "ja,en;q=0.7")
	r.Header.Set("Cookie", "eccube=0123456789abcdef")
	return r
}

// discard is a response that goes nowhere.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkPath compares the gateway with a plain ReverseProxy on the same
// request; the shop answers at once.
func BenchmarkPath(b *testing.B) {
	build := func(change func(*Options)) http.Handler {
		o := Options{
			Settings: Settings{Sites: []Site{{Name: "shop", Hosts: []string{"*"}, Upstream: "http://127.0.0.1:1", Preset: "eccube4"}},
				Limits: []Limit{{Name: "flood", By: ByAddress, Rate: Rate{1_000_000, 1e9}}, {Name: "net", By: ByNet, Rate: Rate{1_000_000, 1e9}}}},
			Decider: quiet{}, KV: kv.NewMemory(10_000), Lists: listsInMemory(b), Token: newSealer(b).Token, Transport: instant{},
		}
		change(&o)
		g, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		return g
	}
	up, _ := url.Parse("http://127.0.0.1:1")
	access := openAccess(b, AccessOptions{Dir: b.TempDir()})
	for _, bb := range []struct {
		name string
		h    http.Handler
	}{
		{"plain", &httputil.ReverseProxy{Transport: instant{}, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(up); p.SetXForwarded() }}},
		{"gateway", build(func(o *Options) {})},
		{"gateway+log", build(func(o *Options) { o.Access = access })},
		{"gateway+log+waf", build(func(o *Options) { o.Access = access; o.Inspector = firewall(b) })},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bb.h.ServeHTTP(discard{http.Header{}}, page("/products/detail/12"))
			}
		})
	}
}

// BenchmarkTCP is the same over real connections, one after the other.
func BenchmarkTCP(b *testing.B) {
	shop := shopServer(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	up, _ := url.Parse(shop)
	plain := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(up) }})
	b.Cleanup(plain.Close)
	behind := func(i Inspector) string {
		g, err := New(Options{
			Settings: Settings{Sites: []Site{{Name: "shop", Hosts: []string{"*"}, Upstream: shop}}, Limits: []Limit{{Name: "flood", By: ByAddress, Rate: Rate{1_000_000, 1e9}}}},
			Decider:  quiet{}, KV: kv.NewMemory(10_000), Inspector: i,
		})
		if err != nil {
			b.Fatal(err)
		}
		return serve(b, g, "127.0.0.1:0")
	}
	for _, bb := range []struct{ name, url string }{{"plain", plain.URL}, {"gateway", behind(nil)}, {"gateway+waf", behind(firewall(b))}} {
		b.Run(bb.name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
			for b.Loop() {
				req, _ := http.NewRequest("GET", bb.url+"/products/detail/12", nil)
				req.Header.Set("User-Agent", browserUA)
				res, err := client.Do(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					b.Fatalf("status %d", res.StatusCode)
				}
			}
		})
	}
}

// quiet is a loop that allows everything and keeps nothing.
type quiet struct{}

func (quiet) Decide(_ context.Context, ev noren.Event) (noren.Decision, error) {
	return noren.Decision{EventID: ev.ID, Verdict: noren.Allow}, nil
}
