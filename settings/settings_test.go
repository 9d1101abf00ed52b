package settings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

func TestDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "set")
	set := settings.Set{"limits.yaml": "version: 1\n", "sites/shop/policies/a.yaml": "x\n"}
	if err := settings.WriteDir(dir, set); err != nil {
		t.Fatal(err)
	}
	if err := settings.WriteDir(dir, set); noren.CodeOf(err) != noren.Conflict {
		t.Errorf("writing over it: got %v, want a conflict", err)
	}
	os.WriteFile(filepath.Join(dir, ".hidden"), []byte("x"), 0o600)
	got, err := settings.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := settings.ReadDir(dir); err == nil || !strings.Contains(err.Error(), "not a plain file") {
		t.Errorf("a link: got %v, want it refused", err)
	}
}

func TestPathsAreHarmless(t *testing.T) {
	for _, p := range []string{"", "/etc/passwd", "../x", "a/../b", "a//b", ".git/config", "a/.x", "a\\b", "a\nb"} {
		if (settings.Set{p: ""}).Valid() == nil {
			t.Errorf("path %q is accepted", p)
		}
	}
}

func TestDiff(t *testing.T) {
	a := settings.Set{"limits.yaml": "one\ntwo\nthree\n", "gone.yaml": "x\n", "same": "s\n"}
	b := settings.Set{"limits.yaml": "one\n2\nthree\n", "new.yaml": "y\n", "same": "s\n"}
	want := `--- gone.yaml
+++ /dev/null
@@ -1,1 +1,0 @@
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
@@ -1,0 +1,1 @@
+y
`
	if diff := cmp.Diff(want, settings.Diff(a, b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := settings.Diff(a, a); got != "" {
		t.Errorf("no change: got %q", got)
	}
}
