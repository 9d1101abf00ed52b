package lab_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	_ "noren/db" // registers the driver "sqlite"
	"noren/lab"
	"noren/sampleshop"
)

// bare is a sample shop with nothing but front before it.
type bare struct {
	*sampleshop.Shop
	url   string
	front *front
}

// front stands where Noren would. It knows attackers by their mark and stops
// them when it is told to: enough to see that the lab judges rightly.
type front struct {
	shop  http.Handler
	stops bool

	mu      sync.Mutex
	clients map[netip.Addr]int64 // requests stopped
	all     map[netip.Addr]bool
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := netip.MustParseAddrPort(r.RemoteAddr).Addr()
	mark := r.Header.Get(sampleshop.MarkHeader)
	stop := f.stops && mark != "" && mark != "buyer"
	f.mu.Lock()
	f.all[from] = true
	if stop {
		f.clients[from]++
	}
	f.mu.Unlock()
	if stop {
		http.Error(w, "stopped", http.StatusForbidden)
		return
	}
	f.shop.ServeHTTP(w, r)
}

func (f *front) Stopped(context.Context) (lab.Stops, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := lab.Stops{ByRule: map[string]int64{}, ByClient: map[netip.Addr]int64{}}
	for a, n := range f.clients {
		s.ByRule["test"] += n
		s.ByClient[a] += n
	}
	return s, nil
}

func startBare(t testing.TB, seed uint64, stops bool) *bare {
	t.Helper()
	db, err := sql.Open("sqlite", sampleshop.DSN(filepath.Join(t.TempDir(), "shop.db")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	shop, psp := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	s, err := sampleshop.New(t.Context(), db, sampleshop.Options{Seed: seed, PasswordCost: 2_000,
		BaseURL: "http://" + shop.Listener.Addr().String(), PSPBaseURL: "http://" + psp.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	f := &front{shop: s, stops: stops, clients: map[netip.Addr]int64{}, all: map[netip.Addr]bool{}}
	shop.Config.Handler, psp.Config.Handler = f, s.PSP()
	shop.Start()
	psp.Start()
	t.Cleanup(func() { s.Close(); shop.Close(); psp.Close() })
	return &bare{s, shop.URL, f}
}

func (b *bare) options(seed uint64) lab.PlayOptions {
	return lab.PlayOptions{Shop: b.url, Seed: seed, MemberSeed: seed, Members: 200, Speed: 500}
}

func TestBuyersGetThrough(t *testing.T) {
	const seed = 11
	s := startBare(t, seed, false)
	o := s.options(seed)
	var mu sync.Mutex
	steps := map[string]int{}
	o.Observe = func(r lab.Result) {
		mu.Lock()
		defer mu.Unlock()
		steps[strings.Fields(r.Step)[0]]++
	}
	ordered := 0
	for _, j := range lab.PlayBuyers(t.Context(), o, 60, time.Second) {
		if j.Err != nil {
			t.Errorf("%s after %d steps: %v", j.Buyer, j.Steps, j.Err)
		}
		if j.Ordered {
			ordered++
		}
	}
	for _, want := range []string{"home", "search", "product", "add", "login", "sign-up", "checkout", "card", "pay,", "pay", "place", "contact", "change", "sign", "part"} {
		if steps[want] == 0 {
			t.Errorf("no buyer of sixty came to the step %q: %v", want, steps)
		}
	}
	if ordered < 40 {
		t.Errorf("only %d of 60 buyers ordered", ordered)
	}
	if n := len(s.front.all); n < 40 {
		t.Errorf("sixty buyers came from %d addresses", n)
	}
}

// Without anybody in front every attack reaches the shop: the figures of the
// lab are not the attackers' clumsiness.
func TestAttacksReachABareShop(t *testing.T) {
	const seed = 12
	s := startBare(t, seed, false)
	for _, kind := range lab.AttackKinds() {
		t.Run(kind, func(t *testing.T) {
			o := s.options(seed)
			o.Scale = 0.5
			raid, err := lab.PlayAttack(t.Context(), kind, o)
			if err != nil {
				t.Fatal(err)
			}
			seen := s.Seen().Marks[kind]
			if raid.Attempts == 0 || raid.Refused > 0 || seen.Total < int64(raid.Attempts) {
				t.Errorf("%d attempts, %d without an answer, %d reached the shop", raid.Attempts, raid.Refused, seen.Total)
			}
		})
	}
	if n := s.Seen().Marks["carding"].Charges; n < 30 {
		t.Errorf("the card tester made only %d charges", n)
	}
	if n := s.Seen().Marks["brute_force"].Routes["POST /login"]; n < 200 {
		t.Errorf("the password guesser made only %d sign-ins", n)
	}
	if _, err := lab.PlayAttack(t.Context(), "none", s.options(seed)); err == nil {
		t.Error("an unknown attack is played")
	}
}

// The same seed must make the same requests, or a finding cannot be repeated.
func TestAttacksRepeat(t *testing.T) {
	record := func(seed uint64, kind string) []string {
		var mu sync.Mutex
		var got []string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			body.ReadFrom(r.Body)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, strings.Join([]string{netip.MustParseAddrPort(r.RemoteAddr).Addr().String(), r.Method, r.RequestURI, r.UserAgent(), r.Header.Get("Cookie"), body.String()}, " "))
		}))
		defer srv.Close()
		if _, err := lab.PlayAttack(t.Context(), kind, lab.PlayOptions{Shop: srv.URL, Seed: seed, MemberSeed: 1, Members: 50, Speed: 1000, Scale: 0.1}); err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	for _, kind := range lab.AttackKinds() {
		first := record(5, kind)
		if diff := cmp.Diff(first, record(5, kind)); diff != "" {
			t.Errorf("%s differs between two runs of one seed:\n%s", kind, diff)
		}
		if cmp.Equal(first, record(6, kind)) {
			t.Errorf("%s is the same for two seeds", kind)
		}
	}
}

func runTraffic(t *testing.T, stops bool) lab.Report {
	t.Helper()
	const seed = 13
	s := startBare(t, seed, stops)
	env := lab.Env{Start: func(context.Context, lab.Want) (*lab.Instance, error) {
		return &lab.Instance{ShopURL: s.url, Site: "shop", Sample: s.Shop, Journal: s.front, Close: func() error { return nil }}, nil
	}}
	l := find(t, "traffic")
	r, err := l.Run(t.Context(), env, lab.Params{Seed: seed, Buyers: 12, Speed: 300})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t *testing.T, name string) lab.Lab {
	t.Helper()
	for _, l := range lab.All() {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no lab is called %s", name)
	return lab.Lab{}
}

func failed(r lab.Report) []string {
	var names []string
	for _, c := range r.Checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestTrafficFindsAnOpenDoor(t *testing.T) {
	r := runTraffic(t, false)
	want := append(lab.AttackKinds(), "journal_holds_stops", "journal_names_attackers")
	slices.Sort(want)
	if diff := cmp.Diff(want, failed(r)); diff != "" {
		t.Errorf("failed checks (-want +got):\n%s\n%+v", diff, r.Checks)
	}
}

func TestTrafficIsGreenWhenAttacksAreStopped(t *testing.T) {
	r := runTraffic(t, true)
	if !r.OK() {
		t.Errorf("failed checks %v of %+v", failed(r), r.Checks)
	}
}

func TestReport(t *testing.T) {
	r := lab.Report{Lab: "traffic", Seed: 42, Figures: map[string]any{"requests": 3}}
	if r.OK() {
		t.Error("a report without checks is green")
	}
	r.Checks = []lab.Check{{Name: "xss", Want: "at most 1", Got: "0", OK: true}}
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"lab":"traffic","seed":42,"checks":[{"name":"xss","want":"at most 1","got":"0","ok":true}],"figures":{"requests":3}}`
	if string(got) != want {
		t.Errorf("report is\n%s, want\n%s", got, want)
	}
	var b bytes.Buffer
	if err := r.Print(&b, "ja"); err != nil || !strings.Contains(b.String(), "期待: at most 1") || !strings.Contains(b.String(), "42") {
		t.Errorf("printed %q, %v", b.String(), err)
	}
}
