// Package console is the pages for the people of a shop: whether it is safe
// today, what happened, who was stopped and why, and what to do. It reads and
// acts through the parts; it has no table and no rule of its own.
//
// Pages are made by the server and work without scripts. Every route names the
// permission it asks for (routes.go), and a route of a site is not there for
// people without a role in it.
package console
