package peer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"noren"
	_ "noren/db" // the driver
)

// database is the one a server of ours has.
const database = "noren"

// Postgres is a PostgreSQL with one empty database, fsync on.
type Postgres struct{ server }

// StartPostgres starts one. dir "" means the temporary folder; one that is given
// must be open (x) to the user postgres when this process is root. Settings such
// as "shared_buffers=128MB" replace the small ones of tests.
func StartPostgres(ctx context.Context, dir string, settings ...string) (*Postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	dir, err = os.MkdirTemp(dir, "noren-postgres")
	if err != nil {
		return nil, err
	}
	return started(ctx, &Postgres{server{dir: dir}}, bin, settings)
}

// KeepPostgres is StartPostgres over a folder that stays when the server ends, so
// that what took long to make is used again.
func KeepPostgres(ctx context.Context, dir string, settings ...string) (*Postgres, error) {
	bin, err := findPostgres()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { // the user postgres goes through it
		return nil, err
	}
	return started(ctx, &Postgres{server{dir: dir, kept: true}}, bin, settings)
}

func started(ctx context.Context, p *Postgres, bin string, settings []string) (*Postgres, error) {
	if err := p.start(ctx, bin, settings); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// URL is the database's address.
func (s *Postgres) URL() string { return s.url(database) }

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

func (s *Postgres) start(ctx context.Context, bin string, settings []string) error {
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
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err != nil {
		initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "noren", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
		initdb.SysProcAttr, initdb.Dir = &syscall.SysProcAttr{Credential: as}, s.dir
		if out, err := initdb.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, out)
		}
	}
	if s.port, err = FreePort(); err != nil {
		return err
	}
	program := []string{filepath.Join(bin, "postgres"), "-D", data,
		"-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(s.port), "-c", "unix_socket_directories=",
		"-c", "fsync=on", "-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "logging_collector=off"}
	for _, set := range settings {
		program = append(program, "-c", set)
	}
	if err := s.launch(as, program...); err != nil {
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
	uid, uerr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gerr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uerr, gerr)
}

func (s *Postgres) awaitReady(ctx context.Context) error {
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
			return s.create(ctx, d)
		}
		select {
		case <-s.exited:
			return s.said("postgres")
		case <-ctx.Done():
			return fmt.Errorf("postgres did not start: %w", err)
		case <-tick.C:
		}
	}
}

// create makes the database unless a kept server has it.
func (s *Postgres) create(ctx context.Context, d *sql.DB) error {
	var there bool
	err := d.QueryRowContext(ctx, `SELECT count(*) > 0 FROM pg_database WHERE datname = $1`, database).Scan(&there)
	if err == nil && !there {
		_, err = d.ExecContext(ctx, "CREATE DATABASE "+database)
	}
	return err
}

func (s *Postgres) url(name string) string {
	return fmt.Sprintf("postgres://noren@127.0.0.1:%d/%s?sslmode=disable", s.port, name)
}

// Exec runs one statement, not waiting for locks for long.
func (s *Postgres) Exec(statement string) error {
	d, err := sql.Open("pgx", s.URL()+"&lock_timeout=3000")
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Exec(statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
