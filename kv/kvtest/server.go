package kvtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"noren"
)

// Valkey starts a server of its own for the test and returns its address. More
// arguments go to the server.
func Valkey(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	url, stop, err := StartValkey(ctx, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url
}

// StartValkey starts valkey-server or redis-server on a free loopback port,
// without persistence. dir "" means the temporary folder. The server ends with
// stop, which may be called twice, or with this process, however that ends.
func StartValkey(ctx context.Context, dir string, args ...string) (url string, stop func(), err error) {
	bin, err := findServer()
	if err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(dir, "noren-valkey"); err != nil {
		return "", nil, err
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	args = append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no", "--dir", dir}, args...)
	s, err := launch(dir, append([]string{bin}, args...)...)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, fmt.Errorf("start %s: %w", bin, err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := s.awaitPort(ctx, addr); err != nil {
		s.end()
		return "", nil, err
	}
	return "redis://" + addr, s.end, nil
}

func findServer() (string, error) {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", noren.WithHint(errors.New("neither valkey-server nor redis-server is installed; run: make deps"), "run: make deps")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

type process struct {
	dir    string
	cmd    *exec.Cmd
	life   io.Closer
	exited chan struct{}
}

// underWatch runs a server beside a watcher. The watcher's input ends when this
// process does, even by kill -9; then it ends the server and removes its data.
const underWatch = `exec 3<&0
( cat <&3 >/dev/null
  kill -KILL $$ 2>/dev/null
  rm -rf "$0" ) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null`

func launch(dir string, server ...string) (*process, error) {
	log, err := os.Create(logFile(dir))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	watched, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", underWatch, dir}, server...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = watched, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		life.Close()
		return nil, err
	}
	p := &process{dir, cmd, life, make(chan struct{})}
	go func() {
		cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func logFile(dir string) string { return dir + "/log" }

func (p *process) awaitPort(ctx context.Context, addr string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			log, _ := os.ReadFile(logFile(p.dir))
			return fmt.Errorf("valkey did not start:\n%s", log)
		case <-ctx.Done():
			return fmt.Errorf("valkey did not start: %w", err)
		case <-tick.C:
		}
	}
}

// end kills: there is nothing the server could lose.
func (p *process) end() {
	p.cmd.Process.Kill()
	<-p.exited
	p.life.Close()
	os.RemoveAll(p.dir)
}
