// Package ui is the look of the console: its stylesheet, scripts, layout and
// components, and how times, numbers and words are written. It knows no shop, no
// rule and no database; pages bring their data.
package ui

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"noren"
)

// Langs are the languages of the console, the first the one without a choice.
var langs = [...]string{"ja", "en"}

// Lang returns lang when the console speaks it, and Japanese otherwise.
func Lang(lang string) string {
	if lang == "en" {
		return "en"
	}
	return "ja"
}

// Pages are all pages in both languages. Every page is a file that defines "title"
// and "main"; it may define further parts of itself, which can be asked for alone.
//
// A page is made when it is first asked for: all of them take 25 MB, and a shop looks
// at a few in one language.
type Pages struct {
	files  fs.FS
	names  map[string]string // of files, by page
	assets *Assets

	mu   sync.Mutex
	base map[string]*template.Template // by language
	made map[pageKey]*template.Template
}

type pageKey struct{ lang, page string }

// Load finds the pages of a file system, one page a file. Check checks them.
func Load(pages fs.FS, a *Assets) (*Pages, error) {
	files, err := fs.Glob(pages, "*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{files: pages, names: map[string]string{}, assets: a, base: map[string]*template.Template{}, made: map[pageKey]*template.Template{}}
	for _, f := range files {
		p.names[strings.TrimSuffix(path.Base(f), ".html")] = f
	}
	return p, nil
}

// Check makes every page in both languages and says what is wrong with them.
func (p *Pages) Check() error {
	var errs []error
	for _, lang := range langs {
		for name := range p.names {
			_, err := p.page(lang, name)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *Pages) page(lang, name string) (*template.Template, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pageKey{lang, name}
	if t := p.made[key]; t != nil {
		return t, nil
	}
	file, ok := p.names[name]
	if !ok {
		return nil, noren.Errorf(noren.NotFound, "no page %q", name)
	}
	if p.base[lang] == nil {
		base, err := template.New("").Funcs(funcs(lang, p.assets)).ParseFS(parts, "parts/*.html")
		if err != nil {
			return nil, fmt.Errorf("parts of pages: %w", err)
		}
		p.base[lang] = base
	}
	t, err := makePage(p.base[lang], p.files, file)
	if err == nil {
		p.made[key] = t
	}
	return t, err
}

func makePage(base *template.Template, pages fs.FS, file string) (*template.Template, error) {
	t, err := base.Clone()
	if err != nil {
		return nil, err
	}
	if t, err = t.ParseFS(pages, file); err != nil {
		return nil, fmt.Errorf("page %s: %w", file, err)
	}
	for _, needed := range []string{"title", "main"} {
		if t.Lookup(needed) == nil {
			return nil, noren.Errorf(noren.Invalid, "page %s defines no %q", file, needed)
		}
	}
	return t, nil
}

// Render writes a whole page. Nothing is written when it fails.
func (p *Pages) Render(w io.Writer, lang, page string, data any) error {
	return p.Part(w, lang, page, "page", data)
}

// Part writes one part of a page, for places that refresh by themselves.
func (p *Pages) Part(w io.Writer, lang, page, part string, data any) error {
	t, err := p.page(Lang(lang), page)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, data); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	_, err = w.Write(b.Bytes())
	return err
}
