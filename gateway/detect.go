package gateway

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"noren"
)

// Bounds on looking at a shop. What it answers is the outside world.
const (
	detectAsks    = 8
	detectTimeout = 2 * time.Second
	detectBytes   = 256 << 10
	detectAgent   = "Noren-Detect/1"
	sureFrom      = 10
	likelyFrom    = 5
)

// Program is a shop program and the signs it is known by.
type Program struct {
	Preset string     `yaml:"preset"`
	Like   string     `yaml:"like"` // a program that this one extends
	Title  noren.Text `yaml:"title"`
	Admin  *adminSign `yaml:"admin"`
	Signs  []sign     `yaml:"signs"`
}

// adminSign is how the admin's sign-in page looks, at its usual path.
type adminSign struct {
	Path string `yaml:"path"`
	Body string `yaml:"body"`
}

// sign is one thing an answer may show.
type sign struct {
	At        string `yaml:"at"`
	Weight    int    `yaml:"weight"`
	Status    []int  `yaml:"status"`
	Header    string `yaml:"header"`
	Cookie    string `yaml:"cookie"`
	Generator string `yaml:"generator"`
	Body      string `yaml:"body"`
}

// Confidence says how far a finding can be trusted.
type Confidence string

// Confidences.
const (
	Sure    Confidence = "sure"
	Likely  Confidence = "likely"
	Unknown Confidence = "unknown"
)

// Detected is what a shop's answers say about it.
type Detected struct {
	Program    string       `json:"program"` // "generic" when no program is known
	Title      noren.Text   `json:"title"`
	Preset     string       `json:"preset"`
	Confidence Confidence   `json:"confidence"`
	Why        []noren.Text `json:"why,omitempty"`   // the signs seen
	Other      []string     `json:"other,omitempty"` // programs with signs of their own as well
	Host       string       `json:"host,omitempty"`  // the name the shop gives itself
	Hints      []DetectHint `json:"hints,omitempty"`
	Asked      []string     `json:"asked"` // what was asked for, with the status
}

// DetectHint is something to look at by hand.
type DetectHint struct {
	Kind string `json:"kind"` // admin_default, admin_not_default, robots, redirect
	Path string `json:"path,omitempty"`
}

// detector asks one shop.
type detector struct {
	via      http.RoundTripper
	scheme   string
	addr     string
	host     string // Host header
	secret   string
	answers  map[string]*sighting
	asked    []string
	detected Detected
}

// sighting is an answer, as far as it was read.
type sighting struct {
	status     int
	header     http.Header
	cookies    []*http.Cookie
	body       string // lower case
	generators []string
}

// Detect looks at the first server of a site and tells what the shop runs on. An
// error means that the shop did not answer at all.
func Detect(ctx context.Context, s *Site, secret string) (Detected, error) {
	f, err := readPresets()
	if err != nil {
		return Detected{}, err
	}
	u, err := parseUpstream(s.Backends()[0].URL)
	if err != nil {
		return Detected{}, err
	}
	via, err := s.transportFor(u, NewTransport())
	if err != nil {
		return Detected{}, err
	}
	d := &detector{via: via, secret: secret, answers: map[string]*sighting{}}
	d.scheme, d.addr = address(u)
	if d.host = probeHost(s.Hosts); d.host == "" {
		d.host = d.addr
	}
	if t, ok := via.(*http.Transport); ok {
		defer t.CloseIdleConnections()
	}
	return d.look(ctx, f.Programs)
}

func (d *detector) look(ctx context.Context, programs map[string]Program) (Detected, error) {
	first, err := d.ask(ctx, "/")
	if err != nil {
		return Detected{}, noren.WithHint(noren.Errorf(noren.Unavailable, "the shop does not answer: %w", err), "start the shop, or correct the address")
	}
	if first.status >= 300 && first.status < 400 {
		d.follow(ctx, first)
	}
	for _, path := range pathsOf(programs) {
		if d.worth(path, programs) {
			_, _ = d.ask(ctx, path) // one that does not answer has no signs
		}
	}
	d.judge(programs)
	d.hints(ctx, programs[d.detected.Program])
	d.detected.Asked = d.asked
	return d.detected, nil
}

// ask is one bounded GET; what was asked before is remembered.
func (d *detector) ask(ctx context.Context, path string) (*sighting, error) {
	if a := d.answers[path]; a != nil {
		return a, nil
	}
	if len(d.asked) >= detectAsks {
		return nil, noren.Errorf(noren.Unavailable, "asked often enough")
	}
	ctx, cancel := context.WithTimeout(ctx, detectTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.scheme+"://"+d.addr+path, nil)
	if err != nil {
		return nil, err
	}
	req.Host = d.host
	req.Header.Set("User-Agent", detectAgent)
	req.Header.Set("Accept", "text/html,application/json;q=0.9,*/*;q=0.5")
	req.Header.Set("Apollo-Require-Preflight", "true") // Apollo refuses plain GETs without
	if d.secret != "" {
		req.Header.Set(OriginHeader, d.secret)
	}
	res, err := d.via.RoundTrip(req)
	if err != nil {
		d.asked = append(d.asked, path+" -")
		return nil, err
	}
	defer res.Body.Close()
	d.asked = append(d.asked, fmt.Sprintf("%s %d", path, res.StatusCode))
	body, _ := io.ReadAll(io.LimitReader(res.Body, detectBytes)) // the beginning of a broken page counts too
	a := sight(res.StatusCode, res.Header, res.Cookies(), body)
	d.answers[path] = a
	return a, nil
}

func sight(status int, h http.Header, cookies []*http.Cookie, body []byte) *sighting {
	text := strings.ToLower(strings.ToValidUTF8(string(body), ""))
	return &sighting{status: status, header: h, cookies: cookies, body: text, generators: generators(text)}
}

// follow takes the one redirect that leads on within the shop. One that leads to
// another host tells the shop's own name.
func (d *detector) follow(ctx context.Context, first *sighting) {
	to, err := url.Parse(first.header.Get("Location"))
	if err != nil {
		return
	}
	if to.Host != "" && !strings.EqualFold(hostOf(to.Host), hostOf(d.host)) {
		d.foundHost(to.Host)
		d.detected.Hints = append(d.detected.Hints, DetectHint{Kind: "redirect", Path: shown(to.Scheme + "://" + to.Host)})
		return
	}
	if to.Scheme != "" && to.Scheme != d.scheme || !strings.HasPrefix(to.Path, "/") {
		return
	}
	a, err := d.ask(ctx, to.RequestURI())
	if err != nil {
		return
	}
	// It stands for the front page; the headers of both count.
	both := *a
	both.header = first.header.Clone()
	for k, vs := range a.header {
		both.header[k] = append(both.header[k], vs...)
	}
	both.cookies = append(slices.Clone(first.cookies), a.cookies...)
	d.answers["/"] = &both
}

// pathsOf lists what signs look at besides the front page, what tells most first.
func pathsOf(programs map[string]Program) []string {
	weight := map[string]int{}
	for _, p := range programs {
		for _, s := range p.Signs {
			if s.At != "/" {
				weight[s.At] = max(weight[s.At], s.Weight)
			}
		}
	}
	return slices.SortedFunc(maps.Keys(weight), func(a, b string) int {
		return cmp.Or(cmp.Compare(weight[b], weight[a]), strings.Compare(a, b))
	})
}

// worth reports whether a path may still change the answer: a program that looks
// there has signs already and is not sure, or nothing is known of any.
func (d *detector) worth(path string, programs map[string]Program) bool {
	known := false
	for name := range programs {
		score, _ := d.score(name, programs)
		known = known || score > 0
	}
	for name, p := range programs {
		if !slices.ContainsFunc(p.Signs, func(s sign) bool { return s.At == path }) {
			continue
		}
		score, _ := d.score(name, programs)
		base, _ := d.score(p.Like, programs)
		if !known || score > 0 && score < sureFrom || base > 0 && score <= base {
			return true
		}
	}
	return false
}

// score adds up a program's signs; one that extends another needs one of its own.
func (d *detector) score(name string, programs map[string]Program) (int, []noren.Text) {
	p, ok := programs[name]
	if !ok {
		return 0, nil
	}
	total, why := 0, []noren.Text(nil)
	for _, s := range p.Signs {
		if a := d.answers[s.At]; a != nil && s.seen(a) {
			total += s.Weight
			why = append(why, s.words())
		}
	}
	if p.Like == "" || total == 0 {
		return total, why
	}
	more, whyMore := d.score(p.Like, programs)
	return total + more, append(why, whyMore...)
}

func (s sign) seen(a *sighting) bool {
	if len(s.Status) > 0 && !slices.Contains(s.Status, a.status) {
		return false
	}
	if name, value, ok := strings.Cut(s.Header, ": "); ok && !hasHeader(a.header, name, value) {
		return false
	}
	if s.Cookie != "" && !slices.ContainsFunc(a.cookies, func(c *http.Cookie) bool { return glob(s.Cookie, c.Name) }) {
		return false
	}
	if s.Generator != "" && !slices.ContainsFunc(a.generators, func(g string) bool { return glob(s.Generator, g) }) {
		return false
	}
	return s.Body == "" || strings.Contains(a.body, strings.ToLower(s.Body))
}

func hasHeader(h http.Header, name, value string) bool {
	for k, vs := range h {
		if !glob(strings.ToLower(name), strings.ToLower(k)) {
			continue
		}
		if slices.ContainsFunc(vs, func(v string) bool { return glob(strings.ToLower(value), strings.ToLower(v)) }) {
			return true
		}
	}
	return false
}

// words says the sign in our own words; nothing of an answer is repeated.
func (s sign) words() noren.Text {
	var ja, en []string
	add := func(what, jaWhat, value string) {
		if value != "" {
			en, ja = append(en, what+" "+value), append(ja, jaWhat+" "+value)
		}
	}
	add("cookie", "クッキー", s.Cookie)
	add("header", "ヘッダー", s.Header)
	add("generator tag", "generator タグ", s.Generator)
	add("the page holds", "ページ内に", s.Body)
	path, _, _ := strings.Cut(s.At, "?")
	return noren.Text{Ja: path + " → " + strings.Join(ja, "、"), En: path + " → " + strings.Join(en, ", ")}
}

// judge picks the program with the most.
func (d *detector) judge(programs map[string]Program) {
	best, bestScore := "", 0
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		if score, _ := d.score(name, programs); score > bestScore {
			best, bestScore = name, score
		}
	}
	out := &d.detected
	out.Program, out.Preset, out.Confidence = "generic", "generic", Unknown
	out.Title = noren.Text{Ja: "知らないプログラム", En: "a program that is not known"}
	if bestScore >= likelyFrom {
		p := programs[best]
		_, out.Why = d.score(best, programs)
		out.Program, out.Preset, out.Title, out.Confidence = best, p.Preset, p.Title, Likely
		if bestScore >= sureFrom {
			out.Confidence = Sure
		}
	}
	for _, name := range slices.Sorted(maps.Keys(programs)) {
		score, _ := d.score(name, programs)
		if name == best || name == programs[best].Like || programs[name].Like == best || score < likelyFrom || programs[name].Like != "" && programs[name].Like == programs[best].Like && score <= bestScore-sureFrom {
			continue
		}
		out.Other = append(out.Other, name)
	}
	if len(out.Other) > 0 && out.Confidence == Sure {
		out.Confidence = Likely // it looks like two programs
	}
	if a := d.answers["/"]; a != nil {
		d.foundHost(canonical(a.body))
	}
	if a := d.answers["/wp-json/"]; a != nil {
		d.foundHost(homeOf(a.body))
	}
}

// foundHost keeps the first name the shop gives itself.
func (d *detector) foundHost(s string) {
	host := s
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		host = u.Host
	}
	if host = hostOf(host); d.detected.Host == "" && len(host) < 254 && strings.Contains(host, ".") && validHost(host) == nil && host != "*" {
		d.detected.Host = host
	}
}

// hints looks for the admin: only where it usually is, and by what the shop's
// robots.txt tells everybody.
func (d *detector) hints(ctx context.Context, p Program) {
	if p.Admin != nil {
		preset, err := LookupPreset(p.Preset)
		if err == nil {
			path := strings.ReplaceAll(p.Admin.Path, "{admin}", preset.AdminPrefix)
			if a, err := d.ask(ctx, path); err == nil {
				kind := "admin_not_default"
				if a.status == http.StatusOK && strings.Contains(a.body, strings.ToLower(p.Admin.Body)) || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
					kind = "admin_default"
				}
				d.detected.Hints = append(d.detected.Hints, DetectHint{kind, path})
			}
		}
	}
	if a, err := d.ask(ctx, "/robots.txt"); err == nil && a.status == http.StatusOK {
		for _, path := range robotsAdmin(a.body) {
			d.detected.Hints = append(d.detected.Hints, DetectHint{"robots", path})
		}
	}
}

var adminWord = regexp.MustCompile(`^/[a-z0-9_\-/]*(admin|kanri|manage|backend|console)[a-z0-9_\-/]*$`)

// robotsAdmin are the paths of a robots.txt that look like a moved admin.
func robotsAdmin(body string) (out []string) {
	for line := range strings.SplitSeq(body, "\n") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "disallow:")
		path := strings.TrimSuffix(strings.TrimSpace(rest), "/")
		if !ok || len(path) > 64 || !adminWord.MatchString(path) || slices.Contains([]string{"/admin", "/wp-admin", "/wp-admin/admin-ajax.php"}, path) || slices.Contains(out, path) {
			continue
		}
		if out = append(out, path); len(out) == 3 {
			return out
		}
	}
	return out
}

var (
	metaTag   = regexp.MustCompile(`<meta\s[^<>]{0,300}>`)
	attribute = regexp.MustCompile(`([a-z]+)\s*=\s*(?:"([^"]{0,200})"|'([^']{0,200})')`)
	linkTag   = regexp.MustCompile(`<link\s[^<>]{0,400}>`)
	wpHome    = regexp.MustCompile(`"home":"(https?:[^"]{1,200})"`)
)

// generators are the values of the page's generator tags, at most ten. The page
// is in lower case.
func generators(page string) (out []string) {
	for _, tag := range metaTag.FindAllString(page, 200) {
		a := attributes(tag)
		if a["name"] == "generator" && len(out) < 10 {
			out = append(out, a["content"])
		}
	}
	return out
}

func attributes(tag string) map[string]string {
	out := map[string]string{}
	for _, m := range attribute.FindAllStringSubmatch(tag, 20) {
		out[m[1]] = m[2] + m[3]
	}
	return out
}

// canonical is where the page says it lives, "" if it does not.
func canonical(page string) string {
	for _, tag := range linkTag.FindAllString(page, 200) {
		if a := attributes(tag); a["rel"] == "canonical" {
			return a["href"]
		}
	}
	return ""
}

// homeOf is the address in WordPress's description of itself.
func homeOf(json string) string {
	if m := wpHome.FindStringSubmatch(json); m != nil {
		return strings.ReplaceAll(m[1], `\/`, "/")
	}
	return ""
}

// shown makes a piece of an answer fit for a terminal.
func shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r > 0xFFFF {
			return -1
		}
		return r
	}, strings.ToValidUTF8(cutBytes(s, 200), ""))
	return s
}
