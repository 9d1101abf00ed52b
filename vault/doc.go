// Package vault keeps the keys: it seals personal data, makes search tokens,
// and erases people by destroying their keys.
//
// # Keys
//
//	root key (outside the database: file, environment, systemd credential, KMS)
//	  └─ purpose keys (vault_keys, wrapped by the root key)
//	       seal        wraps the subject keys
//	         └─ subject keys (vault_subject_keys): one per site, subject and month
//	              └─ sealed data, in the journal and wherever a part keeps it
//	       search      makes tokens of values one must find again
//	       checkpoint  signs the journal's checkpoints
//	       cookie, …   whatever a part asks Secret for
//
// Purpose keys are never used as they are: what works is derived from them with
// HKDF, so that no two uses share bytes. Everything is AES-256-GCM with random
// nonces, HMAC-SHA-256 and Ed25519 from the standard library.
//
// # Subjects
//
// A subject is stored only as its token, Token(site, kind, id): the first 16
// bytes of a keyed HMAC. Whoever holds the database without the root key cannot
// tell who a token is, nor test a guess.
//
// # Rotation
//
// A rotated purpose key is retired, not destroyed: what it sealed or signed
// stays readable, everything new uses the new one. The search key cannot be
// rotated: stored tokens could not be computed again, because the values they
// stand for are not kept, so every counter, ban and erasure would lose its
// subject. Several search keys at once were rejected: each look-up would cost
// one query per key, for ever. A leaked search key lets its thief test guesses
// against a stolen database and nothing else; the answer is a new database.
//
// # Erasing
//
// Each erasure has a number; the database hands them out in rising order. A
// subject key carries the number of the last erasure its maker knew of, and is
// dead when its subject was erased under a higher one. So a key that reaches the
// database after the erasure (from a transaction under way, or from a node's
// spool days later) opens nothing, no clock is compared between nodes, and nodes
// need not talk to each other. The other nodes look for new erasures and rotations
// once a second while they are in use, or Run; see Vault.Seal for the bound.
package vault
