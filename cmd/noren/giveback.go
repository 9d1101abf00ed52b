package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// What was swept stays with the process for a while, and the heap may grow before
// it is swept again. After a rush, with thousands of visitors' idle
// connections, that is several times of what is in use. So when the process has
// been quiet for some seconds and much of its memory is spare, it sweeps and
// gives back. Never under load: whoever is busy needs the room again at once.
const (
	lookEvery = time.Second
	// quietLooks is how many looks in a row must find the process quiet, and
	// quietShare how much of the machine's processors it may use then.
	quietLooks = 5
	quietShare = 0.05
	// backAgain is the least time between two sweeps. What each costs grows with
	// what is in use, and so does what must be spare for the next.
	backAgain = 20 * time.Second
	// spareFloor and spareShare are how much must be spare to be worth it: so many
	// bytes, and so much of what is in use.
	spareFloor = 16 << 20
	spareShare = 0.25
)

// look is what the process looks like at one moment.
type look struct {
	at    time.Time
	busy  time.Duration // processor time it has used so far
	live  int64         // bytes of the heap that the last sweep found in use
	roots int64         // bytes it began from: stacks and global variables
	spare int64         // bytes of the heap held beyond these
}

// keeper knows when memory is to be given back. The zero value begins.
type keeper struct {
	before look
	quiet  int       // looks in a row
	last   time.Time // when memory was given back last
	left   int64     // what could not be given back then
	gave   bool      // since the look before
}

// due takes one look in and says whether to give back now. What stays spare
// after that, between objects in use, is no reason to do it again.
func (k *keeper) due(l look, processors int) bool {
	passed, used := l.at.Sub(k.before.at), l.busy-k.before.busy
	first := k.before.at.IsZero()
	k.before = l
	if k.gave {
		k.gave, k.left = false, l.spare
		return false // what this look saw of the processor was our own sweep
	}
	if first || float64(used) > quietShare*float64(processors)*float64(passed) {
		k.quiet = 0
		return false
	}
	k.quiet++
	k.left = min(k.left, l.spare)
	worth := l.spare-k.left > max(spareFloor, int64(spareShare*float64(l.live)))
	if k.quiet < quietLooks || !worth || l.at.Sub(k.last) < backAgain {
		return false
	}
	k.last, k.gave = l.at, true
	return true
}

// The heap may grow by headroom before it is swept, but never to more than three
// times of what is in use, and always by half. Little lives long, and sweeping
// took a fifth of the processor's time of a journal at full speed when a small
// heap might only double (docs/internals/performance.md). A heap of thousands of
// connections that may triple is mostly holes afterwards, which nobody can give
// back: what lives long lies scattered among what did not.
const (
	headroom  = 96 << 20
	gcPercent = 200 // at most, of what is in use
	gcStep    = 5   // smaller changes are not worth stopping everybody for a moment
)

// growth is the GOGC for a heap of so many bytes in use. Its per cent are also of
// the roots: stacks and global variables (https://go.dev/doc/gc-guide#GOGC).
func growth(live, roots int64) int {
	room := max(headroom, live/2)
	percent := int(room * 100 / max(live+roots, 1))
	return min(percent, gcPercent) / gcStep * gcStep
}

// houseKeeper looks after this process's memory until ctx ends: how far the heap
// may grow, where the operator has not said (GOGC), and what is given back.
func houseKeeper(getenv func(string) string) func(context.Context) {
	return func(ctx context.Context) {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		var k keeper
		percent := gcPercent
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			l := lookAtMyself()
			if want := growth(l.live, l.roots); want != percent && getenv("GOGC") == "" {
				debug.SetGCPercent(want)
				percent = want
			}
			if k.due(l, runtime.GOMAXPROCS(0)) {
				shrinkStacks()
				giveBackMemory()
			}
		}
	}
}

// lookAtMyself asks the runtime, which stops nothing, and the kernel.
func lookAtMyself() look {
	of := ask("/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes", "/memory/classes/heap/free:bytes",
		"/gc/scan/stack:bytes", "/gc/scan/globals:bytes")
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it cannot fail for oneself; zero would look quiet, and cost a sweep now and then
	return look{
		at: time.Now(), busy: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		live: of[0], spare: max(0, of[1]+of[2]+of[3]-of[0]), roots: of[4] + of[5],
	}
}

// ask reads figures of the runtime.
func ask(names ...string) []int64 {
	samples, out := make([]metrics.Sample, len(names)), make([]int64, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for i := range samples {
		out[i] = int64(samples[i].Value.Uint64())
	}
	return out
}

// mostHalvings leads from the 32 KiB of a TLS handshake to the 4 KiB that a
// waiting connection needs.
const mostHalvings = 3

// shrinkStacks sweeps as long as it makes goroutines' stacks much smaller: each
// time those that are mostly free are halved.
func shrinkStacks() {
	stacks := func() int64 { return ask("/memory/classes/heap/stacks:bytes")[0] }
	for range mostHalvings {
		before := stacks()
		runtime.GC()
		if stacks() > before-before/10 {
			return
		}
	}
}

// giveBackMemory sweeps, and gives what is spare back to the system. What is
// spare in a sync.Pool goes with the second sweep.
func giveBackMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
