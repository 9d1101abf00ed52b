package yamlfile

import (
	"errors"
	"strings"

	"noren"
)

// syntaxWords tell in Japanese what the library's parser found, by a part of its
// message; the first that fits counts. Its messages are many and about its insides:
// what has no words of its own here gets the three slips that nearly all come from.
var syntaxWords = []struct{ part, ja string }{
	{"found character '\t'", "ここにタブがあります。空白（スペース）で字下げしてください"},
	{"',' or ']' must be specified", "「[」で始まる一覧の中に「,」か「]」が足りません"},
	{"',' or '}' must be specified", "「{」で始まる並びの中に「,」か「}」が足りません"},
	{"'[' character", "「]」に対する「[」がありません"},
	{"'{' character", "「}」に対する「{」がありません"},
	{"end token ']'", "「[」が閉じていません。「]」が要ります"},
	{"end token '}'", "「{」が閉じていません。「}」が要ります"},
	{"expected sequence element", "「,」の前に値がありません"},
	{"end character of double-quoted", "「\"」が閉じていません"},
	{"end character of single-quoted", "「'」が閉じていません"},
	{"escape character", "「\\」のあとの文字が正しくありません。「'」で囲むと、そのまま書けます"},
	{"reserved character", "この文字は値のはじめに使えません。値を「'」で囲んでください"},
	{"map key-value is pre-defined", "値がもう書かれています。「- 」か「キー:」の前の字下げを確かめてください"},
	{"mapping value is not allowed", "ここに「:」は書けません。値に「:」が入るときは「'」で囲んでください"},
	{"key-value delimiter ':'", "キーのあとに「:」がありません"},
	{"implicit line break", "キーが二行にまたがっています。一行に書いてください"},
	{"value for mapping key", "キーに値がありません"},
	{"non-map value", "「キー: 値」の形になっていません。「:」のあとに空白が要ります"},
	{"block sequence entries", "「- 」はここに書けません。行を改めてください"},
	{"anchor", "別名の目印（&）の使い方が正しくありません"},
	{"alias", "別名（*）の使い方が正しくありません"},
	{"tag", "型の目印（!）は使えません"},
	{"directive", "% で始まる行（指示）は使えません"},
	{"YAML version", "% で始まる行（指示）は使えません"},
	{"number of indent", "「|」や「>」のあとの字下げの数が正しくありません"},
}

// syntaxText words a message of the library's in both languages.
func syntaxText(msg string) noren.Text {
	for _, w := range syntaxWords {
		if strings.Contains(msg, w.part) {
			en := shortMessage(msg)
			if w.part == "found character '\t'" {
				en = "a tab stands here; use spaces"
			}
			return noren.Textf("YAML として読めません。%s", "not YAML: %s", noren.Text{Ja: w.ja, En: en})
		}
	}
	return noren.Textf("YAML として読めません。%s", "not YAML: %s",
		noren.Text{Ja: "字下げ、「:」のあとの空白、かっこや引用符の閉じ忘れを確かめてください", En: shortMessage(msg)})
}

// shortText is an error of a value that reads itself, on one line of bounded length.
func shortText(err error) noren.Text {
	if t, ok := noren.TextOf(err); ok {
		return noren.Text{Ja: shortMessage(t.Ja), En: shortMessage(err.Error())}
	}
	return noren.Text{Ja: "この書き方は読めません（" + shortMessage(err.Error()) + "）", En: shortMessage(err.Error())}
}

// textIn is what err says in both languages.
func textIn(err error) noren.Text {
	var at *nodeError
	if errors.As(err, &at) {
		return at.msg
	}
	return shortText(err)
}

// Words are what err says in both languages, one line for each error joined in it;
// English where there is no Japanese.
func Words(err error) noren.Text {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var ja, en []string
		for _, e := range joined.Unwrap() {
			t := Words(e)
			ja, en = append(ja, t.Ja), append(en, t.En)
		}
		return noren.Text{Ja: strings.Join(ja, "\n"), En: strings.Join(en, "\n")}
	}
	if f, ok := err.(*Fault); ok {
		return f.Text()
	}
	if t, ok := noren.TextOf(err); ok {
		return noren.Text{Ja: t.Ja, En: err.Error()}
	}
	return noren.Text{Ja: err.Error(), En: err.Error()}
}
