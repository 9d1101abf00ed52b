package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
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
		a.add(path.Base(p), b)
		return nil
	})
}

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
