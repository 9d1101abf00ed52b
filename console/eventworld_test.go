package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/gateway"
	"noren/journal"
	"noren/policy"
	"noren/settings"
	"noren/staff"
	"noren/vault"
)

// eventWorld is a console over a real SQLite Noren with two shops, and people in it.
type eventWorld struct {
	*testing.T
	c     *Console
	j     *journal.Journal
	vault *vault.Vault
	db    *db.DB
	lists *gateway.Lists
	log   *lockedText
	away  bool // the loop records nothing
	tok   map[staff.Role]string
	mu    sync.Mutex
	seen  []noren.Event // that the console or the lists raised
}

const (
	shopA = shopSite
	shopB = otherSite
)

// Decide records what parts raise, as the loop does.
func (w *eventWorld) Decide(ctx context.Context, ev noren.Event) (noren.Decision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away {
		return noren.Decision{}, noren.Errorf(noren.Unavailable, "the record is away")
	}
	ev.At = noren.At(time.Now())
	if ev.ID == "" {
		ev.ID = noren.NewID(ev.At.Time)
	}
	if err := ev.Valid(); err != nil {
		return noren.Decision{}, fmt.Errorf("the console raised a bad event: %w", err)
	}
	w.seen = append(w.seen, ev)
	d := noren.Decision{EventID: ev.ID, Verdict: noren.Allow}
	if w.j == nil {
		return d, nil
	}
	p, err := w.j.Submit(ctx, noren.Entry{Event: ev, Decision: d, Count: 1})
	if err != nil {
		return d, err
	}
	_, err = p.Wait(ctx)
	return d, err
}

func openEventWorld(t *testing.T) *eventWorld {
	t.Helper()
	w := &eventWorld{T: t, tok: map[staff.Role]string{}}
	base := openWorld(t, func(base *world, o *Options) {
		w.j, w.vault, w.db, w.lists, w.log = base.journal, base.vault, base.db, base.lists, &base.log
		w.lists.RaiseTo(w)
		o.Decider, o.EventOptions = w, w.options()
	})
	w.c = base.console
	w.people(base.staff)
	return w
}

// options are what the wired program knows.
func (w *eventWorld) options() EventOptions {
	w.Helper()
	cat := noren.NewCatalogue(noren.EventFacts(), []noren.Family{noren.EntityFacts()})
	set := w.policies(cat, "block")
	return EventOptions{
		AddressOf: func(netip.Addr) (string, string) { return "JP", "さくら<b>" },
		Catalogue: func() *noren.Catalogue { return cat },
		Policies:  func(string) *policy.Set { return set },
		PoliciesAt: func(_ context.Context, _, version string) (*policy.Set, error) {
			if version == "mild" {
				return w.policies(cat, "challenge"), nil
			}
			return nil, noren.Errorf(noren.NotFound, "no version %q", version)
		},
		Versions: func(context.Context) ([]settings.Version, error) {
			return []settings.Version{{ID: "mild", N: 2, At: noren.At(time.Now()), Author: "noren", Reason: "<script>"}}, nil
		},
		LoggedAs: func(_ context.Context, ticket string) (*gateway.Line, noren.Time, error) {
			if ticket == "7K2QM-X4T9A" {
				return &gateway.Line{Site: shopA, At: noren.At(time.Now()), Address: "198.51.100.44", Method: "GET", Path: "/<b>", Cause: "limit", Ticket: ticket}, noren.Time{}, nil
			}
			if ticket == "8K2QM-X4T9A" {
				return &gateway.Line{Site: shopB, At: noren.At(time.Now()), Address: "198.51.100.44", Ticket: ticket}, noren.Time{}, nil
			}
			return nil, noren.At(time.Now().Add(-time.Hour)), nil
		},
		ShutsOut: func(_, list string, _ bool, p netip.Prefix, who netip.Addr) string {
			if list == gateway.ListBan && p.Contains(who) {
				return p.String()
			}
			return ""
		},
	}
}

func (w *eventWorld) policies(cat *noren.Catalogue, verdict string) *policy.Set {
	w.Helper()
	yaml := "version: 1\npolicies:\n  - name: no-scan\n    kinds: [http.request]\n    mode: on\n    when: request.probe == \"scan\"\n    then: " + verdict + "\n    reason: {ja: 探っている, en: scanning}\n    tests:\n      - {name: a, facts: {request.probe: scan}, fires: true}\n      - {name: b, facts: {request.probe: \"\"}, fires: false}\n"
	set, err := policy.Load([]policy.File{{Name: "p.yaml", Data: []byte(yaml)}}, cat)
	w.must(err)
	return set
}

// people join: an owner of everything, and a viewer and a worker of the first shop.
func (w *eventWorld) people(s *staff.Staff) {
	w.Helper()
	ctx := w.Context()
	link, err := s.OwnerLink(ctx, staff.AtMachine("test"))
	w.must(err)
	owner := w.join(s, link.Token, "owner@shop.example")
	w.tok[staff.Owner] = owner.Token
	by := staff.By{Person: owner.Session.Person.ID, Reason: "test"}
	for role, mail := range map[staff.Role]string{staff.Viewer: "viewer@shop.example", staff.Worker: "worker@shop.example"} {
		l, err := s.Invite(ctx, by, mail, staff.Grants{shopA: role})
		w.must(err)
		w.tok[role] = w.join(s, l.Token, mail).Token
	}
}

func (w *eventWorld) join(s *staff.Staff, token, mail string) staff.Joined {
	w.Helper()
	secret := staff.NewSecret()
	j, err := s.Join(w.Context(), token, staff.Joining{Name: "店の人 " + mail[:3], Mail: mail, Password: "茶碗と急須を売る小さなお店です", Secret: secret, Code: appCode(w.T, secret), Address: netip.MustParseAddr("127.0.0.1"), UserAgent: "test"})
	w.must(err)
	return j
}

func (w *eventWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// add records an entry at a time.
func (w *eventWorld) add(e noren.Entry) string {
	w.Helper()
	if e.Event.At.IsZero() {
		e.Event.At = noren.At(time.Now())
	}
	if e.Event.ID == "" {
		e.Event.ID = noren.NewID(e.Event.At.Time)
	}
	if e.Count == 0 {
		e.Count = 1
	}
	e.Decision.EventID = e.Event.ID
	if e.Decision.Verdict == "" {
		e.Decision.Verdict = noren.Allow
	}
	p, err := w.j.Submit(w.Context(), e)
	w.must(err)
	_, err = p.Wait(w.Context())
	w.must(err)
	return e.Event.ID
}

// eventAnswer is what the console answered.
type eventAnswer struct {
	Code int
	Body string
	To   string
	h    http.Header
}

func (w *eventWorld) get(as staff.Role, path string) eventAnswer {
	w.Helper()
	return w.do(as, httptest.NewRequest("GET", "http://127.0.0.1"+path, nil))
}

func (w *eventWorld) post(as staff.Role, path string, pairs ...string) eventAnswer {
	w.Helper()
	form := url.Values{"once": {newForm()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.do(as, r)
}

func (w *eventWorld) do(as staff.Role, r *http.Request) eventAnswer {
	w.Helper()
	r.RemoteAddr = "127.0.0.1:40000"
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: w.tok[as]})
	rec := httptest.NewRecorder()
	w.c.ServeHTTP(rec, r)
	if rec.Code >= 500 && !w.away {
		w.Errorf("%s %s: %d\n%s", r.Method, r.URL, rec.Code, w.log.String())
	}
	return eventAnswer{rec.Code, rec.Body.String(), rec.Header().Get("Location"), rec.Header()}
}
