package exposure

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"noren"
)

// Socket is something that listens.
type Socket struct {
	Proto   string         `json:"proto"` // tcp or udp
	At      netip.AddrPort `json:"at"`
	Process string         `json:"process,omitempty"` // "" when we may not know

	inode string
}

// Bounds on what is read of /proc.
const (
	maxSockets = 20_000
	maxFiles   = 200_000
)

// Listening lists what listens, read under proc ("/proc"). Names of processes
// are known for one's own, and for all to root.
func Listening(proc string) ([]Socket, error) {
	var all []Socket
	found := false
	for _, t := range []struct{ file, proto, state string }{
		{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"}, // include/net/tcp_states.h
	} {
		f, err := os.Open(filepath.Join(proc, "net", t.file))
		if os.IsNotExist(err) { // no IPv6
			continue
		}
		if err != nil {
			return nil, noren.Errorf(noren.Unavailable, "read listening ports: %w", err)
		}
		found = true
		sockets, err := readTable(f, t.proto, t.state)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Name(), err)
		}
		all = append(all, sockets...)
	}
	if !found {
		return nil, noren.WithHint(noren.Errorf(noren.Unavailable, "this system does not tell which ports listen"), "the check of open ports needs Linux with /proc")
	}
	nameProcesses(proc, all)
	return all, nil
}

// readTable reads one table of /proc/net. A udp socket that is not connected
// listens; one with a far end is a client's.
func readTable(r io.Reader, proto, state string) ([]Socket, error) {
	var out []Socket
	s := bufio.NewScanner(r)
	s.Scan() // the heading
	for s.Scan() {
		f := strings.Fields(s.Text())
		if len(f) < 10 || f[3] != state {
			continue
		}
		at, err := hexAddrPort(f[1])
		if err != nil {
			return nil, err
		}
		if at.Port() == 0 {
			continue
		}
		if out = append(out, Socket{Proto: proto, At: at, inode: f[9]}); len(out) == maxSockets {
			break
		}
	}
	return out, s.Err()
}

// hexAddrPort reads 0100007F:0CEA: each 32-bit word of the address in the
// machine's byte order, which is little-endian wherever Noren is built for.
func hexAddrPort(s string) (netip.AddrPort, error) {
	addr, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	p, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, noren.Errorf(noren.Invalid, "%q is not an address and port of /proc/net", s)
	}
	for i := 0; i < len(b); i += 4 {
		b[i], b[i+1], b[i+2], b[i+3] = b[i+3], b[i+2], b[i+1], b[i]
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// nameProcesses finds whose sockets they are, as far as we may look.
func nameProcesses(proc string, sockets []Socket) {
	want := map[string][]*Socket{}
	for i := range sockets {
		want[sockets[i].inode] = append(want[sockets[i].inode], &sockets[i])
	}
	pids, _ := filepath.Glob(filepath.Join(proc, "[0-9]*"))
	files := 0
	for _, pid := range pids {
		d, err := os.Open(filepath.Join(pid, "fd"))
		if err != nil {
			continue
		}
		fds, _ := d.Readdirnames(maxFiles)
		d.Close()
		for _, fd := range fds {
			if files++; files > maxFiles {
				return
			}
			target, err := os.Readlink(filepath.Join(pid, "fd", fd))
			inode, ok := strings.CutPrefix(target, "socket:[")
			if err != nil || !ok {
				continue
			}
			for _, s := range want[strings.TrimSuffix(inode, "]")] {
				if s.Process == "" {
					s.Process = commandOf(pid)
				}
			}
		}
	}
}

func commandOf(pid string) string {
	b, err := os.ReadFile(filepath.Join(pid, "comm"))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(b[:min(len(b), 32)])), "?")
}
