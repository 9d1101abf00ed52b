package policy

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"noren"
	"noren/yamlfile"
)

// modeWord is a mode as it stands in a file, behind its key.
var modeWord = regexp.MustCompile(`^(["']?mode["']?\s*:\s+)(["']?)(off|shadow|on)(["']?)`)

// SetMode returns the text of a policy file in which one policy has another
// mode. Comments and layout stay. What it does is checked by reading the result:
// nothing but that mode differs, or there is an error and no text.
func SetMode(f File, name string, mode Mode) ([]byte, error) {
	if mode != Off && mode != Shadow && mode != On {
		return nil, noren.Say(noren.Invalid, noren.Textf("%q という状態はありません", "%q is no mode", clip(string(mode))))
	}
	var was Document
	doc, err := yamlfile.Decode(f.Name, f.Data, &was)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(was.Policies, func(p Policy) bool { return p.Name == name })
	if i < 0 {
		return nil, noren.Say(noren.NotFound, noren.Textf("方針 %q は %s にありません", "no policy %q in %s", clip(name), f.Name))
	}
	text, ok := replaceMode(string(f.Data), doc.At("policies", i, "mode"), mode)
	var now Document
	if ok {
		_, err = yamlfile.Decode(f.Name, []byte(text), &now)
		was.Policies[i].Mode = mode
		ok = err == nil && reflect.DeepEqual(was, now)
	}
	if !ok {
		return nil, noren.WithHint(noren.Say(noren.Invalid, noren.Textf("%s（%s）の状態だけを書き換えることができません。ファイルを開いて、mode: で始まる行を直してください", "the mode of %s in %s cannot be changed by itself", name, f.Name)), "edit the file: the line that begins with mode:")
	}
	return []byte(text), nil
}

// replaceMode writes a mode behind the key that stands at p.
func replaceMode(text string, p yamlfile.Pos, mode Mode) (string, bool) {
	lines := strings.SplitAfter(text, "\n")
	if p.Line < 1 || p.Line > len(lines) {
		return "", false
	}
	line := []rune(lines[p.Line-1])
	if p.Col < 1 || p.Col > len(line) {
		return "", false
	}
	before, rest := string(line[:p.Col-1]), string(line[p.Col-1:])
	m := modeWord.FindStringSubmatch(rest)
	if m == nil {
		return "", false
	}
	lines[p.Line-1] = before + m[1] + m[2] + string(mode) + m[4] + rest[len(m[0]):]
	return strings.Join(lines, ""), true
}
