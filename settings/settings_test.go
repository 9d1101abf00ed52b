package settings_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/settings"
)

func open(t *testing.T, d *db.DB) *settings.Store {
	t.Helper()
	s, err := settings.Open(settings.Options{DB: d, Mode: settings.Console})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVersions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := open(t, d), t.Context()
		if _, err := s.Current(ctx); noren.CodeOf(err) != noren.NotFound {
			t.Fatalf("before the first version: got %v, want not found", err)
		}
		first := settings.Set{"limits.yaml": "a\n"}
		for range 2 {
			if err := s.Init(ctx, first, "noren", "first start"); err != nil {
				t.Fatal(err)
			}
		}
		second := settings.Set{"limits.yaml": "b\n", "policies/x.yaml": "y\n"}
		if _, err := s.Put(ctx, second, "hanako", "tighter", first.Hash()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(ctx, first, "taro", "late", first.Hash()); noren.CodeOf(err) != noren.Conflict {
			t.Errorf("a change based on an old version: got %v, want a conflict", err)
		}
		got, err := s.Current(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(second, got); diff != "" {
			t.Errorf("current set (-want +got):\n%s", diff)
		}
		all, err := s.Versions(ctx, 10)
		if err != nil || len(all) != 2 || all[0].Author != "hanako" || all[0].N != 2 {
			t.Errorf("got %+v, %v; want two versions, hanako's first", all, err)
		}
		if _, err := d.Read().Exec(`DELETE FROM settings_versions`); d.Engine() == db.SQLite && err == nil {
			t.Error("the reader pool could write")
		}
	})
}

// Of many who change the same version at the same moment, one succeeds.
func TestPutAtTheSameMoment(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := open(t, d), t.Context()
		first := settings.Set{"limits.yaml": "a\n"}
		if err := s.Init(ctx, first, "noren", "first start"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var stored, conflicts atomic.Int64
		for i := range 8 {
			wg.Go(func() {
				_, err := s.Put(ctx, settings.Set{"limits.yaml": strings.Repeat("b", i+1)}, "hanako", "race", first.Hash())
				switch {
				case err == nil:
					stored.Add(1)
				case noren.CodeOf(err) == noren.Conflict:
					conflicts.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if stored.Load() != 1 || conflicts.Load() != 7 {
			t.Errorf("%d stored and %d conflicts, want 1 and 7", stored.Load(), conflicts.Load())
		}
		if all, err := s.Versions(ctx, 10); err != nil || len(all) != 2 {
			t.Errorf("versions %+v, %v; want two", all, err)
		}
	})
}

func TestPutStoresOnlyWhatIsGood(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, bad := t.Context(), errors.New("policies/x.yaml:3:5: unknown fact")
		s, err := settings.Open(settings.Options{DB: d, Mode: settings.Console,
			Now: func() time.Time { return time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC) },
			Check: func(set settings.Set) error {
				if strings.Contains(set["limits.yaml"], "bad") {
					return bad
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		good := settings.Set{"limits.yaml": "good\n"}
		v, err := s.Put(ctx, good, "hanako", "first", "")
		if err != nil || v.N != 1 || !v.At.Equal(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)) {
			t.Fatalf("got %+v, %v", v, err)
		}
		if _, err := s.Put(ctx, settings.Set{"limits.yaml": "bad\n"}, "taro", "worse", good.Hash()); !errors.Is(err, bad) {
			t.Errorf("a set that does not pass the check: got %v", err)
		}
		if _, err := s.Put(ctx, settings.Set{"../limits.yaml": ""}, "taro", "worse", good.Hash()); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("a set of strange paths: got %v", err)
		}
		if _, err := s.Put(ctx, settings.Set{"limits.yaml": "c"}, "taro", " ", good.Hash()); noren.CodeOf(err) != noren.Invalid {
			t.Errorf("without a reason: got %v", err)
		}
		if _, err := s.Put(ctx, settings.Set{"limits.yaml": "c"}, "taro", "no base", ""); noren.CodeOf(err) != noren.Conflict || noren.HintOf(err) == "" {
			t.Errorf("without a base although there is a version: got %v", err)
		}
		if again, err := s.Put(ctx, good, "taro", "the same", good.Hash()); err != nil || again != v {
			t.Errorf("the same set again: got %+v, %v; want the version there is", again, err)
		}
		if got, err := s.Current(ctx); err != nil || cmp.Diff(good, got) != "" {
			t.Errorf("current %v, %v; want the good one", got, err)
		}
	})
}

// A version that somebody changed in the database is not taken for settings.
func TestTamperedVersion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, ctx := open(t, d), t.Context()
		if err := s.Init(ctx, settings.Set{"limits.yaml": "a\n"}, "noren", "first start"); err != nil {
			t.Fatal(err)
		}
		for _, files := range []string{`{"limits.yaml":"b\n"}`, `{`, `null`} {
			err := d.Write(ctx, func(tx *db.Tx) error {
				_, err := tx.ExecContext(ctx, `UPDATE settings_versions SET files = $1`, files)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Current(ctx); noren.CodeOf(err) != noren.Tampered {
				t.Errorf("files %s: got %v, want tampered", files, err)
			}
		}
	})
}

// In mode files nothing is stored; the change comes back as a patch.
func TestFilesMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	if err := settings.WriteDir(dir, settings.Set{"limits.yaml": "a\n"}); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Open(settings.Options{Mode: settings.Files, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	now, err := s.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if hash, err := s.CurrentHash(t.Context()); err != nil || hash != now.Hash() {
		t.Errorf("hash %s, %v", hash, err)
	}
	_, err = s.Put(t.Context(), settings.Set{"limits.yaml": "b\n"}, "hanako", "change", now.Hash())
	refused, ok := errors.AsType[*settings.Refused](err)
	if !ok || noren.CodeOf(err) != noren.Denied || noren.HintOf(err) == "" {
		t.Fatalf("got %v, want it refused with a hint", err)
	}
	if want := "--- limits.yaml\n+++ limits.yaml\n@@ -1,1 +1,1 @@\n-a\n+b\n"; refused.Patch != want {
		t.Errorf("patch %q, want %q", refused.Patch, want)
	}
}

func TestDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "set")
	set := settings.Set{"limits.yaml": "version: 1\n", "sites/shop/policies/a.yaml": "x\n", "lists/office.txt": "192.0.2.0/24\n"}
	if err := settings.WriteDir(dir, set); err != nil {
		t.Fatal(err)
	}
	if err := settings.WriteDir(dir, set); noren.CodeOf(err) != noren.Conflict {
		t.Errorf("writing over it: got %v, want a conflict", err)
	}
	put(t, filepath.Join(dir, ".hidden"))
	put(t, filepath.Join(dir, ".git", "config"))
	got, err := settings.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("writing left %v beside the directory", left)
	}
}

func TestWriteIntoEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := settings.WriteDir(dir, settings.Set{"limits.yaml": "a"}); err != nil {
		t.Fatal(err)
	}
	if err := settings.WriteDir(filepath.Join(dir, "bad"), settings.Set{"x/y/z": ""}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("an invalid set: got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bad")); err == nil {
		t.Error("an invalid set left a directory")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, want limits.yaml alone", entries)
	}
}

func TestReadDirFaults(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, dir string)
		want string
	}{
		{"missing", func(t *testing.T, dir string) { os.Remove(dir) }, "does not exist"},
		{"link to a file", func(t *testing.T, dir string) { link(t, "/etc/passwd", filepath.Join(dir, "link.yaml")) }, "link.yaml is not a plain file"},
		{"link to a directory", func(t *testing.T, dir string) { link(t, "/etc", filepath.Join(dir, "policies")) }, "policies is not a plain file"},
		{"link inside", func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, "a.yaml"))
			link(t, "a.yaml", filepath.Join(dir, "b.yaml"))
		}, "b.yaml is not a plain file"},
		{"no place of settings", func(t *testing.T, dir string) { put(t, filepath.Join(dir, "policies", "deep", "a.yaml")) }, `"policies/deep/a.yaml": expected policies/NAME.yaml`},
		{"too large", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "a.yaml"), make([]byte, 5<<20), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "at most 200 and 4194304 fit"},
		{"too many", func(t *testing.T, dir string) {
			for i := range 201 {
				put(t, filepath.Join(dir, "policies", "a"+strings.Repeat("x", i%50)+string(rune('a'+i/50))+".yaml"))
			}
		}, "at most 200 and 4194304 fit"},
		{"not text", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("\x93\xfa\x96{"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, `"a.yaml" is not UTF-8 text`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(t, dir)
			_, err := settings.ReadDir(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func put(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, file string) {
	t.Helper()
	if err := os.Symlink(to, file); err != nil {
		t.Fatal(err)
	}
}

func TestPathsAreHarmless(t *testing.T) {
	for _, p := range []string{"", "/etc/passwd", "../x.yaml", "a/../b.yaml", "a//b.yaml", ".git/config", "policies/.x.yaml", "a\\b.yaml", "a\nb.yaml",
		"policies/a.yml", "policies/A.yaml", "policies/a.b.yaml", "lists/a.yaml", "a.txt", "sites/a.yaml", "sites/../policies/a.yaml",
		"sites/a/sites/b/limits.yaml", "sites//limits.yaml", "policies/設定.yaml", "policies/-a.yaml", "policies/" + strings.Repeat("a", 65) + ".yaml"} {
		if (settings.Set{p: ""}).Valid() == nil {
			t.Errorf("path %q is accepted", p)
		}
	}
	for _, p := range []string{"limits.yaml", "policies/login.yaml", "lists/2026-11_bad.txt", "sites/shop-1/limits.yaml", "sites/shop/policies/a.yaml", "sites/shop/lists/a.txt"} {
		if err := (settings.Set{p: ""}).Valid(); err != nil {
			t.Errorf("path %q: %v", p, err)
		}
	}
}

func TestHash(t *testing.T) {
	base := settings.Set{"a.yaml": "bc", "b.yaml": ""}
	for _, other := range []settings.Set{{"a.yaml": "b", "b.yaml": "c"}, {"a.yaml": "bc"}, {"a.yaml": "bc", "c.yaml": ""}, {}, {"a.yaml": "bc\n", "b.yaml": ""}} {
		if other.Hash() == base.Hash() {
			t.Errorf("%v has the hash of %v", other, base)
		}
	}
	if got := (settings.Set{"b.yaml": "", "a.yaml": "bc"}).Hash(); got != base.Hash() {
		t.Error("equal sets have different hashes")
	}
}

func TestDiff(t *testing.T) {
	a := settings.Set{"limits.yaml": "one\ntwo\nthree\n", "gone.yaml": "x\n", "same": "s\n"}
	b := settings.Set{"limits.yaml": "one\n2\nthree\n", "new.yaml": "y\n", "same": "s\n"}
	want := `--- gone.yaml
+++ /dev/null
@@ -1,1 +0,0 @@
-x
--- limits.yaml
+++ limits.yaml
@@ -1,3 +1,3 @@
 one
-two
+2
 three
--- /dev/null
+++ new.yaml
@@ -0,0 +1,1 @@
+y
`
	if diff := cmp.Diff(want, settings.Diff(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := settings.Diff(a, a); got != "" {
		t.Errorf("no change: got %q", got)
	}
}

// Whatever changes, the patch turns the one set into the other.
func TestDiffIsAPatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "\n", "-x\n", "end"}), 0, 40), func(l []string) string { return strings.Join(l, "") })
		before, after := text.Draw(t, "before"), text.Draw(t, "after")
		patch := settings.Diff(settings.Set{"a.yaml": before}, settings.Set{"a.yaml": after})
		if before == after {
			if patch != "" {
				t.Fatalf("patch of nothing: %q", patch)
			}
			return
		}
		if got := apply(t, before, patch); got != after {
			t.Fatalf("patched %q, want %q; patch:\n%s", got, after, patch)
		}
	})
}

// apply does what patch -p0 does to one file, and holds that every line of the
// patch stands where the patch says.
func apply(t *rapid.T, before, patch string) string {
	old := slices.Collect(strings.Lines(before))
	var out []string
	lines := slices.Collect(strings.Lines(patch))[2:]
	next := 0
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "\\") {
			l = strings.TrimSuffix(l, "\n")
		}
		switch l[0] {
		case '@':
			var la, na, lb, nb int
			if _, err := fmt.Sscanf(l, "@@ -%d,%d +%d,%d @@", &la, &na, &lb, &nb); err != nil {
				t.Fatalf("hunk %q: %v", l, err)
			}
			if na > 0 {
				la--
			}
			if nb > 0 {
				lb--
			}
			out = append(out, old[next:la]...)
			if next = la; len(out) != lb {
				t.Fatalf("hunk %q begins after line %d of the result", l, len(out))
			}
		case '+':
			out = append(out, l[1:])
		case ' ', '-':
			if next >= len(old) || old[next] != l[1:] {
				t.Fatalf("line %q does not stand at %d", l, next)
			}
			if next++; l[0] == ' ' {
				out = append(out, l[1:])
			}
		}
	}
	return strings.Join(append(out, old[next:]...), "")
}

// Large files that differ in much are still shown, at bounded cost.
func TestDiffOfLargeFiles(t *testing.T) {
	a, b := strings.Repeat("a\n", 50_000), strings.Repeat("b\n", 50_000)
	patch := settings.Diff(settings.Set{"a.yaml": "same\n" + a + "same\n"}, settings.Set{"a.yaml": "same\n" + b + "same\n"})
	if !strings.HasPrefix(patch, "--- a.yaml\n+++ a.yaml\n@@ -1,50002 +1,50002 @@\n same\n-a\n") {
		t.Errorf("patch begins %.80q", patch)
	}
}
