package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Rules that were made for the wrong port lock the owner out.
func TestPortOfSSH(t *testing.T) {
	for _, tt := range []struct {
		connection, config string
		port               uint16
		sure               bool
	}{
		{"203.0.113.7 51234 192.0.2.1 2222", "Port 22\n", 2222, true},
		{"", "#Port 22\nport 2022\n", 2022, true},
		{"nonsense", "#Port 22\n", 22, false},
		{"", "", 22, false},
	} {
		root := t.TempDir()
		os.MkdirAll(filepath.Join(root, "etc/ssh"), 0o700)
		os.WriteFile(filepath.Join(root, "etc/ssh/sshd_config"), []byte(tt.config), 0o600)
		port, sure := sshPort(func(string) string { return tt.connection }, root)
		if port != tt.port || sure != tt.sure {
			t.Errorf("%q %q: %d %v", tt.connection, tt.config, port, sure)
		}
	}
}

// The command says who would be locked out, takes names of lists, and knows
// Noren's own ports.
func TestFirewallPrint(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) { os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	write("office.txt", "198.51.100.0/28\n2001:db8::/48\n")
	write("noren.yaml", `version: 1
listen: {http: "0.0.0.0:8081", https: "[::]:8443"}
addresses: {lists: {office: office.txt}}
sites: [{name: shop, hosts: [a.test], upstream: "http://127.0.0.1:1", tls: {cert: a, key: b}}]
`)
	print := func(from string, args ...string) (code int, out, errs string) {
		var o, e bytes.Buffer
		env := func(k string) string {
			if k == "SSH_CONNECTION" {
				return from + " 51234 192.0.2.1 22"
			}
			return ""
		}
		args = append([]string{"--config", filepath.Join(dir, "noren.yaml"), "--lang", "en", "firewall", "print"}, args...)
		code = run(t.Context(), args, stdio{strings.NewReader(""), &o, &e}, env)
		return code, o.String(), e.String()
	}
	code, out, errs := print("198.51.100.3", "--allow-ssh-from", "office", "--format", "all")
	if code != exitOK || errs != "" {
		t.Errorf("code %d: %s", code, errs)
	}
	for _, want := range []string{"elements = { 198.51.100.0/28 }", "elements = { 2001:db8::/48 }", "tcp dport { 8081, 8443 } accept", "ufw allow 8443/tcp", "every other inbound refused"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if _, _, errs := print("203.0.113.9", "--allow-ssh-from", "office"); !strings.Contains(errs, "you lock yourself out") {
		t.Errorf("an operator is locked out without a word: %s", errs)
	}
	if code, _, errs := print("203.0.113.9", "--allow-ssh-from", "nowhere"); code != exitUsage || !strings.Contains(errs, "addresses.lists") {
		t.Errorf("code %d: %s", code, errs)
	}
}

// Where an upstream of this machine listens, by whichever name it goes.
func TestUpstreamsOfThisMachine(t *testing.T) {
	for in, want := range map[string]string{"http://127.0.0.1:3000": "127.0.0.1:3000", "http://localhost": "127.0.0.1:80", "https://[::1]": "[::1]:443", "http://shop.example.jp:1": ""} {
		at, ok := upstreamAt(in)
		if ok != (want != "") || ok && at.String() != want {
			t.Errorf("%s: %v", in, at)
		}
	}
}
