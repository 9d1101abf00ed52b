package sampleshop

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

//go:embed schema.sql
var schema string

// Options say what the shop starts with.
type Options struct {
	// Seed decides the invented customers and orders, and the admin's password
	// unless AdminPassword is given.
	Seed uint64
	// BaseURL is the shop's address as customers see it, through whatever
	// stands in front: http://127.0.0.1:8080. The payment provider sends
	// buyers and reports there.
	BaseURL string
	// PSPBaseURL is the address at which PSP is served.
	PSPBaseURL string
	// AdminPassword is the password of the admin user; empty: derived from
	// Seed, which is good for a throw-away shop only.
	AdminPassword string
	// Fold turns full-width ASCII in what visitors send into half-width, as
	// EC-CUBE 2 does (mb_convert_kana "aKV"): behind the firewall ＜ becomes <.
	Fold bool
	// Weak makes it the shop that the firewall is for: it folds, reads what is no
	// UTF-8 as Shift_JIS, and builds the statement of its search from strings.
	Weak bool
	// PasswordCost is the number of PBKDF2 rounds; 0 means the default.
	PasswordCost int
	// Customers and Orders are how many to invent; 0 means 200 and 300.
	Customers, Orders int
	// Now is the shop's clock; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Shop is one running shop. It is an http.Handler, safe for concurrent use.
type Shop struct {
	opts     Options
	db       *sql.DB
	log      *slog.Logger
	mux      *http.ServeMux
	handler  http.Handler
	pages    pages
	goods    catalogue
	seen     *seen
	psp      *provider
	payments *pspClient
	decoy    string // a hash nobody's password has, for unknown users
	writing  sync.Mutex
}

// DSN is the data source name for a shop in a file of its own, to be opened
// with the driver "sqlite". The shop can be made again from its seed, so it
// does not wait for the disk.
func DSN(file string) string {
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(ON)"}, "_txlock": {"immediate"}}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: q.Encode()}
	return u.String()
}

// New opens the shop in an empty SQLite database and fills it from the seed.
// Close must be called before the database is closed.
func New(ctx context.Context, db *sql.DB, o Options) (*Shop, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Shop{opts: o, db: db, log: o.Log, seen: newSeen()}
	var err error
	if s.goods, err = loadCatalogue(); err != nil {
		return nil, err
	}
	if s.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if s.decoy, err = hashPassword("", newSalt(), o.PasswordCost); err != nil {
		return nil, err
	}
	if err := s.fill(ctx); err != nil {
		return nil, fmt.Errorf("fill the sample shop: %w", err)
	}
	if s.psp, err = newProvider(o, s.pages); err != nil {
		return nil, err
	}
	s.payments = newPSPClient(o.PSPBaseURL, s.psp.key)
	s.mux = s.routes()
	s.handler = s.protect(s.mux)
	return s, nil
}

func (o *Options) complete() error {
	for name, raw := range map[string]string{"BaseURL": o.BaseURL, "PSPBaseURL": o.PSPBaseURL} {
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return fmt.Errorf("sample shop: %s %q is not like http://127.0.0.1:8080", name, raw)
		}
	}
	o.BaseURL, o.PSPBaseURL = strings.TrimRight(o.BaseURL, "/"), strings.TrimRight(o.PSPBaseURL, "/")
	o.Fold = o.Fold || o.Weak
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.PasswordCost == 0 {
		o.PasswordCost = defaultCost
	}
	if o.Customers == 0 {
		o.Customers = 200
	}
	if o.Orders == 0 {
		o.Orders = 300
	}
	if o.AdminPassword == "" {
		o.AdminPassword = seedSecret(o.Seed, "admin")
	}
	return nil
}

// Close waits for the payment provider's reports that are under way.
func (s *Shop) Close() { s.psp.close() }

// PSP serves the payment provider. It belongs on a port of its own.
func (s *Shop) PSP() http.Handler { return s.psp }

// AdminUser is the name of the shop's one admin.
const AdminUser = "admin"

// AdminPassword is what Options gave or the seed made.
func (s *Shop) AdminPassword() string { return s.opts.AdminPassword }

// ServeHTTP answers a customer.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, route := s.mux.Handler(r)
	s.seen.count(r, route)
	s.handler.ServeHTTP(w, r)
}

// write runs f in one transaction. SQLite has one writer; waiting here is
// cheaper than polling its lock.
func (s *Shop) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}
