package corpus

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"noren"
)

//go:embed data
var files embed.FS

// lineEnd stands in the files for a line end inside a text.
const lineEnd = "␤"

// HandWritten are the benign lines of data/benign.
func HandWritten() ([]Line, error) {
	names, err := fs.Glob(files, "data/benign/*.txt")
	if err != nil {
		return nil, err
	}
	var out []Line
	seen := map[string]bool{}
	for _, name := range names {
		lines, err := readBenign(name)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if !seen[l.Text] {
				seen[l.Text] = true
				out = append(out, l)
			}
		}
	}
	return out, nil
}

// readBenign reads a file of texts, one a line. A line that begins with "## " is
// a remark; "@@ zone kind place,place" says what the following lines are.
func readBenign(name string) ([]Line, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	short := strings.TrimSuffix(name[strings.LastIndex(name, "/")+1:], ".txt")
	var out []Line
	var section Line
	for i, text := range strings.Split(string(data), "\n") {
		switch {
		case text == "" || strings.HasPrefix(text, "## ") || text == "##":
		case strings.HasPrefix(text, "@@ "):
			if section, err = ReadSection(text); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
			}
		case section.Kind == "":
			return nil, noren.Errorf(noren.Invalid, "%s:%d: a text before its @@ line", name, i+1)
		default:
			l := section
			l.Text, l.From = strings.ReplaceAll(text, lineEnd, "\r\n"), short
			out = append(out, l)
		}
	}
	return out, nil
}

// ReadSection reads "@@ zone kind place,place": what the lines behind it are.
func ReadSection(text string) (Line, error) {
	words := strings.Fields(text)
	if len(words) != 4 {
		return Line{}, noren.Errorf(noren.Invalid, "want @@ zone kind places, have %q", text)
	}
	l := Line{Zone: noren.Zone(words[1]), Kind: Kind(words[2])}
	if _, ok := l.Zone.Info(); !ok {
		return Line{}, noren.Errorf(noren.Invalid, "no zone %q", words[1])
	}
	var err error
	l.In, err = readPlaces(words[3])
	return l, err
}

func readPlaces(list string) ([]Place, error) {
	var out []Place
	for w := range strings.SplitSeq(list, ",") {
		if !slices.Contains(Places(), Place(w)) {
			return nil, noren.Errorf(noren.Invalid, "no place %q", w)
		}
		out = append(out, Place(w))
	}
	return out, nil
}
