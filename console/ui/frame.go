package ui

import (
	"html/template"
	"slices"
	"time"

	"noren"
)

// Frame is what every page stands in.
type Frame struct {
	Lang   string
	Self   string // address of this page, to come back to
	Site   string // "" on pages that belong to no site
	Sites  []Link // other sites one may see
	Nav    []NavItem
	Me     *Person // nil before sign-in
	Notice *Notice
	Waits  *Waits       // nil when no change waits for its confirmation
	Live   string       // where changes are told of; "" on pages that do not refresh
	Look   template.CSS // the stylesheet itself, for browsers that do not have it yet
	Data   any
}

// More reports whether the menu has pages that do not stand at a phone's foot.
func (f *Frame) More() bool {
	return slices.ContainsFunc(f.Nav, func(n NavItem) bool { return !n.Thumb })
}

// Link is a place to go to.
type Link struct {
	Name, URL string
	Here      bool
}

// NavItem is a page of the menu.
type NavItem struct {
	Name  noren.Text
	Icon  string
	URL   string
	Here  bool
	Thumb bool // in the bar at the foot of a phone as well
	Count int  // what waits there; 0 for nothing
}

// Person is who is signed in.
type Person struct {
	Name string
	Role noren.Text
}

// Tone is how a message, a badge or a state is meant. Colour never says it
// alone: a word and a sign stand beside.
type Tone string

// Tones.
const (
	Calm  Tone = "calm"
	Good  Tone = "good"
	Check Tone = "check"
	Alert Tone = "alert"
)

// Icon is the tone's sign.
func (t Tone) Icon() string {
	switch t {
	case Good:
		return "ok"
	case Check:
		return "check"
	case Alert:
		return "alert"
	}
	return "help"
}

// Notice tells what the last act did, and how to take it back.
type Notice struct {
	Tone Tone
	Text noren.Text
	Undo string      // where a form posts to take it back; "" where one cannot
	Hide [][2]string // hidden fields of that form
}

// Badge is a short state.
type Badge struct {
	Tone Tone
	Text noren.Text
}

// Pager moves through a list that nobody counted to its end.
type Pager struct {
	Newer, Older string // addresses; "" at an end
	CSV          string
}

// Waits is a change that is taken back by itself unless somebody keeps it. It
// stands on every page of the site until then.
type Waits struct {
	Due        noren.Time
	Left       time.Duration
	May        bool   // the visitor may end it
	Trial      string // its id
	Keep, Back string // where the two buttons post to
	Once       string
	Look       string // where one sees what changed
}
