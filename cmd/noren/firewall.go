package main

import (
	"fmt"
	"log/slog"
	"slices"

	"noren/gateway/waf"
)

// firewall is a compiled firewall and the own rules it was compiled with.
type firewall struct {
	*waf.WAF
	own []waf.RuleFile
}

// openFirewall compiles the firewall, or keeps the one before when its rules
// are the same.
func openFirewall(own []waf.RuleFile, before *firewall, log *slog.Logger) (*firewall, error) {
	if before != nil && slices.EqualFunc(own, before.own, sameRules) {
		return before, nil
	}
	engine, err := waf.New(waf.Options{Rules: own, Log: log})
	if err != nil {
		return nil, fmt.Errorf("load firewall: %w", err)
	}
	return &firewall{engine, own}, nil
}

func sameRules(a, b waf.RuleFile) bool { return a.Name == b.Name && string(a.Data) == string(b.Data) }
