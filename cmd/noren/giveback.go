package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
	"time"
)

// The heap may triple before it is swept (gcPercent), and what was swept stays
// with the process for a while. After a rush, with thousands of visitors' idle
// connections, that is several times of what is in use. So when the process has
// been quiet for some seconds and much of its memory is spare, it sweeps and
// gives back. Never under load: whoever is busy needs the room again at once.
const (
	lookEvery = time.Second
	// quietLooks is how many looks in a row must find the process quiet, and
	// quietShare how much of the machine's processors it may use then.
	quietLooks = 5
	quietShare = 0.05
	// backAgain is the least time between two sweeps.
	backAgain = time.Minute
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

// keepHouse gives memory back in quiet times until ctx ends.
func keepHouse(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var k keeper
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if k.due(lookAtMyself(), runtime.GOMAXPROCS(0)) {
			giveBackMemory()
		}
	}
}

// lookAtMyself asks the runtime, which stops nothing, and the kernel.
func lookAtMyself() look {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	of := func(i int) int64 { return int64(s[i].Value.Uint64()) }
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it cannot fail for oneself; zero would look quiet, and cost a sweep a minute
	return look{
		at: time.Now(), busy: time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		live: of(0), spare: max(0, of(1)+of(2)+of(3)-of(0)),
	}
}

// giveBackMemory sweeps, and gives what is spare back to the system. What is
// spare in a sync.Pool goes with the second sweep.
func giveBackMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
