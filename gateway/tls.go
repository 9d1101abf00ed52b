package gateway

import (
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"strings"

	"noren"
)

// Issuer obtains the certificates of sites with tls.acme; acme.Manager is one.
type Issuer interface {
	// GetCertificate answers a handshake for one of its hosts, the authority's
	// challenges included, and gives nil for strangers.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Certificate is the one in use for a host, nil for none.
	Certificate(host string) *tls.Certificate
	// Challenge answers the authority's challenge by HTTP, and reports whether the
	// request was one that is under way.
	Challenge(http.ResponseWriter, *http.Request) bool
}

// acmeALPN is how an authority asks at the TLS layer (RFC 8737). It is agreed on
// only when GetCertificate had the challenge's certificate, and carries nothing.
const acmeALPN = "acme-tls/1"

// ciphers are those of TLS 1.2 with forward secrecy and authenticated encryption:
// what the Japanese guide to TLS settings (IPA/CRYPTREC, 3.1) asks for at its high
// level. Those of TLS 1.3 are all so, and are not for us to choose.
var ciphers = [...]uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// TLSConfig is how visitors are spoken with. crypto/tls never renegotiates as a
// server and makes a new key for session tickets every day. The keys are this
// process's alone: who comes to another node, or after a restart, makes a full
// handshake, and no key that opens recorded traffic is ever stored.
func (g *Gateway) TLSConfig() *tls.Config {
	protos := []string{"h2", "http/1.1"}
	if g.opts.Issuer != nil {
		protos = append(protos, acmeALPN)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: ciphers[:], GetCertificate: g.certs.get, NextProtos: protos}
}

// Certificate is the one visitors of a host get, nil for none.
func (g *Gateway) Certificate(host string) *tls.Certificate { return g.certs.of(hostOf(host)) }

// challengePath is where authorities ask by HTTP (RFC 8555, 8.3).
const challengePath = "/.well-known/acme-challenge/"

// answersChallenge answers an authority before anything else looks at the
// request: whoever validates comes from anywhere, without cookies, and must
// neither be sent elsewhere nor stand in a shop's journal.
func (g *Gateway) answersChallenge(w http.ResponseWriter, r *http.Request) bool {
	if g.opts.Issuer == nil || !strings.HasPrefix(r.URL.Path, challengePath) || !g.opts.Issuer.Challenge(w, r) {
		return false
	}
	g.opts.Log.Info("challenge of the certificate authority answered", "host", r.Host, "remote", r.RemoteAddr)
	return true
}

// checkServerName refuses a request for another host than the handshake's (RFC
// 9110, 7.4), unless the certificate of the handshake is good for both: then a
// browser may send both over one connection (RFC 9113, 9.1.1), and does. Behind a
// trusted proxy the handshake is the proxy's own affair.
func (x *exchange) checkServerName() *stop {
	if x.r.TLS == nil || x.shop.trusts(x.peer.Addr()) {
		return nil
	}
	asked, host := hostOf(x.r.TLS.ServerName), hostOf(x.r.Host)
	if asked == "" {
		local, _ := x.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		asked = addressOf(local)
	}
	if asked == host {
		return nil
	}
	if cert := x.g.certs.of(asked); cert != nil && cert.Leaf != nil && cert.Leaf.VerifyHostname(host) == nil {
		return nil
	}
	return &stop{cause: noren.CauseMalformed, rule: "server_name", status: http.StatusMisdirectedRequest}
}

// httpsOnly sends who comes by plain HTTP to HTTPS. 308 keeps method and body.
func (x *exchange) httpsOnly() *stop {
	if !x.shop.HTTPSOnly || x.scheme == "https" {
		return nil
	}
	host := x.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		// Who named our port of HTTP needs our port of HTTPS; who named none came
		// by 80, and gets by 443 what is forwarded like it.
		host = name
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if p := x.g.opts.HTTPSPort; p != 0 && p != 443 {
			host += ":" + strconv.Itoa(int(p))
		}
	}
	target := x.path
	if x.r.URL.RawQuery != "" {
		target += "?" + x.r.URL.RawQuery
	}
	return &stop{to: "https://" + host + target, status: http.StatusPermanentRedirect}
}

// redirect answers a stop that only sends elsewhere. It is no block, so nothing
// is journalled; the access log has its line.
func (x *exchange) redirect(s *stop) {
	x.note = "https_only"
	h := x.w.Header()
	h.Set("Location", s.to)
	h.Set("Cache-Control", "no-store") // a wrong redirect must be mendable
	h.Set("Content-Length", "0")
	if x.r.ProtoMajor == 1 && x.r.ContentLength != 0 {
		h.Set("Connection", "close") // its body is not waited for
	}
	x.w.WriteHeader(s.status)
}

// validTLS reports what is wrong with tls and https_only.
func (s *Site) validTLS() (errs []error) {
	fault := func(hint, format string, args ...any) {
		errs = append(errs, noren.WithHint(noren.Errorf(noren.Invalid, format, args...), hint))
	}
	t := s.TLS
	switch {
	case t != nil && t.ACME && (t.Cert != "" || t.Key != ""):
		fault("take out cert and key, or acme", "tls has acme and cert or key")
	case t != nil && !t.ACME && (t.Cert == "" || t.Key == ""):
		fault("give both, or acme: true", "tls needs both cert and key")
	case t == nil && s.HTTPSOnly && len(s.TrustedProxies) == 0:
		fault("give tls a certificate, or name the proxy that speaks TLS under trusted_proxies", "https_only, and the site has no tls")
	case t == nil && s.Headers.HSTS != nil && len(s.TrustedProxies) == 0:
		fault("give tls a certificate, or name the proxy that speaks TLS under trusted_proxies", "headers.hsts, and the site has no tls")
	}
	return append(errs, s.Headers.valid()...)
}
