package dbtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestServerEndsWithTheProcess runs this test binary again, which starts a
// server and is then killed.
func TestServerEndsWithTheProcess(t *testing.T) {
	if os.Getenv("NOREN_DBTEST_CHILD") != "" {
		startAndHang()
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestServerEndsWithTheProcess$")
	child.Env = append(os.Environ(), "NOREN_DBTEST_CHILD=1", "TMPDIR="+os.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	child.Process.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for listens(port) || exists(dir) {
		select {
		case <-ctx.Done():
			t.Fatalf("the server of a killed process still listens (%t) or its data in %s is still there (%t)", listens(port), dir, exists(dir))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func startAndHang() {
	s, err := server()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strconv.Itoa(s.port), s.dir)
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
	url, stop, err := StartPostgres(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	stop()
	if s, _, _ := strings.Cut(url[strings.LastIndex(url, ":")+1:], "/"); listens(s) {
		t.Error("it still listens")
	}
}
