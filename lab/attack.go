package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/sampleshop"
)

// attack is one kind of attacker.
type attack struct {
	kind    string
	meaning noren.Text
	// sources is how many addresses it comes from.
	sources int
	cookies bool // keeps them; most tools do not
	bound   bound
	play    func(ctx context.Context, r *raid)
}

// bound says when an attack counts as stopped or limited: what of it may reach
// the shop. Fields that are zero do not bound.
type bound struct {
	route     string  // what counts; "" is every request, "charge" a payment sent on to the provider
	share     float64 // of its requests
	perSource int     // per address
	perSecond int     // on top of the first floodBurst
}

// floodBurst is what a flood may send before a rate can be told.
const floodBurst = 300

// most is how much of a raid may reach the shop.
func (b bound) most(r Raid) int64 {
	n := int64(r.Attempts)
	if b.share > 0 {
		n = int64(b.share * float64(r.Attempts))
	}
	if b.perSource > 0 {
		n = min(n, int64(b.perSource*len(r.Sources)))
	}
	if b.perSecond > 0 {
		paced := floodBurst + int64(float64(b.perSecond)*r.Took.Seconds())
		if r.Took.Seconds()*float64(4*b.perSecond) > float64(r.Attempts) {
			return min(int64(r.Attempts), paced) // so slow on this machine that it was no flood
		}
		n = min(n, paced)
	}
	return n
}

// attacks lists the eight kinds. The bounds are what a shop can live with:
//
//   - An injection needs to get through once, so next to none may.
//   - A scanner and a list of passwords or cards need volume; a handful per
//     address is what an unlucky customer needs too.
//   - What a flood does to a shop depends on how many requests a second arrive,
//     not on how many more were sent; half of a flood is too much anyway.
func attacks() []attack {
	return []attack{
		{kind: "sql_injection", meaning: noren.Text{Ja: "SQLインジェクション", En: "SQL injection"}, sources: 15, bound: bound{share: 0.01}, play: injectSQL},
		{kind: "xss", meaning: noren.Text{Ja: "クロスサイトスクリプティング", En: "cross-site scripting"}, sources: 15, bound: bound{share: 0.01}, play: injectScript},
		{kind: "traversal", meaning: noren.Text{Ja: "ディレクトリトラバーサル", En: "path traversal"}, sources: 12, bound: bound{share: 0.01}, play: traverse},
		{kind: "secret_files", meaning: noren.Text{Ja: "設定ファイル・バックアップの探索", En: "probing for secret files"}, sources: 20, bound: bound{share: 0.01}, play: probeSecrets},
		{kind: "scanner", meaning: noren.Text{Ja: "脆弱性スキャナ", En: "vulnerability scanners"}, sources: 3, bound: bound{perSource: 40}, play: scan},
		{kind: "brute_force", meaning: noren.Text{Ja: "パスワードの総当たり・リスト攻撃", En: "password guessing and lists"}, sources: 4, bound: bound{route: "POST /login", perSource: 30}, play: guessPasswords},
		{kind: "flood", meaning: noren.Text{Ja: "大量アクセス", En: "flood"}, sources: 1, bound: bound{share: 0.5, perSecond: 75}, play: flood},
		{kind: "carding", meaning: noren.Text{Ja: "盗まれたカードの試し打ち", En: "testing of stolen cards"}, sources: 2, cookies: true, bound: bound{route: routeCharge, perSource: 15}, play: testCards},
	}
}

// routeCharge counts payments that the shop sent on to its payment provider.
const routeCharge = "charge"

// AttackKinds names the eight kinds.
func AttackKinds() []string {
	var names []string
	for _, a := range attacks() {
		names = append(names, a.kind)
	}
	return names
}

// Raid is how one attack went, as its player saw it.
type Raid struct {
	Kind     string
	Sources  []netip.Addr
	Attempts int
	Answers  map[int]int // by status
	Refused  int         // no answer at all
	// Passed are the first few probes that were not turned away, for whoever
	// must find out why.
	Passed []string
	Took   time.Duration
}

const passedListed = 5

// raid is an attack under way.
type raid struct {
	o     PlayOptions
	r     *rand.Rand
	kind  string
	tools []*browser // one per source

	mu   sync.Mutex
	done Raid
}

// PlayAttack plays one kind of attack and returns how it went. It ends with
// ctx, however far it is.
func PlayAttack(ctx context.Context, kind string, o PlayOptions) (Raid, error) {
	a, err := findAttack(kind)
	if err != nil {
		return Raid{}, err
	}
	r := &raid{o: o, kind: kind, r: rand.New(rand.NewPCG(o.Seed, uint64(len(kind))<<32|uint64(kind[0])))}
	r.done = Raid{Kind: kind, Answers: map[int]int{}}
	for i := range a.sources {
		from := o.from(kind, i)
		tool, err := newBrowser(kind+"-"+strconv.Itoa(i), kind, o.Shop, from, pick(r.r, profiles()), o.Observe)
		if err != nil {
			return Raid{}, err
		}
		defer tool.close()
		if !a.cookies {
			tool.http.Jar = nil
		}
		r.tools = append(r.tools, tool)
		r.done.Sources = append(r.done.Sources, from)
	}
	start := time.Now()
	a.play(ctx, r)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Took = time.Since(start)
	return r.done, nil
}

func findAttack(kind string) (attack, error) {
	for _, a := range attacks() {
		if a.kind == kind {
			return a, nil
		}
	}
	return attack{}, noren.Errorf(noren.NotFound, "no attack is called %q; there are %s", kind, strings.Join(AttackKinds(), ", "))
}

// count scales how many requests an attack makes; a demo wants fewer.
func (r *raid) count(n int) int {
	if r.o.Scale > 0 {
		n = int(float64(n) * r.o.Scale)
	}
	return max(n, 1)
}

// probe is one request of an attack, byte for byte.
type probe struct {
	step    string
	method  string
	target  string // as on the request line
	headers [][2]string
	body    string
	form    bool // body is a form
}

// fire sends a probe from the source-th tool and counts what came back.
func (r *raid) fire(ctx context.Context, source int, p probe) answer {
	tool := r.tools[source%len(r.tools)]
	method := p.method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, tool.base.String(), strings.NewReader(p.body))
	if err != nil {
		return answer{}
	}
	// Opaque goes onto the request line as it is: no cleaning, no encoding. Only
	// what begins with // would be taken for a host there.
	req.URL = &url.URL{Scheme: tool.base.Scheme, Host: tool.base.Host, Opaque: p.target}
	if strings.HasPrefix(p.target, "//") {
		req.URL.Opaque, req.URL.Path = "", p.target
	}
	req.Header.Set("User-Agent", tool.profile.agent)
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Accept-Language", tool.profile.language)
	req.Header.Set(sampleshop.MarkHeader, r.kind)
	if p.form {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, h := range p.headers {
		req.Header.Set(h[0], h[1])
	}
	a, err := tool.do(req, p.step)
	if ctx.Err() != nil && err != nil {
		return a
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done.Attempts++
	if err != nil {
		r.done.Refused++
	} else {
		r.done.Answers[a.status]++
		r.notePassed(p, a.status)
	}
	return a
}

// notePassed keeps a probe that was answered as a shop answers. The caller
// holds mu.
func (r *raid) notePassed(p probe, status int) {
	switch {
	case len(r.done.Passed) == passedListed:
	case status < 400, status == http.StatusNotFound, status == http.StatusInternalServerError:
		r.done.Passed = append(r.done.Passed, fmt.Sprintf("%d to %s %.120s %.120s", status, p.step, p.target, p.body))
	}
}

// sendAll fires probes one after the other at a pace, each source a share of
// them in turn, so that no source sends so many that it is stopped for what it
// sent before instead of for what it sends.
func (r *raid) sendAll(ctx context.Context, probes []probe) {
	for i, p := range probes {
		r.fire(ctx, i*len(r.tools)/len(probes), p)
		if r.pause(ctx, 600*time.Millisecond) != nil {
			return
		}
	}
}

// pause waits between two requests of a tool, sped up like everything.
func (r *raid) pause(ctx context.Context, d time.Duration) error {
	return wait(ctx, time.Duration(float64(d)/max(r.o.Speed, 1)))
}

func (b bound) String() string {
	what := map[string]string{"": "requests reach the shop", routeCharge: "payments reach the provider"}[b.route]
	if what == "" {
		what = b.route + " reach the shop"
	}
	var limits []string
	if b.share > 0 {
		limits = append(limits, fmt.Sprintf("%.0f %%", b.share*100))
	}
	if b.perSource > 0 {
		limits = append(limits, fmt.Sprintf("%d per address", b.perSource))
	}
	if b.perSecond > 0 {
		limits = append(limits, fmt.Sprintf("%d and %d a second", floodBurst, b.perSecond))
	}
	return "at most " + strings.Join(limits, ", and ") + ": " + what
}
