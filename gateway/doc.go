// Package gateway is the curtain at the shop's door: the reverse proxy that
// every visitor passes. It knows the shop's zones, refuses who is banned or too
// fast, has requests inspected, asks the loop what to do and shows a calm page
// to whom it stops.
//
// The path of a request is one list, in serve.go, in the order of ARCHITECTURE.md:
// parse and bound → site and zone → allow and ban lists → limits → firewall →
// guard reads the attempt → Decide → upstream → guard reads the outcome →
// access log. Nothing on it waits on the network but one kv call and, for kinds
// that are recorded first, the journal's group commit.
package gateway
