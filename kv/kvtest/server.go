package kvtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Valkey starts a server of its own for the test and returns its address.
func Valkey(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	url, stop, err := StartValkey(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return url
}

// StartValkey starts valkey-server or redis-server on a free loopback port,
// without persistence. dir "" means a temporary folder. A watcher ends it when
// this process is gone.
func StartValkey(ctx context.Context, dir string) (url string, stop func(), err error) {
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
	script := `"$@" >/dev/null 2>&1 & p=$!; trap 'kill $p' TERM INT; while [ -d "/proc/$NOREN_PARENT" ] && kill -0 $p 2>/dev/null; do sleep 0.5; done; kill $p 2>/dev/null; wait $p; rm -rf "$NOREN_DATA"`
	cmd := exec.Command("/bin/sh", "-c", script, "watch", bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no", "--dir", dir)
	cmd.Env = append(os.Environ(), "NOREN_PARENT="+strconv.Itoa(os.Getpid()), "NOREN_DATA="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start %s: %w", bin, err)
	}
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		os.RemoveAll(dir)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := awaitPort(ctx, addr); err != nil {
		stop()
		return "", nil, err
	}
	return "redis://" + addr, stop, nil
}

func findServer() (string, error) {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", fmt.Errorf("neither valkey-server nor redis-server is installed; run: make deps")
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func awaitPort(ctx context.Context, addr string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("valkey did not start: %w", err)
		case <-tick.C:
		}
	}
}
