// Package acme obtains and renews the certificates of the sites' hosts from an
// ACME certificate authority (RFC 8555), by certmagic.
//
// Everything certmagic keeps lies in SQL, sealed: accounts, certificates, private
// keys, and the challenges under way, so that any node can answer a challenge
// that another one asked for. Only hosts that were named are ever asked for; a
// stranger's name in a handshake starts nothing.
package acme
