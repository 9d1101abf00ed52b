package vault

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noren"

	"github.com/google/go-cmp/cmp"
)

var searchID = noren.NewID(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))

func someErasure(n byte) Erasure {
	return Erasure{
		ID:      noren.NewID(time.Date(2026, 3, 1, 0, 0, int(n), 0, time.UTC)),
		Site:    "shop",
		Subject: append(make([]byte, 15), n),
		At:      noren.At(time.Date(2026, 3, 1, 0, 0, int(n), 0, time.UTC)),
		Reason:  "お客様のご依頼",
	}
}

func ids(lines []erasureLine) []string {
	var out []string
	for _, l := range lines {
		out = append(out, l.ID)
	}
	return out
}

func TestErasuresFileKeepsWhatWasAppended(t *testing.T) {
	f := erasuresFile{path: filepath.Join(t.TempDir(), "dir", "erasures.jsonl")}
	a, b, c := someErasure(1), someErasure(2), someErasure(3)
	if err := f.append(searchID, a); err != nil {
		t.Fatal(err)
	}
	if err := f.append(searchID, b, c); err != nil {
		t.Fatal(err)
	}
	lines, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	want := []erasureLine{{1, searchID, a}, {1, searchID, b}, {1, searchID, c}}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	info, _ := os.Stat(f.path)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %04o, want 0600", info.Mode().Perm())
	}
}

func TestErasuresFileAfterACrash(t *testing.T) {
	f := erasuresFile{path: filepath.Join(t.TempDir(), "erasures.jsonl")}
	a, b := someErasure(1), someErasure(2)
	if err := f.append(searchID, a); err != nil {
		t.Fatal(err)
	}
	appendText(t, f.path, `{"v":1,"key":"01ARZ3NDEK`)
	lines, err := f.read()
	if err != nil || len(lines) != 1 {
		t.Fatalf("a torn last line: got %d lines and %v, want the one before and no error", len(lines), err)
	}
	if err := f.append(searchID, b); err != nil {
		t.Fatal(err)
	}
	lines, err = f.read()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{a.ID, b.ID}, ids(lines)); d != "" {
		t.Error(d)
	}
}

func TestErasuresFileWithDamagedLines(t *testing.T) {
	a, b := someErasure(1), someErasure(2)
	tests := []struct{ name, line string }{
		{"not JSON", "garbage"},
		{"empty line", ""},
		{"another version", `{"v":2}`},
		{"unknown field", `{"v":1,"who":"hanako@example.jp"}`},
		{"two values", `{} {}`},
		{"endless", strings.Repeat("x", 3*maxErasureLine)},
		{"binary", "\x00\xff\x00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := erasuresFile{path: filepath.Join(t.TempDir(), "erasures.jsonl")}
			if err := f.append(searchID, a); err != nil {
				t.Fatal(err)
			}
			appendText(t, f.path, tt.line+"\n")
			if err := f.append(searchID, b); err != nil {
				t.Fatal(err)
			}
			lines, err := f.read()
			if d := cmp.Diff([]string{a.ID, b.ID}, ids(lines)); d != "" {
				t.Error(d)
			}
			if noren.CodeOf(err) != noren.Tampered || !strings.Contains(err.Error(), "line 2") || noren.HintOf(err) == "" {
				t.Errorf("got %v, want the damaged line's number and a hint", err)
			}
		})
	}
}

func TestErasuresFileThatIsMissing(t *testing.T) {
	f := erasuresFile{path: filepath.Join(t.TempDir(), "none")}
	if lines, err := f.read(); err != nil || lines != nil {
		t.Errorf("got %v and %v, want nothing: there was no erasure yet", lines, err)
	}
	none := erasuresFile{}
	if err := none.append(searchID, someErasure(1)); noren.CodeOf(err) != noren.Invalid || noren.HintOf(err) == "" {
		t.Errorf("got %v, want an error with a hint: no file is configured", err)
	}
}

func appendText(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// What is read is what could have been written, whatever the file holds.
func FuzzReadErasures(f *testing.F) {
	f.Add("{\"v\":1}\n")
	f.Add("\n\n\x00")
	f.Add(`{"v":1,"key":"` + searchID + `","id":"` + searchID + `","site":"a","subject":"AAAAAAAAAAAAAAAAAAAAAA==","at":"2026-03-01T00:00:00Z"}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := readErasures(strings.NewReader(text))
		for _, l := range lines {
			if !validID(l.ID) || !validID(l.Key) || len(l.Subject) != 16 || l.At.IsZero() || l.Site != "" && !noren.ValidName(l.Site) {
				t.Errorf("took %+v for an erasure", l)
			}
		}
	})
}
