package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestServersEndWithTheProcess runs this test binary again, which starts servers
// and is then killed.
func TestServersEndWithTheProcess(t *testing.T) {
	if os.Getenv("NOREN_PEER_CHILD") != "" {
		startAndHang()
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestServersEndWithTheProcess$")
	child.Env = append(os.Environ(), "NOREN_PEER_CHILD=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	lines := bufio.NewReader(out)
	started := map[string]string{} // folders by port
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		port, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !listens(port) || !exists(dir) {
			t.Fatalf("nothing listens at port %s, or %s is not there", port, dir)
		}
		started[port] = dir
	}
	child.Process.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for port, dir := range started {
		for listens(port) || exists(dir) {
			select {
			case <-ctx.Done():
				t.Fatalf("the server of a killed process still listens (%t) or its data in %s is still there (%t)", listens(port), dir, exists(dir))
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func startAndHang() {
	p, err := StartPostgres(context.Background(), "")
	v, verr := StartValkey(context.Background(), "")
	if err := errors.Join(err, verr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strconv.Itoa(p.port), p.dir)
	fmt.Println(strconv.Itoa(v.port), v.dir)
	select {}
}

func listens(port string) bool {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestStopTwice(t *testing.T) {
	p, err := StartPostgres(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := StartValkey(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.Stop()
		v.Stop()
	}
	if listens(strconv.Itoa(p.port)) || listens(strconv.Itoa(v.port)) || exists(p.dir) || exists(v.dir) {
		t.Error("something is left")
	}
}

// TestKeptServerKeepsItsRows stops a server and starts one over the same folder.
func TestKeptServerKeepsItsRows(t *testing.T) {
	dir, err := os.MkdirTemp("", "noren-kept") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{`CREATE TABLE kept (n BIGINT)`, `INSERT INTO kept VALUES (1)`} {
		p, err := KeepPostgres(t.Context(), filepath.Join(dir, "server"))
		if err != nil {
			t.Fatal(err)
		}
		err = p.Exec(statement)
		p.Stop()
		if err != nil {
			t.Fatal(err)
		}
	}
}
