package kvtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestServerEndsWithTheProcess runs this test binary again, which starts a
// server and is then killed.
func TestServerEndsWithTheProcess(t *testing.T) {
	if dir := os.Getenv("NOREN_KVTEST_CHILD"); dir != "" {
		startAndHang(dir)
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run", "^TestServerEndsWithTheProcess$")
	child.Env = append(os.Environ(), "NOREN_KVTEST_CHILD="+dir)
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
	addr := strings.TrimPrefix(strings.TrimSpace(line), "redis://")
	if !listens(addr) {
		t.Fatalf("nothing listens at %s", addr)
	}
	child.Process.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for left := 1; left > 0 || listens(addr); {
		entries, err := os.ReadDir(dir)
		if left = len(entries); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the server of a killed process still listens (%t), or its data is still there: %v", listens(addr), entries)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func startAndHang(dir string) {
	url, _, err := StartValkey(context.Background(), dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(url)
	select {}
}

func listens(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func TestStopTwice(t *testing.T) {
	url, stop, err := StartValkey(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	stop()
	if listens(strings.TrimPrefix(url, "redis://")) {
		t.Error("it still listens")
	}
}
