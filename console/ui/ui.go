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

// Pages are all pages, ready in both languages. Every page is a file that
// defines "title" and "main"; it may define further parts of itself, which can
// be asked for alone.
type Pages struct {
	byLang map[string]map[string]*template.Template
	assets *Assets
}

// Load reads the pages of a file system, one page a file, and checks each in
// both languages.
func Load(pages fs.FS, a *Assets) (*Pages, error) {
	files, err := fs.Glob(pages, "*.html")
	if err != nil {
		return nil, err
	}
	p := &Pages{byLang: map[string]map[string]*template.Template{}, assets: a}
	var errs []error
	for _, lang := range langs {
		base, err := template.New("").Funcs(funcs(lang, a)).ParseFS(parts, "parts/*.html")
		if err != nil {
			return nil, fmt.Errorf("parts of pages: %w", err)
		}
		p.byLang[lang] = map[string]*template.Template{}
		for _, f := range files {
			t, err := page(base, pages, f)
			errs = append(errs, err)
			p.byLang[lang][strings.TrimSuffix(path.Base(f), ".html")] = t
		}
	}
	return p, errors.Join(errs...)
}

func page(base *template.Template, pages fs.FS, file string) (*template.Template, error) {
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
	t := p.byLang[Lang(lang)][page]
	if t == nil {
		return noren.Errorf(noren.NotFound, "no page %q", page)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, data); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
