// Package screen tells which requests the rules of a web application firewall
// cannot match, at a fraction of what it costs to run them.
//
// It reads the rules themselves (the SecRule language as Coraza reads it), so
// that new rules need no code, and compiles them into one pass over each
// distinct string: transformations are shared by all rules that ask for them,
// an Aho-Corasick automaton finds for all patterns at once which literals are
// there, and lazy automata (dfa.go) match what is left.
//
// It may be wrong in one direction only: Clean is said when no rule that
// scores, records or denies can match. Whatever the screen cannot decide
// (an unknown operator, variable, transformation or action, more work than is
// bounded) is not clean, and the full engine decides.
package screen
