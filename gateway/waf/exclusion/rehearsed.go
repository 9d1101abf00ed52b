package exclusion

// Rehearsed is what an exclusion would change on the kept samples: each line is
// written into each of its fields, on its page. The part that rules are never tuned
// on stands apart too.
type Rehearsed struct {
	Attacks, Opened         int64
	HeldAttacks, HeldOpened int64 // of those
	Benign, Saved           int64
	ByClass                 []ClassOpened
	Samples                 []Sample // of attacks that would pass
	Helped                  []Sample // of honest lines that would pass
}

// ClassOpened is how many attacks of a class would pass.
type ClassOpened struct {
	Class string
	N     int64
}

// Sample is a kept line.
type Sample struct{ Class, Field, Text string }
