// Package yamlfile reads the YAML files that operators write: the configuration,
// the policies, the shop maps. It is strict (an unknown key, a second value for
// a key or a value of another type is a fault, never a guess), bounded (size,
// depth, keys, aliases) and reports every fault of a file at once, each as
// file:line:col: message.
//
// What a file means is checked by its owner after decoding; Doc.At, Doc.Inside
// and Doc.Fault let those faults point at a line too.
package yamlfile

import (
	"cmp"
	"errors"
	"fmt"

	"noren"
)

// Limits on a file. They keep the worst input cheap to refuse; no file that a
// person writes comes near them.
const (
	MaxBytes    = 1 << 20
	MaxDepth    = 32      // nested lists and maps
	maxTokens   = 150_000 // words and signs
	maxNodes    = 100_000 // values after aliases are followed
	maxSiblings = 2_000   // keys of one map
	maxFaults   = 100     // reported at once
)

// Pos is a place in a file, counted from 1. Col counts characters.
type Pos struct {
	Line, Col int
}

// Fault is one thing that is wrong with a file.
type Fault struct {
	File      string
	Line, Col int
	Msg       string
	Ja        string // the same in Japanese; empty where nobody has said it
}

// Text is what is wrong in both languages; English where there is no Japanese.
func (f *Fault) Text() noren.Text { return noren.Text{Ja: cmp.Or(f.Ja, f.Msg), En: f.Msg} }

func faultOf(file string, p Pos, t noren.Text) *Fault {
	return &Fault{File: file, Line: max(p.Line, 1), Col: max(p.Col, 1), Msg: t.En, Ja: t.Ja}
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Msg)
}

// Doc is a decoded file, kept to answer where its parts stand.
type Doc struct {
	name  string
	lines []string
	root  *node
}

// Decode reads data into the struct that into points to, by its yaml tags
// (Field T `yaml:"key"`, `yaml:",inline"`, `yaml:"-"`). The error joins every
// *Fault. The Doc is never nil, so a caller can go on and add what it finds
// wrong with the part that was understood; after a syntax error that is nothing.
func Decode(name string, data []byte, into any) (*Doc, error) {
	d := &Doc{name: name}
	text, fault := clean(name, data)
	if fault != nil {
		return d, invalid(fault)
	}
	d.lines = splitLines(text)
	root, fault := parse(name, text)
	if fault != nil {
		return d, invalid(fault)
	}
	d.root = root
	dec := decoder{file: name}
	dec.decode(root, into)
	return d, invalid(dec.faults...)
}

// invalid joins faults into one error with code Invalid, or nil.
func invalid(faults ...*Fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = f
	}
	return Join(errs...)
}

// Join is errors.Join for faults: the error it returns has code Invalid.
func Join(errs ...error) error {
	err := errors.Join(errs...)
	if err == nil {
		return nil
	}
	return &noren.Error{Code: noren.Invalid, Msg: err.Error(), Err: err}
}

// Name is the name the file was decoded under.
func (d *Doc) Name() string { return d.name }

// Fault is an error at the key or element that path leads to.
func (d *Doc) Fault(msg string, path ...any) error {
	return d.FaultAt(d.At(path...), msg)
}

// FaultAt is an error at p.
func (d *Doc) FaultAt(p Pos, msg string) error {
	return &Fault{File: d.name, Line: p.Line, Col: p.Col, Msg: msg}
}

// Say is Fault for those who say it in both languages.
func (d *Doc) Say(t noren.Text, path ...any) error { return d.SayAt(d.At(path...), t) }

// SayAt is FaultAt for those who say it in both languages.
func (d *Doc) SayAt(p Pos, t noren.Text) error {
	return &Fault{File: d.name, Line: p.Line, Col: p.Col, Msg: t.En, Ja: t.Ja}
}

// CheckVersion reports a file whose top-level key "version" is not the one
// format that this program reads.
func (d *Doc) CheckVersion(want int) error {
	if d.root == nil {
		return nil // the syntax error was reported already
	}
	e := d.root.entry("version")
	if e == nil {
		return d.SayAt(Pos{1, 1}, noren.Textf("version がありません。先頭に「version: %d」と書いてください", "version is missing; write \"version: %d\" at the top", want))
	}
	if e.value.kind != numberNode || e.value.text != fmt.Sprint(want) {
		return d.Say(noren.Textf("version は%sですが、このプログラムが読めるのは version: %d だけです", "version %s is not known; this program reads version %d", e.value.describe(), want), "version")
	}
	return nil
}
