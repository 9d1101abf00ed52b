package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"noren"
)

// smuggleLab sends requests that two servers could read in two ways, byte by
// byte, and holds what a raw shop receives against what was stated and against
// what the firewall saw.
func smuggleLab() Lab {
	return Lab{
		Name: "smuggle",
		Meaning: noren.Text{
			Ja: "二通りに読める通信（長さの食い違い、改行や区切りの乱れ、宛先やパスの言い換え）を送り、断るか、ただ一通りの形でお店へ渡すことを確かめます",
			En: "sends requests that two servers could read in two ways: each must be refused or reach the shop in one plain form, exactly as it was inspected",
		},
		Run: runSmuggle,
	}
}

// Door is a gateway before a raw shop, with a view into what it inspected.
type Door struct {
	Plain, Secure string // listeners' addresses
	// Inspected returns what the firewall was given since the last call.
	Inspected func() []Inspected
	// Logged counts the requests in the access log that were let through, once
	// all are written.
	Logged func() (int, error)
	Close  func() error
}

// Inspected is a request as the firewall saw it.
type Inspected struct {
	Method, URI, Host string
	Header            map[string][]string
	Body              []byte
	Zone              noren.Zone
	Values            []string // every value the rules ran over
}

// Hosts of the lab's two sites; both lead to the raw shop.
const (
	labHost      = "shop.example.jp"
	labOtherHost = "other.example.jp"
)

// shape is one odd request and what must become of it.
type shape struct {
	group, name string
	raw         string   // what is sent
	h2          *h2shape // instead of raw
	status      int      // the answer's status; 0: the connection or stream is ended without one

	// What the shop receives; line is "" when it receives nothing.
	line  string
	body  string
	has   []string // header lines, among others
	lacks []string // header names
	zone  noren.Zone
	// then says what becomes of the request that is sent right behind it.
	then fate
}

// fate of the request behind a shape.
type fate int

const (
	dropped fate = iota // the connection is closed, it is never read
	served              // it reaches the shop as a request of its own
	maybe               // either; only inside another request it must not be
)

type smuggler struct {
	door   *Door
	shop   *rawShop
	r      *rand.Rand
	tries  int
	seen   int // requests the shop received
	report Report
}

func runSmuggle(ctx context.Context, env Env, p Params) (Report, error) {
	shop, err := startRawShop()
	if err != nil {
		return Report{}, err
	}
	defer shop.close()
	door, err := env.Door(ctx, shop.url(), []string{labHost, labOtherHost})
	if err != nil {
		return Report{}, fmt.Errorf("start a gateway: %w", err)
	}
	defer door.Close()
	ctx, cancel := context.WithTimeout(ctx, 110*time.Second)
	defer cancel()
	m := &smuggler{door: door, shop: shop, r: rand.New(rand.NewPCG(p.Seed, 3)), report: Report{Lab: "smuggle", Seed: p.Seed, Figures: map[string]any{}}}
	shapes := allShapes(m.r)
	done := 0
	stop := progress(env.Progress, func() string { return fmt.Sprintf("%d of %d shapes", done, len(shapes)) })
	defer stop()
	for _, s := range shapes {
		if ctx.Err() != nil {
			return Report{}, fmt.Errorf("after %d of %d shapes: %w", done, len(shapes), ctx.Err())
		}
		m.judge(s, m.send(s))
		done++
	}
	return m.report, m.finish(shapes)
}

func allShapes(r *rand.Rand) []shape {
	return slices.Concat(framingShapes(), chunkShapes(), headerShapes(), targetShapes(), valueShapes(), codingShapes(r), pathShapes(), h2Shapes())
}

// outcome is what became of a shape, over one kind of connection.
type outcome struct {
	over      string
	statuses  []int
	err       error
	received  []received
	inspected []Inspected
	next      string // the path of the request behind it
}

// send tries a shape over every kind of connection it applies to, over plain
// TCP also in pieces as TCP may cut it.
func (m *smuggler) send(s shape) []outcome {
	if s.h2 != nil {
		return []outcome{m.overH2(s)}
	}
	return []outcome{m.overHTTP1(s, "tcp", false), m.overHTTP1(s, "tcp in pieces", true), m.overHTTP1(s, "tls", false)}
}

func (m *smuggler) judge(s shape, outs []outcome) {
	var faults, got []string
	for _, o := range outs {
		m.seen += len(o.received)
		got = append(got, became(o))
		for _, f := range m.faults(s, o) {
			faults = append(faults, o.over+": "+f)
		}
	}
	title := s.group + ": " + s.name
	result := strings.Join(slices.Compact(got), "; ")
	if len(faults) > 0 {
		result += " ✗ " + strings.Join(faults, "; ")
	}
	m.report.Add(title, noren.Text{}, s.wanted(), result, len(faults) == 0)
}

func (s shape) wanted() string {
	w := fmt.Sprint(s.status)
	if s.status == 0 {
		w = "ended"
	}
	if s.line == "" {
		return w + ", nothing reaches the shop"
	}
	if s.zone != "" {
		w += " in zone " + string(s.zone)
	}
	return fmt.Sprintf("%s, the shop receives %q with %d bytes", w, clip(s.line), len(s.body))
}

func clip(s string) string {
	if len(s) > 90 {
		return s[:60] + "…" + s[len(s)-20:]
	}
	return s
}

func became(o outcome) string {
	status := "ended"
	if len(o.statuses) > 0 {
		status = fmt.Sprint(o.statuses[0])
	}
	for _, r := range o.received {
		if !strings.Contains(r.line, o.next) {
			return fmt.Sprintf("%s, %q with %d bytes", status, clip(r.line), len(r.body))
		}
	}
	return status
}

// faults holds one outcome against what the shape states and against the rules
// that hold for all.
func (m *smuggler) faults(s shape, o outcome) (out []string) {
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	status := 0
	if len(o.statuses) > 0 {
		status = o.statuses[0]
	}
	// A reset may overtake the answer when a server stops to read.
	cut := status == 0 && s.then != served && s.line == "" && (errors.Is(o.err, syscall.ECONNRESET) || errors.Is(o.err, syscall.EPIPE))
	if status != s.status && !cut && !s.eitherWay(status) {
		fault("status %d (%v)", status, o.err)
	}
	var own []received
	next := 0
	for _, r := range o.received {
		switch {
		case r.odd != "":
			fault("the shop met %s", r.odd)
		case r.target() == o.next:
			next++
		default:
			own = append(own, r)
		}
		if r.target() != o.next && strings.Contains(r.text(), o.next) {
			fault("the next request is inside another")
		}
		if f := compare(r, o.inspected); f != "" {
			fault("%s", f)
		}
	}
	if want := map[fate]int{dropped: 0, served: 1}[s.then]; next != want && (s.then != maybe || next > 1) {
		fault("the next request reached the shop %d times, want %d", next, want)
	}
	if s.line == "" && len(own) > 0 || s.line != "" && len(own) != 1 {
		fault("the shop received %d requests of it", len(own))
		return out
	}
	if s.line != "" {
		out = append(out, s.compare(own[0], o.over)...)
	}
	if z := zoneOf(o); s.zone != "" && z != s.zone {
		fault("zone %q, want %s", z, s.zone)
	}
	return out
}

// eitherWay: a malformed request over HTTP/2 is answered 400 or its stream is
// ended, whichever the server comes to first (RFC 9113, 8.1.1).
func (s shape) eitherWay(status int) bool {
	return s.h2 != nil && s.line == "" && (status == 0 || status == 400) && (s.status == 0 || s.status == 400)
}

// text is everything of a request.
func (r *received) text() string {
	var b strings.Builder
	b.WriteString(r.line)
	for _, h := range r.header {
		b.WriteString("\n" + h.name + ": " + h.value)
	}
	b.Write(r.body)
	return b.String()
}

// zoneOf is the zone in which the shape itself was inspected.
func zoneOf(o outcome) noren.Zone {
	for _, i := range o.inspected {
		if i.URI != o.next {
			return i.Zone
		}
	}
	return ""
}

// compare holds what the shop received against what was stated.
func (s shape) compare(r received, over string) (out []string) {
	if r.line != s.line {
		out = append(out, fmt.Sprintf("request line %q, want %q", clip(r.line), clip(s.line)))
	}
	if string(r.body) != s.body {
		out = append(out, fmt.Sprintf("body %q, want %q", clip(string(r.body)), clip(s.body)))
	}
	for _, line := range s.has {
		scheme := "http"
		if over == "tls" || over == "h2" {
			scheme = "https"
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(line, schemeOfConn, scheme), ": ")
		if vs := r.values(name); len(vs) != 1 || vs[0] != value {
			out = append(out, fmt.Sprintf("%s is %q, want %q", name, vs, value))
		}
	}
	for _, name := range s.lacks {
		if vs := r.values(name); len(vs) > 0 {
			out = append(out, fmt.Sprintf("%s: %q reached the shop", name, vs))
		}
	}
	return out
}

// finish adds what holds over all shapes.
func (m *smuggler) finish(shapes []shape) error {
	logged, err := m.door.Logged()
	if err != nil {
		return err
	}
	m.report.Add("requests the shop saw and the access log does not hold", noren.Text{Ja: "お店に届き、記録にない通信", En: ""},
		"0", fmt.Sprint(m.seen-logged), m.seen == logged)
	m.report.Figures["shapes"] = len(shapes)
	m.report.Figures["connections"] = m.tries
	m.report.Figures["reached_shop"] = m.seen
	groups := map[string]any{}
	for _, s := range shapes {
		n, _ := groups[s.group].(int)
		groups[s.group] = n + 1
	}
	m.report.Figures["groups"] = groups
	return nil
}
