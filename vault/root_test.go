package vault_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"noren"
	"noren/vault"
)

func TestRootKeyText(t *testing.T) {
	k := vault.NewRootKey()
	text := k.Text()
	swapped := strings.NewReplacer(text[:1], next(text[0])).Replace(text[:1]) + text[1:]
	tests := []struct {
		name, text string
		want       noren.Code // "" means the same key
	}{
		{"as it is", text, ""},
		{"in groups over lines", text[:4] + "  " + text[4:16] + "\r\n\t" + text[16:] + "\n", ""},
		{"with comment lines", "# Noren root key\n" + text + "\n  # end\n", ""},
		{"empty", " \n", noren.Invalid},
		{"one character missing", text[1:], noren.Invalid},
		{"one character too many", text + "A", noren.Invalid},
		{"one character wrong", swapped, noren.Invalid},
		{"two characters exchanged", text[1:2] + text[:1] + text[2:], noren.Invalid},
		{"a character that is not of the alphabet", "+" + text[1:], noren.Invalid},
		{"full-width", strings.Replace(text, text[:1], "Ａ", 1), noren.Invalid},
	}
	if text[0] == text[1] {
		tests[7].want = ""
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := vault.ParseRootKey(tt.text)
			if noren.CodeOf(err) != tt.want {
				t.Fatalf("got error %v, want code %q", err, tt.want)
			}
			if err == nil && got.ID() != k.ID() {
				t.Errorf("got key %s, want %s", got.ID(), k.ID())
			}
			if err != nil {
				noSecret(t, err.Error()+noren.HintOf(err), text)
				if noren.HintOf(err) == "" && !strings.Contains(err.Error(), "character") {
					t.Errorf("error %q has no hint", err)
				}
			}
		})
	}
}

// next returns another character of the alphabet.
func next(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// noSecret fails when printed shows any four-character group of the key at its
// place in the key's text.
func noSecret(t *testing.T, printed, text string) {
	t.Helper()
	for i := 0; i+8 <= len(text); i++ {
		if strings.Contains(printed, text[i:i+8]) {
			t.Fatalf("%q shows a part of the root key", printed)
		}
	}
}

func TestRootKeyNeverPrints(t *testing.T) {
	k := vault.NewRootKey()
	text := k.Text()
	var kek vault.KEK = k
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k, "opt", vault.Options{Root: kek}, "secret", vault.Secret(text))
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "opt", vault.Options{Root: kek}, "secret", vault.Secret(text))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb+verb+verb+verb, k, *k, vault.Options{Root: kek}, vault.Secret(text))
	}
	noSecret(t, log.String(), text)
	if !strings.Contains(log.String(), "[redacted]") {
		t.Errorf("a secret prints as %q, want [redacted]", log.String())
	}
}

func TestGenerateRootKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "root.key")
	if err := vault.GenerateRootKey(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("got mode %04o, want 0600", got)
	}
	k, err := vault.LoadRootKey("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if k.Ref() != "file:"+path {
		t.Errorf("got ref %q", k.Ref())
	}
	if err := vault.GenerateRootKey(path); noren.CodeOf(err) != noren.Conflict {
		t.Errorf("generating over a key: got %v, want a conflict", err)
	}
	again, err := vault.LoadRootKey("file:" + path)
	if err != nil || again.ID() != k.ID() {
		t.Errorf("the key was changed: %v", err)
	}
}

func TestLoadRootKey(t *testing.T) {
	dir := t.TempDir()
	text := vault.NewRootKey().Text()
	write := func(name, data string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(data), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	t.Setenv("NOREN_TEST_ROOT", text)
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	write("credential", text, 0o440)
	write("loose-credential", text, 0o444)
	tests := []struct {
		name, ref string
		want      noren.Code
	}{
		{"file", "file:" + write("good", text, 0o600), ""},
		{"read-only file", "file:" + write("ro", text, 0o400), ""},
		{"environment", "env:NOREN_TEST_ROOT", ""},
		{"systemd credential, group bits are its access list", "credential:credential", ""},
		{"file the group may read", "file:" + write("group", text, 0o640), noren.Denied},
		{"file others may write", "file:" + write("others", text, 0o602), noren.Denied},
		{"systemd credential others may read", "credential:loose-credential", noren.Denied},
		{"systemd credential elsewhere", "credential:../x", noren.Invalid},
		{"no file", "file:" + filepath.Join(dir, "none"), noren.NotFound},
		{"directory", "file:" + dir, noren.Invalid},
		{"empty file", "file:" + write("empty", "", 0o600), noren.Invalid},
		{"another file", "file:" + write("big", strings.Repeat("x", 5000), 0o600), noren.Invalid},
		{"no variable", "env:NOREN_TEST_NONE", noren.NotFound},
		{"the key itself", text, noren.Invalid},
		{"nothing", "", noren.Invalid},
		{"no name", "file:", noren.Invalid},
		{"unknown kind", "vault:x", noren.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := vault.LoadRootKey(tt.ref)
			if noren.CodeOf(err) != tt.want {
				t.Fatalf("got %v, want code %q", err, tt.want)
			}
			if err != nil {
				noSecret(t, err.Error()+noren.HintOf(err), text)
			}
		})
	}
}

func FuzzParseRootKey(f *testing.F) {
	f.Add(vault.NewRootKey().Text())
	f.Add("# c\nAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := vault.ParseRootKey(text)
		if err != nil {
			return
		}
		again, err := vault.ParseRootKey(k.Text())
		if err != nil || again.ID() != k.ID() {
			t.Errorf("a key that was read does not read back: %v", err)
		}
	})
}
