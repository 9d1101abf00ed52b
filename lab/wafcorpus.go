package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"noren"
	"noren/gateway/waf/corpus"
)

// wafLab sends both corpora through a real gateway and says what was stopped,
// by class.
func wafLab() Lab {
	return Lab{
		Name: "waf",
		Meaning: noren.Text{
			Ja: "お客様が実際に書くような文章と、実際に働く攻撃を、欄・文字コードごとに本物のゲートウェイへ送り、止まった数を種類別の表にします",
			En: "sends what honest customers write, and attacks that work, through a real gateway, in every kind of field and encoding, and prints what was stopped, by class",
		},
		Run: runWAF,
	}
}

// corpusHosts are the lab's shops, one for each charset of its pages.
var corpusHosts = map[corpus.Charset]string{corpus.UTF8: "utf8.example.jp", corpus.ShiftJIS: "sjis.example.jp", corpus.EUCJP: "euc.example.jp"}

// corpusWorkers visit at the same time; each of their visitors sends few
// requests, so that none is held back for those before it.
const (
	corpusWorkers    = 4
	requestsAVisitor = 5
)

func runWAF(ctx context.Context, env Env, p Params) (Report, error) {
	requests, err := corpusRequests()
	if err != nil {
		return Report{}, err
	}
	// A machine that is too slow for all of them sends a sample, and so does --runs.
	r := rand.New(rand.NewPCG(p.Seed, 4))
	r.Shuffle(len(requests), func(i, k int) { requests[i], requests[k] = requests[k], requests[i] })
	whole := len(requests)
	if p.Runs > 0 {
		requests = requests[:min(p.Runs, whole)]
	}
	shop, err := startRawShop()
	if err != nil {
		return Report{}, err
	}
	defer shop.close()
	encodings := map[string][]string{}
	for c, host := range corpusHosts {
		encodings[host] = nil
		if c != corpus.UTF8 {
			encodings[host] = []string{string(c)}
		}
	}
	door, err := env.Shops(ctx, shop.url(), encodings)
	if err != nil {
		return Report{}, fmt.Errorf("start a gateway: %w", err)
	}
	defer door.Close()
	var done atomic.Int64
	stop := progress(env.Progress, func() string { return fmt.Sprintf("%d of %d requests", done.Load(), len(requests)) })
	defer stop()
	began := time.Now()
	tally, err := sendCorpus(ctx, door.Plain, requests, &done)
	if err != nil {
		return Report{}, fmt.Errorf("after %d of %d requests: %w", done.Load(), len(requests), err)
	}
	rep := &Report{Lab: "waf", Seed: p.Seed, Figures: map[string]any{"requests": done.Load(), "of": whole, "seconds": int(time.Since(began).Seconds())}}
	err = judgeCorpus(rep, tally, int(done.Load()) == whole)
	return *rep, err
}

// corpusRequests are both corpora, each line in one of its ways.
func corpusRequests() (out []corpus.Request, err error) {
	benign, err := corpus.Benign()
	if err != nil {
		return nil, err
	}
	attacks, err := corpus.Attacks()
	if err != nil {
		return nil, err
	}
	for _, lines := range [][]corpus.Line{benign, attacks} {
		for i := range lines {
			out = append(out, lines[i].Once())
		}
	}
	return out, nil
}

// corpusTime is how long is sent.
const corpusTime = 100 * time.Second

// sendCorpus sends the requests in their order, as many as fit into the time, and
// counts which were stopped.
func sendCorpus(ctx context.Context, addr string, requests []corpus.Request, done *atomic.Int64) (corpus.Tally, error) {
	tally, errs := corpus.Tally{}, make([]error, corpusWorkers)
	end := time.Now().Add(corpusTime)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for k := range corpusWorkers {
		wg.Go(func() {
			v := &corpusVisitor{addr: addr, worker: k}
			defer v.leave()
			for i := k; i < len(requests) && time.Now().Before(end); i += corpusWorkers {
				stopped, err := v.send(ctx, &requests[i])
				if err != nil {
					errs[k] = err
					return
				}
				mu.Lock()
				tally.Add(&requests[i], stopped)
				mu.Unlock()
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return tally, errors.Join(errs...)
}

// corpusVisitor is one visitor after another, each from an address of its own.
type corpusVisitor struct {
	addr         string
	worker, sent int
	client       *http.Client
}

func (v *corpusVisitor) leave() {
	if v.client != nil {
		v.client.CloseIdleConnections()
	}
}

func (v *corpusVisitor) next() {
	v.leave()
	n := v.sent / requestsAVisitor
	from := netip.AddrFrom4([4]byte{127, byte(100 + v.worker), byte(n >> 8), byte(n)})
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	v.client = &http.Client{
		Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", v.addr)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       20 * time.Second,
	}
}

// send reports whether a request was stopped: it did not get the shop's answer.
func (v *corpusVisitor) send(ctx context.Context, c *corpus.Request) (stopped bool, err error) {
	if v.sent%requestsAVisitor == 0 {
		v.next()
	}
	v.sent++
	target, err := url.ParseRequestURI(c.Target)
	if err != nil {
		return false, fmt.Errorf("target of %q: %w", c.Line.Text, err)
	}
	host := corpusHosts[c.Charset]
	target.Scheme, target.Host = "http", host
	r := &http.Request{Method: c.Method, URL: target, Host: host, Header: http.Header(c.Header).Clone(), Body: io.NopCloser(bytes.NewReader(c.Body)), ContentLength: int64(len(c.Body))}
	res, err := v.client.Do(r.WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("%s %q: %w", c.Place, c.Line.Text, err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return false, err
	}
	if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
		return false, fmt.Errorf("%s %q: status %d, which says nothing of the firewall", c.Place, c.Line.Text, res.StatusCode)
	}
	return res.StatusCode != http.StatusOK, nil
}

// judgeCorpus holds every class against what is kept; of a sample also what
// chance makes of it.
func judgeCorpus(rep *Report, tally corpus.Tally, all bool) error {
	kept, err := corpus.Kept("once")
	if err != nil {
		return err
	}
	for _, key := range corpusRows() {
		now, then := cmp.Or(tally[key], &corpus.Parts{}), kept[key]
		if then == nil {
			return noren.Errorf(noren.Internal, "no kept counts of %q", key)
		}
		sign, ok := "≥", true
		if key == "benign" {
			sign = "≤"
		}
		for part := range now {
			if all {
				ok = ok && now[part].Worse(then[part], key == "benign") == ""
			} else {
				ok = ok && likely(now[part], then[part], key == "benign")
			}
		}
		rep.Add(key, corpusTitle(key), sign+" "+percents(then), percents(now), ok)
	}
	// By field, place, charset and trick: stopped and all, then of the held-out part.
	for _, key := range tally.Keys() {
		tuning, held := tally[key][0], tally[key][1]
		rep.Figures[key] = []int{tuning.Stopped, tuning.All, held.Stopped, held.All}
	}
	return nil
}

// likely: the sample is no worse than four standard deviations and one line
// below what is kept.
func likely(now, kept corpus.Count, benign bool) bool {
	n, p := float64(now.All), kept.Percent()/100
	margin := 4*math.Sqrt(n*p*(1-p)) + 1
	if benign {
		return float64(now.Stopped) <= n*p+margin
	}
	return float64(now.Stopped) >= n*p-margin
}

func corpusRows() []string {
	rows := []string{"benign", "attacks"}
	for _, c := range corpus.Classes() {
		rows = append(rows, "attack "+string(c))
	}
	return rows
}

func percents(p *corpus.Parts) string {
	return fmt.Sprintf("%.2f %% (%d / %d), held out %.2f %% (%d / %d)", p[0].Percent(), p[0].Stopped, p[0].All, p[1].Percent(), p[1].Stopped, p[1].All)
}

func corpusTitle(key string) noren.Text {
	switch key {
	case "benign":
		return noren.Text{Ja: "正しいお客様の通信のうち、止めてしまったもの", En: "of what honest customers sent, stopped"}
	case "attacks":
		return noren.Text{Ja: "攻撃のうち、止めたもの", En: "of all attacks, stopped"}
	}
	class := corpus.Class(key[len("attack "):])
	return noren.Text{Ja: "攻撃「" + corpusClasses[class].Ja + "」のうち、止めたもの", En: "of attacks by " + corpusClasses[class].En + ", stopped"}
}

var corpusClasses = map[corpus.Class]noren.Text{
	corpus.SQL:         {Ja: "SQL インジェクション", En: "SQL injection"},
	corpus.XSS:         {Ja: "クロスサイトスクリプティング", En: "cross-site scripting"},
	corpus.Shell:       {Ja: "OS コマンド", En: "OS commands"},
	corpus.Traversal:   {Ja: "ディレクトリトラバーサル", En: "path traversal"},
	corpus.SSRF:        {Ja: "SSRF（内側への踏み台）", En: "server-side request forgery"},
	corpus.SSTI:        {Ja: "テンプレート", En: "template injection"},
	corpus.NoSQL:       {Ja: "NoSQL", En: "NoSQL injection"},
	corpus.LDAP:        {Ja: "LDAP", En: "LDAP injection"},
	corpus.XPath:       {Ja: "XPath", En: "XPath injection"},
	corpus.XXE:         {Ja: "XML 外部実体", En: "XML external entities"},
	corpus.MailHeader:  {Ja: "メール・応答ヘッダー", En: "mail and answer headers"},
	corpus.Deserialise: {Ja: "オブジェクトの復元", En: "deserialisation"},
	corpus.Prototype:   {Ja: "プロトタイプ汚染", En: "prototype pollution"},
	corpus.JNDI:        {Ja: "Log4j（JNDI）", En: "log4j (JNDI)"},
	corpus.GraphQL:     {Ja: "GraphQL の乱用", En: "GraphQL abuse"},
	corpus.PHP:         {Ja: "PHP コード", En: "PHP code"},
}
