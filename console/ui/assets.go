package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strings"
)

//go:embed static
var static embed.FS

//go:embed parts
var parts embed.FS

// AssetsPath is where style, scripts and pictures lie.
const AssetsPath = "/assets/"

// Assets are style, scripts and pictures. Each has its content's hash in its
// name, so that a browser keeps it for good and still gets the new one after an
// upgrade.
type Assets struct {
	byName map[string]string // file → name with hash
	files  map[string]asset
}

type asset struct {
	kind           string
	plain, gzipped []byte
}

// OpenAssets reads and compresses what is embedded, once.
func OpenAssets() (*Assets, error) {
	a := &Assets{byName: map[string]string{}, files: map[string]asset{}}
	return a, fs.WalkDir(static, "static", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := static.ReadFile(p)
		if err != nil {
			return err
		}
		if path.Ext(p) == ".css" {
			b = squeeze(b)
		}
		a.add(path.Base(p), b)
		return nil
	})
}

// squeeze leaves comments and the space around signs out of a stylesheet of ours. It
// keeps the space before a sign that could begin a selector, and that around + - * and
// parentheses, which mean something else without it.
func squeeze(css []byte) []byte {
	css = comments.ReplaceAll(css, nil)
	css = spaces.ReplaceAll(css, []byte(" "))
	css = afterSigns.ReplaceAll(css, []byte("$1"))
	css = beforeSigns.ReplaceAll(css, []byte("$1"))
	return bytes.TrimSpace(bytes.ReplaceAll(css, []byte(";}"), []byte("}")))
}

var (
	comments    = regexp.MustCompile(`(?s)/\*.*?\*/`)
	spaces      = regexp.MustCompile(`\s+`)
	afterSigns  = regexp.MustCompile(`([{};:,>]) `)
	beforeSigns = regexp.MustCompile(` ([{};,>])`)
)

func (a *Assets) add(file string, b []byte) {
	sum := sha256.Sum256(b)
	ext := path.Ext(file)
	name := strings.TrimSuffix(file, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression)
	w.Write(b) // into memory: it cannot fail
	w.Close()
	a.byName[file] = name
	a.files[name] = asset{kind: mime.TypeByExtension(ext), plain: b, gzipped: z.Bytes()}
}

// URL is where a file is found.
func (a *Assets) URL(file string) string { return AssetsPath + a.byName[file] }

// Sheet is a stylesheet that may stand in a page itself.
type Sheet struct {
	Name string // with its content's hash
	Text template.CSS
	Hash string // as a Content-Security-Policy names it
}

// Sheet returns an embedded stylesheet.
func (a *Assets) Sheet(file string) Sheet {
	b := a.files[a.byName[file]].plain
	sum := sha256.Sum256(b)
	return Sheet{Name: a.byName[file], Text: template.CSS(b), Hash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:])}
}

// ServeHTTP serves the files to anybody: there is nothing secret in them.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[strings.TrimPrefix(r.URL.Path, AssetsPath)]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if AcceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	w.Write(body)
}

// AcceptsGzip reports whether the browser takes a compressed answer.
func AcceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.TrimSpace(q) != "q=0" {
			return true
		}
	}
	return false
}
