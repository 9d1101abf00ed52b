// Package logs reads what web and mail servers beside Noren write down, and
// raises the same events as the gateway does: for a shop that is not behind
// Noren yet, for the mail server, for whatever else stands on the machine.
//
// A log is followed across rotation and read on at the right byte after a
// restart. An event is raised at least once, with an id made from where its line
// stands; the journal and the counters of history know an id again, so that it
// has its effect once. Lines are the work of strangers: each is bounded, and one
// that cannot be read is counted, never fatal.
package logs
