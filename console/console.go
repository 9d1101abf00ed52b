package console

import (
	"context"
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"noren"
	"noren/console/ui"
	"noren/gateway"
	"noren/journal"
	"noren/notify"
	"noren/policy"
	"noren/settings"
	"noren/staff"
)

//go:embed pages
var pageFiles embed.FS

// Options are the parts the pages show, and what only the wired program knows.
type Options struct {
	Staff     *staff.Staff
	Journal   *journal.Journal
	Gateway   *gateway.Gateway
	Lists     *gateway.Lists
	Modes     *gateway.ModeSwitch
	Places    *gateway.Places
	Emergency *gateway.Emergency
	Notify    *notify.Notify
	Untold    func(site string) bool // nobody is told of a site's alarms
	Sites     func() []gateway.Site  // in force
	// About tells what is known of an address.
	About   func(netip.Addr) About
	Decider noren.Decider // records what people do here
	// Sheet says why the recovery sheet should be printed, if it was not.
	Sheet func(context.Context) (why noren.Text, missing bool, err error)
	// SheetDone notes that it was printed.
	SheetDone func(context.Context) error
	// Matters are asked for what else bears on a site's safety.
	Matters []func(ctx context.Context, site string) []Matter
	// Conditions are those of measures.yaml that only the wired program can tell.
	Conditions map[string]Condition
	// Away reports whether an error means that the database cannot be reached just
	// now; parts hand such errors on as they are.
	Away func(error) bool
	// Version is the program's.
	Version string
	// What the pages サイト, 場所 and 案内 ask the program that wires it.
	Checks Checker
	House  House
	Gate   Gate
	Bell   Bell
	Trial  Trial
	// Host is the name by which the console is reached from elsewhere, by https; ""
	// for this machine only.
	Host func() string
	Log  *slog.Logger

	// Settings and Desk are for the pages of policies; SettingsInForce is the version
	// that this process runs.
	Firewall        Firewall
	Settings        *settings.Store
	Desk            Desk
	SettingsInForce func() string
	// PoliciesInForce are those that decide at a site in this process.
	PoliciesInForce func(site string) []policy.Info
	EventOptions
}

// Console serves the pages.
type Console struct {
	o      Options
	assets *ui.Assets
	pages  *ui.Pages
	look   look
	feed   *Feed
	once   *once
	undos  *undos
	checks *checks
	setups *setups
	lines  *lines
	handle http.Handler

	measures []measure

	life       context.Context // of what runs in the background
	stop       context.CancelFunc
	rehearsals rehearsals
	census     census
	harms      harms
	cases      cases
	trying     chan struct{} // who compiles a draft

	last         sync.Mutex
	lastHash     string
	lastCompiled Compiled
	// revealed says who sees personal data just now.
	revealed *revealed
}

// tryingAtOnce is how many drafts are compiled at a time: people type fast, and
// the shop's visitors come first.
const tryingAtOnce = 1

// New makes the console. Every page is compiled in both languages before the
// first is asked for.
func New(o Options, feed *Feed) (*Console, error) {
	assets, err := ui.OpenAssets()
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, err
	}
	c := &Console{o: o, assets: assets, feed: feed, once: newOnce(), revealed: newRevealed(), setups: newSetups(), undos: newUndos(), checks: newChecks(), lines: newLines(), trying: make(chan struct{}, tryingAtOnce),
		rehearsals: rehearsals{all: map[string]*rehearsal{}}, census: census{sites: map[string]*counting{}}}
	c.look = newLook(assets.Sheet("style.css"))
	c.life, c.stop = context.WithCancel(context.Background())
	if c.pages, err = ui.Load(files, assets); err != nil {
		return nil, err
	}
	if c.measures, err = readMeasures("measures.yaml", measuresYAML, c.conditions()); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+ui.AssetsPath, assets)
	for _, r := range c.routes() {
		mux.HandleFunc(r.pattern, c.serve(r))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) { c.nowhere(w, req) })
	// From the outside in: each step may refuse before the next is reached.
	c.handle = c.bounded(c.dressed(c.knownHost(c.sameOrigin(mux))))
	return c, nil
}

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handle.ServeHTTP(w, r) }

// Server is the console's HTTP server. Live pages stay open as long as they are
// looked at, so answers have no time limit of their own.
func (c *Console) Server() *http.Server {
	s := &http.Server{
		Handler: c, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(c.o.Log.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(c.stop)
	return s
}

// Close ends what runs in the background.
func (c *Console) Close() { c.stop() }

// nowhere answers what no route is for, in words, and the same whether or not
// somebody is signed in.
func (c *Console) nowhere(w http.ResponseWriter, r *http.Request) {
	v := &visit{c: c, w: w, r: r, lang: languageOf(r)}
	v.fail(noren.Errorf(noren.NotFound, "no route for %s %s", cutTo(r.Method, 20), loggedPath(r.URL.Path)))
}

// serve runs one route: who asks, may they, then its handler. What goes wrong
// becomes a page in words.
func (c *Console) serve(r route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		v := &visit{c: c, w: w, r: req, lang: languageOf(req)}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				v.fail(noren.Errorf(noren.Internal, "panic: %v", p))
			}
		}()
		err := v.enter(r)
		if err == nil {
			err = r.do(v)
		}
		switch {
		case err == nil || errors.Is(err, context.Canceled):
		case err == errSignIn:
			v.leadToSignIn()
		case err == errConfirm:
			if err := v.askConfirm(); err != nil {
				v.fail(err)
			}
		default:
			c.once.release(v.formID()) // it may be sent again
			v.fail(err)
		}
	}
}
