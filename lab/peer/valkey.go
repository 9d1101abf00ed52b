package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"noren"
)

// Valkey is a valkey-server or redis-server without persistence.
type Valkey struct{ server }

// StartValkey starts one. dir "" means the temporary folder; args go to the
// server.
func StartValkey(ctx context.Context, dir string, args ...string) (*Valkey, error) {
	bin, err := findValkey()
	if err != nil {
		return nil, err
	}
	if dir, err = os.MkdirTemp(dir, "noren-valkey"); err != nil {
		return nil, err
	}
	v := &Valkey{server{dir: dir}}
	if err := v.start(ctx, bin, args); err != nil {
		v.Stop()
		return nil, err
	}
	return v, nil
}

// URL is the server's address.
func (v *Valkey) URL() string { return "redis://" + v.addr() }

func (v *Valkey) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(v.port)) }

func findValkey() (string, error) {
	for _, name := range []string{"valkey-server", "redis-server"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", noren.WithHint(errors.New("neither valkey-server nor redis-server is installed; run: make deps"), "run: make deps")
}

func (v *Valkey) start(ctx context.Context, bin string, args []string) (err error) {
	if v.port, err = FreePort(); err != nil {
		return err
	}
	program := append([]string{bin, "--bind", "127.0.0.1", "--port", strconv.Itoa(v.port), "--save", "", "--appendonly", "no", "--dir", v.dir}, args...)
	if err := v.launch(nil, program...); err != nil {
		return fmt.Errorf("start %s: %w", bin, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", v.addr(), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-v.exited:
			return v.said("valkey")
		case <-ctx.Done():
			return fmt.Errorf("valkey did not start: %w", err)
		case <-tick.C:
		}
	}
}
