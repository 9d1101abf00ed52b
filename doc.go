// Package noren holds the words every other package of Noren shares: events
// and their payloads, facts, decisions, actions, money, personal data and
// error codes.
//
// It imports the standard library only and does no I/O. The parts (gateway,
// orient, journal, …) never import each other; only these words cross between
// them, and only package loop joins the steps. ARCHITECTURE.md draws the loop.
//
// There is no API promise: Noren is a program, not a library.
package noren
