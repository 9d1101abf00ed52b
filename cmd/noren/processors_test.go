package main

import (
	"runtime"
	"testing"
)

// There are two more threads than processors, unless the operator said how many;
// inspections share the processors there are.
func TestThreadsBesideInspections(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	said := func(v string) func(string) string { return func(string) string { return v } }
	if n := useProcessors(said("3")); n != before || runtime.GOMAXPROCS(0) != before {
		t.Errorf("GOMAXPROCS was set: %d processors and %d threads, want %d", n, runtime.GOMAXPROCS(0), before)
	}
	if n := useProcessors(said("")); n != before || runtime.GOMAXPROCS(0) != before+besideInspections {
		t.Errorf("%d processors and %d threads, want %d and %d", n, runtime.GOMAXPROCS(0), before, before+besideInspections)
	}
}
