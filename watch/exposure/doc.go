// Package exposure looks at what this machine shows to the world: which ports
// listen, which of them should not, and the firewall rules that would hide them.
// It reads /proc and never changes anything.
package exposure
