package journal_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

func itoa(n int) string { return strconv.Itoa(n) }

func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, rerr := filepath.Rel(dir, p)
			out = append(out, filepath.ToSlash(rel))
			return rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func verifyDir(t *testing.T, j *journal.Journal, dir string, outside []byte) journal.Report {
	t.Helper()
	key, err := j.VerifierKey("shop")
	if err != nil {
		t.Fatal(err)
	}
	rep, err := journal.VerifyDir(t.Context(), dir, key, outside)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestExport(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		dir := t.TempDir()
		appendN(t, j, "shop", 0, 300)
		if err := j.Export(t.Context(), "shop", dir); err != nil {
			t.Fatal(err)
		}
		want := []string{"checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"}
		if got := tree(t, dir); !slices.Equal(got, want) {
			t.Errorf("exported %v, want %v", got, want)
		}
		first, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
		if err != nil {
			t.Fatal(err)
		}
		rep := verifyDir(t, j, dir, nil)
		if !rep.Clean() || len(rep.Warnings) != 1 || rep.Logs[0].Entries != 300 || rep.Logs[0].Checkpoints != 1 {
			t.Errorf("cold copy: %+v", rep)
		}
		before, err := os.Stat(filepath.Join(dir, "tile/entries/000"))
		if err != nil {
			t.Fatal(err)
		}
		appendN(t, j, "shop", 300, 1024)
		if err := j.Export(t.Context(), "shop", dir); err != nil {
			t.Fatal(err)
		}
		after, err := os.Stat(filepath.Join(dir, "tile/entries/000"))
		if err != nil || !os.SameFile(before, after) {
			t.Error("what was exported before was written again")
		}
		want = []string{"checkpoint", "tile/0/000", "tile/0/001", "tile/0/002", "tile/0/003", "tile/1/000.p/4",
			"tile/entries/000", "tile/entries/001", "tile/entries/002", "tile/entries/003"}
		if got := tree(t, dir); !slices.Equal(got, want) {
			t.Errorf("exported %v, want %v", got, want)
		}
		if rep := verifyDir(t, j, dir, first); !rep.Clean() || len(rep.Warnings) != 0 || rep.Logs[0].Outside != 1 {
			t.Errorf("cold copy against the earlier checkpoint: %+v", rep)
		}
		if err := j.Export(t.Context(), "shop", dir); err != nil { // nothing new
			t.Fatal(err)
		}
		appendN(t, j, "other", 0, 3)
		if err := j.Export(t.Context(), "other", dir); noren.CodeOf(err) != noren.Conflict {
			t.Errorf("another log into the same directory: %v, want code conflict", err)
		}
	})
}

func TestVerifyDirFindsTampering(t *testing.T) {
	change := func(name string, f func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flipAt := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
	}
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, dir string)
		want journal.FindingKind
	}{
		{"a byte of an entry", change("tile/entries/000", flipAt(100)), journal.FoundChanged},
		{"the last byte of the last entry", change("tile/entries/001.p/44", flipAt(-1)), journal.FoundChanged},
		{"a length", change("tile/entries/000", flipAt(0)), journal.FoundRemoved},
		{"an entry cut off", change("tile/entries/001.p/44", func(b []byte) []byte { return b[:len(b)-900] }), journal.FoundRemoved},
		{"an entry added", change("tile/entries/001.p/44", func(b []byte) []byte { return append(b, 0, 1) }), journal.FoundChanged},
		{"a byte of a tile", change("tile/0/000", flipAt(40)), journal.FoundTile},
		{"a byte of an upper tile", change("tile/1/000.p/1", flipAt(0)), journal.FoundTile},
		{"a tile removed", remove("tile/0/000"), journal.FoundTile},
		{"a bundle removed", remove("tile/entries/001.p/44"), journal.FoundRemoved},
		{"the checkpoint's size", change("checkpoint", func(b []byte) []byte { return bytes.Replace(b, []byte("\n300\n"), []byte("\n299\n"), 1) }), journal.FoundSignature},
		{"a giant size", change("checkpoint", func(b []byte) []byte {
			return bytes.Replace(b, []byte("\n300\n"), []byte("\n4611686018427387904\n"), 1)
		}), journal.FoundSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := open(t, dbtest.Open(t, db.SQLite))
			appendN(t, j, "shop", 0, 300)
			dir := t.TempDir()
			if err := j.Export(t.Context(), "shop", dir); err != nil {
				t.Fatal(err)
			}
			tt.do(t, dir)
			wantFinding(t, verifyDir(t, j, dir, nil), tt.want, -1)
		})
	}
}

func TestVerifyDirAgainstOutside(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j := open(t, d)
	old, forked := t.TempDir(), t.TempDir()
	appendN(t, j, "shop", 0, 100)
	if err := j.Export(t.Context(), "shop", old); err != nil {
		t.Fatal(err)
	}
	appendN(t, j, "shop", 100, 200)
	outside, err := j.Checkpoint(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	wantFinding(t, verifyDir(t, j, old, outside), journal.FoundRollback, -1)

	rewriteFrom(t, d, 42)
	sqlDo(t, d, `DELETE FROM journal_checkpoints`)
	thief := open(t, d)
	if err := thief.Export(t.Context(), "shop", old); noren.CodeOf(err) != noren.Tampered || !strings.Contains(noren.HintOf(err), "another history") {
		t.Errorf("export of another history over the old one: %v, want code tampered", err)
	}
	if err := thief.Export(t.Context(), "shop", forked); err != nil {
		t.Fatal(err)
	}
	if rep := verifyDir(t, j, forked, nil); !rep.Clean() {
		t.Errorf("the forged copy is whole in itself: %+v", rep.Findings)
	}
	wantFinding(t, verifyDir(t, j, forked, outside), journal.FoundForked, -1)
}

// TestExportRefusesTampered: what is not what was appended is not exported.
func TestExportRefusesTampered(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j := open(t, d)
	appendN(t, j, "shop", 0, 100)
	flip(t, d, bodyOf42, setBody42, 30)
	if err := j.Export(t.Context(), "shop", t.TempDir()); noren.CodeOf(err) != noren.Tampered {
		t.Errorf("Export = %v, want code tampered", err)
	}
}
