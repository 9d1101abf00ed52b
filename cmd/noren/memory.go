package main

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"noren/gateway"
)

// machineMemory is how many bytes this process may use: of the machine, or of the
// control group that a container or systemd put it into, whichever is less. 0
// when the system does not say. root is "/", or another one in tests.
func machineMemory(root string) int64 {
	least := int64(math.MaxInt64)
	for _, n := range append(groupLimits(root), totalMemory(root)) {
		if n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return least
}

// totalMemory reads "MemTotal:  24684096 kB".
func totalMemory(root string) int64 {
	b, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// groupLimits are the limits of the process's control group and of those above
// it, of either version of control groups. A file that says "max" sets none.
func groupLimits(root string) (out []int64) {
	b, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		switch f[1] {
		case "":
		case "memory":
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for at := path.Clean("/" + f[2]); ; at = path.Dir(at) {
			if b, err := os.ReadFile(filepath.Join(root, base, at, file)); err == nil {
				n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
				out = append(out, n)
			}
			if at == "/" {
				break
			}
		}
	}
	return out
}

// What of the memory the program takes for itself before it sweeps harder, and
// what visitors' connections may take when all of them are dear.
const (
	memoryShare     = 0.75
	connectionShare = 0.25
	dearConnection  = 110 << 10 // HTTP/2 over TLS, while they come; half of it once they are idle (docs/internals/performance.md)
	fewConnections  = 1_024
)

// useMemory makes the collector work harder rather than let the system end the
// program. GOMEMLIMIT, when set, says otherwise.
func useMemory(memory int64, getenv func(string) string) {
	if memory > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(float64(memory) * memoryShare))
	}
}

// connectionsFor fills in how many connections fit into the memory, where the
// configuration does not say.
func connectionsFor(c gateway.Connections, memory int64) gateway.Connections {
	if c.Most != 0 || memory == 0 {
		return c
	}
	d := gateway.DefaultConnections()
	fit := int(float64(memory) * connectionShare / dearConnection)
	c.Most = min(max(fit, fewConnections, c.PerClient), d.Most)
	if c.PerClient == 0 {
		c.PerClient = min(d.PerClient, c.Most/4)
	}
	return c
}
