// Package rehearse tries an exclusion on the kept corpora before it is in force:
// every attack and every honest line is written into its fields, on its page, and
// inspected with and without it. What would open is known before anybody approves.
package rehearse

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"noren/gateway/waf"
	"noren/gateway/waf/corpus"
	"noren/gateway/waf/exclusion"
)

// Options are the firewall that the site has.
type Options struct {
	Rules    []waf.RuleFile // the shop's own
	Charsets []string       // the site reads forms in, besides UTF-8
	// Progress is told now and then how far it is; nil is told nothing.
	Progress func(done, of int)
}

// Samples kept for whoever looks.
const samplesMost = 8

// budget is for one line: nobody waits, and a verdict cut short would be none.
const budget = time.Minute

// Run tries x. It builds a firewall of its own, so that visitors wait for nothing.
func Run(ctx context.Context, x *exclusion.Exclusion, o Options) (exclusion.Rehearsed, error) {
	engine, err := waf.New(waf.Options{Slots: 2, Wait: budget, Budget: budget, Rules: o.Rules, Compare: -1})
	if err != nil {
		return exclusion.Rehearsed{}, err
	}
	defer engine.Close()
	attacks, err := corpus.Attacks()
	if err != nil {
		return exclusion.Rehearsed{}, err
	}
	benign, err := corpus.Benign()
	if err != nil {
		return exclusion.Rehearsed{}, err
	}
	for _, t := range x.Targets {
		if err := engine.Excludable(t); err != nil {
			return exclusion.Rehearsed{}, err
		}
	}
	r := &run{engine: engine, x: x, o: o, classes: map[string]int64{}}
	for _, t := range x.Targets {
		if !slices.Contains(r.fields, t.Field) {
			r.fields = append(r.fields, t.Field)
		}
		r.rules = append(r.rules, t.Rule)
	}
	return r.all(ctx, attacks, benign)
}

type run struct {
	engine  *waf.WAF
	x       *exclusion.Exclusion
	o       Options
	fields  []string
	rules   []int
	out     exclusion.Rehearsed
	classes map[string]int64
}

// progressEvery lines.
const progressEvery = 100

func (r *run) all(ctx context.Context, attacks, benign []corpus.Line) (exclusion.Rehearsed, error) {
	of, done := len(attacks)+len(benign), 0
	for _, lines := range [][]corpus.Line{attacks, benign} {
		for i := range lines {
			if err := r.line(ctx, &lines[i]); err != nil {
				return r.out, err
			}
			if done++; done%progressEvery == 0 && r.o.Progress != nil {
				r.o.Progress(done, of)
			}
		}
	}
	for _, class := range slices.Sorted(maps.Keys(r.classes)) {
		r.out.ByClass = append(r.out.ByClass, exclusion.ClassOpened{Class: class, N: r.classes[class]})
	}
	slices.SortStableFunc(r.out.ByClass, func(a, b exclusion.ClassOpened) int { return cmp.Compare(b.N, a.N) })
	return r.out, nil
}

func (r *run) line(ctx context.Context, l *corpus.Line) error {
	for _, field := range r.fields {
		req, can := r.request(field, l.Text)
		if !can {
			continue
		}
		opens, err := r.opens(ctx, req)
		if err != nil {
			return err
		}
		r.count(l, field, opens)
	}
	return nil
}

// opens reports whether a request that is stopped would pass.
func (r *run) opens(ctx context.Context, req *waf.Request) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if !r.engine.Concerns(req, r.rules) {
		return false, nil
	}
	req.Without = r.x.Targets
	after, err := r.engine.Inspect(ctx, req)
	if err != nil || after.Blocked {
		return false, err
	}
	req.Without = nil
	before, err := r.engine.Inspect(ctx, req)
	return before.Blocked, err
}

func (r *run) count(l *corpus.Line, field string, opens bool) {
	one := int64(0)
	if opens {
		one = 1
	}
	s := exclusion.Sample{Class: string(l.Class), Field: field, Text: l.Text}
	if l.Class == "" {
		r.out.Benign, r.out.Saved = r.out.Benign+1, r.out.Saved+one
		if opens && len(r.out.Helped) < samplesMost {
			r.out.Helped = append(r.out.Helped, s)
		}
		return
	}
	r.out.Attacks, r.out.Opened = r.out.Attacks+1, r.out.Opened+one
	if l.Held() {
		r.out.HeldAttacks, r.out.HeldOpened = r.out.HeldAttacks+1, r.out.HeldOpened+one
	}
	if !opens {
		return
	}
	r.classes[s.Class]++
	if len(r.out.Samples) < samplesMost {
		r.out.Samples = append(r.out.Samples, s)
	}
}

// request writes a line into a field of the page. can is false where the field
// holds nothing that a visitor chooses: the page's own name.
func (r *run) request(field, text string) (req *waf.Request, can bool) {
	collection, name, _ := strings.Cut(field, ":")
	req = &waf.Request{
		Site: "rehearsal", Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), 50000), Method: "GET", URI: strings.Replace(r.x.Path, "*", "1", 1), Proto: "HTTP/1.1", Host: "shop.example",
		Zone: r.x.Zone, Charsets: r.o.Charsets,
		Header: map[string][]string{"User-Agent": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64)"}, "Accept": {"text/html"}, "Accept-Language": {"ja"}},
	}
	switch {
	case collection == "ARGS_GET":
		req.URI += "?" + url.QueryEscape(name) + "=" + url.QueryEscape(text)
	case collection == "ARGS_GET_NAMES":
		req.URI += "?" + url.QueryEscape(text) + "=1"
	case strings.HasPrefix(collection, "ARGS") && strings.HasSuffix(collection, "_NAMES"):
		post(req, "application/x-www-form-urlencoded", url.QueryEscape(text)+"=1")
	case strings.HasPrefix(collection, "ARGS") && strings.HasPrefix(name, "json."):
		post(req, "application/json", nested(strings.Split(strings.TrimPrefix(name, "json."), "."), text))
	case strings.HasPrefix(collection, "ARGS"):
		post(req, "application/x-www-form-urlencoded", url.QueryEscape(name)+"="+url.QueryEscape(text))
	case strings.HasPrefix(collection, "REQUEST_COOKIES"):
		req.Header["Cookie"] = []string{name + "=" + url.PathEscape(text)}
	case collection == "REQUEST_HEADERS":
		req.Header[name] = []string{strings.NewReplacer("\r", " ", "\n", " ", "\x00", "").Replace(text)}
	case strings.HasPrefix(collection, "FILES"):
		var b bytes.Buffer
		quoted := strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(text)
		b.WriteString("--rehearsal\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"" + quoted + "\"\r\nContent-Type: image/png\r\n\r\nx\r\n--rehearsal--\r\n")
		post(req, "multipart/form-data; boundary=rehearsal", b.String())
	default:
		return nil, false
	}
	return req, true
}

func post(req *waf.Request, contentType, body string) {
	req.Method, req.Body = "POST", []byte(body)
	req.Header["Content-Type"] = []string{contentType}
	req.Header["Content-Length"] = []string{strconv.Itoa(len(body))}
}

// nested is a JSON body with a text where a name such as items.0.note says.
func nested(path []string, text string) string {
	value, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	out := string(value)
	for _, part := range slices.Backward(path) {
		if n, err := strconv.Atoi(part); err == nil && n >= 0 && n < 50 {
			out = "[" + strings.Repeat("null,", n) + out + "]"
			continue
		}
		key, err := json.Marshal(part)
		if err != nil {
			return out
		}
		out = "{" + string(key) + ":" + out + "}"
	}
	return out
}
