// Package staff keeps the shop's people and how they sign in to Noren: roles per
// site, passwords, second factors, recovery codes, sessions and one-time links.
//
// # What is kept, and how
//
// Names, mail addresses, password hashes, the secrets of second factors and where
// a session comes from are sealed with a purpose key of the vault ("staff"), not
// with the key of a month: those keys die after the retention term, and a person
// who works here for years must not be lost with one. A purpose key lives as long
// as the instance and may be rotated. A mail address is found by its keyed token.
// Of session tokens, links, tickets and device cookies (256 random bits each)
// only SHA-256 hashes are kept; recovery codes, which are shorter, as keyed tokens.
//
// # Changes
//
// A change is recorded first, then made: as noren.StaffLogin when somebody signs
// in or fails to, else as noren.StaffAction. No event holds a password, a code, a
// token or a mail address that was typed; a person is named by their id.
//
// Every change that a signed-in person must feel counts staff_state up. A node
// keeps sessions in memory as long as that number stands, and looks at most a
// second ago, so that a page costs no read of a session and an ended session ends
// everywhere within a second, on the node that ended it with the next request.
//
// # Failing
//
// Everything here fails closed: without the database nobody signs in, and no
// session is taken on trust. The machine itself is the way back in: "noren staff
// link" makes a link for somebody who lost everything.
package staff
