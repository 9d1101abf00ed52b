package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A sync has returned before each acknowledgement: seen from outside, in the
// system calls of a recording process, not in what the program says of itself.
func TestSyncReturnsBeforeEachAcknowledgement(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is not installed; `make test` installs it")
	}
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-o", trace,
		"noren", "lab-child", "--dir", filepath.Join(dir, "data"), "--seed", "7", "--writers", "1", "--events", "20", "--for", patience.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("strace noren lab-child: %v\n%s\nIf this is about ptrace: this test needs a machine that lets a process trace its own children.", err, out)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	acks, faults := unsyncedAcks(strings.Split(string(b), "\n"), filepath.Join(dir, "data"))
	for _, f := range faults {
		t.Error(f)
	}
	// Under strace a few may miss their deadline and are not acknowledged then.
	if acks < 10 {
		t.Errorf("%d acknowledgements in the trace, want about 20\n%s", acks, out)
	}
}

var (
	traceSync    = regexp.MustCompile(`^(\d+) +f(?:data)?sync\(\d+<([^>]*)>(\) += (-?\d+)| <unfinished)`)
	traceResumed = regexp.MustCompile(`^(\d+) +<\.\.\. f(?:data)?sync resumed>.*\) += (-?\d+)`)
	traceAck     = regexp.MustCompile(`^\d+ +write\(1(?:<[^>]*>)?, "ack `)
)

// unsyncedAcks reads a trace: between two acknowledgements a sync of a file
// under dir that holds entries must have begun and returned 0.
func unsyncedAcks(lines []string, dir string) (acks int, faults []string) {
	began := map[string]string{} // sync under way by thread, since the last acknowledgement
	synced := false
	for _, line := range lines {
		if m := traceSync.FindStringSubmatch(line); m != nil {
			switch {
			case !holdsEntries(m[2], dir):
			case m[4] == "":
				began[m[1]] = m[2]
			default:
				synced = synced || m[4] == "0"
			}
		}
		if m := traceResumed.FindStringSubmatch(line); m != nil && began[m[1]] != "" {
			synced = synced || m[2] == "0"
			delete(began, m[1])
		}
		if traceAck.MatchString(line) {
			acks++
			if !synced {
				faults = append(faults, "no sync returned between the acknowledgement before and: "+line)
			}
			synced = false
			clear(began)
		}
	}
	return acks, faults
}

func holdsEntries(file, dir string) bool {
	return strings.HasPrefix(file, filepath.Join(dir, "noren.db")) || strings.HasPrefix(file, filepath.Join(dir, "spool"))
}

func TestUnsyncedAcks(t *testing.T) {
	const sync, ack = `7 fsync(3</d/noren.db-wal>) = 0`, `7 write(1<pipe:[1]>, "ack order.placed 06"..., 44) = 44`
	for _, tt := range []struct {
		name   string
		lines  []string
		faults int
	}{
		{"each synced", []string{sync, ack, sync, ack}, 0},
		{"second not synced", []string{sync, ack, ack}, 1},
		{"sync failed", []string{`7 fsync(3</d/noren.db-wal>) = -1 EIO (Input/output error)`, ack}, 1},
		{"another file", []string{`7 fsync(3</d/root.key>) = 0`, ack}, 1},
		{"returned in a second line", []string{`7 fdatasync(3</d/spool/a> <unfinished ...>`, `8 write(2<x>, "y", 1) = 1`, `7 <... fdatasync resumed>) = 0`, ack}, 0},
		{"not returned yet", []string{`8 fsync(3</d/noren.db-wal> <unfinished ...>`, ack, `8 <... fsync resumed>) = 0`}, 1},
		{"begun before the acknowledgement before", []string{sync, `8 fsync(3</d/noren.db-wal> <unfinished ...>`, ack, `8 <... fsync resumed>) = 0`, ack}, 1},
	} {
		if _, got := unsyncedAcks(tt.lines, "/d"); len(got) != tt.faults {
			t.Errorf("%s: %d faults, want %d: %v", tt.name, len(got), tt.faults, got)
		}
	}
}
