package orient

import "testing"

// Events nobody tells the end of must not grow the registry for ever, and
// those that were told of make room first.
func TestRegistryIsBounded(t *testing.T) {
	all := func(slot) bool { return true }
	g := newRegistry(maxRecords)
	var gone int
	enter := func(i int) {
		_, lost := g.enter(&record{id: key(i), ref: key(i), pending: 1}, all)
		gone += len(lost)
	}
	for i := range maxPending {
		enter(i + 1)
		if i%2 == 0 {
			g.release(key(i+1), false)
		}
	}
	if gone > 0 {
		t.Errorf("%d waiting events were forgotten while committed ones were kept", gone)
	}
	for i := range 2 * maxPending {
		enter(maxPending + i + 1)
	}
	if n := len(g.byID); n > maxPending+1 || gone == 0 {
		t.Errorf("got %d records and %d forgotten, want no more than %d", n, gone, maxPending)
	}
	if len(g.byRef) != len(g.byID) || len(g.queue)-g.head < len(g.byID) {
		t.Errorf("got %d by attempt and %d queued for %d records", len(g.byRef), len(g.queue)-g.head, len(g.byID))
	}
	if g.attempt(key(3*maxPending), 0) == nil || g.attempt(1, 0) != nil {
		t.Error("the newest attempt must be found, the oldest not")
	}
}
