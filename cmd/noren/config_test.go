package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noren"
)

// Each file of testdata/good can be used.
func TestGoodConfigurations(t *testing.T) {
	for _, file := range glob(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if _, err := loadConfig(file); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each file of testdata/bad says in its leading comments, one fault a line, what
// is to be reported: all of it at once, and nothing else.
func TestBadConfigurations(t *testing.T) {
	for _, file := range glob(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := expectedFaults(t, file)
			_, err := loadConfig(file)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if noren.CodeOf(err) != noren.Invalid {
				t.Errorf("code %s, want %s", noren.CodeOf(err), noren.Invalid)
			}
			got := strings.Split(err.Error(), "\n")
			for _, w := range want {
				if !strings.Contains(err.Error(), filepath.Base(file)+":"+w) {
					t.Errorf("not reported: %s:%s", filepath.Base(file), w)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d faults, want %d:\n%v", len(got), len(want), err)
			}
		})
	}
}

// A configuration that cannot be used ends every command with code 2.
func TestBadConfigurationsEndCommands(t *testing.T) {
	for _, args := range [][]string{{"serve"}, {"journal", "verify"}, {"ban", "--list"}, {"settings", "versions"}, {"replay"}} {
		var out, errs logBuffer
		args = append([]string{"--config", "testdata/bad/unknown-key.yaml"}, args...)
		code := run(t.Context(), args, stdio{strings.NewReader(""), &out, &errs}, func(string) string { return "" })
		if code != exitUsage || !strings.Contains(errs.String(), "unknown-key.yaml:") {
			t.Errorf("noren %s: code %d, want %d with the file and line\n%s", strings.Join(args, " "), code, exitUsage, errs.String())
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

func expectedFaults(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.SplitSeq(string(b), "\n") {
		rest, ok := strings.CutPrefix(line, "# ")
		if !ok {
			break
		}
		want = append(want, rest)
	}
	if len(want) == 0 {
		t.Fatalf("%s does not say what is wrong with it", file)
	}
	return want
}
