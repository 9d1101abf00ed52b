package waf

import (
	"bytes"
	"errors"
	"mime"
	"strings"
	"unicode/utf8"
)

// BodyKind says how a request's body is inspected.
type BodyKind int

// Kinds of bodies.
const (
	// Text bodies (forms, JSON, XML, anything unknown) are inspected whole. One
	// over the inspection limit is refused with 413, never passed half seen.
	Text BodyKind = iota
	// Multipart bodies are read whole before the shop sees a byte; Reduce cuts
	// the contents of their files, and what is left is inspected.
	Multipart
	// Binary bodies are uploads of one file. They are streamed on once their
	// beginning has shown that no parser of forms or JSON could read them.
	Binary
)

// Faults of a body, for the caller to map to 400 and 413.
var (
	ErrAmbiguous = errors.New("waf: the body can be read in two ways")
	ErrTooLarge  = errors.New("waf: the body is larger than may be inspected")
)

// KindOf reads a body's kind from its Content-Type.
func KindOf(contentType string) BodyKind {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return Text
	}
	switch family, _, _ := strings.Cut(media, "/"); family {
	case "image", "video", "audio", "font":
		if strings.HasSuffix(media, "+xml") { // SVG is markup
			return Text
		}
		return Binary
	}
	switch media {
	case "multipart/form-data":
		return Multipart
	case "application/octet-stream", "application/pdf", "application/zip", "application/gzip":
		return Binary
	}
	return Text
}

// SniffBytes is how much of a Binary body LooksBinary wants to see.
const SniffBytes = 512

// LooksBinary reports whether the beginning of a body cannot be text: it has a
// NUL or is not UTF-8. A body that claims to be an image and is text is
// inspected as text.
func LooksBinary(beginning []byte) bool {
	if bytes.IndexByte(beginning, 0) >= 0 {
		return true
	}
	// A rune may be cut at the end of what was read.
	for i := len(beginning); i > 0 && i > len(beginning)-utf8.UTFMax; i-- {
		if utf8.Valid(beginning[:i]) {
			return false
		}
	}
	return len(beginning) > 0
}
