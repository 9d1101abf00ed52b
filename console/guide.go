package console

import (
	"errors"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"

	"noren"
	"noren/console/ui"
	"noren/docs"
)

// guidePath is where a page of docs/ is read in the console, so that the menu of
// the site stays beside it; "" for none.
func guidePath(site, doc string) string {
	if doc == "" {
		return ""
	}
	return sitePath(site, "/guide/"+strings.TrimSuffix(strings.TrimSuffix(doc, ".md"), ".ja"))
}

// guidePage is a page of the documentation.
type guidePage struct {
	Title  string
	File   string
	Lang   string // of the text
	Other  string // the same page in the other language; "" where there is none
	Blocks []block
}

// inLanguage is the file of a page in a language, and the one beside it in the other:
// Japanese stands in x.ja.md, English in x.md. It is pure.
func inLanguage(file, lang string, has func(string) bool) (own, other string) {
	base := strings.TrimSuffix(strings.TrimSuffix(file, ".md"), ".ja")
	own, other = base+".md", base+".ja.md"
	if lang == "ja" && has(other) {
		own, other = other, own
	}
	if !has(other) {
		other = ""
	}
	return own, other
}

// hasDoc reports whether there is such a page.
func hasDoc(file string) bool {
	_, err := fs.Stat(docs.Pages, file)
	return err == nil
}

func (c *Console) guide(v *visit) error {
	file := path.Join(v.r.PathValue("dir"), v.r.PathValue("page")+".md")
	if !fs.ValidPath(file) || strings.Count(file, "/") != 1 {
		return noren.Errorf(noren.NotFound, "no page %q in the documentation", file)
	}
	asked := v.lang
	if in := v.r.FormValue("in"); in != "" {
		asked = ui.Lang(in)
	}
	file, other := inLanguage(file, asked, hasDoc)
	data, err := docs.Pages.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return noren.Errorf(noren.NotFound, "no page %q in the documentation", file)
	}
	if err != nil {
		return err
	}
	p := guidePage{File: "docs/" + file, Lang: "en", Blocks: blocksOf(string(data), path.Dir(file))}
	if strings.HasSuffix(file, ".ja.md") {
		p.Lang = "ja"
	}
	if other != "" {
		in := map[string]string{"ja": "en", "en": "ja"}[p.Lang]
		p.Other = guidePath(v.site, file) + "?in=" + in
	}
	for _, b := range p.Blocks {
		if b.Kind == "h1" {
			p.Title = plainOf(b.Spans)
			break
		}
	}
	return v.page("guide", p)
}

// block is a part of a page: a heading, a paragraph, a list's item, code or a
// table. Only what docs/ is written in is known; anything else stays a paragraph,
// and all of it stays text.
type block struct {
	Kind  string // h1 h2 h3 p quote item code table
	Text  string // of code
	Spans []span
	Rows  [][][]span // of a table; the first is its head
}

// span is a run of characters of one kind.
type span struct {
	Kind string // "" code bold link
	Text string
	URL  string
}

// blocksOf reads Markdown; dir is where the page's links lead from.
func blocksOf(text, dir string) (out []block) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		b, n := blockAt(lines[i:], dir)
		i += n
		if b.Kind != "" {
			out = append(out, b)
		}
	}
	return out
}

// blockAt is the block that begins with the first line, and how many lines it has.
func blockAt(lines []string, dir string) (block, int) {
	line := strings.TrimSpace(lines[0])
	switch {
	case line == "" || strings.HasPrefix(line, "<!--") || strings.HasPrefix(line, "![") || otherLanguage.MatchString(line):
		return block{}, 1
	case strings.HasPrefix(line, "```"):
		n := 1
		for n < len(lines) && strings.TrimSpace(lines[n]) != "```" {
			n++
		}
		return block{Kind: "code", Text: strings.Join(lines[1:n], "\n")}, min(n+1, len(lines))
	case strings.HasPrefix(line, "|"):
		return tableAt(lines, dir)
	case strings.HasPrefix(line, "#"):
		words := strings.TrimLeft(line, "#")
		return block{Kind: [...]string{"h1", "h1", "h2", "h3"}[min(len(line)-len(words), 3)], Spans: spansOf(strings.TrimSpace(words), dir)}, 1
	}
	kind, n := "p", 1
	begin := listMark.FindString(line)
	switch {
	case strings.HasPrefix(line, ">"):
		kind = "quote"
	case begin != "":
		kind = "item"
	}
	whole := unquoted(line)
	for n < len(lines) && goesOn(lines[n]) {
		whole += glue(whole) + unquoted(strings.TrimSpace(lines[n]))
		n++
	}
	if strings.HasPrefix(begin, "-") || strings.HasPrefix(begin, "*") {
		whole = strings.TrimPrefix(whole, begin)
	}
	return block{Kind: kind, Spans: spansOf(whole, dir)}, n
}

// otherLanguage is the line that leads to the same page in the other language; the
// console has a link of its own for it.
var otherLanguage = regexp.MustCompile(`^\*\[(English|日本語)[^\]]*\]\([^)]*\.md\)\*$`)

var listMark = regexp.MustCompile(`^([-*]|[0-9]{1,2}\.) +`)

// goesOn reports whether a line belongs to the paragraph before it.
func goesOn(line string) bool {
	line = strings.TrimSpace(line)
	return line != "" && line != ">" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "```") && !listMark.MatchString(line)
}

func unquoted(line string) string { return strings.TrimSpace(strings.TrimPrefix(line, ">")) }

// glue is what stands between two lines of a paragraph: Japanese has no spaces.
func glue(before string) string {
	if strings.HasSuffix(before, "。") || strings.HasSuffix(before, "、") {
		return ""
	}
	return " "
}

func tableAt(lines []string, dir string) (block, int) {
	b, n := block{Kind: "table"}, 0
	for ; n < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[n]), "|"); n++ {
		line := strings.ReplaceAll(strings.Trim(strings.TrimSpace(lines[n]), "|"), `\|`, "\x00")
		if strings.Trim(line, "-:| ") == "" && n == 1 {
			continue // the rule below the head
		}
		var row [][]span
		for cell := range strings.SplitSeq(line, "|") {
			row = append(row, spansOf(strings.TrimSpace(strings.ReplaceAll(cell, "\x00", "|")), dir))
		}
		b.Rows = append(b.Rows, row)
	}
	return b, n
}

var spanMark = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*|\\[([^\\]]+)\\]\\(([^) ]+)\\)")

// spansOf tells code, bold words and links from the rest.
func spansOf(text, dir string) (out []span) {
	last := 0
	for _, at := range spanMark.FindAllStringSubmatchIndex(text, -1) {
		if at[0] > last {
			out = append(out, span{Text: text[last:at[0]]})
		}
		switch {
		case at[2] >= 0:
			out = append(out, span{Kind: "code", Text: text[at[2]:at[3]]})
		case at[4] >= 0:
			out = append(out, span{Kind: "bold", Text: text[at[4]:at[5]]})
		default:
			out = append(out, linkSpan(text[at[6]:at[7]], text[at[8]:at[9]], dir))
		}
		last = at[1]
	}
	if last < len(text) {
		out = append(out, span{Text: text[last:]})
	}
	return out
}

// linkSpan leads to other pages of docs/ and to https; what is elsewhere in the
// source is named only.
func linkSpan(text, to, dir string) span {
	text = strings.Trim(text, "`")
	u, err := url.Parse(to)
	switch {
	case err != nil:
	case u.Scheme == "https":
		return span{Kind: "link", Text: text, URL: to}
	case u.Scheme == "" && u.Host == "" && strings.HasSuffix(u.Path, ".md"):
		if file := path.Join(dir, u.Path); strings.Count(file, "/") == 1 && !strings.HasPrefix(file, "..") {
			return span{Kind: "link", Text: text, URL: "../" + strings.TrimSuffix(strings.TrimSuffix(file, ".md"), ".ja")}
		}
	}
	return span{Text: text}
}

func plainOf(spans []span) (s string) {
	for _, p := range spans {
		s += p.Text
	}
	return s
}
