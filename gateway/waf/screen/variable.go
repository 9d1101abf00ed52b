package screen

import (
	"fmt"
	"net/textproto"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Value is one value of a variable, with its key if the variable has keys:
// ARGS:name.
type Value struct{ Key, Value string }

// class says how a variable comes to be.
type class int

const (
	unknownVar  class = iota // the screen does not see it
	steady                   // set before phase 1, and never changed
	growing                  // a collection that the body adds to, between phase 1 and 2
	replaced                 // a single value that the body may change
	txVar                    // what rules set
	matchedVar               // the last match of this rule
	matchedVars              // all matches of this rule
	emptyVar                 // Coraza has the name and never a value
)

var classes = map[string]class{
	"REQUEST_METHOD": steady, "REQUEST_PROTOCOL": steady, "REQUEST_LINE": steady, "REQUEST_URI": steady,
	"REQUEST_URI_RAW": steady, "REQUEST_FILENAME": steady, "REQUEST_BASENAME": steady, "QUERY_STRING": steady,
	"URI_PARSE_ERROR": steady, "ARGS_GET": steady, "ARGS_GET_NAMES": steady, "REQUEST_HEADERS": steady,
	"REQUEST_HEADERS_NAMES": steady, "REQUEST_COOKIES": steady, "REQUEST_COOKIES_NAMES": steady,
	"REMOTE_ADDR": steady, "REMOTE_PORT": steady, "SERVER_NAME": steady,

	"ARGS": growing, "ARGS_NAMES": growing, "ARGS_POST": growing, "ARGS_POST_NAMES": growing, "FILES": growing,
	"FILES_NAMES": growing, "FILES_SIZES": growing, "MULTIPART_PART_HEADERS": growing, "MULTIPART_FILENAME": growing,
	"MULTIPART_NAME": growing, "XML": growing, "REQUEST_XML": growing,

	"REQUEST_BODY": replaced, "REQUEST_BODY_LENGTH": replaced, "REQBODY_PROCESSOR": replaced, "REQBODY_ERROR": replaced,
	"REQBODY_PROCESSOR_ERROR": replaced, "ARGS_COMBINED_SIZE": replaced, "FILES_COMBINED_SIZE": replaced,
	"INBOUND_DATA_ERROR": replaced, "URLENCODED_ERROR": replaced, "ARGUMENTS_LIMIT_REACHED": replaced,
	"MULTIPART_STRICT_ERROR": replaced, "MULTIPART_DATA_AFTER": replaced, "MULTIPART_DUPLICATE_PART_HEADER": replaced,
	"MULTIPART_INVALID_QUOTING": replaced,

	"TX": txVar, "MATCHED_VAR": matchedVar, "MATCHED_VARS": matchedVars, "JSON": emptyVar,
}

// wants reports whether the selector takes a value with this key.
func (sel *selector) wants(key string) bool {
	if sel.all() {
		return true
	}
	key = lowerKey(key)
	switch {
	case sel.rx != nil:
		if !sel.rx.MatchString(key) {
			return false
		}
	case sel.key != "" && sel.key != key:
		return false
	}
	for i := range sel.except {
		e := &sel.except[i]
		if e.rx != nil && e.rx.MatchString(key) || e.rx == nil && (e.key == "" || e.key == key) {
			return false
		}
	}
	return true
}

// all reports whether the selector takes every value.
func (sel *selector) all() bool { return sel.rx == nil && sel.key == "" && len(sel.except) == 0 }

// text tells selectors apart that want other keys.
func (sel *selector) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %v", sel.key, sel.rx)
	for i := range sel.except {
		fmt.Fprintf(&b, " but %q %v", sel.except[i].key, sel.except[i].rx)
	}
	return b.String()
}

// among is how many of the values the selector takes.
func (sel *selector) among(values []Value) (n int) {
	for i := range values {
		if sel.wants(values[i].Key) {
			n++
		}
	}
	return n
}

// lowerKey is strings.ToLower, without a new string for the names that browsers
// send with every request.
func lowerKey(key string) string {
	for i := range len(key) {
		if c := key[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			if lower, ok := lowerHeaders[key]; ok {
				return lower
			}
			return strings.ToLower(key)
		}
	}
	return key
}

// lowerHeaders are common headers as net/http writes them.
var lowerHeaders = func() map[string]string {
	m := map[string]string{"Cookie": "cookie", "Sec-Ch-Ua": "sec-ch-ua"}
	for name := range commonHeaders {
		m[textproto.CanonicalMIMEHeaderKey(name)] = name
	}
	return m
}()

// source is one variable of a compiled rule.
type source struct {
	class class
	index int // of the variable in what the screen needs
	early bool
	more  bool // it has values that are not there yet when the rule is run
	sel   selector
	tx    txRead  // of TX:key
	base  []Value // of TX:/regex/: what the rules set for every request
}

// txRead reads a TX variable: from what this request's rules set, or else what
// was known when the rules were compiled.
type txRead struct {
	key     string
	base    abstract
	runtime bool // the request's rules may set it
	group   bool // it is what a pattern captured: TX:1
}

// abstract is what is known of a TX variable while rules are compiled.
type abstract struct {
	state state
	value string
}

type state int

const (
	absent state = iota
	constant
	unknown
)

// part of a compiled macro.
type part struct {
	text   string
	tx     *txRead
	header string // of REQUEST_HEADERS
	last   bool   // MATCHED_VAR
	name   bool   // MATCHED_VAR_NAME
	bad    bool   // a variable that the screen does not see
}

type macro []part

// plain is the text of a macro without variables.
func (m macro) plain() (string, bool) {
	var b strings.Builder
	for _, p := range m {
		if p.tx != nil || p.header != "" || p.last || p.name || p.bad {
			return "", false
		}
		b.WriteString(p.text)
	}
	return b.String(), true
}

// runtime reports whether the macro depends on the request.
func (m macro) runtime() bool { _, ok := m.plain(); return !ok }

// prefix is the text that a macro begins with.
func (m macro) prefix() string {
	if len(m) > 0 && m[0].tx == nil && m[0].header == "" && !m[0].last && !m[0].name && !m[0].bad {
		return m[0].text
	}
	return ""
}

var macroForm = regexp.MustCompile(`%\{([0-9A-Za-z_.\[\]-]+)\}`)
