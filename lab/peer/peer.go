// Package peer starts real servers for labs, benches and tests: PostgreSQL and
// Valkey or Redis of their own, in a temporary folder, on a free port of the
// loopback address. They end with the process that started them, however that
// ends.
package peer

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stopPatience is how long a server gets to end by itself; one whose data stay
// writes down first what it holds in memory.
const stopPatience, keptPatience = 10 * time.Second, 2 * time.Minute

// underWatch runs a server beside a watcher. The watcher's input ends when this
// process does, even by kill -9; then it ends the server and removes its data.
const underWatch = `exec 3<&0
( cat <&3 >/dev/null
  kill -INT $$ 2>/dev/null
  n=0; while kill -0 $$ 2>/dev/null && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done
  kill -KILL $$ 2>/dev/null
  [ -z "$0" ] || rm -rf "$0" ) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null`

// server is a running program with a folder and a port of its own.
type server struct {
	dir    string
	kept   bool // the folder stays
	port   int
	cmd    *exec.Cmd
	life   io.Closer     // the server ends when this does
	exited chan struct{} // closed when the server ended
	once   sync.Once
}

// launch starts a program as a user, nil for this one.
func (s *server) launch(as *syscall.Credential, program ...string) error {
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	watched, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer watched.Close()
	throwAway := s.dir
	if s.kept {
		throwAway = ""
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", underWatch, throwAway}, program...)...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = "/", watched, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if err := cmd.Start(); err != nil {
		life.Close()
		return err
	}
	s.cmd, s.life, s.exited = cmd, life, make(chan struct{})
	go func() {
		cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// Stop ends the server and removes its data, unless it is kept. It may be called
// twice.
func (s *server) Stop() {
	patience := stopPatience
	if s.kept {
		patience = keptPatience
	}
	s.once.Do(func() {
		if s.cmd != nil {
			s.cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-s.exited:
			case <-time.After(patience):
				s.cmd.Process.Kill()
				<-s.exited
			}
			s.life.Close()
		}
		if !s.kept {
			os.RemoveAll(s.dir)
		}
	})
}

func (s *server) logFile() string { return filepath.Join(s.dir, "log") }

// said is what a server that did not start has written.
func (s *server) said(name string) error {
	log, _ := os.ReadFile(s.logFile())
	return fmt.Errorf("%s did not start:\n%s", name, log)
}

// FreePort is a loopback port nobody listens on. It lies below those that the
// kernel gives to outgoing connections (from 32768 on, ip_local_port_range), so
// that none of them takes it before the server has opened it.
func FreePort() (int, error) {
	const lowest, highest, tries = 20_000, 32_000, 100
	var err error
	for range tries {
		port := lowest + rand.IntN(highest-lowest)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
