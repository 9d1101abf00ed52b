package main

import (
	"os"
	"path/filepath"
	"testing"

	"noren/gateway"
)

// The memory is the machine's, or what a container or systemd leaves of it.
func TestMachineMemory(t *testing.T) {
	const machine = "MemTotal:        8000000 kB\nMemFree:  1 kB\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing is said", nil, 0},
		{"a machine", map[string]string{"proc/meminfo": machine}, 8_000_000 << 10},
		{"garbage", map[string]string{"proc/meminfo": "MemTotal: much kB\n", "proc/self/cgroup": ":::\n0::\nx\n"}, 0},
		{"a container", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		{"a service without a limit", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/system.slice/noren.service\n",
			"sys/fs/cgroup/system.slice/noren.service/memory.max": "max\n"}, 8_000_000 << 10},
		{"a slice with a limit", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/shop.slice/noren.service\n",
			"sys/fs/cgroup/shop.slice/memory.max": "1073741824\n", "sys/fs/cgroup/shop.slice/noren.service/memory.max": "max\n"}, 1 << 30},
		{"control groups of version 1", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/box\n0::/\n",
			"sys/fs/cgroup/memory/box/memory.limit_in_bytes": "268435456\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 256 << 20},
		{"a way out of the folder", map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/../../../../etc\n", "sys/fs/cgroup/etc/memory.max": "1\n"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := machineMemory(root); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// A small machine takes fewer connections, what the owner wrote stays, and what
// comes out is always a valid configuration.
func TestConnectionsFitTheMemory(t *testing.T) {
	for _, tt := range []struct {
		memory          int64
		have            gateway.Connections
		most, perClient int
	}{
		{0, gateway.Connections{}, 0, 0},
		{512 << 20, gateway.Connections{}, 1_191, 297},
		{64 << 20, gateway.Connections{}, 1_024, 256},
		{2 << 30, gateway.Connections{}, 4_766, 1_191},
		{64 << 30, gateway.Connections{}, 16_384, 4_096},
		{512 << 20, gateway.Connections{Most: 5_000}, 5_000, 0},
		{512 << 20, gateway.Connections{PerClient: 2_000}, 2_000, 2_000},
	} {
		got := connectionsFor(tt.have, tt.memory)
		if got.Most != tt.most || got.PerClient != tt.perClient {
			t.Errorf("%d MiB, %+v: got %d and %d, want %d and %d", tt.memory>>20, tt.have, got.Most, got.PerClient, tt.most, tt.perClient)
		}
		if err := got.Valid(); err != nil {
			t.Errorf("%d MiB: %v", tt.memory>>20, err)
		}
	}
}
