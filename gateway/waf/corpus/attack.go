package corpus

import (
	"fmt"
	"strings"

	"noren"
)

// attackFile is written by package prove's test and holds what works.
const attackFile = "data/attacks.tsv"

// Attacks is the kept corpus of attacks, each proven to work.
func Attacks() ([]Line, error) {
	data, err := files.ReadFile(attackFile)
	if err != nil {
		return nil, err
	}
	var out []Line
	for i, row := range strings.Split(string(data), "\n") {
		if row == "" || strings.HasPrefix(row, "# ") {
			continue
		}
		l, err := ReadAttack(row)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", attackFile, i+1, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// ReadAttack reads one row: class, context, trick, charset, zone, kind, places,
// seed, and the bytes that travel with %XX for what does not print.
func ReadAttack(row string) (Line, error) {
	f := strings.Split(row, "\t")
	if len(f) != 9 {
		return Line{}, noren.Errorf(noren.Invalid, "%d columns, want 9", len(f))
	}
	in, err := readPlaces(f[6])
	if err != nil {
		return Line{}, err
	}
	return Line{Class: Class(f[0]), Context: f[1], Trick: f[2], Charset: Charset(f[3]), Zone: noren.Zone(f[4]), Kind: Kind(f[5]), In: in, Seed: f[7], Text: unprintable(f[8]), From: "attacks"}, nil
}

// WriteAttack writes the row that ReadAttack reads.
func WriteAttack(l Line) string {
	var in []string
	for _, p := range l.In {
		in = append(in, string(p))
	}
	return strings.Join([]string{string(l.Class), l.Context, l.Trick, string(l.Charset), string(l.Zone), string(l.Kind), strings.Join(in, ","), l.Seed, printable(l.Text)}, "\t")
}

// printable writes bytes that do not print, and %, as %XX.
func printable(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\x00") {
		if r < 0x20 || r == '%' || r == 0x7f {
			b.Reset()
			break
		}
		b.WriteRune(r)
	}
	if b.Len() > 0 || s == "" {
		return b.String()
	}
	valid := strings.ToValidUTF8(s, "") == s
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '%' || c == 0x7f || c >= 0x80 && !valid {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unprintable(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '%' && i+2 < len(s) {
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c); err == nil {
				b = append(b, c)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
