package main

import "runtime"

// besideInspections is how many goroutines may run beside one on each processor.
// An inspection of a large form computes for milliseconds. Go lets it do so for
// ten before anybody else has a turn, and hardly looks at the network while all
// processors compute: on two of them two such forms make every visitor wait. The
// kernel, which shares processors among threads in far smaller pieces, does it
// better when it is given a few more.
const besideInspections = 2

// useProcessors gives the scheduler more threads than there are processors, and
// returns how many there are. GOMAXPROCS, when set, says otherwise.
func useProcessors(getenv func(string) string) (processors int) {
	n := runtime.GOMAXPROCS(0)
	if getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n + besideInspections)
	}
	return n
}
