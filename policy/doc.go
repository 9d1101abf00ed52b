// Package policy compiles, evaluates and explains policies: the rules that turn
// an event and its facts into a decision. It does no I/O and knows no clock;
// the same event, facts and policy set always give the same decision.
//
// # The file
//
// Policies are YAML files with conditions in CEL (Common Expression Language):
//
//	version: 1
//	entities: [terminal]          # further entities this file counts by; optional
//	policies:
//	  - name: password-list-one-address
//	    kinds: [account.login.attempt]
//	    zones: [login]            # optional; every zone when left out
//	    mode: on                  # off, shadow or on
//	    when: address.logins_failed_10m >= 20 && address.login_accounts_10m >= 10
//	    then: limit               # limit, challenge, step_up, review, hold or block
//	    ban: {entity: address, for: 30m}   # optional
//	    reason:
//	      ja: 同じ場所から多くの会員のパスワードが試されています
//	      en: Passwords of many accounts are being tried from one address
//	    tests:                    # at least one row that fires and one that does not
//	      - name: a list is worked through
//	        facts: {address.logins_failed_10m: 20, address.login_accounts_10m: 15}
//	        fires: true
//	      - name: somebody forgot a password
//	        facts: {address.logins_failed_10m: 6, address.login_accounts_10m: 1}
//	        fires: false
//
// The types Document, Policy, Ban and Row describe every key.
//
// # Conditions
//
// A condition is a CEL expression that is true when the policy fires. Its
// variables are facts (docs/reference/facts.md). A fact that is not known has
// the zero value of its type: "" , 0, false or an empty list. So a condition
// about strangers must ask for a known value, for example
// address.country != "" && address.country != "JP". Whole numbers and fractions
// may be compared with each other. The patterns of matches() must be constants.
//
// # Load errors
//
// Everything that can be known to be wrong is refused when files are loaded,
// all faults at once with file, line and column: unknown facts, kinds and zones,
// facts that the policy's kinds do not have, wrong types, a missing language, a
// condition that could take too long, rows that do not hold. There is nothing
// to find out while a customer waits.
package policy
