package vault

import (
	_ "embed" // the sheet's text
	"strings"
	"text/template"
)

//go:embed sheet.ja.txt
var sheetJa string

//go:embed sheet.en.txt
var sheetEn string

// sheet is what the templates print.
type sheet struct {
	Instance string
	Date     string
	Root     string   // the root key's ID
	Lines    []string // the root key in groups; nil when it is not ours to print
	Ref      string   // where this machine reads the key from
	Database string
	Erasures string
}

// RecoverySheet is a page to print: what the root key is, the key itself in
// groups with its checksum, what losing it means and how to restore. It holds
// the key in the clear: print it, never log or store it. lang is "ja" or "en".
func (v *Vault) RecoverySheet(lang string) string {
	root := *v.root.Load()
	s := sheet{
		Instance: v.instance,
		Date:     v.now().UTC().Format("2006-01-02"),
		Root:     root.ID(),
		Database: v.location,
		Erasures: v.file.path,
	}
	if k, ok := root.(*RootKey); ok {
		s.Lines, s.Ref = groups(k.Text()), k.Ref()
	}
	text := sheetJa
	if lang == "en" {
		text = sheetEn
	}
	var b strings.Builder
	// The templates are ours and their data are plain texts: nothing can fail
	// that TestRecoverySheet would not show.
	template.Must(template.New("sheet").Parse(text)).Execute(&b, s)
	return b.String()
}

// groups cuts the key's text into three lines of four groups of four.
func groups(text string) []string {
	var lines []string
	for ; text != ""; text = text[min(16, len(text)):] {
		line := text[:min(16, len(text))]
		var parts []string
		for ; line != ""; line = line[min(4, len(line)):] {
			parts = append(parts, line[:min(4, len(line))])
		}
		lines = append(lines, strings.Join(parts, "  "))
	}
	return lines
}
