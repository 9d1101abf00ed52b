package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/caddyserver/certmagic"
	acmewire "github.com/mholt/acmez/v3/acme"

	"noren"
)

// obtain tries until a host has its certificate, from SQL or from the authority.
// From then on certmagic's own maintenance renews it, when a third of its life is
// left or when the authority says so (ARI, RFC 9773).
func (m *Manager) obtain(ctx context.Context, name string, hurry <-chan struct{}) {
	for try := 0; ; try++ {
		err := m.once(ctx, name)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			m.o.Report(Report{Host: name})
			return
		}
		wait := m.o.Backoff[min(try, len(m.o.Backoff)-1)]
		wait += rand.N(wait/5 + 1) // sites that failed together need not come back together
		m.o.Report(Report{Host: name, Err: explain(name, err), Retry: wait})
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-hurry: // somebody changed something and reloaded
			timer.Stop()
			try = -1
		case <-timer.C:
		}
	}
}

// onceWithin bounds one try, waiting for another node's included.
const onceWithin = 10 * time.Minute

func (m *Manager) once(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, onceWithin)
	defer cancel()
	if err := m.mend(ctx, name); err != nil {
		return err
	}
	return m.magic.ManageSync(ctx, []string{name})
}

// mend deletes a certificate that is stored by half: certmagic stores key and
// chain one after the other, and a crash in between leaves a pair that does not
// fit, which it would complain about for ever. It looks again under the lock of
// whoever might be storing just now.
func (m *Manager) mend(ctx context.Context, name string) error {
	if whole, err := m.whole(ctx, name); whole || err != nil {
		return err
	}
	lock := "issue_cert_" + name // certmagic's own, see Config.lockKey
	if err := m.store.Lock(ctx, lock); err != nil {
		return err
	}
	defer m.store.Unlock(ctx, lock)
	if whole, err := m.whole(ctx, name); whole || err != nil {
		return err
	}
	m.o.Log.Warn("a stored certificate and its key do not belong together; a new one is asked for", "host", name)
	var ids []string
	for _, part := range m.parts(name) {
		ids = append(ids, m.store.id(part))
	}
	return doing("delete half a certificate", m.store.remove(ctx, ids))
}

// parts are the names under which a host's certificate is stored.
func (m *Manager) parts(name string) [3]string {
	issuer := m.issuer.IssuerKey()
	return [...]string{
		certmagic.StorageKeys.SiteCert(issuer, name), certmagic.StorageKeys.SitePrivateKey(issuer, name), certmagic.StorageKeys.SiteMeta(issuer, name),
	}
}

// whole reports whether a host's certificate is stored whole or not at all.
func (m *Manager) whole(ctx context.Context, name string) (bool, error) {
	var values [3][]byte
	none := true
	for i, part := range m.parts(name) {
		var err error
		values[i], err = m.store.Load(ctx, part)
		if noren.CodeOf(err) == noren.Tampered {
			return false, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		none = none && err != nil
	}
	if none {
		return true, nil
	}
	_, err := tls.X509KeyPair(values[0], values[1])
	return err == nil && len(values[2]) > 0, nil
}

// event is told what certmagic's maintenance does by itself.
func (m *Manager) event(_ context.Context, event string, data map[string]any) error {
	if renewal, _ := data["renewal"].(bool); !renewal {
		return nil // obtain reports those
	}
	name, _ := data["identifier"].(string)
	switch event {
	case "cert_obtained":
		m.o.Report(Report{Host: name, Renewal: true})
	case "cert_failed":
		err, _ := data["error"].(error)
		if err == nil {
			err = noren.Errorf(noren.Unavailable, "the authority gave no certificate")
		}
		if m.ctx.Err() == nil {
			m.o.Report(Report{Host: name, Renewal: true, Err: explain(name, err)})
		}
	}
	return nil
}

// explain adds the next step to what an authority said (RFC 8555, 6.7).
func explain(name string, err error) error {
	hint := "see that this machine reaches the authority (acme.directory), then `kill -HUP` Noren, which tries again at once"
	if p, ok := errors.AsType[acmewire.Problem](err); ok {
		switch p.Type {
		case acmewire.ProblemTypeConnection, acmewire.ProblemTypeUnauthorized, acmewire.ProblemTypeIncorrectResponse, acmewire.ProblemTypeTLS:
			hint = "the authority must reach Noren at " + name + ", port 443 or 80: look at the DNS entry and the firewall"
		case acmewire.ProblemTypeDNS:
			hint = "the DNS has no address for " + name + ": add an A or AAAA record that leads to Noren"
		case acmewire.ProblemTypeCAA:
			hint = "the CAA record of " + name + " does not allow this authority: add it there"
		case acmewire.ProblemTypeRateLimited:
			hint = "the authority wants a pause; Noren tries again later by itself. Do not restart it for this"
		case acmewire.ProblemTypeExternalAccountRequired:
			hint = "this authority asks for an account made beforehand: set acme.eab_id and acme.eab_key"
		case acmewire.ProblemTypeRejectedIdentifier:
			hint = "the authority gives no certificate for " + name + ": get one elsewhere and give tls a cert and key"
		}
	}
	return noren.WithHint(noren.Errorf(noren.Unavailable, "certificate for %s: %w", name, err), hint)
}

// tidy deletes once a day what is long expired.
func (m *Manager) tidy() {
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		err := certmagic.CleanStorage(m.ctx, m.store, certmagic.CleanStorageOptions{
			Logger: newZap(m.o.Log), Interval: 20 * time.Hour, OCSPStaples: true, ExpiredCerts: true, ExpiredCertGracePeriod: 30 * 24 * time.Hour,
		})
		if err != nil && m.ctx.Err() == nil {
			m.o.Log.Warn("expired certificates are not tidied away", "err", err)
		}
	}
}
