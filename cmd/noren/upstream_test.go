package main

import (
	"encoding/json"
	"strings"
	"testing"
)

const oneSite = "version: 1\nsites:\n  - name: shop\n    hosts: [shop.example.jp]\n    upstream: "

// One key takes an address, or a list of them.
func TestUpstreamInBothForms(t *testing.T) {
	tests := []struct{ yaml, want, fault string }{
		{"http://127.0.0.1:3000", `[{"url":"http://127.0.0.1:3000"}]`, ""},
		{"[http://a:1, {url: http://b:1, backup: true}]", `[{"url":"http://a:1"},{"url":"http://b:1","backup":true}]`, ""},
		{"unix:/run/shop.sock", `[{"url":"unix:/run/shop.sock"}]`, ""},
		{"[]", "", "not an address"},
		{"{url: http://a:1}", "", "must be a text"},
		{"[{url: http://a:1, spare: true}]", "", "unknown key"},
		{"[http://127.0.0.1:8080, http://a:1]", "", "where Noren itself listens"},
		{"[http://a:1, ftp://b]", "", "not an address"},
	}
	for _, tt := range tests {
		c, err := parseConfig("noren.yaml", []byte(oneSite+tt.yaml+"\n"))
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: %v, want %q", tt.yaml, err, tt.fault)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.yaml, err)
			continue
		}
		if got, _ := json.Marshal(c.Sites[0].Backends()); string(got) != tt.want {
			t.Errorf("%s: %s, want %s", tt.yaml, got, tt.want)
		}
	}
}

func TestUpstreamFilesAreRelativeToTheConfiguration(t *testing.T) {
	c, err := parseConfig("/etc/noren/noren.yaml", []byte(oneSite+"https://10.0.0.1\n    upstream_tls: {ca: tls/ca.pem, cert: tls/noren.pem, key: tls/noren.key}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if u := c.Sites[0].UpstreamTLS; u.CA != "/etc/noren/tls/ca.pem" || u.Cert != "/etc/noren/tls/noren.pem" || u.Key != "/etc/noren/tls/noren.key" {
		t.Errorf("%+v", u)
	}
}

func TestSchemaOfUpstream(t *testing.T) {
	out, err := json.Marshal(configSchema())
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); strings.Contains(s, `"upstreams"`) || !strings.Contains(s, `"backup"`) {
		t.Errorf("the schema does not have upstream as one key: %.2000s", s)
	}
}
