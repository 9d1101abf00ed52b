package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"noren"
	"noren/db"
	"noren/gateway/grade"
)

// CertWatchOptions are what a CertWatch needs.
type CertWatchOptions struct {
	Gateway *Gateway
	DB      *db.DB        // where it is remembered what was said; nil: nowhere
	Decider noren.Decider // where it is recorded
	Log     *slog.Logger
	Now     func() time.Time // nil: the system clock
	Roots   *x509.CertPool   // what visitors trust; nil: the system's
	Every   time.Duration    // 0: every six hours
}

// CertWatch looks at the sites' certificates from time to time, and says once,
// on one of all nodes, when one runs out or is wrong: at 30, 14, 7 and 1 days and
// at the end.
type CertWatch struct{ o CertWatchOptions }

// warnAt are the days left at which it is said again.
var warnAt = [...]int64{30, 14, 7, 1, 0}

// unwarned is the level of a certificate nobody needs to look at.
const unwarned = 1 << 20

const (
	watchEvery = 6 * time.Hour
	firstLook  = time.Minute // a new site's certificate is obtained by then
)

// NewCertWatch makes a watch; Run starts it.
func NewCertWatch(o CertWatchOptions) *CertWatch {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Every <= 0 {
		o.Every = watchEvery
	}
	return &CertWatch{o}
}

// Run looks until ctx ends.
func (w *CertWatch) Run(ctx context.Context) {
	timer := time.NewTimer(min(firstLook, w.o.Every))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		w.Look(ctx)
		timer.Reset(w.o.Every)
	}
}

// Look looks at every host of every site that has tls.
func (w *CertWatch) Look(ctx context.Context) {
	for _, site := range w.o.Gateway.Sites() {
		if site.TLS == nil {
			continue
		}
		for _, host := range site.Hosts {
			if host == "*" {
				continue
			}
			if err := w.look(ctx, &site, host); err != nil && ctx.Err() == nil {
				w.o.Log.Error("the certificate's state cannot be kept; it is said again", "alarm", true, "site", site.Name, "host", host, "err", err)
			}
		}
	}
}

// seen is what a look found out about a host.
type seen struct {
	site, host  string
	fingerprint string
	level       int64 // one of warnAt, or unwarned
	problem     string
	state       noren.CertificateState
	finding     *grade.Finding // the worst
}

func (w *CertWatch) look(ctx context.Context, site *Site, host string) error {
	now := w.o.Now()
	s := judge(site, host, chainOf(w.o.Gateway.Certificate(strings.Replace(host, "*", "any", 1))), now, w.o.Roots)
	news, err := w.remember(ctx, &s, now)
	if err == nil && !news {
		return nil
	}
	if f := s.finding; f != nil {
		w.o.Log.Error(f.Reason.En, "alarm", true, "site", site.Name, "host", host, "grade", f.Grade, "hint", f.Mend.En)
	}
	if w.o.Decider != nil {
		_, derr := w.o.Decider.Decide(ctx, noren.Event{Kind: noren.CertState, At: noren.At(now), Site: site.Name, Payload: &s.state})
		if derr != nil {
			w.o.Log.Error("the certificate's state is not recorded", "alarm", true, "site", site.Name, "host", host, "err", derr)
		}
	}
	return err
}

// judge turns a certificate into what is worth saying about it.
func judge(site *Site, host string, chain []*x509.Certificate, now time.Time, roots *x509.CertPool) seen {
	c := grade.Certificate{Host: strings.Replace(host, "*", "any", 1), Chain: chain, ACME: site.TLS.ACME}
	s := seen{site: site.Name, host: host, level: unwarned, state: noren.CertificateState{Host: host, State: "in_use", Source: "given"}}
	if c.ACME {
		s.state.Source = "acme"
	}
	if len(chain) > 0 {
		sum := sha256.Sum256(chain[0].Raw)
		s.fingerprint = hex.EncodeToString(sum[:])
		s.state.NotAfter, s.state.Days = noren.At(chain[0].NotAfter), int64(grade.DaysLeft(chain[0], now))
	}
	findings := c.Judge(now, roots)
	s.state.Grade = string(grade.Of(findings))
	var codes []string
	for i := range findings {
		f := &findings[i]
		if s.finding == nil || f.Grade > s.finding.Grade {
			s.finding = f
		}
		codes = append(codes, f.Code)
		switch f.Code {
		case "expiring", "expired":
			s.state.State, s.level = f.Code, levelOf(s.state.Days, f.Code)
		default:
			s.state.State = "wrong"
		}
	}
	s.problem = strings.Join(codes, " ")
	s.state.Problem = s.problem
	return s
}

func levelOf(days int64, code string) int64 {
	level := int64(unwarned)
	for _, at := range warnAt {
		if days <= at && (at > 0 || code == "expired") {
			level = at
		}
	}
	return level
}

func chainOf(cert *tls.Certificate) (chain []*x509.Certificate) {
	if cert == nil {
		return nil
	}
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return chain
		}
		chain = append(chain, c)
	}
	return chain
}

// remember stores what was seen, and reports whether it is news: another
// certificate, a further threshold, another problem. The statement decides, so
// one of several nodes says it. Nodes that serve different certificates say so in
// turn.
func (w *CertWatch) remember(ctx context.Context, s *seen, now time.Time) (news bool, err error) {
	if w.o.DB == nil {
		return true, nil
	}
	notAfter := int64(0)
	if !s.state.NotAfter.IsZero() {
		notAfter = s.state.NotAfter.UnixMicro()
	}
	err = w.o.DB.Write(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO gateway_certificates (host, site, fingerprint, not_after, warned, grade, problem, seen_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (host) DO UPDATE SET site = excluded.site, fingerprint = excluded.fingerprint, not_after = excluded.not_after,
				warned = excluded.warned, grade = excluded.grade, problem = excluded.problem, seen_at = excluded.seen_at
			WHERE gateway_certificates.fingerprint <> excluded.fingerprint OR gateway_certificates.problem <> excluded.problem
				OR excluded.warned < gateway_certificates.warned`,
			s.host, s.site, s.fingerprint, notAfter, s.level, s.state.Grade, s.problem, now.UnixMicro())
		if err != nil {
			return fmt.Errorf("store the certificate's state: %w", err)
		}
		n, err := res.RowsAffected()
		news = n > 0
		return err
	})
	return news, err
}
