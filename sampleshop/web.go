package sampleshop

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Errors that have a status and a sentence of their own.
var (
	errNotFound = errors.New("no such page")
	errForeign  = errors.New("form sent from another site")
	errForm     = errors.New("form cannot be read")
)

// pages are the parsed templates by file name without ".html".
type pages map[string]*template.Template

func loadPages() (pages, error) {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	base, err := template.New("").Funcs(funcs()).ParseFS(templateFiles, "templates/layout.html")
	if err != nil {
		return nil, fmt.Errorf("parse layout: %w", err)
	}
	out := pages{}
	for _, file := range names {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(templateFiles, file)
		}
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", file, err)
		}
		out[strings.TrimSuffix(path.Base(file), ".html")] = t
	}
	return out, nil
}

func funcs() template.FuncMap {
	return template.FuncMap{
		"yen":   yen,
		"date":  func(t time.Time) string { return t.In(japan()).Format("2006年1月2日") },
		"stamp": func(t time.Time) string { return t.In(japan()).Format("2006/01/02 15:04") },
		"stars": func(n int) string { return strings.Repeat("★", n) + strings.Repeat("☆", 5-n) },
		"upto": func(n int) []int {
			out := make([]int, n)
			for i := range out {
				out[i] = i + 1
			}
			return out
		},
	}
}

// japan needs no zone files on the machine; Japan has had no summer time since 1951.
func japan() *time.Location { return time.FixedZone("JST", 9*60*60) }

// yen writes 12,345円.
func yen(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + "円"
}

// pageFunc answers one route. An error becomes a page that tells the visitor
// nothing of its cause.
type pageFunc func(w http.ResponseWriter, r *http.Request) error

func (s *Shop) page(f pageFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := readForm(r)
		if err == nil {
			err = f(w, r)
		}
		if err == nil {
			return
		}
		status, message := http.StatusInternalServerError, "ただいま混み合っております。少し時間をおいて、もう一度お試しください。"
		switch {
		case errors.Is(err, errNotFound):
			status, message = http.StatusNotFound, "お探しのページは見つかりませんでした。"
		case errors.Is(err, errForeign):
			status, message = http.StatusForbidden, "ほかのサイトから送られた内容は受け付けておりません。"
		case errors.Is(err, errForm):
			status, message = http.StatusBadRequest, "送信された内容を読み取れませんでした。"
		case errors.As(err, new(*http.MaxBytesError)):
			status, message = http.StatusRequestEntityTooLarge, "送信された内容が大きすぎます。"
		case r.Context().Err() == nil:
			s.log.Error("page", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		if err := s.render(w, r, status, "error", view{Title: "お知らせ", Data: message}); err != nil && r.Context().Err() == nil {
			s.log.Error("error page", "err", err)
		}
	})
}

// readForm reads a form that was posted. What a broken query says is left out,
// as browsers and other shops do.
func readForm(r *http.Request) error {
	if r.Method != http.MethodPost {
		return nil
	}
	if err := r.ParseForm(); err != nil && r.PostForm == nil {
		return fmt.Errorf("%w: %w", errForm, err)
	} else if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return nil
}

// view is what every page gets.
type view struct {
	Title  string
	Data   any
	Errors []string // what to mend in a form
	Words  string   // search words

	// Filled by render:
	Pieces   int // in the cart
	Member   bool
	Notice   string
	Category []category

	session *session // nil: render reads it
}

// render answers with a page.
func (s *Shop) render(w http.ResponseWriter, r *http.Request, status int, name string, v view) error {
	sess := v.session
	if sess == nil {
		var err error
		if sess, err = s.session(r); err != nil {
			return err
		}
	}
	v.Category, v.Member, v.Pieces = categories(), sess.Customer != 0, sess.pieces()
	if sess.Notice != "" {
		v.Notice, sess.Notice = sess.Notice, ""
		if err := s.save(w, r, sess); err != nil {
			return err
		}
	}
	return s.pages.write(w, status, name, v)
}

func (p pages) write(w http.ResponseWriter, status int, name string, data any) error {
	t, ok := p[name]
	if !ok {
		return fmt.Errorf("no page is called %q", name)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "page", data); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// see sends the visitor on after a form.
func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusFound)
	return nil
}

func (s *Shop) picture(w http.ResponseWriter, r *http.Request) {
	id, ok := strings.CutSuffix(r.PathValue("picture"), ".svg")
	svg := s.goods.pictures[id]
	if !ok || svg == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	w.Write(svg)
}

func (s *Shop) asset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=86400")
	http.ServeFileFS(w, r, staticFiles, "static/"+r.PathValue("file"))
}
