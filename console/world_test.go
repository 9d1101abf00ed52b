package console

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/gateway"
	"noren/journal"
	"noren/kv"
	"noren/notify"
	"noren/settings"
	"noren/staff"
	"noren/vault"
)

// world is a Noren without its loop: real database, vault, journal, gateway and
// people, two sites, and the console served over HTTP.
type world struct {
	*testing.T
	db       *db.DB
	vault    *vault.Vault
	journal  *journal.Journal
	settings *settings.Store
	gateway  *gateway.Gateway
	lists    *gateway.Lists
	modes    *gateway.ModeSwitch
	places   *gateway.Places
	stops    *gateway.Emergency
	notify   *notify.Notify
	staff    *staff.Staff
	console  *Console
	url      string
	log      lockedText
	faults   atomic.Pointer[func() db.Fault]
	ahead    atomic.Int64 // how far the clock of staff is ahead
}

// faulty breaks a write of the database when a test says so.
func (w *world) faulty(db.FaultPoint) db.Fault {
	if f := w.faults.Load(); f != nil {
		return (*f)()
	}
	return db.Fault{}
}

// lockedText keeps what was logged, for failing tests.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// sites of the world.
const (
	shopSite  = "shop"
	otherSite = "other"
)

// Decide records an event as the loop does, and lets it pass.
func (w *world) Decide(ctx context.Context, ev noren.Event) (noren.Decision, error) {
	if ev.At.IsZero() {
		ev.At = noren.At(time.Now())
	}
	if ev.ID == "" {
		ev.ID = noren.NewID(ev.At.Time)
	}
	d := noren.Decision{EventID: ev.ID, Verdict: ev.Given()}
	_, err := w.journal.Append(ctx, noren.Entry{Event: ev, Decision: d, Count: 1})
	return d, err
}

// String is what was logged.
func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// openWorld opens one on SQLite; change may add to the console's options.
func openWorld(t *testing.T, change ...func(*world, *Options)) *world {
	t.Helper()
	return openWorldAt(t, dbtest.URL(t, db.SQLite), change...)
}

// openWorldAt opens one on a database of either engine (dbtest.EachURL).
func openWorldAt(t *testing.T, at string, change ...func(*world, *Options)) *world {
	t.Helper()
	w := &world{T: t}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("the console logged:\n" + w.log.String())
		}
	})
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w.db = dbtest.OpenURL(t, db.Options{URL: at, Faults: w.faulty})
	root := t.TempDir() + "/root.key"
	check(vault.GenerateRootKey(root))
	key, err := vault.LoadRootKey("file:" + root)
	check(err)
	w.vault, err = vault.Open(ctx, vault.Options{DB: w.db, Root: key, ErasuresFile: t.TempDir() + "/erasures"})
	check(err)
	id, signing, err := w.vault.SigningKey(ctx, "checkpoint")
	check(err)
	w.journal, err = journal.Open(ctx, journal.Options{DB: w.db, Sealer: w.vault, SigningKey: signing, KeyID: id, Origin: "test/" + w.vault.Instance(), Node: "test", SpoolDir: t.TempDir(), SpoolMax: 1 << 20})
	check(err)
	t.Cleanup(func() { w.journal.Close(context.Background()) })
	w.settings, err = settings.Open(settings.Options{DB: w.db, Mode: settings.Console})
	check(err)
	w.lists, err = gateway.OpenLists(ctx, gateway.ListsOptions{DB: w.db, Sealer: w.vault})
	check(err)
	w.modes, err = gateway.OpenModes(ctx, gateway.ModeSwitchOptions{DB: w.db})
	check(err)
	w.places, err = gateway.OpenPlaces(ctx, gateway.PlacesOptions{DB: w.db, Sealer: w.vault})
	check(err)
	w.staff, err = staff.Open(staff.Options{
		DB: w.db, Cost: staff.Cost{KiB: 8, Passes: 1, Threads: 1}, Now: w.now,
		Secrets: func(ctx context.Context) ([][]byte, error) { return w.vault.Secrets(ctx, "staff") },
		Token:   func(field, value string) []byte { return w.vault.Token("", field, value) },
	})
	check(err)
	for _, part := range []interface{ RaiseTo(noren.Decider) }{w.lists, w.modes, w.places, w.staff} {
		part.RaiseTo(w)
	}
	shop := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, "お店") }))
	t.Cleanup(shop.Close)
	site := func(name string) gateway.Site {
		return gateway.Site{Name: name, Hosts: []string{name + ".example.jp"}, Upstream: shop.URL, Preset: "generic"}
	}
	w.stops, err = gateway.OpenEmergency(ctx, gateway.EmergencyOptions{DB: w.db, Sealer: w.vault, Modes: w.modes, Lists: w.lists, Places: w.places, Sites: func() []gateway.Site { return w.gateway.Sites() }})
	check(err)
	w.stops.RaiseTo(w)
	rules, err := notify.Parse("notify.yaml", notify.ShippedFile())
	check(err)
	w.notify = notify.New(notify.Options{DB: w.db, Setup: notify.Setup{Rules: map[string]*notify.Rules{"": rules}}, Log: slog.New(slog.DiscardHandler)})
	memory := kv.NewMemory(0)
	t.Cleanup(func() { memory.Close() })
	w.gateway, err = gateway.New(gateway.Options{
		Settings: gateway.Settings{Sites: []gateway.Site{site(shopSite), site(otherSite)}}, Decider: w, KV: memory,
		Lists: w.lists, Modes: w.modes, Places: w.places, Emergency: w.stops, Token: w.vault.Token, Log: slog.New(slog.DiscardHandler),
		Secrets: func(ctx context.Context) ([][]byte, error) { return w.vault.Secrets(ctx, vault.PurposeCookie) },
	})
	check(err)
	o := Options{
		Staff: w.staff, Journal: w.journal, Gateway: w.gateway, Lists: w.lists, Modes: w.modes, Places: w.places, Emergency: w.stops, Notify: w.notify, Untold: func(string) bool { return true }, Sites: w.gateway.Sites,
		Decider: w, Sheet: w.vault.Alarm, SheetDone: w.vault.ConfirmBackup, Host: func() string { return "" }, Away: db.IsUnavailable, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	for _, f := range change {
		f(w, &o)
	}
	w.console, err = New(o, NewFeed())
	check(err)
	server := httptest.NewServer(w.console)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// now is the time of the people's sessions and second factors.
func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

// later lets time pass for them.
func (w *world) later(d time.Duration) { w.ahead.Add(int64(d)) }

// browser is somebody at the console.
type browser struct {
	w      *world
	client *http.Client
	person *staff.Person
	mail   string
	secret string // of the second factor
}

// as signs somebody in with these roles: the owner by the first link, others by an
// invitation.
func (w *world) as(roles staff.Grants) *browser {
	w.Helper()
	jar, _ := cookiejar.New(nil)
	b := &browser{w: w, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	var link staff.NewLink
	var err error
	if has, _ := w.staff.HasOwner(w.Context()); has {
		link, err = w.staff.Invite(w.Context(), staff.AtMachine("test"), "", roles)
	} else if roles[staff.AllSites] == staff.Owner {
		link, err = w.staff.OwnerLink(w.Context(), staff.AtMachine("test"))
	} else {
		w.as(staff.Grants{staff.AllSites: staff.Owner})
		link, err = w.staff.Invite(w.Context(), staff.AtMachine("test"), "", roles)
	}
	if err != nil {
		w.Fatal(err)
	}
	secret := staff.NewSecret()
	mail := "p" + strings.ToLower(noren.NewID(time.Now())) + "@shop.example"
	joined, err := w.staff.Join(w.Context(), link.Token, staff.Joining{Name: "テスト 花子", Mail: mail, Password: passphrase, Secret: secret, Code: codeOf(secret, w.now()),
		Address: netip.MustParseAddr("127.0.0.1"), UserAgent: "test"})
	if err != nil {
		w.Fatal(err)
	}
	b.person, b.mail, b.secret = joined.Session.Person, mail, secret
	u, _ := url.Parse(w.url)
	jar.SetCookies(u, []*http.Cookie{{Name: sessionCookie, Value: joined.Token, Path: "/"}, {Name: languageCookie, Value: "ja", Path: "/"}})
	return b
}

// passphrase is everybody's.
const passphrase = "とても長い合言葉を使います"

// owner is somebody who may do everything.
func (w *world) owner() *browser { w.Helper(); return w.as(staff.Grants{staff.AllSites: staff.Owner}) }

// codeOf is a code of a second factor (RFC 6238).
func codeOf(secret string, at time.Time) string {
	key, _ := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	mac := hmac.New(sha1.New, key)
	binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&0xf:])&0x7fffffff%1_000_000)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) do(req *http.Request) answer {
	b.w.Helper()
	resp, err := b.client.Do(req)
	if err != nil {
		b.w.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.w.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (b *browser) get(path string) answer {
	b.w.Helper()
	req, _ := http.NewRequest("GET", b.w.url+path, nil)
	return b.do(req)
}

// post sends a form from a page of the console; the values come in pairs.
func (b *browser) post(path string, pairs ...string) answer {
	b.w.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	req, _ := http.NewRequest("POST", b.w.url+path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(req)
}

// says fails unless a page holds all of these.
func (a answer) says(t testing.TB, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(a.body, s) {
			_, main, _ := strings.Cut(a.body, "<main")
			t.Errorf("the page (status %d) does not say %q:\n%.3000s", a.status, s, main)
		}
	}
}
