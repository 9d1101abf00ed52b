package staff

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"noren"
)

// Bounds of a password. NIST SP 800-63B-4 asks for 15 characters where it stands
// alone and 8 beside a second factor, PCI DSS 8.3.6 for 12; here everybody has a
// second factor. A password is taken as it is typed, and never cut.
const (
	MinPassword      = 12  // characters
	MaxPasswordBytes = 256 // enough for a sentence in Japanese
	minOwn           = 5   // characters that are neither digits nor well known
)

//go:embed common.txt
var commonWords string

// CheckPassword says what is wrong with a new password of somebody, nil for
// nothing. The error's hint is for the person who chooses.
func CheckPassword(password, name, mail string) error {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return noren.WithText(noren.Errorf(noren.Invalid, "the password is not plain text"), noren.Text{Ja: "パスワードに使えない文字が入っています。", En: "The password holds characters that cannot be used."})
	case n < MinPassword:
		return noren.WithText(noren.WithHint(noren.Errorf(noren.Invalid, "the password has %d characters; it needs %d", n, MinPassword), "four words that do not belong together are easy to remember"),
			noren.Text{Ja: fmt.Sprintf("パスワードは%d文字以上にしてください（いま%d文字）。関係のない言葉を4つ並べると覚えやすくなります。", MinPassword, n), En: fmt.Sprintf("The password needs %d characters (it has %d). Four words that do not belong together are easy to remember.", MinPassword, n)})
	case len(password) > MaxPasswordBytes:
		return noren.WithText(noren.Errorf(noren.Invalid, "the password is longer than %d bytes", MaxPasswordBytes), noren.Text{Ja: "パスワードが長すぎます。", En: "The password is too long."})
	case len(ownPart(password, name, mail)) < minOwn:
		return noren.WithText(noren.WithHint(noren.Errorf(noren.Invalid, "the password is made of well-known words, digits, or your own name; it would be guessed soon"),
			"four words that do not belong together are easy to remember"),
			noren.Text{Ja: "よくある言葉やお名前、数字だけでできているので、すぐに当てられてしまいます。関係のない言葉を4つ並べてみてください。", En: "It is made of well-known words, digits or your own name and would be guessed soon. Try four words that do not belong together."})
	}
	return nil
}

// ownPart is what is left of a password without well-known words, the person's
// name and address, digits and signs: each letter counts once.
func ownPart(password, name, mail string) []rune {
	rest := strings.ToLower(password)
	words := slices.Concat(strings.Fields(commonWords), nameWords(name), nameWords(mail))
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) }) // the longest first
	for _, w := range words {
		rest = strings.ReplaceAll(rest, w, " ")
	}
	var own []rune
	for _, r := range rest {
		if unicode.IsLetter(r) && !slices.Contains(own, r) {
			own = append(own, r)
		}
	}
	return own
}

// nameWords are the parts of a name or address that count as known.
func nameWords(s string) []string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 2 })
}

// matches compares a password to a person's, within the pool. Whoever there is no
// such person for costs the same. again reports that the hash is cheaper than
// today's.
func (s *Staff) matches(ctx context.Context, p *secretPerson, password string, known bool) (ok, again bool, err error) {
	hash := s.nobody
	if p != nil {
		hash = p.hash
	}
	stored, err := parsePHC(hash)
	if err != nil {
		return false, false, err
	}
	err = s.hashing.do(ctx, known, func() { ok = checkPassword(stored, password) })
	return ok && p != nil, stored.cost.below(s.o.Cost), err
}

// hash makes the hash of a new password, within the pool.
func (s *Staff) hash(ctx context.Context, password string, known bool) (hash string, err error) {
	err = s.hashing.do(ctx, known, func() { hash = hashPassword(password, s.o.Cost) })
	return hash, err
}
