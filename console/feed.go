package console

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"noren"
)

// Feed tells open pages that something happened. It implements loop.Observer and
// costs the loop a counter: pages fetch what they show by themselves.
type Feed struct {
	mu    sync.Mutex
	sites map[string]*siteFeed
}

type siteFeed struct {
	n    int64
	wake chan struct{} // closed at the next event
}

// NewFeed makes the feed that is handed to the loop and to New.
func NewFeed() *Feed { return &Feed{sites: map[string]*siteFeed{}} }

// Observed implements loop.Observer. What passes as usual is no news.
func (f *Feed) Observed(_ context.Context, ev noren.Event, d noren.Decision) {
	if ev.Kind == noren.HTTPRequest && d.Verdict == noren.Allow {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of(ev.Site)
	s.n++
	close(s.wake)
	s.wake = make(chan struct{})
}

func (f *Feed) of(site string) *siteFeed {
	s := f.sites[site]
	if s == nil {
		s = &siteFeed{wake: make(chan struct{})}
		f.sites[site] = s
	}
	return s
}

// since returns how many events a site has had, and what is closed at the next.
func (f *Feed) since(site string) (n int64, next <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of(site)
	return s.n, s.wake
}

const (
	// livePause keeps the pages of a shop under attack from asking all the time.
	livePause = 3 * time.Second
	// liveBeat keeps proxies from closing a quiet line.
	liveBeat = 25 * time.Second
	// liveLast ends a line now and then, so that a person whose role was taken
	// does not go on listening.
	liveLast = 10 * time.Minute
)

// lines are the live pages that are open. Each holds a connection and a goroutine,
// so that nobody may open as many as they like: the shop's visitors come by the same
// process. A page beyond the bound asks now and then instead.
type lines struct {
	mu       sync.Mutex
	open     int
	byPerson map[string]int
}

const (
	linesMost   = 1000
	linesPerson = 60 // tabs of one person, on all their devices
)

func newLines() *lines { return &lines{byPerson: map[string]int{}} }

func (l *lines) take(person string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= linesMost || l.byPerson[person] >= linesPerson {
		return false
	}
	l.open++
	l.byPerson[person]++
	return true
}

func (l *lines) give(person string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.byPerson[person]--; l.byPerson[person] <= 0 {
		delete(l.byPerson, person)
	}
}

// live tells a page when something changed (server-sent events, HTML standard
// 9.2). Only that: no data of the shop passes here.
func (c *Console) live(v *visit) error {
	if v.r.Method == http.MethodHead {
		return nil
	}
	if !c.lines.take(v.who.Person.ID) {
		return noren.Errorf(noren.Unavailable, "too many live pages are open")
	}
	defer c.lines.give(v.who.Person.ID)
	rc := http.NewResponseController(v.w)
	v.w.Header().Set("Content-Type", "text/event-stream")
	rc.SetReadDeadline(time.Time{})
	end := time.NewTimer(liveLast)
	defer end.Stop()
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	last, next := c.feed.since(v.site)
	if err := said(v.w, rc, "retry: 5000\n\n"); err != nil {
		return nil
	}
	for {
		select {
		case <-v.r.Context().Done():
			return nil
		case <-c.life.Done(): // the program ends, or hands over
			return nil
		case <-end.C:
			return nil
		case <-beat.C:
			if said(v.w, rc, ": still here\n\n") != nil {
				return nil
			}
			continue
		case <-next:
		}
		n := last
		n, next = c.feed.since(v.site)
		if n != last && said(v.w, rc, "event: changed\ndata: "+strconv.FormatInt(n, 10)+"\n\n") != nil {
			return nil
		}
		last = n
		if !pause(v.r.Context(), c.life, livePause) {
			return nil
		}
	}
}

func said(w http.ResponseWriter, rc *http.ResponseController, s string) error {
	rc.SetWriteDeadline(time.Now().Add(10 * time.Second))
	if _, err := w.Write([]byte(s)); err != nil {
		return err
	}
	return rc.Flush()
}

func pause(ctx, life context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-life.Done():
		return false
	case <-t.C:
		return true
	}
}
