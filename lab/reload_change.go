package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// reloadFiles is the configuration of the reload lab, written anew for each
// change: what was changed last of each kind.
type reloadFiles struct {
	dir, plain, safe, upstream string
	last                       map[string]int
}

// reloadChange is one kind of change, and how a visitor sees it.
type reloadChange struct {
	name  string
	shows func(o *onlooker, i int) error
}

func reloadKinds() []reloadChange {
	return []reloadChange{
		{"text", func(o *onlooker, i int) error {
			status, _, body, err := o.get("/.env")
			if want := fmt.Sprintf("desk-%d", i); err == nil && !strings.Contains(body, want) {
				err = fmt.Errorf("the page of a stopped visitor (%d) names %q instead of %s", status, deskName.FindAllString(body, -1), want)
			}
			return err
		}},
		{"header", func(o *onlooker, i int) error {
			_, h, _, err := o.get("/products/cha")
			if want := headerOf(i); err == nil && h.Get("Permissions-Policy") != want {
				err = fmt.Errorf("the header is %q instead of %q", h.Get("Permissions-Policy"), want)
			}
			return err
		}},
		{"zone", func(o *onlooker, i int) error {
			if err := o.wants(fmt.Sprintf("/attic-%d", i), http.StatusForbidden); err != nil {
				return err
			}
			return o.wants(fmt.Sprintf("/attic-%d", i+1), http.StatusOK)
		}},
		{"policy", func(o *onlooker, i int) error {
			if err := o.wants(fmt.Sprintf("/ask-%d", i), http.StatusForbidden); err != nil {
				return err
			}
			return o.wants(fmt.Sprintf("/ask-%d", i+1), http.StatusOK)
		}},
		{"limit", func(o *onlooker, _ int) error {
			if err := o.wants("/contact", http.StatusOK); err != nil {
				return err
			}
			return o.wants("/contact", http.StatusTooManyRequests)
		}},
		{"certificate", func(o *onlooker, i int) error {
			conn, err := tls.Dial("tcp", o.safe, &tls.Config{InsecureSkipVerify: true, ServerName: "127.0.0.1"}) // its serial number is what we look at
			if err != nil {
				return err
			}
			defer conn.Close()
			if got := conn.ConnectionState().PeerCertificates[0].SerialNumber; got.Cmp(big.NewInt(int64(i)+1)) != 0 {
				return fmt.Errorf("the certificate has serial number %s", got)
			}
			return nil
		}},
	}
}

func firewallChange() reloadChange {
	return reloadChange{"firewall", func(o *onlooker, i int) error {
		if err := o.wants(fmt.Sprintf("/?voucher=v%d", i), http.StatusForbidden); err != nil {
			return err
		}
		return o.wants(fmt.Sprintf("/?voucher=v%d", i+1), http.StatusOK)
	}}
}

var deskName = regexp.MustCompile(`desk-[0-9]+`)

// write writes everything as it is at the beginning.
func (f *reloadFiles) write(i int) error {
	f.last = map[string]int{}
	for _, c := range append(reloadKinds(), firewallChange()) {
		if err := f.change(c, i); err != nil {
			return err
		}
	}
	return nil
}

// change changes one thing.
func (f *reloadFiles) change(c reloadChange, i int) error {
	f.last[c.name] = i
	switch c.name {
	case "policy":
		return f.put("settings/policies/lab.yaml", fmt.Sprintf(policyText, i, i, i+1))
	case "limit":
		return f.put("settings/limits.yaml", fmt.Sprintf("version: 1\nlimits:\n  - {name: desk_%d, zones: [contact], by: site, rate: 1/24h}\n", i))
	case "firewall":
		return f.put("settings/firewall/lab.conf", fmt.Sprintf("SecRule ARGS:voucher \"@streq v%d\" \"id:1,phase:2,deny,status:403,msg:'a voucher'\"\n", i))
	case "certificate":
		return f.certificate(int64(i) + 1)
	}
	return f.put("noren.yaml", fmt.Sprintf(configText, f.plain, f.safe, f.upstream, f.last["zone"], f.last["text"], f.last["text"], headerOf(f.last["header"])))
}

const policyText = `version: 1
policies:
  - name: asked-too-much
    kinds: [http.request]
    mode: on
    when: request.path == "/ask-%d"
    then: block
    reason: {ja: 試験, en: a trial}
    tests:
      - {facts: {request.path: /ask-%d}, fires: true}
      - {facts: {request.path: /ask-%d}, fires: false}
`

const configText = `version: 1
listen: {http: "%s", https: "%s"}
settings: {mode: files, dir: settings}
sites:
  - name: shop
    hosts: ["*"]
    upstream: %s
    tls: {cert: cert.pem, key: key.pem}
    zones: {must_be_403: ["/attic-%d"]}
    contact: {ja: "desk-%d", en: "desk-%d"}
    headers: {permissions_policy: "%s"}
`

// headerOf is the header that the i-th change sets: who may use what, another
// one each time.
func headerOf(i int) string {
	parts := []string{"camera=()"}
	for bit, name := range []string{"microphone", "geolocation", "usb", "midi", "payment", "serial", "hid", "bluetooth", "gyroscope", "magnetometer", "fullscreen"} {
		if i>>bit&1 == 1 {
			parts = append(parts, name+"=()")
		}
	}
	return strings.Join(parts, ", ")
}

func (f *reloadFiles) put(name, text string) error { return put(filepath.Join(f.dir, name), text) }

// certificate makes a new one of its own, with a serial number to know it by.
func (f *reloadFiles) certificate(serial int64) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "lab"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first and at once the certificate: whoever reads between the two
	// finds a pair that does not fit, and keeps the old one.
	if err := f.put("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))); err != nil {
		return err
	}
	return f.put("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}
