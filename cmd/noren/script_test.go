package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scenarios of testdata/script: each a text file that says
// in its first line what it shows.
func TestScripts(t *testing.T) {
	free := &ports{}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NOREN_CONFIG", filepath.Join(e.WorkDir, "noren.yaml"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport":   func(ts *testscript.TestScript, _ bool, args []string) { freeportCmd(ts, free, args) },
			"expand":     expandCmd,
			"shop":       shopCmd,
			"exits":      exitsCmd,
			"httpget":    httpgetCmd,
			"await":      awaitCmd,
			"waitfor":    waitforCmd,
			"signal":     signalCmd,
			"field":      fieldCmd,
			"fill":       fillCmd,
			"noalarm":    noalarmCmd,
			"loglines":   loglinesCmd,
			"visit":      visitCmd,
			"mailserver": mailserverCmd,
			"hookserver": hookserverCmd,
		},
	})
}

func (p *ports) setenv(ts *testscript.TestScript, name string) {
	port, err := p.free()
	ts.Check(err)
	ts.Setenv(name, port)
}

// freeport VAR...: each variable gets a loopback port nothing listens on.
func freeportCmd(ts *testscript.TestScript, free *ports, args []string) {
	for _, name := range args {
		free.setenv(ts, name)
	}
}

// expand FILE...: replaces $VAR and ${VAR} in files.
func expandCmd(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

// shop PORT: a tiny upstream, for as long as the script runs.
func shopCmd(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	ts.Check(err)
	s := &http.Server{Handler: tinyShop("shop"), ReadHeaderTimeout: patience}
	go s.Serve(l)
	ts.Defer(func() { s.Close() })
}

// exits CODE COMMAND...: runs a command that must end with this code.
func exitsCmd(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// get asks once, on a connection of its own.
func get(ts *testscript.TestScript, url string) (status int, body string, err error) {
	over := &http.Transport{DisableKeepAlives: true}
	if from := ts.Getenv("VISITOR"); from != "" {
		over.DialContext = visitor(from).DialContext
	}
	client := &http.Client{Transport: over, Timeout: 10 * time.Second}
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(b), err
}

// httpget URL STATUS [PATTERN]: one request, whose answer must match.
func httpgetCmd(ts *testscript.TestScript, _ bool, args []string) {
	status, body, err := get(ts, args[0])
	ts.Check(err)
	if strconv.Itoa(status) != args[1] {
		ts.Fatalf("%s answered %d, want %s\n%s", args[0], status, args[1], body)
	}
	if len(args) > 2 && !regexp.MustCompile(args[2]).MatchString(body) {
		ts.Fatalf("%s: no match for %q in\n%s", args[0], args[2], body)
	}
}

// await URL STATUS [WITHIN]: asks until the answer has this status.
func awaitCmd(ts *testscript.TestScript, _ bool, args []string) {
	within := patience
	if len(args) > 2 {
		var err error
		within, err = time.ParseDuration(args[2])
		ts.Check(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		status, body, err := get(ts, args[0])
		if err == nil && strconv.Itoa(status) == args[1] {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s: not %s within %s; last: %d %v\n%s", args[0], args[1], within, status, err, body)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// waitfor FILE PATTERN: until a line of a file that is being written matches.
func waitforCmd(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile(args[1])
	var text []byte
	ok := until(func() bool {
		text, _ = os.ReadFile(ts.MkAbs(args[0]))
		return re.Match(text)
	})
	if !ok {
		ts.Fatalf("no match for %q in %s:\n%s", args[1], args[0], text)
	}
}

// signal NAME PIDFILE: to the process that a file names.
func signalCmd(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// field VAR PATTERN: the first group of a pattern in the last standard output.
func fieldCmd(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no match for %q", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// fill FILE BYTES TEXT: a file of so many bytes, TEXT again and again.
func fillCmd(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := strings.Repeat(args[2], n/len(args[2])+1)[:n]
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// noalarm FILE: a log without alarms. That the disk of a busy test machine was
// slow once is none of Noren's faults.
func noalarmCmd(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.SplitSeq(ts.ReadFile(args[0]), "\n") {
		if strings.Contains(line, "alarm=true") && !strings.Contains(line, "journal slower than the deadline") {
			ts.Fatalf("%s has an alarm: %s", args[0], line)
		}
	}
}

// loglines FILE ADDRESS STATUS METHOD PATH...: lines of a web server's log, now.
func loglinesCmd(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	ts.Check(err)
	defer f.Close()
	at := time.Now().Format("02/Jan/2006:15:04:05 -0700")
	for _, path := range args[4:] {
		_, err := fmt.Fprintf(f, "%s - - [%s] \"%s %s HTTP/1.1\" %s 77 \"-\" \"script\"\n", args[1], at, args[3], path, args[2])
		ts.Check(err)
	}
}

// visit URL ADDRESS: one request, as a trusted proxy passes a visitor's on.
func visitCmd(ts *testscript.TestScript, _ bool, args []string) {
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	req.Header.Set("X-Forwarded-For", args[1])
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	resp.Body.Close()
}
