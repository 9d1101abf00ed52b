package policy

import (
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/types"

	"noren"
)

// typeWords are the types of facts.
func typeWords(t noren.FactType) noren.Text {
	ja := map[noren.FactType]string{noren.Bool: " true か false ", noren.Int: "整数", noren.Float: "数", noren.Str: "文字", noren.List: "一覧"}[t]
	return noren.Text{Ja: ja, En: string(t)}
}

// typeName is a type of CEL's.
func typeName(t *cel.Type) noren.Text {
	switch t.Kind() {
	case types.StringKind:
		return noren.Text{Ja: "文字", En: "text"}
	case types.DoubleKind:
		return noren.Text{Ja: "数", En: "float"}
	}
	return noren.Text{Ja: typesIn(t.String()), En: t.String()}
}

// celTypes are CEL's names of types as whole words.
var celTypes = regexp.MustCompile(`\b(?:string|double|int|uint|bool|bytes|list|map|null_type|timestamp|duration|type|dyn)\b`)

// typesIn writes CEL's types in a text in Japanese.
func typesIn(s string) string {
	words := map[string]string{"string": "文字", "double": "数", "int": "整数", "uint": "符号なし整数", "bool": "true/false", "bytes": "バイト列", "list": "一覧", "map": "マップ",
		"null_type": "null", "timestamp": "日時", "duration": "長さ", "type": "型", "dyn": "何でも"}
	return celTypes.ReplaceAllStringFunc(s, func(w string) string { return words[w] })
}

// celOperators matches the names CEL gives its operators: '_>=_', '_[_]', '!_'.
var celOperators = regexp.MustCompile(`'_?([!@?<>=&|+*/%\[\]a-z-]+?)_?\]?'`)

// celMessage words a message of CEL's for people who write conditions.
func celMessage(e *common.Error) noren.Text {
	msg := firstLine(strings.TrimSuffix(e.Message, " (in container '')"))
	en := msg
	if rest, ok := strings.CutPrefix(msg, "Syntax error: "); ok {
		rest, _, _ = strings.Cut(rest, " expecting ")
		en = "not a CEL expression: " + rest
		return noren.Text{Ja: "式として読めません: " + celJa(rest), En: en}
	}
	if rest, ok := strings.CutPrefix(msg, "found no matching overload for "); ok {
		rest = celOperators.ReplaceAllString(rest, "'$1'")
		en = strings.Replace(rest, " applied to ", " cannot be applied to ", 1)
	}
	return noren.Text{Ja: celJa(msg), En: en}
}

// celForms are CEL's messages (checker/errors.go, parser/parser.go) in Japanese: $1
// and $2 are what it names, @1 and @2 the same with its types in words.
var celForms = []struct {
	form *regexp.Regexp
	ja   string
}{
	{regexp.MustCompile(`^found no matching overload for '_?(.+?)_?\]?' applied to '(.*)'`), "「$1」は @2 には使えません"},
	{regexp.MustCompile(`^undeclared reference to '([^']*)'`), "「$1」という名前や関数はありません"},
	{regexp.MustCompile(`^expression of type '([^']*)' cannot be range of a comprehension`), "@1の中を一つずつ調べることはできません。一覧の事実に使ってください"},
	{regexp.MustCompile(`^type '([^']*)' does not support field selection`), "@1には「.」で続く項目がありません"},
	{regexp.MustCompile(`^expected type '([^']*)' but found '([^']*)'`), "@1が要るところに@2があります"},
	{regexp.MustCompile(`^undefined field '([^']*)'`), "「$1」という項目はありません"},
	{regexp.MustCompile(`^'([^']*)' is not a (?:message )?type`), "「$1」という型はありません"},
	{regexp.MustCompile(`^(?:expression node count exceeds limit|expression count exceeds limit|expression code point size exceeds limit|expression size exceeds)`), "条件が長すぎます。短い方針に分けてください"},
	{regexp.MustCompile(`recursion (?:limit exceeded|depth exceeds)|max recursion`), "かっこや「!」の入れ子が深すぎます"},
	{regexp.MustCompile(`^reserved identifier: (.*)`), "「$1」は式の言葉として決まっていて、名前には使えません"},
	{regexp.MustCompile(`^invalid (?:int|uint|double) literal`), "この数は大きすぎるか、書き方が正しくありません"},
	{regexp.MustCompile(`^unexpected character, wanted '(.*)'`), "記号が一つ足りません。「$1」と書いてください"},
	{regexp.MustCompile(`^(?:unsupported syntax|unexpected quoted identifier|unterminated quoted identifier)`), "この書き方は使えません"},
	{regexp.MustCompile(`^(?:mismatched|extraneous) input '<EOF>'|^missing .* at '<EOF>'|no viable alternative at input '<EOF>'`), "式が途中で終わっています"},
	{regexp.MustCompile(`^(?:mismatched|extraneous) input '(.*)'`), "ここに「$1」は書けません"},
	{regexp.MustCompile(`^missing '(.*)' at '(.*)'`), "「$2」の前に「$1」が足りません"},
	{regexp.MustCompile(`^missing (.*) at '(.*)'`), "「$2」の前に言葉が足りません"},
	{regexp.MustCompile(`^no viable alternative at input '(.*)'`), "「$1」のあたりが読めません"},
	{regexp.MustCompile(`^token recognition error at: '(.*)'`), "「$1」という文字は使えません。文字は「\"」で囲みます"},
	{regexp.MustCompile(`^(?:argument|first argument|variable|invalid|all\(\)|exists|map\(\)|filter\(\)).*`), "関数の使い方が正しくありません（例: 一覧.exists(x, x == \"値\")）"},
}

// celJa is a message of CEL's in Japanese.
func celJa(msg string) string {
	for _, f := range celForms {
		m := f.form.FindStringSubmatch(msg)
		if m == nil {
			continue
		}
		out := f.ja
		for i, part := range m[1:] {
			n := string(rune('1' + i))
			out = strings.NewReplacer("$"+n, part, "@"+n, typesIn(part)).Replace(out)
		}
		return out
	}
	return "この書き方は使えません（英語の説明: " + msg + "）"
}

// evalForms are what goes wrong when a condition is run.
var evalForms = []struct{ part, ja string }{
	{"division by zero", "0 で割っています"}, {"divide by zero", "0 で割っています"}, {"modulus by zero", "0 で割った余りを求めています"},
	{"overflow", "数が大きくなりすぎます"}, {"index out of bounds", "一覧にない番目を見ています"}, {"no such key", "その項目がありません"},
	{"no such overload", "この組み合わせには使えません"}, {"error parsing regexp", "正規表現の書き方が正しくありません"}, {"cannot convert", "別の種類の値に変えられません"}, {"type conversion", "別の種類の値に変えられません"},
}

// evalText is what went wrong when a condition was run or prepared.
func evalText(err error) noren.Text {
	msg := firstLine(err.Error())
	for _, f := range evalForms {
		if strings.Contains(msg, f.part) {
			return noren.Text{Ja: f.ja, En: msg}
		}
	}
	return noren.Text{Ja: "英語の説明: " + msg, En: msg}
}

// regexpForms are the codes of regexp/syntax.
var regexpForms = []struct{ part, ja string }{
	{"missing closing ]", "「[」が閉じていません"}, {"missing closing )", "「(」が閉じていません"}, {"unexpected )", "「)」に対する「(」がありません"},
	{"missing argument to repetition", "くり返し（*・+・?）の前に文字がありません"}, {"invalid repeat count", "くり返しの回数が正しくありません"}, {"invalid nested repetition", "くり返しが二重になっています"},
	{"invalid escape", "「\\」のあとの文字が正しくありません"}, {"trailing backslash", "「\\」で終わっています"}, {"invalid character class", "「[ ]」の中が正しくありません"},
	{"invalid or unsupported Perl syntax", "「(?」のあとの書き方は使えません"}, {"invalid named capture", "名前の付け方が正しくありません"}, {"invalid UTF-8", "文字コードが正しくありません"},
	{"too large", "大きすぎます"}, {"nests too deeply", "入れ子が深すぎます"},
}

// regexpText is what is wrong with a regular expression.
func regexpText(err error) noren.Text {
	msg := strings.TrimPrefix(firstLine(err.Error()), "error parsing regexp: ")
	ja := msg
	for _, f := range regexpForms {
		if strings.Contains(msg, f.part) {
			ja = f.ja
			break
		}
	}
	return noren.Textf("正規表現として読めません: %s", "not a regular expression: %s", noren.Text{Ja: ja, En: msg})
}
