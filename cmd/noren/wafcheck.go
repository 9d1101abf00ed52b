package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/gateway"
	"noren/gateway/waf"
	"noren/gateway/waf/exclusion"
	"noren/settings"
)

type wafCmd struct {
	Check   wafCheckCmd   `cmd:"" help:"Say for each request whether it would pass, and which rules matched."`
	List    wafListCmd    `cmd:"" help:"What was taken out of the firewall for customers stopped by mistake."`
	Try     wafTryCmd     `cmd:"" help:"What would have to be left out for a stopped request to pass, and what that would open."`
	Propose wafProposeCmd `cmd:"" help:"Ask for the narrowest exclusion of a stopped request."`
	Approve wafApproveCmd `cmd:"" help:"Put an exclusion in force that waits for approval."`
	Lift    wafLiftCmd    `cmd:"" help:"Take an exclusion away: everything is inspected again."`
}

type wafCheckCmd struct {
	Input string `arg:"" help:"A file, a directory of raw HTTP/1.1 requests (one per file), or - for JSON Lines."`
	Site  string `help:"Site of the configuration, with the firewall rules of your own that are in force (default: without a configuration, preset generic)."`
	Set   string `name:"settings" type:"existingdir" help:"Directory of a settings set whose firewall rules are tried instead of those in force."`
}

// Help describes the formats.
func (wafCheckCmd) Help() string {
	return `Input: raw HTTP/1.1 requests, one per file, or JSON Lines:
  {"id":"1","method":"POST","target":"/contact","headers":[["Content-Type","application/x-www-form-urlencoded"]],"body":"q=…"}
with "body_base64" instead of "body" for other bytes. Output: one JSON line each,
  {"id","verdict":"pass|block","score","rules":[…],"zone","micros"}; a summary on standard error.`
}

// checkedRequest is one line of input.
type checkedRequest struct {
	ID         string      `json:"id"`
	Method     string      `json:"method"`
	Target     string      `json:"target"`
	Headers    [][2]string `json:"headers"`
	Body       string      `json:"body"`
	BodyBase64 string      `json:"body_base64"`
	raw        []byte      // instead of all of them: a request as it stands in a file
}

// checkedVerdict is one line of output.
type checkedVerdict struct {
	ID      string     `json:"id"`
	Verdict string     `json:"verdict"`
	Score   int        `json:"score"`
	Rules   []int      `json:"rules"`
	Zone    noren.Zone `json:"zone"`
	Micros  int64      `json:"micros"`
	Cause   string     `json:"cause,omitempty"` // when something else than the firewall stops it
}

func (c wafCheckCmd) Run(e *env) error {
	site := gateway.Site{Name: "check", Hosts: []string{"*"}, Upstream: "http://127.0.0.1:9", Preset: "generic"}
	var cfg *Config
	if c.Site != "" || e.config != "" {
		var err error
		if cfg, site, err = e.configuredSite(c.Site); err != nil {
			return err
		}
		site.Hosts = []string{"*"}
	}
	own, excluded, err := c.ownRules(e, cfg, site.Name)
	if err != nil {
		return err
	}
	engine, err := waf.New(waf.Options{Wait: time.Minute, Rules: own})
	if err != nil {
		return err
	}
	work := make(chan *checkJob, 64)
	out := make(chan *checkJob, 64)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		checker, err := newChecker(site, engine, excluded)
		if err != nil {
			return err
		}
		workers.Go(func() {
			for job := range work {
				job.verdict = checker.check(e.ctx, &job.in)
				close(job.done)
			}
		})
	}
	var readErr error
	go func() {
		readErr = c.read(e, func(r checkedRequest) {
			job := &checkJob{in: r, done: make(chan struct{})}
			work <- job
			out <- job
		})
		close(work)
		close(out)
	}()
	err = writeVerdicts(e, out)
	workers.Wait()
	if readErr != nil {
		return readErr
	}
	return err
}

// ownRules are the firewall rules and the site's exclusions of the set that was
// named, else of the settings in force: what the gateway would say is asked for.
func (c wafCheckCmd) ownRules(e *env, cfg *Config, site string) ([]waf.RuleFile, map[string][]exclusion.Exclusion, error) {
	if c.Set != "" {
		set, err := settings.ReadDir(c.Set)
		if err != nil {
			return nil, nil, err
		}
		excluded, err := readExclusions(set, []string{site})
		return firewallFiles(set), excluded, err
	}
	if cfg == nil {
		return nil, nil, nil
	}
	var fs findings
	set, d := e.checkDatabase(&fs, cfg)
	if d != nil {
		defer d.Close()
	}
	for _, f := range fs {
		if !f.OK && set == nil {
			fmt.Fprintf(e.io.err, "note: the settings in force cannot be read, so only the shipped rules are tried (%s: %s); --settings DIR names others\n", f.What, f.Text)
		}
	}
	own := firewallFiles(set)
	for _, f := range own {
		fmt.Fprintf(e.io.err, "with %s of the settings in force\n", f.Name)
	}
	excluded, err := readExclusions(set, []string{site})
	return own, excluded, err
}

// checkJob keeps input order although several work at once.
type checkJob struct {
	in      checkedRequest
	verdict checkedVerdict
	done    chan struct{}
}

func writeVerdicts(e *env, jobs <-chan *checkJob) error {
	w := bufio.NewWriterSize(e.io.out, 1<<16)
	var n, blocked, micros int64
	began := time.Now()
	var failed error
	for job := range jobs {
		<-job.done
		n++
		micros += job.verdict.Micros
		if job.verdict.Verdict == "block" {
			blocked++
		}
		if err := writeLine(w, job.verdict); err != nil {
			failed = err
		}
	}
	if err := w.Flush(); err != nil {
		failed = err
	}
	fmt.Fprintf(e.io.err, "%d requests: %d pass, %d block; %.0f requests/s, %.2f ms each\n", n, n-blocked, blocked,
		float64(n)/max(time.Since(began).Seconds(), 1e-6), float64(micros)/1000/max(float64(n), 1))
	return failed
}

// writeLine writes v as one line of JSON.
func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func (e *env) configuredSite(name string) (*Config, gateway.Site, error) {
	path, err := findConfig(e.config)
	if err != nil {
		return nil, gateway.Site{}, err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, gateway.Site{}, err
	}
	if name, err = cfg.site(name); err != nil {
		return nil, gateway.Site{}, err
	}
	i := slices.IndexFunc(cfg.Sites, func(s gateway.Site) bool { return s.Name == name })
	return cfg, cfg.Sites[i], nil
}

// Bounds on what is read.
const (
	maxCheckLine = 16 << 20
	maxCheckFile = 8 << 20
)

// read hands over every request of the input.
func (c wafCheckCmd) read(e *env, take func(checkedRequest)) error {
	info, err := os.Stat(c.Input)
	switch {
	case c.Input == "-" || err == nil && strings.HasSuffix(c.Input, ".jsonl"):
		in, err := e.openInput(c.Input)
		if err != nil {
			return err
		}
		defer in.Close()
		return readJSONLines(c.Input, in, take)
	case err != nil:
		return noren.Errorf(noren.NotFound, "%w", err)
	case info.IsDir():
		return readDir(c.Input, take)
	}
	return readFile(c.Input, filepath.Base(c.Input), take)
}

// readFile reads one raw request, or JSON Lines when the file begins with "{".
func readFile(path, id string, take func(checkedRequest)) error {
	f, err := os.Open(path)
	if err != nil {
		return noren.Errorf(noren.NotFound, "%w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCheckFile+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(b) > maxCheckFile {
		return noren.Errorf(noren.Invalid, "%s is larger than %d bytes", path, maxCheckFile)
	}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return readJSONLines(path, bytes.NewReader(b), take)
	}
	take(checkedRequest{ID: id, raw: b})
	return nil
}

func readDir(dir string, take func(checkedRequest)) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		id, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return readFile(path, id, take)
	})
}

func readJSONLines(name string, in io.Reader, take func(checkedRequest)) error {
	s := bufio.NewScanner(in)
	s.Buffer(make([]byte, 64<<10), maxCheckLine)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		var r checkedRequest
		if err := d.Decode(&r); err != nil {
			return noren.Errorf(noren.Invalid, "%s:%d: %w", name, n, err)
		}
		if r.ID == "" {
			r.ID = fmt.Sprint(n)
		}
		take(r)
	}
	if err := s.Err(); err != nil {
		return noren.Errorf(noren.Invalid, "%s: %w", name, err)
	}
	return nil
}

// checker sends requests along the gateway's own path, with a shop behind it
// that only says that it was reached.
type checker struct {
	g    *gateway.Gateway
	last checkedEvents
}

// checkedEvents is the Decider of a checker: it keeps what the gateway tells.
type checkedEvents struct {
	request *noren.Request
	zone    noren.Zone
	cause   noren.Cause
}

func (c *checkedEvents) Decide(_ context.Context, ev noren.Event) (noren.Decision, error) {
	switch p := ev.Payload.(type) {
	case *noren.Request:
		c.request, c.zone = p, ev.Zone
	case *noren.Blocked:
		c.request, c.zone, c.cause = &p.Request, ev.Zone, p.Cause
	}
	return noren.Decision{EventID: ev.ID, Verdict: noren.Allow}, nil
}

// reached answers instead of a shop.
type reached struct{}

func (reached) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func newChecker(site gateway.Site, engine *waf.WAF, excluded map[string][]exclusion.Exclusion) (*checker, error) {
	c := &checker{}
	g, err := gateway.New(gateway.Options{
		Settings: gateway.Settings{Sites: []gateway.Site{site}, Exclusions: excluded}, Decider: &c.last, Inspector: engine, Transport: reached{},
	})
	c.g = g
	return c, err
}

func (c *checker) check(ctx context.Context, in *checkedRequest) checkedVerdict {
	v := checkedVerdict{ID: in.ID, Verdict: "block", Rules: []int{}}
	began := time.Now()
	r, err := in.request()
	if err != nil {
		v.Cause = string(noren.CauseMalformed)
		return v
	}
	c.last = checkedEvents{}
	w := httptest.NewRecorder()
	c.g.ServeHTTP(w, r.WithContext(ctx))
	v.Micros = time.Since(began).Microseconds()
	if w.Code == http.StatusNoContent {
		v.Verdict = "pass"
	}
	v.Zone = c.last.zone
	if c.last.cause != noren.CauseWAF {
		v.Cause = string(c.last.cause)
	}
	if p := c.last.request; p != nil {
		v.Score = p.Score
		for _, h := range p.Hits {
			v.Rules = append(v.Rules, h.Rule)
		}
	}
	return v
}

// request makes the request as the server would have read it.
func (in *checkedRequest) request() (*http.Request, error) {
	raw := in.raw
	if raw == nil {
		var err error
		if raw, err = in.wire(); err != nil {
			return nil, err
		}
	}
	body := bodyOf(raw)
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, err
	}
	// A file is what was sent: its body is the rest of it even where the author
	// left out or miscounted Content-Length.
	if len(r.TransferEncoding) == 0 && r.ContentLength != int64(len(body)) {
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		r.ContentLength = int64(len(body))
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	r.RemoteAddr = "192.0.2.1:50000"
	return r, nil
}

// bodyOf is what follows the empty line.
func bodyOf(raw []byte) []byte {
	for _, sep := range []string{"\r\n\r\n", "\n\n"} {
		if _, b, ok := bytes.Cut(raw, []byte(sep)); ok {
			return b
		}
	}
	return nil
}

// wire writes a JSON request as HTTP/1.1.
func (in *checkedRequest) wire() ([]byte, error) {
	body := []byte(in.Body)
	if in.BodyBase64 != "" {
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.BodyBase64); err != nil {
			return nil, err
		}
	}
	method, target := in.Method, in.Target
	setDefault(&method, http.MethodGet)
	setDefault(&target, "/")
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	host := false
	for _, h := range in.Headers {
		if strings.EqualFold(h[0], "Content-Length") {
			continue
		}
		if strings.ContainsAny(h[0]+h[1], "\r\n\x00") {
			return nil, noren.Errorf(noren.Invalid, "header %q holds a line end", h[0])
		}
		host = host || strings.EqualFold(h[0], "Host")
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if !host {
		b.WriteString("Host: shop.example\r\n")
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes(), nil
}
