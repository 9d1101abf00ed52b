package prove

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"noren"
	"noren/gateway/waf/corpus"
)

//go:embed seeds
var seedFiles embed.FS

// marksInSeeds stand in the files for what does not print.
var marksInSeeds = strings.NewReplacer("␤", "\r\n", "␊", "\n", "␍", "\r", "␉", "\t", "␀", "\x00", "␛", "\x1b")

// Seeds are the attacks that were written by hand, as they are.
func Seeds() ([]corpus.Line, error) {
	names, err := fs.Glob(seedFiles, "seeds/*.txt")
	if err != nil {
		return nil, err
	}
	var out []corpus.Line
	for _, name := range names {
		data, err := seedFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		class := corpus.Class(strings.TrimSuffix(strings.TrimPrefix(name, "seeds/"), ".txt"))
		lines, err := readSeeds(class, string(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, lines...)
	}
	return out, nil
}

// readSeeds reads a file as corpus reads benign lines; its sections name the
// context too, before the zone: "@@ script single search search query,form".
func readSeeds(class corpus.Class, data string) (out []corpus.Line, err error) {
	var section corpus.Line
	for i, text := range strings.Split(data, "\n") {
		switch {
		case text == "" || strings.HasPrefix(text, "## "):
		case strings.HasPrefix(text, "@@ "):
			f := strings.Fields(text)
			if len(f) < 5 {
				return nil, noren.Errorf(noren.Invalid, "line %d: want @@ context zone kind places", i+1)
			}
			n := len(f)
			if section, err = corpus.ReadSection("@@ " + strings.Join(f[n-3:], " ")); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			section.Class, section.Context, section.Trick, section.Charset = class, strings.Join(f[1:n-3], " "), "plain", corpus.UTF8
		default:
			l := section
			l.Text = repeats(marksInSeeds.Replace(text))
			l.Seed = corpus.SeedID(string(class) + " " + l.Context + " " + text)
			out = append(out, l)
		}
	}
	return out, nil
}

var repeated = regexp.MustCompile(`⟦(\d+)\*([^⟧]*)⟧`)

// repeats writes ⟦3*a# ⟧ as a1 a2 a3.
func repeats(s string) string {
	return repeated.ReplaceAllStringFunc(s, func(m string) string {
		f := repeated.FindStringSubmatch(m)
		n, err := strconv.Atoi(f[1])
		if err != nil {
			return m
		}
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(f[2], "#", strconv.Itoa(i+1)))
		}
		return b.String()
	})
}
