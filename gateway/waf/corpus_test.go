package waf

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"noren/gateway/waf/corpus"
)

var updateCorpus = flag.Bool("update", false, "accept better counts of the corpora")

// TestCorpus runs both corpora through the firewall at its default setting and
// holds what was stopped against the kept counts of testdata/corpus.tsv: they
// may only improve. Every line goes once, in one of its places and encodings;
// NOREN_CORPUS=full sends each in all of them. The table is printed with -v;
// NOREN_CORPUS_MISSES=1 prints every miss of the part that may be tuned on.
func TestCorpus(t *testing.T) {
	w, err := New(Options{Wait: time.Minute, Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	full := os.Getenv("NOREN_CORPUS") == "full"
	began := time.Now()
	results := inspectAll(t, w, corpusRequests(t, full))
	tally := newCorpusTally(full)
	for _, r := range results {
		tally.add(r)
	}
	t.Logf("%d requests in %v\n%s", len(results), time.Since(began).Round(time.Second), tally.table())
	if os.Getenv("NOREN_CORPUS_MISSES") != "" {
		t.Log("\n" + misses(results))
	}
	tally.hold(t)
}

// corpusRequests are those of both corpora.
func corpusRequests(t *testing.T, full bool) (out []corpus.Request) {
	t.Helper()
	benign, err := corpus.Benign()
	if err != nil {
		t.Fatal(err)
	}
	attacks, err := corpus.Attacks()
	if err != nil {
		t.Fatal(err)
	}
	for _, lines := range [][]corpus.Line{benign, attacks} {
		for i := range lines {
			if full {
				out = append(out, lines[i].Requests()...)
			} else {
				out = append(out, lines[i].Once())
			}
		}
	}
	return out
}

// corpusRequest is what the gateway would have inspected: of uploads without
// the contents of files.
func corpusRequest(r *corpus.Request) *Request {
	body := r.Body
	if ct := r.Header["Content-Type"]; len(ct) > 0 && strings.HasPrefix(ct[0], "multipart/") {
		if reduced, err := Reduce(bytes.NewReader(body), ct[0], 1<<20); err == nil {
			body = reduced
		}
	}
	header := map[string][]string{}
	for name, values := range r.Header {
		header[name] = slices.Clone(values)
	}
	return &Request{Addr: netip.MustParseAddrPort("203.0.113.5:40000"), Method: r.Method, URI: r.Target, Proto: "HTTP/2.0", Host: "shop.example",
		Header: header, Body: body, Zone: r.Zone, Charsets: r.Encodings()}
}

type corpusResult struct {
	corpus.Request
	Result
}

func inspectAll(t *testing.T, w *WAF, requests []corpus.Request) []corpusResult {
	t.Helper()
	out := make([]corpusResult, len(requests))
	var wg sync.WaitGroup
	for k := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := k; i < len(requests); i += runtime.GOMAXPROCS(0) {
				res, err := w.Inspect(context.Background(), corpusRequest(&requests[i]))
				if err != nil {
					t.Errorf("%q: %v", requests[i].Line.Text, err)
				}
				out[i] = corpusResult{requests[i], res}
			}
		})
	}
	wg.Wait()
	return out
}

// misses are benign lines blocked and attacks passed, of the part that may be
// tuned on alone.
func misses(results []corpusResult) string {
	var b strings.Builder
	for _, r := range results {
		if r.Line.Held() || (r.Line.Class != "") == r.Blocked {
			continue
		}
		rules := []int{}
		for _, h := range r.Hits {
			rules = append(rules, h.Rule)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\t%s\t%v\t%q\n", cmp.Or(string(r.Line.Class), "BENIGN "+string(r.Line.Kind)), cmp.Or(r.Line.Trick, r.Line.From), r.Zone, r.Place, r.Charset, rules, r.Line.Text)
	}
	return b.String()
}
