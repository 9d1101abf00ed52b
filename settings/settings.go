// Package settings keeps the settings set: policies, limits and lists as files
// with versions. Either the console (and `noren settings import`) edits it and
// every version is kept in SQL, or a directory is the truth and Noren only reads
// it; never both.
package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

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

// Hash names the content: equal sets have equal hashes. It is the first half of
// a SHA-256, long enough that nobody can make two sets of one name.
func (s Set) Hash() string {
	h := sha256.New()
	for _, p := range s.Paths() {
		fmt.Fprintf(h, "%d %s %d\n%s\n", len(p), p, len(s[p]), s[p])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Valid reports every fault that no set may have: files at places settings do
// not have, too many files or bytes, content that is not text. What the files
// mean is for their owners to check.
func (s Set) Valid() error {
	var errs []error
	total := 0
	for _, p := range s.Paths() {
		total += len(p) + len(s[p])
		if !validPath(p) {
			errs = append(errs, noren.Say(noren.Invalid, noren.Textf("ファイルの名前 %q は使えません。policies/名前.yaml・lists/名前.txt・firewall/名前.conf・名前.yaml、またはその前に sites/お店/ を付けたものを、小文字・数字・-・_ で書いてください", "settings file %q: expected policies/NAME.yaml, lists/NAME.txt, firewall/NAME.conf or NAME.yaml, at the top or under sites/SITE/, in lower-case letters, digits, - and _", p)))
		}
		if !utf8.ValidString(s[p]) || strings.ContainsRune(s[p], 0) {
			errs = append(errs, noren.Say(noren.Invalid, noren.Textf("ファイル %q の文字コードが UTF-8 ではありません", "settings file %q is not UTF-8 text", p)))
		}
	}
	if len(s) > maxFiles || total > maxBytes {
		errs = append(errs, tooMuch(len(s), total))
	}
	if err := errors.Join(errs...); err != nil {
		return noren.Errorf(noren.Invalid, "%w", err)
	}
	return nil
}

func tooMuch(files, bytes int) error {
	return noren.Say(noren.Invalid, noren.Textf("設定が %d 個のファイル、%d バイトになります。入るのは %d 個、%d バイトまでです", "the settings hold %d files and %d bytes; at most %d and %d fit", files, bytes, maxFiles, maxBytes))
}

// validPath knows every place of a settings set. It says what is allowed, not
// what is not, so that no path can lead out of a directory on any system.
func validPath(p string) bool {
	parts := strings.Split(p, "/")
	if len(parts) > 2 && parts[0] == "sites" && validStem(parts[1]) {
		parts = parts[2:]
	}
	switch len(parts) {
	case 1:
		return validFile(parts[0], ".yaml")
	case 2:
		extension, ok := map[string]string{"policies": ".yaml", "lists": ".txt", "firewall": ".conf"}[parts[0]]
		return ok && validFile(parts[1], extension)
	}
	return false
}

func validFile(name, extension string) bool {
	stem, ok := strings.CutSuffix(name, extension)
	return ok && validStem(stem)
}

// validStem is the middle of what all file systems agree on: no case, no dots.
func validStem(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '-' && c != '_') {
			return false
		}
	}
	return true
}
