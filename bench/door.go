package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"noren/lab/peer"
)

// door is where the console is reached by https: a name, a port, a certificate with
// the one above it, as an authority gives them.
type door struct {
	port      int
	cert, key string // files
	keyHash   string // by which a browser knows the key
}

func newDoor(dir string) (*door, error) {
	port, err := peer.FreePort()
	if err != nil {
		return nil, err
	}
	d := &door{port: port, cert: filepath.Join(dir, "console.pem"), key: filepath.Join(dir, "console.key")}
	return d, d.certify()
}

func (d *door) address() string { return fmt.Sprintf("127.0.0.1:%d", d.port) }

// yaml is the door in a configuration.
func (d *door) yaml() (listen, console string) {
	if d == nil {
		return "", ""
	}
	return fmt.Sprintf(`, https: %q`, d.address()), fmt.Sprintf(", host: %s, tls: {cert: %q, key: %q}", paintHost, d.cert, d.key)
}

func (d *door) certify() error {
	above, aboveKey, aboveDER, err := issue("Bench authority", nil, nil)
	if err != nil {
		return err
	}
	_, key, der, err := issue(paintHost, above, aboveKey)
	if err != nil {
		return err
	}
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: aboveDER})...)
	if err := os.WriteFile(d.cert, chain, 0o600); err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(public)
	d.keyHash = base64.StdEncoding.EncodeToString(sum[:])
	return os.WriteFile(d.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// issue makes a certificate by another, or by itself where there is none above.
func issue(name string, above *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true}
	if above == nil {
		above, by = c, key
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = true, x509.KeyUsageCertSign, nil
	} else {
		c.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, above, key.Public(), by)
	if err != nil {
		return nil, nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, der, err
}
