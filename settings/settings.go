// Package settings keeps the settings set: policies, limits and lists as files
// with versions. Either the console (and `noren settings import`) edits it and
// every version is kept in SQL, or a directory is the truth and Noren only reads
// it; never both.
package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"noren"
)

// Set is a settings set: file contents by relative path.
type Set map[string]string

// Limits on a set.
const (
	maxFiles = 200
	maxBytes = 4 << 20
)

// Paths lists the files in order.
func (s Set) Paths() []string { return slices.Sorted(maps.Keys(s)) }

// Hash names the content: equal sets have equal hashes.
func (s Set) Hash() string {
	h := sha256.New()
	for _, p := range s.Paths() {
		fmt.Fprintf(h, "%d %s %d\n%s\n", len(p), p, len(s[p]), s[p])
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Valid reports what no set may hold: absolute or climbing paths, hidden files,
// too many files, too many bytes.
func (s Set) Valid() error {
	total := 0
	for p, content := range s {
		if err := validPath(p); err != nil {
			return err
		}
		total += len(content)
	}
	if len(s) > maxFiles || total > maxBytes {
		return noren.Errorf(noren.Invalid, "the settings hold %d files and %d bytes; at most %d and %d fit", len(s), total, maxFiles, maxBytes)
	}
	return nil
}

func validPath(p string) error {
	bad := p == "" || len(p) > 200 || path.IsAbs(p) || path.Clean(p) != p || strings.HasPrefix(p, "..") || strings.ContainsAny(p, "\\\x00\n")
	for part := range strings.SplitSeq(p, "/") {
		bad = bad || strings.HasPrefix(part, ".")
	}
	if bad {
		return noren.Errorf(noren.Invalid, "settings file %q is not a plain relative path", p)
	}
	return nil
}

// Diff writes what changes from a to b, file by file, in the unified manner. It
// is empty when nothing does.
func Diff(a, b Set) string {
	var out strings.Builder
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, p := range all.Paths() {
		before, had := a[p]
		after, has := b[p]
		if had && has && before == after {
			continue
		}
		fmt.Fprintf(&out, "--- %s\n+++ %s\n", nameOr(p, had), nameOr(p, has))
		diffLines(&out, lines(before), lines(after))
	}
	return out.String()
}

func nameOr(p string, exists bool) string {
	if exists {
		return p
	}
	return "/dev/null"
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
