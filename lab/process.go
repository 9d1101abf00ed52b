package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"noren/lab/peer"
)

// process is a `noren serve` of its own, as an operator starts it.
type process struct {
	exe, dir string
	cmd      *exec.Cmd
	done     chan error
}

// readyWithin is how long a serving process may take to answer.
const readyWithin = 30 * time.Second

// serveProcess starts `noren serve` on the configuration in dir and waits until
// an address answers.
func serveProcess(ctx context.Context, exe, dir, addr string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{exe: exe, dir: dir, cmd: exec.Command(exe, "serve"), done: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.Env = append(os.Environ(), "NOREN_CONFIG="+p.config())
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start noren serve: %w", err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	for end := time.Now().Add(readyWithin); ; {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			c.Close()
			return p, nil
		}
		select {
		case err := <-p.done:
			return nil, fmt.Errorf("noren serve ended: %w\n%s", err, p.lastWords())
		case <-time.After(20 * time.Millisecond):
		}
		if ctx.Err() != nil || time.Now().After(end) {
			p.stop()
			return nil, fmt.Errorf("noren serve does not answer\n%s", p.lastWords())
		}
	}
}

func (p *process) config() string { return filepath.Join(p.dir, "noren.yaml") }

// lastWords are the last lines of the process's log.
func (p *process) lastWords() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "serve.log"))
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// command runs another noren command on the same configuration.
func (p *process) command(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, p.exe, args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "NOREN_CONFIG="+p.config())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("noren %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// stop ends the process as an operator would, and waits.
func (p *process) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-p.done:
		return err
	case <-time.After(readyWithin):
		p.cmd.Process.Kill()
		<-p.done
		return errors.New("noren serve did not end by itself")
	}
}

// memory is what the process holds in memory, in bytes.
func (p *process) memory() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the kernel does not say how much memory the process holds")
}

// cpu is the processor time that the process took (proc(5), stat, utime and stime,
// in hundredths of a second).
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ") // a name may hold spaces
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, errors.New("the kernel does not say how much processor time the process took")
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// freeAddress is a loopback address nothing listens on just now.
func freeAddress() (string, error) {
	port, err := peer.FreePort()
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
