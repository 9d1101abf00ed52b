package console

import (
	"io/fs"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"noren/docs"
)

// Every page of the documentation can be read, and its links lead somewhere.
func TestGuide(t *testing.T) {
	w := openWorld(t)
	b := w.owner()
	b.get("/s/shop/guide/operate/access").says(t, "管理画面に入れる人を決める", `<article class="guide" lang="ja"`, "docs/operate/access.ja.md", "Read it in English")
	b.get("/s/shop/guide/operate/access?in=en").says(t, "Who may enter", "<pre", "docs/operate/access.md", "管理画面は本社と自宅から", "日本語で読む")
	b.get("/s/shop/guide/operate/access.ja").says(t, "管理画面に入れる人を決める")
	b.get("/s/shop/guide/operate/replay").says(t, `lang="en"`) // no Japanese beside: the English one, said to be so
	files, err := fs.Glob(docs.Pages, "*/*.md")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	for _, f := range files {
		data, _ := fs.ReadFile(docs.Pages, f)
		dir, _, _ := strings.Cut(f, "/")
		for _, blk := range blocksOf(string(data), dir) {
			for _, s := range blk.Spans {
				if to, ok := strings.CutPrefix(s.URL, "../"); ok {
					if _, err := fs.Stat(docs.Pages, to+".md"); err != nil && !strings.HasPrefix(to, "decisions/") && !strings.HasPrefix(to, "internals/") {
						t.Errorf("%s: the link %q leads to %s: %v", f, s.Text, to, err)
					}
				}
			}
		}
	}
	for _, bad := range []string{"/s/shop/guide/operate/nothing", "/s/shop/guide/..%2f..%2fetc/passwd", "/s/shop/guide/operate/..%2f..%2fgo", "/s/shop/guide/%2e%2e/go", "/s/shop/guide/operate/a%00b", "/s/shop/guide/operate/pages"} {
		if got := b.get(bad); got.status != 404 {
			t.Errorf("%s: %d", bad, got.status)
		}
	}
}

func TestBlocks(t *testing.T) {
	got := blocksOf("# Title\n\nOne\ntwo `code` and **bold** [link](access.md#x) [out](../../SECURITY.md) [bad](javascript:alert(1))\n\n> 日本語。\n> 続き\n\n- item\n  more\n1. first\n\n```\nx <b>\n```\n| a | b |\n|---|---|\n| 1 \\| 2 | `c` |\n![picture](x.png)\n", "operate")
	var kinds []string
	for _, b := range got {
		kinds = append(kinds, b.Kind)
	}
	if s := strings.Join(kinds, " "); s != "h1 p quote item item code table" {
		t.Errorf("blocks: %s", s)
	}
	if s := plainOf(got[2].Spans); s != "日本語。続き" {
		t.Errorf("quote: %q", s)
	}
	if s := plainOf(got[3].Spans); s != "item more" {
		t.Errorf("item: %q", s)
	}
	if s := plainOf(got[4].Spans); s != "1. first" {
		t.Errorf("numbered: %q", s)
	}
	if got[5].Text != "x <b>" {
		t.Errorf("code: %q", got[5].Text)
	}
	if rows := got[6].Rows; len(rows) != 2 || plainOf(rows[1][0]) != "1 | 2" || rows[1][1][0].Kind != "code" {
		t.Errorf("table: %+v", rows)
	}
	urls := ""
	for _, s := range got[1].Spans {
		urls += s.URL + ";"
	}
	if strings.Trim(urls, ";") != "../operate/access" {
		t.Errorf("links: %s", urls)
	}
}

// Whatever the text, reading ends, and links lead into the guide or out by https.
func FuzzBlocks(f *testing.F) {
	for _, s := range []string{"# a\n\nb", "```\nopen", "|a|b|\n|-|\n|", "> q\n\n- i\n1. n", "[a](b.md) `c` **d**", "|||\n||", "[x](https://[bad)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, b := range blocksOf(s, "operate") {
			if b.Kind == "table" && len(b.Rows) == 0 {
				t.Error("a table without a row")
			}
			for _, sp := range b.Spans {
				if sp.URL != "" && !strings.HasPrefix(sp.URL, "../") && !strings.HasPrefix(strings.ToLower(sp.URL), "https:") {
					t.Errorf("a link to %q", sp.URL)
				}
				if u, err := url.Parse(sp.URL); err != nil {
					t.Errorf("link %q: %v", sp.URL, err)
				} else if strings.Contains(strings.TrimPrefix(u.Path, "../"), "../") {
					t.Errorf("a link to %q", sp.URL)
				}
			}
		}
	})
}

// A page is read in the reader's language where it has it.
func TestInLanguage(t *testing.T) {
	has := func(f string) bool { return f == "a/b.md" || f == "a/b.ja.md" || f == "a/only.md" }
	for _, tt := range []struct{ file, lang, own, other string }{
		{"a/b.md", "ja", "a/b.ja.md", "a/b.md"},
		{"a/b.md", "en", "a/b.md", "a/b.ja.md"},
		{"a/b.ja.md", "en", "a/b.md", "a/b.ja.md"},
		{"a/only.md", "ja", "a/only.md", ""},
		{"a/none.md", "ja", "a/none.md", ""},
	} {
		if own, other := inLanguage(tt.file, tt.lang, has); own != tt.own || other != tt.other {
			t.Errorf("%s in %s: %q, %q", tt.file, tt.lang, own, other)
		}
	}
}

// Every page of the documentation that the console leads to is there in both
// languages: in the list of measures, and in links of its pages.
func TestLinkedPagesAreInBothLanguages(t *testing.T) {
	measures, err := readMeasures("measures.yaml", measuresYAML, (&Console{}).conditions())
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]string{}
	for _, m := range measures {
		if m.Doc != "" {
			linked[m.Doc] = m.ID
		}
	}
	files, _ := fs.Glob(pageFiles, "pages/*.html")
	for _, f := range files {
		text, _ := fs.ReadFile(pageFiles, f)
		for _, m := range regexp.MustCompile(`/guide/([a-z]+/[a-zA-Z-]+)`).FindAllStringSubmatch(string(text), -1) {
			linked[m[1]+".md"] = f
		}
	}
	if len(linked) < 15 {
		t.Fatalf("only %d links found", len(linked))
	}
	for doc, by := range linked {
		base := strings.TrimSuffix(doc, ".md")
		for lang, file := range map[string]string{"en": base + ".md", "ja": base + ".ja.md"} {
			text, err := fs.ReadFile(docs.Pages, file)
			if err != nil {
				t.Errorf("%s leads to %s, which is not there in %s", by, doc, lang)
				continue
			}
			var head string
			for _, blk := range blocksOf(string(text), "operate") {
				if blk.Kind == "h1" || blk.Kind == "h2" {
					head += plainOf(blk.Spans)
				}
			}
			if lang == "ja" && !japanese(head) {
				t.Errorf("the headings of %s are not in %s: %s", file, lang, head)
			}
		}
	}
	en, _ := fs.ReadFile(docs.Pages, "operate/privacy.md")
	ja, _ := fs.ReadFile(docs.Pages, "operate/privacy.ja.md")
	if _, sample, _ := strings.Cut(string(en), "載せる文例\n"); sample == "" || !strings.HasSuffix(string(ja), sample) {
		t.Error("the sample texts for a shop's privacy policy differ between the languages' pages")
	}
}
