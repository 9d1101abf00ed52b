// Package orient turns an event into facts: exact sliding-window counters per
// entity, how long an entity is known, and what is known of an address.
//
// # What is counted
//
// A fact <entity>.<measure>_<window> counts what happened to one entity (an
// account, a device, an address, the whole site …) in the window (At−window,
// At]. The event's own contribution is included: a policy sees "this is the
// twentieth". An attempt counts as not succeeded until its outcome settles it,
// so parallel attempts cannot race past a limit; an outcome settles the attempt
// named by its AttemptID, and one without a known attempt counts as an attempt
// of its own. An event is counted once, by its ID.
//
// At is the clock of the node that received an event, and clocks of nodes may
// be up to a second apart, so what was observed already is counted although its
// At is up to a second (exclusive) later than the event's.
//
// # Two kinds of state
//
// Request rates (requests, blocked …) live in the kv store and may be lost.
// Everything else is history: rows of the tables orient_*, returned by Observe
// and committed together with the journal entry. History is loaded per entity
// on first use into a bounded cache; after a crash the same event gets the same
// facts. Rows hold keyed tokens of entities, never names or addresses.
//
// One event is one row of orient_events, with an index per entity. Coarse
// entities (site, net, asn, country, bin, item) see too many events to load
// their year, so their windows of more than an hour are sums of whole hours
// (orient_hours, kept by Roll) and the exact rows of the hours at the edges.
//
// # Who calls what
//
// Track names every fact the policies ask for, once at start and again when they
// change (on a new Orient with Options.After, so that the two share what they
// count). Observe comes before the decision, Committed or Cancel after the
// record. Roll every few minutes and Prune now and then keep the tables small;
// Erase takes a person out.
//
// # Several nodes
//
// With Options.Shared the marks of an event go round through the kv store's
// Tail, one round trip per Observe together with the request counts. A node
// that missed some reloads the entity from SQL.
package orient
