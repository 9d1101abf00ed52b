package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"noren"
	"noren/console"
	"noren/console/ui"
	"noren/gateway/grade"
	"noren/gateway/pagewalk"
)

// finding is one thing that was looked at. Text and Hint are what scripts have
// always read; Ja says the same for the shop's people.
type finding struct {
	What string     `json:"what"`
	OK   bool       `json:"ok"`
	Note bool       `json:"note,omitempty"` // in order, and worth knowing all the same
	Text string     `json:"text"`
	Hint string     `json:"hint,omitempty"`
	Ja   inJapanese `json:"ja"`
	// Lines are a block to be copied as it is.
	Lines string `json:"lines,omitempty"`
	// Grade and Points are what a site's TLS is worth.
	Grade  grade.Letter    `json:"grade,omitempty"`
	Points []grade.Finding `json:"points,omitempty"`
	// Walk is what was found on the site's pages.
	Walk *pagewalk.Result `json:"walk,omitempty"`

	of looked
}

type inJapanese struct {
	What string `json:"what"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

// looked names what was looked at: for scripts, and in the shopkeeper's words.
type looked struct {
	what  string
	title noren.Text
	site  string // "" for the machine
}

func ofMachine(what, ja, en string) looked { return looked{what, noren.Text{Ja: ja, En: en}, ""} }

func ofSite(what, site, ja, en string) looked {
	return looked{what + " " + site, noren.Text{Ja: ja, En: en}, site}
}

func (l looked) finding(says, mend noren.Text) finding {
	ja := l.title.Ja
	if l.site != "" {
		ja = l.site + " " + ja
	}
	return finding{What: l.what, Text: says.En, Hint: mend.En, Ja: inJapanese{ja, says.Ja, mend.Ja}, of: l}
}

// findings collects them.
type findings []finding

// good is something in order.
func (fs *findings) good(l looked, ja, en string) {
	f := l.finding(noren.Text{Ja: ja, En: en}, noren.Text{})
	f.OK = true
	*fs = append(*fs, f)
}

// note is in order, and worth knowing all the same.
func (fs *findings) note(l looked, says, mend noren.Text, lines string) {
	f := l.finding(says, mend)
	f.OK, f.Note, f.Lines = true, true, lines
	*fs = append(*fs, f)
}

// bad is something to be mended.
func (fs *findings) bad(l looked, says, mend noren.Text) {
	*fs = append(*fs, l.finding(says, mend))
}

// fault is an error. Its own words stay, with what they mean before them where
// they are not told in Japanese already; ja and mend say what is wrong and what to
// do.
func (fs *findings) fault(l looked, err error, ja, mend string) {
	hint := noren.HintOf(err)
	if mend == "" && len(textsOf(err)) == 0 {
		mend = hint // better in another language than not at all
	}
	fs.bad(l, noren.Text{Ja: japaneseOf(err, ja), En: err.Error()}, noren.Text{Ja: mend, En: hint})
}

// add is a fault where there is an error, and good without one.
func (fs *findings) add(l looked, err error, good, fault, mend noren.Text) {
	if err == nil {
		fs.good(l, good.Ja, good.En)
		return
	}
	fs.fault(l, err, fault.Ja, mend.Ja)
}

// japaneseOf is an error for people who read Japanese: the texts that were written
// for them, and else the error itself behind what it is about.
func japaneseOf(err error, about string) string {
	if texts := textsOf(err); len(texts) > 0 {
		return strings.Join(texts, "\n")
	}
	if about == "" {
		return err.Error()
	}
	if strings.Contains(err.Error(), "\n") {
		return about + "：\n" + err.Error()
	}
	return about + "（" + err.Error() + "）"
}

// textsOf are the Japanese texts in an error's tree; one that has none, joined to
// others that have, is told as it is.
func textsOf(err error) (out []string) {
	if t, ok := noren.TextOf(err); ok {
		return []string{t.Ja}
	}
	joined, ok := errors.AsType[joinedError](err)
	if !ok {
		return nil
	}
	some := false
	for _, e := range joined.Unwrap() {
		texts := textsOf(e)
		some = some || len(texts) > 0
		if len(texts) == 0 {
			texts = []string{e.Error()}
		}
		out = append(out, texts...)
	}
	if !some {
		return nil
	}
	return out
}

// joinedError is what errors.Join makes.
type joinedError interface {
	error
	Unwrap() []error
}

func (fs findings) bads() (n int) {
	for _, f := range fs {
		if !f.OK {
			n++
		}
	}
	return n
}

// print writes them for a person; scripts read the JSON or the English.
func (fs findings) print(w io.Writer, lang string) {
	for _, f := range fs {
		what, text, hint := f.What, f.Text, f.Hint
		if lang == "ja" {
			what, text, hint = f.Ja.What, f.Ja.Text, f.Ja.Hint
		}
		fmt.Fprintf(w, "%s %s %s\n", f.mark(lang), padded(what, 24), strings.ReplaceAll(text, "\n", "\n                              "))
		if hint != "" {
			fmt.Fprintf(w, "     %-24s → %s\n", "", strings.ReplaceAll(hint, "\n", "\n                                "))
		}
		if f.Lines != "" {
			fmt.Fprint(w, f.Lines)
		}
	}
}

func (f *finding) mark(lang string) string {
	switch {
	case !f.OK:
		return say(lang, "異常", "BAD ")
	case f.Note:
		return say(lang, "注意", "note")
	}
	return say(lang, "良好", "ok  ")
}

// padded fills s with spaces to a width at which Japanese letters count two.
func padded(s string, width int) string {
	n := 0
	for _, r := range s {
		if n++; r > 0x2e7f {
			n++
		}
	}
	return s + strings.Repeat(" ", max(width-n, 0))
}

// shown is the finding as the console shows it.
func (f *finding) shown() console.Finding {
	tone := ui.Good
	switch {
	case !f.OK:
		tone = ui.Alert
	case f.Note:
		tone = ui.Check
	}
	return console.Finding{Key: strings.TrimSpace(strings.TrimSuffix(f.What, f.of.site)), Title: f.of.title, Tone: tone,
		Says: noren.Text{Ja: f.Ja.Text, En: f.Text}, Mend: noren.Text{Ja: f.Ja.Hint, En: f.Hint}, Lines: f.Lines, Grade: string(f.Grade), Site: f.of.site}
}
