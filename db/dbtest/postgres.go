package dbtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// Server is a PostgreSQL of our own: data in a temporary folder, loopback only,
// fsync on.
type Server struct {
	dir  string
	port int
	cmd  *exec.Cmd
}

// StartPostgres starts a server and makes a database in it. stop ends it and
// removes its data. dir "" means a temporary folder.
func StartPostgres(ctx context.Context, dir string) (url string, stop func(), err error) {
	s, err := startPostgres(ctx, dir)
	if err != nil {
		return "", nil, err
	}
	if err := s.createDatabase("noren"); err != nil {
		s.Stop()
		return "", nil, err
	}
	return s.url("noren"), s.Stop, nil
}

func startPostgres(ctx context.Context, dir string) (*Server, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, "noren-postgres")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, bin); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func findPostgres() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", fmt.Errorf("PostgreSQL is not installed; run: make deps")
	}
	sort.Strings(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func (s *Server) start(ctx context.Context, bin string) error {
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
	attr := &syscall.SysProcAttr{Credential: as}
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "noren", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	// The watcher ends the server when this process is gone, however it went.
	script := `"$@" & p=$!; trap 'kill -INT $p' TERM INT; while [ -d "/proc/$NOREN_PARENT" ] && kill -0 $p 2>/dev/null; do sleep 0.5; done; kill -INT $p 2>/dev/null; wait $p; rm -rf "$NOREN_DATA"`
	s.cmd = exec.Command("/bin/sh", "-c", script, "watch", filepath.Join(bin, "postgres"), "-D", data,
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-k", s.dir,
		"-c", "fsync=on", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "logging_collector=off")
	s.cmd.Env = append(os.Environ(), "NOREN_PARENT="+strconv.Itoa(os.Getpid()), "NOREN_DATA="+s.dir)
	s.cmd.Dir, s.cmd.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as, Setpgid: true}
	var log bytes.Buffer
	s.cmd.Stderr, s.cmd.WaitDelay = &log, time.Second
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	return s.awaitReady(ctx)
}

// serverUser is whom the server runs as: PostgreSQL refuses to run as root.
func serverUser() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("no user to run PostgreSQL as: %w; run: make deps", err)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	d, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer d.Close()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		if err = d.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres did not start: %w", err)
		case <-tick.C:
		}
	}
}

func (s *Server) url(name string) string {
	return fmt.Sprintf("postgres://noren@127.0.0.1:%d/%s?sslmode=disable", s.port, name)
}

func (s *Server) createDatabase(name string) error {
	d, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Exec("CREATE DATABASE " + name); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(syscall.SIGTERM)
		s.cmd.Wait()
	}
	os.RemoveAll(s.dir)
}
