package exclusion

import (
	"slices"
	"strings"

	"noren"
)

// named are the collections whose values have names, so that one of them can be
// meant. Each name here is one field of a request.
var named = []string{
	"ARGS", "ARGS_GET", "ARGS_POST", "ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES",
	"REQUEST_COOKIES", "REQUEST_COOKIES_NAMES", "REQUEST_HEADERS", "FILES", "FILES_NAMES",
}

// ofPage are the parts of the address that an exact path fixes: whoever asks for
// that page asks with these very words, so that nothing else passes.
var ofPage = []string{"REQUEST_FILENAME", "REQUEST_BASENAME"}

// Valid says why a rule or a field cannot be left out.
func (t Target) Valid() error {
	if why, refused := RefusedRule(t.Rule); refused {
		return noren.Say(noren.Denied, why)
	}
	if why, refused := RefusedField(t.Field); refused {
		return noren.Say(noren.Denied, why)
	}
	return nil
}

// RefusedRule says why a rule can never be left out, if it cannot.
func RefusedRule(rule int) (why noren.Text, refused bool) {
	switch family := rule / 1000; {
	case rule < 1:
		return noren.Textf("規則の番号 %d はありません", "there is no rule %d", rule), true
	case family == 949 || family == 959 || family == 980:
		return noren.Textf("規則 %d は、見つかったものを合計して「止める」と決める規則です。外すと、攻撃がすべて通ります", "rule %d adds up what was found and decides; without it every attack would pass", rule), true
	case family == 901 || family == 905 || rule > 100010 && rule <= 100200:
		return noren.Textf("規則 %d は、検査の準備をする規則で、お客様を止めません", "rule %d prepares the inspection and stops nobody", rule), true
	case rule >= 100000 && rule <= 100010:
		return noren.Textf("規則 %d は、中身を読み取れない通信を断る規則です。外すと、読めないものがそのままお店に届きます", "rule %d refuses what cannot be read; without it the shop would receive what nobody has looked at", rule), true
	}
	return noren.Text{}, false
}

// RefusedField says why a field can never be left out, if it cannot.
func RefusedField(field string) (why noren.Text, refused bool) {
	collection, name, has := strings.Cut(field, ":")
	switch {
	case !plain(field, 4*maxName) || strings.HasSuffix(field, "…"):
		return noren.Text{Ja: "欄の名前が長すぎるか、読めない文字を含むので、外せません", En: "the field's name is too long or cannot be read"}, true
	case slices.Contains(ofPage, field):
		return noren.Text{}, false
	case !slices.Contains(named, collection):
		return noren.Textf("%q は、通信の全体や、内容のまとまりです。外すと、そこに書かれたどんな攻撃も通ります。外せるのは、名前のある欄一つずつです", "%q is the whole of a request or of its content; without it any attack in it would pass. Only single fields with a name can be left out", cut(field)), true
	case !has || name == "" || strings.ContainsAny(name, "*|") || strings.HasPrefix(name, "/"):
		return noren.Textf("%q は欄一つの名前ではありません。名前のある欄一つずつしか外せません", "%q is not the name of one field; only single fields can be left out", cut(field)), true
	case strings.HasPrefix(collection, "ARGS") && strings.EqualFold(name, "json"):
		return noren.Text{Ja: "この欄は、JSON全体の読みかえです。外すと、JSONのどこに書かれた攻撃も通ります", En: "this field stands for every text of a JSON body; without it any attack in it would pass"}, true
	case collection == "REQUEST_HEADERS" && slices.ContainsFunc([]string{"Cookie", "Host", "Content-Type", "Content-Length", "Transfer-Encoding", "Content-Encoding"}, func(h string) bool { return strings.EqualFold(h, name) }):
		return noren.Textf("見出し %s は、通信の読み方を決めるか、多くの値をまとめて運ぶので、外せません", "header %s decides how a request is read, or carries many values at once", cut(name)), true
	}
	return noren.Text{}, false
}

// ValidPath says what is wrong with a path. It is one page, as /shopping/confirm;
// or, where the last part is the number of an order or a product, that part may be
// a star: /order/* is /order/1234, not /order/list, /order/1/edit or /order.
func ValidPath(path string) error {
	say := func(ja, en string) error {
		return noren.Say(noren.Invalid, noren.Textf("ページ %q: "+ja, "page %q: "+en, cut(path)))
	}
	if !strings.HasPrefix(path, "/") || !plain(path, maxPath) || strings.HasSuffix(path, "…") {
		return say("/ で始まる、200バイトまでの読めるパスを書いてください", "give a path that begins with / and can be read, of at most 200 bytes")
	}
	if strings.ContainsAny(path, "?#;\\") {
		return say("? # ; \\ は使えません", "? # ; and \\ cannot stand in it")
	}
	parts := strings.Split(path[1:], "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch {
		case part == "" && !last, part == ".", part == "..":
			return say("空の部分や . .. は使えません", "empty parts, . and .. cannot stand in it")
		case part == "*" && last && i > 0:
		case strings.Contains(part, "*"):
			return say("* は、/order/* のように、最後の番号の代わりにだけ書けます。お店全体は外せません", "a star can only stand for the number at the end, as in /order/*; never for a whole shop")
		}
	}
	return nil
}

// On reports whether a request's path is the page of x.
func (x *Exclusion) On(path string) bool {
	dir, star := strings.CutSuffix(x.Path, "*")
	if !star {
		return path == x.Path
	}
	id, under := strings.CutPrefix(path, dir)
	return under && isNumber(id)
}

// isNumber: what stands for one thing among many, such as 1234, 01J9ZK3W or
// 7f3a-11. It has a digit, and nothing that could be another page's name alone.
func isNumber(s string) bool {
	if s == "" || len(s) > 64 || !strings.ContainsAny(s, "0123456789") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '_')
	})
}
