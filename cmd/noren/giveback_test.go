package main

import (
	"testing"
	"time"
)

// Memory is given back after quiet seconds, three times a minute at most, never under
// load, and not again and again for what cannot be given back.
func TestMemoryIsGivenBackWhenQuiet(t *testing.T) {
	const mib = 1 << 20
	type phase struct {
		lasts time.Duration
		busy  float64 // processors in use, of two
		live  int64
		spare int64
	}
	for _, tt := range []struct {
		name   string
		left   int64 // what stays spare after giving back
		phases []phase
		want   []time.Duration // when it gives back
	}{
		{"quiet and much spare", 0, []phase{{20 * time.Second, 0, 50 * mib, 100 * mib}}, []time.Duration{6 * time.Second}},
		{"quiet and little spare", 0, []phase{{5 * time.Minute, 0, 50 * mib, 16 * mib}}, nil},
		{"a quarter of a large heap is little", 0, []phase{{5 * time.Minute, 0, 800 * mib, 200 * mib}}, nil},
		{"under load", 0, []phase{{5 * time.Minute, 1.5, 50 * mib, 100 * mib}}, nil},
		{"a little load is load", 0, []phase{{5 * time.Minute, 0.11, 50 * mib, 100 * mib}}, nil},
		{"a small shop's visitors are no load", 0, []phase{{20 * time.Second, 0.05, 50 * mib, 100 * mib}}, []time.Duration{6 * time.Second}},
		{"after the rush", 0, []phase{{30 * time.Second, 2, 50 * mib, 100 * mib}, {20 * time.Second, 0, 50 * mib, 100 * mib}}, []time.Duration{35 * time.Second}},
		{"a breath between two rushes", 0, []phase{{10 * time.Second, 2, 50 * mib, 100 * mib}, {4 * time.Second, 0, 50 * mib, 100 * mib},
			{10 * time.Second, 2, 50 * mib, 100 * mib}, {4 * time.Second, 0, 50 * mib, 100 * mib}}, nil},
		{"it grows again and again", 0, []phase{{60 * time.Second, 0, 50 * mib, 100 * mib}}, []time.Duration{6 * time.Second, 26 * time.Second, 46 * time.Second}},
		{"what lies between objects stays", 90 * mib, []phase{{5 * time.Minute, 0, 50 * mib, 100 * mib}}, []time.Duration{6 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var k keeper
			var got []time.Duration
			begun := time.Unix(1_700_000_000, 0)
			var passed, busy time.Duration
			gave := false
			for _, p := range tt.phases {
				for range int(p.lasts / lookEvery) {
					passed += lookEvery
					busy += time.Duration(p.busy * float64(lookEvery))
					l := look{at: begun.Add(passed), busy: busy, live: p.live, spare: p.spare}
					if gave { // the look after
						l.spare = tt.left
					}
					if gave = k.due(l, 2); gave {
						got = append(got, passed)
					}
				}
			}
			if len(got) != len(tt.want) {
				t.Fatalf("gave back at %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("gave back at %v, want %v", got, tt.want)
				}
			}
		})
	}
}

// A small heap may triple, a large one grows by half, and between the two the
// room to grow is the same.
func TestHowFarTheHeapMayGrow(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		live, roots int64
		want        int
	}{{0, 0, 200}, {20 * mib, 0, 200}, {48 * mib, 0, 200}, {64 * mib, 0, 150}, {96 * mib, 0, 100}, {72 * mib, 24 * mib, 100},
		{150 * mib, 50 * mib, 45}, {192 * mib, 0, 50}, {4096 * mib, 0, 50}, {1000 * mib, 250 * mib, 40}} {
		if got := growth(tt.live, tt.roots); got != tt.want {
			t.Errorf("%d MiB in use, roots of %d: %d %%, want %d %%", tt.live/mib, tt.roots/mib, got, tt.want)
		}
	}
}
