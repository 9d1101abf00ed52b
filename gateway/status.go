package gateway

import "time"

// ServerStatus is how one server of a site is, as this node sees it.
type ServerStatus struct {
	Server string `json:"server"` // its address as the configuration names it
	State  string `json:"state"`  // up, unwell or down
	Backup bool   `json:"backup,omitempty"`
	Active int64  `json:"active"` // requests under way
}

// Servers tells how the servers of a site are; none for a site that is not
// served.
func (g *Gateway) Servers(site string) (out []ServerStatus) {
	sh := g.shopNow(site)
	if sh == nil {
		return nil
	}
	for _, b := range sh.pool.backends {
		out = append(out, ServerStatus{Server: b.URL, State: b.now().String(), Backup: b.Backup, Active: b.active.Load()})
	}
	return out
}

// CertificateStatus is the certificate that visitors of a host get.
type CertificateStatus struct {
	Host     string    `json:"host"`
	NotAfter time.Time `json:"not_after,omitzero"` // zero: there is none
	Issuer   string    `json:"issuer,omitempty"`
	ACME     bool      `json:"acme,omitempty"`
}

// Certificates tells which certificates a site's visitors get; none for a site
// that Noren serves without TLS.
func (g *Gateway) Certificates(site string) (out []CertificateStatus) {
	sh := g.shopNow(site)
	if sh == nil || sh.TLS == nil {
		return nil
	}
	for _, h := range sh.Hosts {
		if h == "*" {
			continue
		}
		c := CertificateStatus{Host: h, ACME: sh.TLS.ACME}
		if cert := g.certs.of(hostOf(h)); cert != nil && cert.Leaf != nil {
			c.NotAfter, c.Issuer = cert.Leaf.NotAfter, cert.Leaf.Issuer.String()
		}
		out = append(out, c)
	}
	return out
}
