package orient

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"noren"
)

// Resolver is what reverse DNS needs of one; *net.Resolver fits.
type Resolver interface {
	LookupAddr(ctx context.Context, addr string) (names []string, err error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// botOperators are the search engines that can be verified by reverse DNS: what
// their robots call themselves, and the domains their hosts' names end with, as
// each operator documents it. Google's googleusercontent.com is left out: every
// customer of its cloud has names there.
var botOperators = []struct {
	name    string
	agents  []string
	domains []string
}{
	{"google", []string{"googlebot", "google-inspectiontool", "adsbot-google", "mediapartners-google", "storebot-google", "googleother"}, []string{"googlebot.com", "google.com"}},
	{"bing", []string{"bingbot", "bingpreview", "adidxbot"}, []string{"search.msn.com"}},
	{"apple", []string{"applebot"}, []string{"applebot.apple.com"}},
	{"yandex", []string{"yandexbot"}, []string{"yandex.ru", "yandex.net", "yandex.com"}},
	{"baidu", []string{"baiduspider"}, []string{"baidu.com", "baidu.jp"}},
	{"naver", []string{"yeti/"}, []string{"naver.com"}},
}

// How long an answer of the DNS holds, by the time of events, and how much is
// asked at once.
const (
	botYes       = 24 * time.Hour
	botNo        = time.Hour
	botUnknown   = 5 * time.Minute // the DNS did not answer
	botTimeout   = 5 * time.Second
	maxBotAsking = 4
	maxBotCache  = 10_000
)

// botVerifier confirms by reverse DNS who a visitor is. It never makes a
// decision wait: the first sight of an address is unknown.
type botVerifier struct {
	resolver Resolver
	log      *slog.Logger
	asking   chan struct{}

	mu    sync.Mutex
	known map[netip.Addr]botAnswer
	tidy  int64 // when a full cache is looked through again
	idle  sync.WaitGroup
}

type botAnswer struct {
	name  string
	until int64 // microseconds of events
	asked bool  // under way
}

func newBotVerifier(r Resolver, log *slog.Logger) *botVerifier {
	if r == nil {
		r = net.DefaultResolver
	}
	return &botVerifier{resolver: r, log: log, asking: make(chan struct{}, maxBotAsking), known: map[netip.Addr]botAnswer{}}
}

// bot is the search engine the event's address belongs to, "" when not verified.
func (a *Addresses) bot(ev *noren.Event, addr netip.Addr, info *AddressInfo) string {
	if info.Bot != "" || a.bots == nil || !addr.IsValid() {
		return info.Bot
	}
	return a.bots.name(addr, ev.At.UnixMicro(), claimedBot(ev))
}

// Settle waits until every robot being verified is.
func (a *Addresses) Settle() {
	if a.bots != nil {
		a.bots.idle.Wait()
	}
}

// SearchEngine names the search engine an address was verified to be, "" for
// none, or when a visitor that calls itself one is not verified yet.
func (a *Addresses) SearchEngine(addr netip.Addr, agent string, at time.Time) string {
	if info := a.Lookup(addr); info.Bot != "" || a.bots == nil {
		return info.Bot
	}
	return a.bots.name(addr, at.UnixMicro(), claimedAgent(agent))
}

// claimedBot is the index of the operator whose robot the visitor says it is,
// -1 for none.
func claimedBot(ev *noren.Event) int {
	switch p := ev.Payload.(type) {
	case *noren.Request:
		return claimedAgent(p.UserAgent)
	case *noren.Blocked:
		return claimedAgent(p.UserAgent)
	}
	return -1
}

func claimedAgent(agent string) int {
	if agent == "" || len(agent) > 1024 {
		return -1
	}
	agent = strings.ToLower(agent)
	for i, op := range botOperators {
		for _, a := range op.agents {
			if strings.Contains(agent, a) {
				return i
			}
		}
	}
	return -1
}

// name returns what is known of addr and asks the DNS when the visitor claims
// to be a robot and nothing is known.
func (v *botVerifier) name(addr netip.Addr, now int64, claimed int) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	answer, ok := v.known[addr]
	if ok && (answer.asked || now < answer.until) {
		return answer.name
	}
	if claimed < 0 || !v.room(now) {
		return ""
	}
	select {
	case v.asking <- struct{}{}:
		v.known[addr] = botAnswer{asked: true}
		v.idle.Go(func() { v.ask(addr, now, claimed) })
	default: // enough is being asked
	}
	return ""
}

// room makes room for one more answer; false when there is none.
func (v *botVerifier) room(now int64) bool {
	if len(v.known) < maxBotCache {
		return true
	}
	if now < v.tidy { // a crowd of pretenders must not have it searched for each of them
		return false
	}
	v.tidy = now + botUnknown.Microseconds()/10
	for addr, a := range v.known {
		if !a.asked && now >= a.until {
			delete(v.known, addr)
		}
	}
	return len(v.known) < maxBotCache
}

func (v *botVerifier) ask(addr netip.Addr, now int64, claimed int) {
	ctx, cancel := context.WithTimeout(context.Background(), botTimeout)
	defer cancel()
	yes, err := v.confirmed(ctx, addr, botOperators[claimed].domains)
	answer := botAnswer{until: now + botNo.Microseconds()}
	switch {
	case yes:
		answer = botAnswer{name: botOperators[claimed].name, until: now + botYes.Microseconds()}
	case err != nil:
		answer.until = now + botUnknown.Microseconds()
		v.log.Debug("reverse DNS of a search bot did not answer", "bot", botOperators[claimed].name, "err", err)
	}
	<-v.asking
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known[addr] = answer
}

// maxBotNames is how many names of one address are looked up.
const maxBotNames = 4

// confirmed reports whether a name of addr ends with one of domains and leads
// back to addr. Anybody can give their addresses any name; only the owner of
// the domain can make the name lead back.
func (v *botVerifier) confirmed(ctx context.Context, addr netip.Addr, domains []string) (bool, error) {
	names, err := v.resolver.LookupAddr(ctx, addr.String())
	if err != nil {
		return false, unlessNotFound(err)
	}
	for _, name := range names[:min(len(names), maxBotNames)] {
		if !underAny(name, domains) {
			continue
		}
		back, err := v.resolver.LookupNetIP(ctx, "ip", name)
		if err := unlessNotFound(err); err != nil {
			return false, err
		}
		for _, b := range back {
			if b.Unmap() == addr {
				return true, nil
			}
		}
	}
	return false, nil
}

// unlessNotFound drops the error that says there is no such name: that is an
// answer.
func unlessNotFound(err error) error {
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return nil
	}
	return err
}

func underAny(name string, domains []string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, d := range domains {
		if strings.HasSuffix(name, "."+d) {
			return true
		}
	}
	return false
}
