// Package pagewalk walks a shop's own pages and lists what is not safe although
// the page is: parts loaded by plain http, and forms that send what visitors
// type by http or to another host.
package pagewalk

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"noren"
)

// Options say what to walk.
type Options struct {
	Upstream string      // where the shop listens
	Hosts    []string    // its names; the first is asked for
	Header   http.Header // sent along, such as an origin secret
	// Follow says whether a page may be asked for without changing anything; it is
	// asked after the package's own rules. nil: they suffice.
	Follow func(path, query string) bool
	Start  []string // paths to begin with; nil: /

	Pages int           // 0: DefaultPages
	Bytes int64         // of all pages together; 0: 32 MiB
	For   time.Duration // 0: a minute
}

// DefaultPages is how many pages are read when nothing else is said.
const DefaultPages = 50

const (
	defaultBytes = 32 << 20
	pageBytes    = 2 << 20
	pageWithin   = 10 * time.Second
	maxQueue     = 5000
)

// Finding is one thing that is not safe.
type Finding struct {
	Page string     `json:"page"`
	Line int        `json:"line"`
	Kind Kind       `json:"kind"`
	Tag  string     `json:"tag"` // script src, form action …
	URL  string     `json:"url"`
	Text noren.Text `json:"text"`
}

// Kind is what is wrong.
type Kind string

// Kinds of findings.
const (
	MixedActive  Kind = "mixed_active"  // a script, frame or style by http: browsers refuse it, or it can be replaced on the way
	MixedPassive Kind = "mixed_passive" // a picture, sound or film by http
	FormHTTP     Kind = "form_http"     // what is typed goes by http
	FormAway     Kind = "form_away"     // what is typed goes to another host
)

// Bad reports whether visitors are harmed already. A form to another host may be
// the payment company's.
func (k Kind) Bad() bool { return k != FormAway }

// Result is what a walk found.
type Result struct {
	Pages    []string  `json:"pages"`
	Findings []Finding `json:"findings"`
	// Left is how many pages were known and not read, because a bound was reached.
	Left int `json:"left,omitempty"`
}

// walk is one walk under way.
type walk struct {
	o      Options
	client *http.Client
	base   *url.URL
	queue  []string // targets: path and query
	seen   map[string]bool
	bytes  int64
	out    Result
}

// Walk reads pages until there are no more or a bound is reached. Only GET is
// used, without cookies, one request at a time.
func Walk(ctx context.Context, o Options) (Result, error) {
	base, err := url.Parse(o.Upstream)
	if err != nil || len(o.Hosts) == 0 {
		return Result{}, noren.Errorf(noren.Invalid, "a walk needs an upstream and a host")
	}
	if o.Pages <= 0 {
		o.Pages = DefaultPages
	}
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	if o.For <= 0 {
		o.For = time.Minute
	}
	if len(o.Start) == 0 {
		o.Start = []string{"/"}
	}
	ctx, cancel := context.WithTimeout(ctx, o.For)
	defer cancel()
	w := &walk{o: o, base: base, seen: map[string]bool{}, client: &http.Client{
		Timeout:       pageWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, s := range o.Start {
		w.add(s)
	}
	for len(w.queue) > 0 && len(w.out.Pages) < o.Pages && w.bytes < o.Bytes && ctx.Err() == nil {
		target := w.queue[0]
		w.queue = w.queue[1:]
		if err := w.read(ctx, target); err != nil && len(w.out.Pages) == 0 && len(w.queue) == 0 {
			return w.out, err
		}
	}
	w.out.Left = len(w.queue)
	return w.out, nil
}

// add queues a page of the shop once.
func (w *walk) add(target string) {
	if !w.seen[target] && len(w.seen) < maxQueue {
		w.seen[target] = true
		w.queue = append(w.queue, target)
	}
}

// read asks for one page and looks through it.
func (w *walk) read(ctx context.Context, target string) error {
	u := *w.base
	ref, err := url.Parse(target)
	if err != nil {
		return err
	}
	u.Path, u.RawPath, u.RawQuery = ref.Path, ref.RawPath, ref.RawQuery
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	for k, v := range w.o.Header {
		req.Header[k] = v
	}
	req.Host = strings.Replace(w.o.Hosts[0], "*", "www", 1)
	req.Header.Set("User-Agent", "noren-check")
	req.Header.Set("X-Forwarded-Proto", "https") // as visitors get it
	req.Header.Set("X-Forwarded-Host", req.Host)
	res, err := w.client.Do(req)
	if err != nil {
		return noren.Errorf(noren.Unavailable, "read %s: %w", target, err)
	}
	defer res.Body.Close()
	at := &url.URL{Scheme: "https", Host: req.Host, Path: ref.Path, RawPath: ref.RawPath, RawQuery: ref.RawQuery}
	if to := res.Header.Get("Location"); to != "" && res.StatusCode >= 300 && res.StatusCode < 400 {
		w.link(at, link{url: to})
		return nil
	}
	if res.StatusCode >= 500 || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		return noren.WithHint(noren.Errorf(noren.NotFound, "%s is no page: the shop answers %s with %q", target, res.Status, res.Header.Get("Content-Type")),
			"see that the shop shows its first page at / for the site's first host")
	}
	body := &counted{r: io.LimitReader(res.Body, min(pageBytes, w.o.Bytes-w.bytes)), n: &w.bytes}
	w.out.Pages = append(w.out.Pages, target)
	links, found := look(at, body, w.o.Hosts)
	for i := range found {
		found[i].Page = target
	}
	w.out.Findings = append(w.out.Findings, found...)
	for _, l := range links {
		w.link(at, l)
	}
	return nil
}

type counted struct {
	r io.Reader
	n *int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	*c.n += int64(n)
	return n, err
}

// link queues where a link leads, when it may be followed.
func (w *walk) link(from *url.URL, l link) {
	to, err := from.Parse(l.url)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" || !ours(to.Hostname(), w.o.Hosts) || !harmless(to, l) {
		return
	}
	if w.o.Follow != nil && !w.o.Follow(to.EscapedPath(), to.RawQuery) {
		return
	}
	target := to.EscapedPath()
	if target == "" {
		target = "/"
	}
	if to.RawQuery != "" {
		target += "?" + to.RawQuery
	}
	w.add(target)
}

// ours reports whether a host is one of the site's.
func ours(host string, hosts []string) bool {
	return slices.ContainsFunc(hosts, func(h string) bool {
		if parent, ok := strings.CutPrefix(h, "*."); ok {
			_, rest, _ := strings.Cut(host, ".")
			return strings.EqualFold(rest, parent)
		}
		return strings.EqualFold(h, host)
	})
}

// sideEffects are words of addresses and links that do something. Shops that
// change things by GET exist (EC-CUBE 2, WooCommerce's ?add-to-cart=, every
// second sign-out), so a doubt is a no. A word also stands for longer ones that
// begin with it: addtocart, deletes.
var sideEffects = [...]string{
	"logout", "signout", "logoff", "delete", "remove", "destroy", "clear", "cancel", "withdraw", "unsubscribe", "addto", "buy", "purchase",
	"favorite", "wishlist", "vote", "download", "export", "install", "reset", "confirm", "complete", "activate", "callback", "webhook", "action", "cron",
}

// exactly are those whose beginnings are ordinary words: address, output.
var exactly = [...]string{"add", "out", "off", "del", "rm", "do", "up", "down", "plus", "minus"}

var sideEffectsJa = [...]string{"ログアウト", "サインアウト", "削除", "退会", "解約", "解除", "取消", "取り消", "キャンセル", "カートに入れる", "購入", "追加", "お気に入り"}

// acts reports whether words name a side effect.
func acts(words string) bool {
	if slices.ContainsFunc(sideEffectsJa[:], func(w string) bool { return strings.Contains(words, w) }) {
		return true
	}
	for token := range strings.FieldsFuncSeq(strings.ToLower(words), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') }) {
		if slices.Contains(exactly[:], token) || slices.ContainsFunc(sideEffects[:], func(w string) bool { return strings.HasPrefix(token, w) }) {
			return true
		}
	}
	return false
}

// tame are the only parameters a followed link may have: those that choose what
// is shown.
var tame = [...]string{
	"page", "pageno", "paged", "page_id", "p", "cat", "category", "category_id", "categories", "product", "product_id", "product_cat", "item", "item_id",
	"id", "tag", "q", "s", "name", "keyword", "orderby", "disp_number", "lang", "locale", "post_type",
}

func harmless(to *url.URL, l link) bool {
	q, err := url.ParseQuery(to.RawQuery)
	if err != nil || l.acts || acts(to.Path) || acts(q.Encode()) || acts(l.text) {
		return false
	}
	for k := range q {
		if !slices.Contains(tame[:], strings.ToLower(k)) {
			return false
		}
	}
	return true
}
