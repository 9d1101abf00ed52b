package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"noren"
)

// database is the one a server of ours has.
const database = "noren"

// postgres is a server of our own: data in a temporary folder, loopback only,
// fsync on.
type postgres struct {
	dir    string
	port   int
	cmd    *exec.Cmd
	life   io.Closer     // the server ends when this does, so with our process
	exited chan struct{} // closed when the server ended
	stop   sync.Once
}

// StartPostgres starts a server with an empty database. stop ends it and
// removes its data. dir "" means the temporary folder; one that is given must
// be open (x) to the user postgres when this process is root.
func StartPostgres(ctx context.Context, dir string) (url string, stop func(), err error) {
	s, err := startPostgres(ctx, dir)
	if err != nil {
		return "", nil, err
	}
	return s.url(database), s.Stop, nil
}

func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, "noren-postgres")
	if err != nil {
		return nil, err
	}
	s := &postgres{dir: dir}
	if err := s.start(ctx, bin); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// findPostgres finds the newest server that Debian's packages installed.
func findPostgres() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", noren.WithHint(errors.New("PostgreSQL is not installed; run: make deps"), "run: make deps")
	}
	version := func(initdb string) int {
		n, _ := strconv.Atoi(strings.Split(initdb, "/")[4])
		return n
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

func (s *postgres) start(ctx context.Context, bin string) error {
	as, err := serverUser()
	if err != nil {
		return err
	}
	if as != nil {
		if err := os.Chown(s.dir, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "noren", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = &syscall.SysProcAttr{Credential: as}, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	if err := s.launch(as, filepath.Join(bin, "postgres"), "-D", data,
		"-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(s.port), "-c", "unix_socket_directories=",
		"-c", "fsync=on", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "logging_collector=off"); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	return s.awaitReady(ctx)
}

// underWatch runs a server beside a watcher. The watcher's input ends when this
// process does, even by kill -9; then it ends the server and removes its data.
const underWatch = `exec 3<&0
( cat <&3 >/dev/null
  kill -INT $$ 2>/dev/null
  n=0; while kill -0 $$ 2>/dev/null && [ $n -lt 100 ]; do n=$((n+1)); sleep 0.1; done
  kill -KILL $$ 2>/dev/null
  rm -rf "$0" ) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null`

func (s *postgres) launch(as *syscall.Credential, server ...string) error {
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command("/bin/sh", append([]string{"-c", underWatch, s.dir}, server...)...)
	s.cmd.Dir, s.cmd.Stderr = "/", log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	watched, life, err := os.Pipe()
	if err != nil {
		return err
	}
	defer watched.Close()
	s.cmd.Stdin, s.life = watched, life
	if err := s.cmd.Start(); err != nil {
		life.Close()
		s.cmd = nil
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	return nil
}

func (s *postgres) logFile() string { return filepath.Join(s.dir, "log") }

// serverUser is whom the server runs as: PostgreSQL refuses to run as root.
func serverUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("no user to run PostgreSQL as: %w; run: make deps", err)
	}
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uerr, gerr)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *postgres) awaitReady(ctx context.Context) error {
	d, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer d.Close()
	d.SetMaxOpenConns(1)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = d.PingContext(ctx); err == nil {
			_, err = d.ExecContext(ctx, "CREATE DATABASE "+database)
			return err
		}
		select {
		case <-s.exited:
			log, _ := os.ReadFile(s.logFile())
			return fmt.Errorf("postgres did not start:\n%s", log)
		case <-ctx.Done():
			return fmt.Errorf("postgres did not start: %w", err)
		case <-tick.C:
		}
	}
}

func (s *postgres) url(name string) string {
	return fmt.Sprintf("postgres://noren@127.0.0.1:%d/%s?sslmode=disable", s.port, name)
}

// do runs one statement, outside any test's schema and not waiting for long.
func (s *postgres) do(statement string) error {
	d, err := sql.Open("pgx", s.url(database)+"&lock_timeout=3000")
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Exec(statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// Stop ends the server and removes its data. It may be called twice.
func (s *postgres) Stop() {
	s.stop.Do(func() {
		if s.cmd != nil {
			s.cmd.Process.Signal(syscall.SIGINT)
			select {
			case <-s.exited:
			case <-time.After(10 * time.Second):
				s.cmd.Process.Kill()
				<-s.exited
			}
			s.life.Close()
		}
		os.RemoveAll(s.dir)
	})
}
