package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"testing"

	"noren"
	"noren/gateway/waf"
)

// The attacks of the labs, in every way they send them: what the engine marks,
// the firewall's screen never passes.
func TestScreenStopsWhatTheEngineStops(t *testing.T) {
	const seed = 20261127
	quick, err := waf.New(waf.Options{Compare: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer quick.Close()
	slow, err := waf.New(waf.Options{NoScreen: true})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	stopped := 0
	probes := labProbes(rand.New(rand.NewPCG(seed, seed)))
	for i, p := range probes {
		r := p.inspected()
		got, err := quick.Inspect(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := slow.Inspect(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.Score != want.Score || got.Blocked != want.Blocked {
			t.Errorf("seed %d, probe %d: score %d, the engine says %d: %+v", seed, i, got.Score, want.Score, p)
		}
		if want.Blocked {
			stopped++
		}
	}
	s := quick.Screening()
	t.Logf("%d probes: the engine blocks %d, the screen passed %d", len(probes), stopped, s.Clean)
	if !s.On || s.Engine < int64(stopped) {
		t.Errorf("screening: %+v", s)
	}
}

func labProbes(r *rand.Rand) (out []probe) {
	for range 300 {
		out = append(out, place(r, sqlPayload(r)), place(r, scriptPayload(r)), climb(r))
	}
	for _, path := range scanPaths() {
		out = append(out, probe{target: path})
	}
	for _, agent := range scannerAgents() {
		out = append(out, probe{target: "/", headers: [][2]string{{"User-Agent", agent}}})
	}
	return out
}

// inspected is the probe as the gateway gives it to the firewall.
func (p probe) inspected() *waf.Request {
	r := &waf.Request{Addr: netip.MustParseAddrPort("203.0.113.5:40001"), Method: p.method, URI: p.target, Proto: "HTTP/1.1", Host: "shop.example",
		Header: http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}}, Body: []byte(p.body), Zone: noren.ZoneContact}
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if p.body != "" {
		r.Header["Content-Length"] = []string{fmt.Sprint(len(p.body))}
	}
	if p.form {
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	}
	for _, h := range p.headers {
		r.Header[h[0]] = []string{h[1]}
	}
	return r
}
