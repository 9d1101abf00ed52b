package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"noren"
	"noren/acme"
	"noren/gateway"
	"noren/yamlfile"
)

// ACMEConfig names the certificate authority.
type ACMEConfig struct {
	Email     string `yaml:"email" json:"email" jsonschema:"description=Whom the authority writes to"`
	Agree     bool   `yaml:"agree" json:"agree" jsonschema:"description=You have read and agree to the authority's terms; Let's Encrypt's are at https://letsencrypt.org/repository/"`
	Directory string `yaml:"directory" json:"directory,omitempty" jsonschema:"description=ACME directory of the authority,default=https://acme-v02.api.letsencrypt.org/directory"`
	CARoot    string `yaml:"ca_root" json:"ca_root,omitempty" jsonschema:"description=PEM file to trust the directory by when it is your own; default: what the system trusts"`
	Profile   string `yaml:"profile" json:"profile,omitempty" jsonschema:"description=Certificate profile of the authority such as shortlived"`
	EABID     string `yaml:"eab_id" json:"eab_id,omitempty" jsonschema:"description=Key id of an account made beforehand\\, for authorities that ask for one"`
	EABKey    string `yaml:"eab_key" json:"eab_key,omitempty" jsonschema:"description=file: or env: reference to its key"`
}

func (c *Config) fillACME() {
	if c.ACME == nil {
		return
	}
	c.ACME.CARoot = c.path(c.ACME.CARoot)
	if file, ok := strings.CutPrefix(c.ACME.EABKey, "file:"); ok {
		c.ACME.EABKey = "file:" + c.path(file)
	}
}

// validAuthority checks the block acme.
func (c *Config) validAuthority(doc *yamlfile.Doc) (errs []error) {
	a := c.ACME
	if a == nil {
		return nil
	}
	fault := func(key, format string, args ...any) {
		errs = append(errs, doc.Fault(fmt.Sprintf(format, args...), "acme", key))
	}
	if addr, err := mail.ParseAddress(a.Email); err != nil || addr.Address != a.Email {
		fault("email", "%q is not an e-mail address", a.Email)
	}
	if !a.Agree {
		errs = append(errs, doc.Fault("agree: true is missing: read the authority's terms first (Let's Encrypt: https://letsencrypt.org/repository/)", "acme"))
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
		fault("directory", "%q is not an address that begins with https://", a.Directory)
	}
	if (a.EABID == "") != (a.EABKey == "") {
		errs = append(errs, doc.Fault("eab_id and eab_key belong together", "acme"))
	}
	if k := a.EABKey; k != "" && !strings.HasPrefix(k, "file:") && !strings.HasPrefix(k, "env:") {
		fault("eab_key", "eab_key is a secret: keep it in a file and write file:PATH, or env:NAME")
	}
	return errs
}

// validACME checks what a site wants of the authority.
func (c *Config) validACME(doc *yamlfile.Doc, i int) (errs []error) {
	s := &c.Sites[i]
	if (s.HTTPSOnly || s.Headers.HSTS != nil) && c.Listen.HTTPS == "" && len(s.TrustedProxies) == 0 {
		errs = append(errs, doc.Fault("https_only and headers.hsts need listen.https, or visitors could not come in at all", "sites", i))
	}
	if s.TLS == nil || !s.TLS.ACME {
		return errs
	}
	if c.ACME == nil {
		return append(errs, doc.Fault("tls.acme needs the block acme: with email and agree: true", "sites", i, "tls"))
	}
	if c.Listen.HTTPS == "" {
		errs = append(errs, doc.Fault("tls.acme needs listen.https, such as 0.0.0.0:443", "sites", i, "tls"))
	}
	for j, h := range s.Hosts {
		if err := acme.ValidHost(strings.ToLower(h), c.ACME.Directory); err != nil {
			errs = append(errs, doc.Fault(err.Error()+"; "+noren.HintOf(err), "sites", i, "hosts", j))
		}
	}
	return errs
}

// acmeHosts are the names to obtain certificates for.
func (c *Config) acmeHosts() (hosts []string) {
	for _, s := range c.Sites {
		if s.TLS != nil && s.TLS.ACME {
			for _, h := range s.Hosts {
				hosts = append(hosts, strings.ToLower(h))
			}
		}
	}
	if t := c.Console.TLS; t != nil && t.ACME {
		hosts = append(hosts, c.Console.Host)
	}
	return hosts
}

// openACME makes the manager; it obtains nothing before manageCertificates.
func (in *instance) openACME(_ context.Context, w wants) error {
	a := in.cfg.ACME
	if a == nil || !w.create { // commands beside a server obtain nothing
		return nil
	}
	roots, key, err := a.secrets(in.getenv)
	if err != nil {
		return err
	}
	o := acme.Options{
		Roots: roots, EABKey: key,
		DB: in.db, Email: a.Email, Directory: a.Directory, Profile: a.Profile, EABID: a.EABID,
		Secrets: func(ctx context.Context) ([][]byte, error) { return in.vault.Secrets(ctx, "acme") },
		Token:   func(field, value string) []byte { return in.vault.Token("", field, value) },
		HTTP:    in.cfg.Listen.HTTP, HTTPS: in.cfg.Listen.HTTPS,
		Report: in.acmeReporter(), Log: in.log,
	}
	if in.acme, err = acme.Open(o); err != nil {
		return err
	}
	in.onClose(in.acme.Close)
	return nil
}

// secrets reads what the block names: whom to trust, and the account's key.
func (a *ACMEConfig) secrets(getenv func(string) string) (roots *x509.CertPool, key string, err error) {
	if roots, err = certPool(a.CARoot); err == nil && a.EABKey != "" {
		if key, err = secretRef(a.EABKey, getenv); err != nil {
			err = fmt.Errorf("acme.eab_key: %w", err)
		}
	}
	return roots, key, err
}

// certPool reads a PEM file; nil without one.
func certPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, noren.Errorf(noren.NotFound, "acme.ca_root: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, noren.Errorf(noren.Invalid, "acme.ca_root: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// issuer is the manager as the gateway knows it; nil without one.
func (in *instance) issuer() gateway.Issuer {
	if in.acme == nil {
		return nil
	}
	return in.acme
}

func (in *instance) manageCertificates(cfg *Config) {
	if in.acme != nil {
		in.acme.Manage(cfg.acmeHosts())
	}
}

// failureAgain is how often a failure that lasts is recorded again.
const failureAgain = 24 * time.Hour

// acmeReporter logs every result and records those that are news.
func (in *instance) acmeReporter() func(acme.Report) {
	var mu sync.Mutex
	told := map[string]time.Time{} // by host: when its failure was recorded last
	return func(r acme.Report) {
		if r.Err == nil {
			in.log.Info("certificate in use", "host", r.Host, "renewal", r.Renewal)
		} else {
			in.log.Error("no certificate from the authority", "alarm", true, "host", r.Host, "renewal", r.Renewal, "err", r.Err, "hint", noren.HintOf(r.Err), "retry", r.Retry.Round(time.Second))
		}
		mu.Lock()
		last, failing := told[r.Host]
		news := r.Err != nil && time.Since(last) > failureAgain || r.Err == nil && failing
		delete(told, r.Host)
		if r.Err != nil {
			told[r.Host] = last
			if news {
				told[r.Host] = time.Now()
			}
		}
		mu.Unlock()
		if news {
			in.recordCertificate(r)
		}
	}
}

// recordCertificate journals a failure, and its end.
func (in *instance) recordCertificate(r acme.Report) {
	state := &noren.CertificateState{Host: r.Host, State: "in_use", Source: "acme"}
	if r.Err != nil {
		state.State, state.Problem = "failed", noren.HintOf(r.Err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := in.loop.Decide(ctx, noren.Event{Kind: noren.CertState, At: noren.At(time.Now()), Site: in.siteOf(r.Host), Payload: state})
	if err != nil && !errors.Is(err, context.Canceled) {
		in.log.Error("the certificate's state is not recorded", "alarm", true, "host", r.Host, "err", err)
	}
}

// siteOf is the site a host belongs to.
func (in *instance) siteOf(host string) string {
	for _, s := range in.present().Sites {
		for _, h := range s.Hosts {
			if strings.EqualFold(h, host) {
				return s.Name
			}
		}
	}
	return ""
}

func sameAuthority(a, b *ACMEConfig) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

// portOf is the port of a listen address, 0 for none.
func portOf(addr string) uint16 {
	ap, _ := netip.ParseAddrPort(addr)
	return ap.Port()
}
