package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// PebbleOptions say what a Pebble asks and gives.
type PebbleOptions struct {
	// HTTP and TLS are the ports at which it looks for answers to challenges,
	// always at 127.0.0.1, whatever the name.
	HTTP, TLS int
	// Valid is how long its certificates are valid; 0 means 90 days.
	Valid time.Duration
}

// Pebble is Let's Encrypt's small ACME authority for tests, the real program.
type Pebble struct {
	server
	o     PebbleOptions
	admin int
	dns   net.Listener
	own   *x509.CertPool
}

// StartPebble builds Pebble as tools/go.mod pins it and starts one.
func StartPebble(ctx context.Context, o PebbleOptions) (*Pebble, error) {
	program, err := buildPebble(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "noren-pebble")
	if err != nil {
		return nil, err
	}
	p := &Pebble{server: server{dir: dir}, o: o}
	if p.dns, err = net.Listen("tcp", "127.0.0.1:0"); err == nil {
		go answerLoopback(p.dns)
		err = p.configure()
	}
	if err == nil {
		err = p.Start(ctx, program)
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// buildPebble returns the path of the program in Go's build cache.
func buildPebble(ctx context.Context) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=tools/go.mod", "-n", "pebble")
	cmd.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			return "", fmt.Errorf("build pebble: %w\n%s", err, e.Stderr)
		}
		return "", fmt.Errorf("build pebble: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Start starts the server, again after a Halt. Its memory is empty then.
func (p *Pebble) Start(ctx context.Context, program string) error {
	err := p.launch(nil, "/usr/bin/env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0",
		program, "-config", filepath.Join(p.dir, "pebble.json"), "-dnsserver", p.dns.Addr().String())
	if err != nil {
		return err
	}
	for {
		if _, err = p.Roots(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("pebble does not answer: %w\n%s", err, p.log())
		case <-p.exited:
			return fmt.Errorf("pebble ended\n%s", p.log())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Directory is where a client begins.
func (p *Pebble) Directory() string { return fmt.Sprintf("https://127.0.0.1:%d/dir", p.port) }

// Own is what the directory's own certificate is trusted by.
func (p *Pebble) Own() *x509.CertPool { return p.own }

// OwnFile is the same as a PEM file.
func (p *Pebble) OwnFile() string { return filepath.Join(p.dir, "own.pem") }

// Roots are what the certificates it gives are trusted by.
func (p *Pebble) Roots(ctx context.Context) (*x509.CertPool, error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.own}, DisableKeepAlives: true}, Timeout: 5 * time.Second}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/roots/0", p.admin), nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	pool := x509.NewCertPool()
	if err == nil && !pool.AppendCertsFromPEM(b) {
		err = errors.New("no root certificate")
	}
	return pool, err
}

// Orders is how many certificates were ordered, read from its log.
func (p *Pebble) Orders() int { return strings.Count(p.log(), "Added order ") }

func (p *Pebble) log() string {
	b, _ := os.ReadFile(p.logFile())
	return string(b)
}

// Stop ends the server and what belongs to it.
func (p *Pebble) Stop() {
	p.server.Stop()
	if p.dns != nil {
		p.dns.Close()
	}
}

func (p *Pebble) configure() error {
	cert, key, err := p.certificate()
	if err != nil {
		return err
	}
	if p.port, err = FreePort(); err == nil {
		p.admin, err = FreePort()
	}
	if err != nil {
		return err
	}
	valid := p.o.Valid
	if valid == 0 {
		valid = 90 * 24 * time.Hour
	}
	config := map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:" + strconv.Itoa(p.port), "managementListenAddress": "127.0.0.1:" + strconv.Itoa(p.admin),
		"certificate": cert, "privateKey": key, "httpPort": p.o.HTTP, "tlsPort": p.o.TLS, "keyAlgorithm": "ecdsa",
		"domainBlocklist": []string{"blocked.example.jp"},
		"retryAfter":      map[string]int{"authz": 1, "order": 1},
		"profiles":        map[string]any{"default": map[string]any{"description": "for tests", "validityPeriod": int(valid.Seconds())}},
	}}
	b, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, "pebble.json"), b, 0o600)
}

// certificate writes a certificate for 127.0.0.1 and its key.
func (p *Pebble) certificate() (certFile, keyFile string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = p.OwnFile(), filepath.Join(p.dir, "own.key")
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.own = x509.NewCertPool()
	p.own.AppendCertsFromPEM(chain)
	return certFile, keyFile, errors.Join(
		os.WriteFile(certFile, chain, 0o600),
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// answerLoopback is a name server to which every name is at 127.0.0.1. Pebble
// asks over TCP (RFC 1035, 4.2.2): a length of two bytes before each message.
func answerLoopback(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			for {
				question := make([]byte, 2)
				if _, err := io.ReadFull(c, question); err != nil {
					return
				}
				question = make([]byte, binary.BigEndian.Uint16(question))
				if _, err := io.ReadFull(c, question); err != nil {
					return
				}
				answer := loopbackAnswer(question)
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		}()
	}
}

// loopbackAnswer is the question again, with one answer if it was for an A
// record (RFC 1035, 4.1).
func loopbackAnswer(question []byte) []byte {
	end := 12
	for end < len(question) && question[end] != 0 {
		end += int(question[end]) + 1
	}
	if end += 5; end > len(question) {
		return nil
	}
	msg := append([]byte{}, question[:end]...)
	msg[2], msg[3] = 0x84, 0x00 // an answer, with authority
	copy(msg[4:], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	if msg[end-4] == 0 && msg[end-3] == 1 { // type A
		msg[7] = 1
		msg = append(msg, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	return msg
}
