// Package e2e runs the whole program before real browsers and real shops: the
// demo's own shop, and WordPress from Debian's packages. It holds tests only.
package e2e
