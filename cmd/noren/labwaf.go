package main

import (
	"context"
	"maps"
	"net"
	"slices"

	"noren"
	"noren/gateway"
	"noren/gateway/waf"
	"noren/lab"
)

// shops starts a gateway before one shop that is several sites: the real steps,
// firewall and listener, and no policies, lists and limits. What is stopped is
// stopped by what a request says.
func (l *labEnv) shops(_ context.Context, upstream string, encodings map[string][]string) (*lab.Door, error) {
	engine, err := waf.New(waf.Options{})
	if err != nil {
		return nil, err
	}
	var sites []gateway.Site
	for _, host := range slices.Sorted(maps.Keys(encodings)) {
		sites = append(sites, gateway.Site{Name: "site" + string('a'+rune(len(sites))), Hosts: []string{host}, Upstream: upstream, Preset: "eccube4", Encodings: encodings[host],
			Zones: map[noren.Zone][]string{noren.ZoneCallback: {"POST /payment/notify"}}})
	}
	g, err := gateway.New(gateway.Options{Settings: gateway.Settings{Sites: sites}, Inspector: engine, SpoolDir: l.dir})
	if err != nil {
		return nil, err
	}
	server := g.Server()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go server.Serve(listener)
	return &lab.Door{Plain: listener.Addr().String(), Close: func() error {
		defer engine.Close()
		return server.Close()
	}}, nil
}
