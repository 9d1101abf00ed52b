package main

import (
	"strings"
	"testing"
	"time"
)

func TestConnectionsAndDevicesInTheConfiguration(t *testing.T) {
	site := "sites:\n  - {name: tea, hosts: [tea.test], upstream: 'http://127.0.0.1:3000', device_cookie: false}\n"
	c, err := parseConfig("noren.yaml", []byte("version: 1\nconnections: {most: 1000, per_client: 100, rate: 20/1s, burst: 50, handshake: 5s, stalled: 30s, streams: 50, streams_per_client: 200}\n"+site))
	if err != nil {
		t.Fatal(err)
	}
	if c.Connections.Most != 1000 || c.Connections.Handshake != 5*time.Second || c.Connections.Rate.Events != 20 || *c.Sites[0].DeviceCookie {
		t.Errorf("read as %+v, device cookie %v", c.Connections, *c.Sites[0].DeviceCookie)
	}
	_, err = parseConfig("noren.yaml", []byte("version: 1\nconnections: {most: 1000, per_client: 2000, handshake: 1m}\n"+site))
	if err == nil || !strings.Contains(err.Error(), "per_client is 2000") || !strings.Contains(err.Error(), "handshake is 1m0s") || !strings.Contains(err.Error(), "noren.yaml:2") {
		t.Errorf("wrong connections: %v", err)
	}
}
