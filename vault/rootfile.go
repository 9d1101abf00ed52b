package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"noren"
)

const maxRootFile = 4 << 10

// LoadRootKey reads the root key from where ref says:
//
//	file:/etc/noren/root.key   a file only its owner may read
//	env:NOREN_ROOT_KEY         an environment variable
//	credential:noren-root      a systemd credential (LoadCredential=)
func LoadRootKey(ref string) (*RootKey, error) {
	kind, name, _ := strings.Cut(ref, ":")
	if name == "" {
		return nil, badRef(ref)
	}
	var text string
	var err error
	switch kind {
	case "file":
		text, err = readRootFile(name, 0o077)
	case "env":
		text, err = readRootEnv(name)
	case "credential":
		text, err = readRootCredential(name)
	default:
		return nil, badRef(ref)
	}
	if err != nil {
		return nil, err
	}
	secret, err := parseRootText(text)
	if err != nil {
		return nil, noren.WithHint(fmt.Errorf("read root key from %s: %w", ref, err), noren.HintOf(err))
	}
	return rootKeyOf(secret, ref), nil
}

func badRef(ref string) error {
	if len(ref) == rootTextLen { // somebody put the key itself where its place belongs
		ref = redacted
	}
	return noren.WithHint(noren.Errorf(noren.Invalid, "root key reference %q is not file:PATH, env:NAME or credential:NAME", ref),
		"Write where the key is kept, not the key itself.")
}

// readRootFile reads the file, refusing one with any of the forbidden
// permission bits. The opened file is asked, so that it cannot be changed for
// another in between.
func readRootFile(path string, forbidden fs.FileMode) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", rootFileError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", rootFileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return "", noren.Errorf(noren.Invalid, "root key %s is not a regular file", path)
	}
	if perm := info.Mode().Perm(); perm&forbidden != 0 {
		return "", noren.WithHint(
			noren.Errorf(noren.Denied, "root key file %s may be used by others than its owner (mode %04o)", path, perm),
			fmt.Sprintf("Run: chmod 600 %s. If others had accounts on this machine, rotate the root key as well.", path))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxRootFile+1))
	if err != nil {
		return "", rootFileError(path, err)
	}
	if len(b) > maxRootFile {
		return "", noren.Errorf(noren.Invalid, "root key file %s is larger than %d bytes: it is something else", path, maxRootFile)
	}
	return string(b), nil
}

func rootFileError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noren.WithHint(noren.Errorf(noren.NotFound, "root key file %s does not exist", path),
			"Restore it from the recovery sheet, or correct root_key in noren.yaml. A new key is made only with a new database; it could not open this one.")
	case errors.Is(err, fs.ErrPermission):
		return noren.WithHint(noren.Errorf(noren.Denied, "root key file %s may not be read by this user", path),
			fmt.Sprintf("Give the file to the user that runs Noren: chown noren %s.", path))
	}
	return fmt.Errorf("read root key file %s: %w", path, err)
}

func readRootEnv(name string) (string, error) {
	text, ok := os.LookupEnv(name)
	if !ok {
		return "", noren.WithHint(noren.Errorf(noren.NotFound, "environment variable %s with the root key is not set", name),
			"Set it in the unit or container that starts Noren, or keep the key in a file (file:PATH).")
	}
	return text, nil
}

// readRootCredential reads a systemd credential. Its group bits show an access
// list for the service's user, not a group; only "others" is suspicious.
func readRootCredential(name string) (string, error) {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", noren.WithHint(noren.Errorf(noren.NotFound, "no systemd credentials are there for root key %s", name),
			fmt.Sprintf("Add LoadCredential=%s:/path/of/the/key to the unit and start Noren through systemd.", name))
	}
	if name != filepath.Base(name) {
		return "", noren.Errorf(noren.Invalid, "credential name %q is not a plain name", name)
	}
	return readRootFile(filepath.Join(dir, name), 0o007)
}

// GenerateRootKey makes a root key and writes it to path (mode 0600, durable on
// return). It never replaces a file.
func GenerateRootKey(path string) error {
	return NewRootKey().WriteFile(path)
}

// WriteFile writes the key to a new file that only its owner may read. It never
// replaces a file.
func (k *RootKey) WriteFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write root key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return noren.WithHint(noren.Errorf(noren.Conflict, "root key file %s exists already", path),
			"Keep it: without it the database it belongs to cannot be read. Choose another path for a new key.")
	}
	if err != nil {
		return fmt.Errorf("write root key: %w", err)
	}
	text := "# Noren root key " + k.id + ". Without it the database cannot be read. Keep a copy on paper, none beside the database.\n" + k.Text() + "\n"
	if err := writeSynced(f, text); err != nil {
		os.Remove(path) // half a key would only mislead
		return fmt.Errorf("write root key %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(f *os.File, text string) error {
	_, err := f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes a created or renamed file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// RotateRootFile puts a new root key in place of the one in path and wraps every
// purpose key with it. Nodes that share the database need the new file before
// their next start. The old key is kept beside it as PATH.R-XXXXXXXX: a backup
// made before today needs it. Destroying it makes those backups unreadable.
func (v *Vault) RotateRootFile(ctx context.Context, path string) (*RootKey, error) {
	old, err := LoadRootKey("file:" + path)
	if err != nil {
		return nil, err
	}
	next, err := pendingRootKey(path + ".new")
	if err != nil {
		return nil, err
	}
	if err := v.RewrapRoot(ctx, next); err != nil {
		return nil, err
	}
	if err := os.Link(path, path+"."+old.ID()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, swapError(path, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, swapError(path, err)
	}
	next.ref = "file:" + path
	return next, syncDir(filepath.Dir(path))
}

// pendingRootKey makes the new key's file, or takes the one a broken-off
// rotation left, which the database may know already.
func pendingRootKey(path string) (*RootKey, error) {
	if err := GenerateRootKey(path); err != nil && noren.CodeOf(err) != noren.Conflict {
		return nil, err
	}
	return LoadRootKey("file:" + path)
}

func swapError(path string, err error) error {
	return noren.WithHint(fmt.Errorf("put the new root key in place: %w", err),
		fmt.Sprintf("The database uses the new key already. Move %s.new to %s by hand before the next start.", path, path))
}
