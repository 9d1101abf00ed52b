package waf

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// suiteFile is a file of the Core Rule Set's own regression tests.
type suiteFile struct {
	RuleID int `yaml:"rule_id"`
	Tests  []struct {
		ID     int `yaml:"test_id"`
		Stages []struct {
			Input struct {
				Method, URI, Version, Data string
				Encoded                    string `yaml:"encoded_request"`
				Headers                    map[string]string
			}
		}
	}
}

type suiteRequest struct {
	name string
	r    *Request
}

// suite reads the tests that come with the rules.
func suite(t testing.TB) (out []suiteRequest) {
	t.Helper()
	err := fs.WalkDir(tests.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		b, err := fs.ReadFile(tests.FS, path)
		if err != nil {
			return err
		}
		var f suiteFile
		if err := yaml.Unmarshal(b, &f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, test := range f.Tests {
			for i, s := range test.Stages {
				in := s.Input
				r, err := suiteParse(in.Method, in.URI, in.Version, in.Data, in.Encoded, in.Headers)
				if err != nil {
					continue // not HTTP; net/http refuses it before the firewall
				}
				out = append(out, suiteRequest{fmt.Sprintf("%d-%d/%d", f.RuleID, test.ID, i), r})
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func suiteParse(method, uri, version, data, encoded string, headers map[string]string) (*Request, error) {
	r := &Request{Addr: netip.MustParseAddrPort("203.0.113.9:999"), Method: method, URI: uri, Proto: version, Header: http.Header{}, Body: []byte(data)}
	for name, v := range headers {
		if strings.EqualFold(name, "Host") {
			r.Host = v
			continue
		}
		r.Header[http.CanonicalHeaderKey(name)] = []string{v}
	}
	if encoded != "" {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, err
		}
		req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return nil, err
		}
		if r.Body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		r.Method, r.URI, r.Proto, r.Host, r.Header = req.Method, req.RequestURI, req.Proto, req.Host, req.Header
	}
	r.Method, r.Proto, r.URI = orElse(r.Method, "GET"), orElse(r.Proto, "HTTP/1.1"), orElse(r.URI, "/")
	if len(r.Body) > 0 && r.Header["Content-Length"] == nil {
		r.Header["Content-Length"] = []string{fmt.Sprint(len(r.Body))}
	}
	if len(r.Body) > 0 && r.Method == "POST" && r.Header["Content-Type"] == nil {
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	}
	return r, nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// givenUp are the requests of the rules' own suite that stop being blocked by
// the adjustments, and why that is right.
var givenUp = map[string]string{
	"941310-12/0": "¼test¾ in US-ASCII: a tag that is none; with script in it it is blocked",
}

// TestAdjustmentsLoseNoAttack runs the Core Rule Set's own suite, some 4,700
// requests, with and without noren.conf.
func TestAdjustmentsLoseNoAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("takes about ten seconds")
	}
	stock, err := build(Options{}, "")
	if err != nil {
		t.Fatal(err)
	}
	var lost []string
	blocked := 0
	for _, s := range suite(t) {
		before, err := stock.Inspect(t.Context(), s.r)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		after := inspect(t, s.r)
		if after.Blocked {
			blocked++
		}
		if before.Blocked && !after.Blocked {
			lost = append(lost, s.name)
		}
	}
	var want []string
	for name := range givenUp {
		want = append(want, name)
	}
	slices.Sort(lost)
	slices.Sort(want)
	if diff := cmp.Diff(want, lost); diff != "" {
		t.Errorf("requests that the adjustments let through (-expected +found):\n%s", diff)
	}
	t.Logf("%d requests of the suite are blocked", blocked)
	if blocked < suiteBlocked {
		t.Errorf("%d requests are blocked, fewer than %d before", blocked, suiteBlocked)
	}
}

// suiteBlocked is how many requests of the suite are blocked at paranoia level
// 1. The rest is for higher levels, below the threshold, or harmless.
const suiteBlocked = 2668
