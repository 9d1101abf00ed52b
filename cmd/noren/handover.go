package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"noren"
)

// Handing over: on SIGUSR2 a serving noren starts its own binary again (a new
// one may lie at the path by then) and gives it the listening sockets and the
// lock. The new process says when it serves; the old one then stops taking
// connections, finishes what is under way and ends. No connection is refused in
// between, and both append to one journal for a moment.
const (
	envListeners = "NOREN_LISTENERS" // "http=3,https=4": inherited sockets
	envLock      = "NOREN_LOCK_FD"   // inherited lock
	envReady     = "NOREN_READY_FD"  // pipe on which the new process says that it serves

	readyWithin = 30 * time.Second
)

// listeners are the open sockets by name: http, https and console.
type listeners map[string]net.Listener

// socketConsole names the socket of the console.
const socketConsole = "console"

// openListeners takes over inherited sockets, or opens the configured ones. A
// console that cannot be opened is no reason to leave the shops without their
// gateway: it is an alarm where its address was chosen, and a warning where a
// second noren on the machine finds the usual one taken.
func openListeners(cfg *Config, getenv func(string) string, log *slog.Logger) (listeners, error) {
	inherited, err := inheritedFiles(getenv(envListeners))
	if err != nil {
		return nil, err
	}
	out := listeners{}
	for name, addr := range map[string]string{"http": cfg.Listen.HTTP, "https": cfg.Listen.HTTPS} {
		if addr == "" {
			continue
		}
		ln, err := openListener(inherited[name], addr)
		if err != nil {
			out.close()
			return nil, err
		}
		out[name] = ln
	}
	if cfg.Console.open() {
		ln, err := openListener(inherited[socketConsole], cfg.Console.Listen)
		if err != nil {
			log.Log(context.Background(), level(cfg.Console.chosen), "the console is not served; the shops are", "alarm", cfg.Console.chosen, "err", err,
				"hint", "another address: console: {listen: 127.0.0.1:9081}, or none: console: {listen: off}")
		} else {
			out[socketConsole] = ln
		}
	}
	for _, f := range inherited {
		f.Close() // net.FileListener made a copy
	}
	return out, nil
}

func level(alarm bool) slog.Level {
	if alarm {
		return slog.LevelError
	}
	return slog.LevelWarn
}

func openListener(inherited *os.File, addr string) (net.Listener, error) {
	if inherited != nil {
		ln, err := net.FileListener(inherited)
		if err == nil && sameAddress(ln.Addr().String(), addr) {
			return ln, nil
		}
		if err == nil { // the configuration names another address now
			ln.Close()
		}
	}
	ln, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, noren.WithHint(noren.Errorf(noren.Conflict, "listen on %s: the address is in use", addr),
			"another program listens there: find it with `ss -ltnp`, or set another address under listen:")
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, noren.WithHint(noren.Errorf(noren.Denied, "listen on %s: not permitted", addr),
			"ports below 1024 need CAP_NET_BIND_SERVICE (see docs/start)")
	}
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "listen: %w", err)
	}
	return ln, nil
}

func sameAddress(have, want string) bool {
	h, hp, err1 := net.SplitHostPort(have)
	w, wp, err2 := net.SplitHostPort(want)
	return err1 == nil && err2 == nil && hp == wp && (h == w || net.ParseIP(h).IsUnspecified() && net.ParseIP(w).IsUnspecified())
}

func (ls listeners) close() {
	for _, l := range ls {
		l.Close()
	}
}

// inheritedFiles reads "http=3,https=4".
func inheritedFiles(s string) (map[string]*os.File, error) {
	out := map[string]*os.File{}
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		name, fd, ok := strings.Cut(part, "=")
		n, err := strconv.Atoi(fd)
		if !ok || err != nil || n < 3 || n > 100 {
			return nil, noren.Errorf(noren.Invalid, "%s=%q is not of the form http=3", envListeners, s)
		}
		out[name] = os.NewFile(uintptr(n), name)
	}
	return out, nil
}

// serveLock keeps a second noren from serving from the same data directory by
// mistake. The lock belongs to the open file, so a process that inherits the
// file holds it too.
func serveLock(dir string, getenv func(string) string) (*os.File, error) {
	if fd, err := strconv.Atoi(getenv(envLock)); err == nil && fd > 2 {
		return os.NewFile(uintptr(fd), "lock"), nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, noren.WithHint(noren.Errorf(noren.Unavailable, "make data directory: %w", err), "set data: to a directory this user may write to")
	}
	f, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, noren.Errorf(noren.Unavailable, "open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := io.ReadAll(io.LimitReader(f, 32))
		f.Close()
		return nil, noren.WithHint(noren.Errorf(noren.Conflict, "a noren (process %s) serves from %s already", strings.TrimSpace(string(pid)), dir),
			"stop it first, hand over to a new one with `kill -USR2`, or give this one a data: directory of its own")
	}
	f.Truncate(0)
	fmt.Fprintf(f, "%d\n", os.Getpid())
	return f, nil
}

// handOver starts the successor and waits until it serves.
func handOver(ctx context.Context, ls listeners, lock *os.File) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	ready, said, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{lock, said}
	cmd.Env = append(os.Environ(), envLock+"=3", envReady+"=4")
	var names []string
	for name, l := range ls {
		f, err := inheritable(l.(*net.TCPListener))
		if err != nil {
			said.Close()
			return fmt.Errorf("pass on listener: %w", err)
		}
		defer f.Close()
		names = append(names, fmt.Sprintf("%s=%d", name, 3+len(cmd.ExtraFiles)))
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(cmd.Env, envListeners+"="+strings.Join(names, ","))
	err = cmd.Start()
	said.Close()
	if err != nil {
		return fmt.Errorf("start successor: %w", err)
	}
	if err := awaitReady(ctx, ready); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return err
	}
	return cmd.Process.Release()
}

// inheritable is a copy of the listening socket for a child process. Not
// TCPListener.File: exec asks that for its descriptor, which makes the socket
// blocking for everybody who holds it, and an accept that blocks in this process
// would outlive the closing of its listener and take a visitor away.
func inheritable(l *net.TCPListener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var f *os.File
	cerr := raw.Control(func(fd uintptr) {
		var n int
		syscall.ForkLock.RLock() // no other child may inherit it before it is marked
		defer syscall.ForkLock.RUnlock()
		if n, err = syscall.Dup(int(fd)); err == nil {
			syscall.CloseOnExec(n)
			f = os.NewFile(uintptr(n), "listener")
		}
	})
	return f, errors.Join(err, cerr)
}

func awaitReady(ctx context.Context, ready *os.File) error {
	done := make(chan error, 1)
	go func() {
		b := make([]byte, 5)
		_, err := io.ReadFull(ready, b)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			return errors.New("the successor ended before it served; its messages say why")
		}
		return nil
	case <-time.After(readyWithin):
		return fmt.Errorf("the successor did not serve within %s", readyWithin)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sayReady tells the predecessor, if there is one, that this process serves.
func sayReady(getenv func(string) string) {
	fd, err := strconv.Atoi(getenv(envReady))
	if err != nil || fd <= 2 {
		return
	}
	f := os.NewFile(uintptr(fd), "ready")
	io.WriteString(f, "ready")
	f.Close()
}
