// Package grade says what a site's TLS is worth to its visitors: one letter, and
// for every point lost the reason and the mend in words.
package grade

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"noren"
)

// Letter is a grade. A is good, B could be better, C turns some visitors away or
// will soon, F turns visitors away or protects nobody.
type Letter string

// Grades.
const (
	A Letter = "A"
	B Letter = "B"
	C Letter = "C"
	F Letter = "F"
)

// Worse is the worse of two letters.
func Worse(a, b Letter) Letter { return max(a, b) }

// Finding is one point lost.
type Finding struct {
	Grade  Letter     `json:"grade"`
	Code   string     `json:"code"`
	Host   string     `json:"host,omitempty"`
	Reason noren.Text `json:"reason"`
	Mend   noren.Text `json:"mend"`
}

// Of is the worst letter of some findings, A for none.
func Of(fs []Finding) Letter {
	worst := A
	for _, f := range fs {
		worst = Worse(worst, f.Grade)
	}
	return worst
}

// Certificate is what visitors of one host get.
type Certificate struct {
	Host  string
	Chain []*x509.Certificate // as sent, the host's own first; empty for none
	ACME  bool                // renewed by Noren itself
}

// DaysLeft is how many whole days a certificate has left.
func DaysLeft(leaf *x509.Certificate, now time.Time) int {
	return int(leaf.NotAfter.Sub(now).Hours() / 24)
}

// Judge looks at a certificate. roots are what visitors' browsers trust.
func (c Certificate) Judge(now time.Time, roots *x509.CertPool) []Finding {
	if len(c.Chain) == 0 {
		return []Finding{c.finding(F, "none", textNone(c.ACME))}
	}
	leaf := c.Chain[0]
	var out []Finding
	if leaf.VerifyHostname(c.Host) != nil {
		out = append(out, c.finding(F, "host", textHost(c.Host, leaf)))
	}
	out = append(out, c.term(now)...)
	if weak := weakness(leaf); weak != "" {
		out = append(out, c.finding(F, "key", textKey(weak)))
	}
	if f, bad := c.trust(now, roots); bad {
		out = append(out, f)
	}
	return out
}

// term looks at the days that are left. What Noren renews itself is renewed with
// a third of its life left, so only less than that is a sign of trouble.
func (c Certificate) term(now time.Time) []Finding {
	leaf := c.Chain[0]
	days := DaysLeft(leaf, now)
	switch {
	case now.Before(leaf.NotBefore):
		return []Finding{c.finding(F, "early", textEarly(leaf.NotBefore))}
	case now.After(leaf.NotAfter):
		return []Finding{c.finding(F, "expired", textExpired(c.ACME, leaf.NotAfter))}
	case !c.due(now):
		return nil
	case days < 7:
		return []Finding{c.finding(C, "expiring", textExpiring(c.ACME, days))}
	case days < 30:
		return []Finding{c.finding(B, "expiring", textExpiring(c.ACME, days))}
	}
	return nil
}

// due reports whether somebody should have renewed it by now.
func (c Certificate) due(now time.Time) bool {
	if !c.ACME {
		return true
	}
	leaf := c.Chain[0]
	return leaf.NotAfter.Sub(now) < leaf.NotAfter.Sub(leaf.NotBefore)*3/10
}

// weakness names a key or signature that can be forged today (CRYPTREC, 2048 bit
// RSA and 224 bit elliptic curves as the least).
func weakness(leaf *x509.Certificate) string {
	switch k := leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < 2048 {
			return fmt.Sprintf("RSA %d bit", n)
		}
	case *ecdsa.PublicKey:
		if n := k.Curve.Params().BitSize; n < 224 {
			return fmt.Sprintf("ECDSA %d bit", n)
		}
	}
	switch leaf.SignatureAlgorithm {
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		return leaf.SignatureAlgorithm.String()
	}
	return ""
}

// trust follows the chain as it was sent. A browser on a desk may fetch a missing
// part; phones, tills and payment companies' machines do not.
func (c Certificate) trust(now time.Time, roots *x509.CertPool) (Finding, bool) {
	leaf := c.Chain[0]
	if now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return Finding{}, false // said already
	}
	between := x509.NewCertPool()
	for _, cert := range c.Chain[1:] {
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	if err == nil {
		return Finding{}, false
	}
	unknown, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case slices.Equal(leaf.RawIssuer, leaf.RawSubject):
		return c.finding(F, "self_signed", textSelfSigned()), true
	case isUnknown && unknown.Cert != nil && len(c.Chain) == 1 && len(leaf.IssuingCertificateURL) > 0:
		return c.finding(C, "chain", textChain(leaf.Issuer.CommonName)), true
	case isUnknown:
		return c.finding(F, "authority", textAuthority(c.Chain[len(c.Chain)-1].Issuer.CommonName)), true
	}
	return c.finding(F, "chain", textBroken(err)), true
}

func (c Certificate) finding(l Letter, code string, t [2]noren.Text) Finding {
	return Finding{Grade: l, Code: code, Host: c.Host, Reason: t[0], Mend: t[1]}
}

// Listener is how a site's door speaks.
type Listener struct {
	Versions []uint16 // accepted
	Ciphers  []uint16 // of TLS 1.2, accepted
	// Plain says that the site is also reached by plain HTTP, Redirects that it
	// sends visitors on to HTTPS from there.
	Plain, Redirects bool
	HSTS             string // Strict-Transport-Security, "" for none
}

// Judge looks at a listener.
func (l Listener) Judge() []Finding {
	var out []Finding
	lose := func(grade Letter, code string, t [2]noren.Text) {
		out = append(out, Finding{Grade: grade, Code: code, Reason: t[0], Mend: t[1]})
	}
	if old := names(l.Versions, func(v uint16) bool { return v < tls.VersionTLS12 }, tls.VersionName); old != "" {
		lose(C, "old_version", textOldVersion(old))
	}
	if !slices.Contains(l.Versions, tls.VersionTLS13) {
		lose(B, "no_tls13", textNoTLS13())
	}
	if weak := names(l.Ciphers, weakCipher, tls.CipherSuiteName); weak != "" {
		lose(C, "cipher", textCipher(weak))
	}
	if l.HSTS == "" {
		lose(B, "no_hsts", textNoHSTS())
	}
	if l.Plain && !l.Redirects {
		lose(B, "no_redirect", textNoRedirect())
	}
	return out
}

// weakCipher reports suites without forward secrecy or authenticated encryption.
func weakCipher(id uint16) bool {
	name := tls.CipherSuiteName(id)
	return !strings.Contains(name, "ECDHE") || !strings.Contains(name, "GCM") && !strings.Contains(name, "POLY1305")
}

func names(ids []uint16, which func(uint16) bool, name func(uint16) string) string {
	var out []string
	for _, id := range ids {
		if which(id) {
			out = append(out, name(id))
		}
	}
	return strings.Join(out, ", ")
}
