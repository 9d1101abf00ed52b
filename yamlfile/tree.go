package yamlfile

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"noren"
)

type nodeKind int

const (
	nullNode nodeKind = iota
	textNode
	numberNode
	boolNode
	listNode
	mapNode
)

// node is one value of a file. Nodes of an anchor are shared by its aliases.
type node struct {
	kind    nodeKind
	pos     Pos
	text    string // of a scalar: a text unquoted, a number as it is written
	block   bool   // a text written as | or >, whose content begins on the next line
	items   []*node
	entries []entry
}

type entry struct {
	key   string
	pos   Pos
	value *node
}

func (n *node) entry(key string) *entry {
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

// describe says what n is, for a fault. Texts are not repeated: they may be secret.
func (n *node) describe() noren.Text {
	switch n.kind {
	case nullNode:
		return noren.Text{Ja: "空", En: "nothing"}
	case textNode:
		return aText
	case numberNode:
		return noren.Textf("数 %s", "the number %s", shorten(n.text))
	case boolNode:
		return noren.Text{Ja: n.text, En: n.text}
	case listNode:
		return aList
	}
	return aMap
}

func shorten(s string) string {
	if len(s) > 24 {
		return s[:24] + "…"
	}
	return s
}

// parse turns text into a tree. The library's parser is not trusted with hostile
// input: a panic of its is a fault of the file.
func parse(name, text string) (root *node, fault *Fault) {
	defer func() {
		if r := recover(); r != nil {
			root, fault = nil, faultOf(name, Pos{}, noren.Text{Ja: "この YAML は読めません", En: "this YAML cannot be read"})
		}
	}()
	tokens, fault := tokenize(name, text)
	if fault != nil {
		return nil, fault
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(name, err)
	}
	b := builder{anchors: map[string]*node{}}
	root, err = b.document(file)
	if err != nil {
		var at *nodeError
		if errors.As(err, &at) {
			return nil, faultOf(name, at.pos, at.msg)
		}
		return nil, faultOf(name, Pos{}, textIn(err))
	}
	return root, nil
}

func syntaxFault(name string, err error) *Fault {
	e, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return faultOf(name, Pos{}, noren.Text{Ja: "YAML として読めません", En: "not YAML"})
	}
	return faultOf(name, posOf(e.GetToken()), syntaxText(e.GetMessage()))
}

// shortMessage keeps a library's message on one line of bounded length.
func shortMessage(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

// nodeError is a fault whose file the builder does not know.
type nodeError struct {
	pos Pos
	msg noren.Text
}

func (e *nodeError) Error() string { return e.msg.En }

func at(t *token.Token, ja, en string, args ...any) error {
	return &nodeError{posOf(t), noren.Textf(ja, en, args...)}
}

func posOf(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, t.Position.Column}
}

// builder makes nodes from the library's syntax tree.
type builder struct {
	anchors map[string]*node
	depth   int
}

func (b *builder) document(f *ast.File) (*node, error) {
	root := &node{kind: mapNode, pos: Pos{1, 1}}
	seen := false
	for _, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if seen {
			return nil, at(doc.Body.GetToken(), "「---」のあとに二つ目の文書があります。一つのファイルに一つだけ書けます", "a second document; a file holds one")
		}
		seen = true
		n, err := b.node(doc.Body)
		if err != nil {
			return nil, err
		}
		if n.kind != mapNode && n.kind != nullNode {
			return nil, &nodeError{n.pos, noren.Textf("ファイルが「キー: 値」の並びになっていません（いまは%s）", "the file is %s, not a map of keys", n.describe())}
		}
		if n.kind == mapNode {
			root = n
		}
	}
	return root, nil
}

func (b *builder) node(a ast.Node) (*node, error) {
	if b.depth++; b.depth > MaxDepth {
		return nil, &nodeError{posOf(a.GetToken()), tooDeep}
	}
	defer func() { b.depth-- }()
	switch a := a.(type) {
	case *ast.MappingNode:
		return b.mapping(a.GetToken(), a.IsFlowStyle, a.Values)
	case *ast.MappingValueNode:
		return b.mapping(a.GetToken(), a.IsFlowStyle, []*ast.MappingValueNode{a})
	case *ast.SequenceNode:
		return b.sequence(a)
	case *ast.AnchorNode:
		return b.anchor(a)
	case *ast.AliasNode:
		n, ok := b.anchors[nameOf(a.Value)]
		if !ok {
			return nil, at(a.GetToken(), "この別名の目印 &%s が、これより上にありません", "no anchor &%s stands above this alias", nameOf(a.Value))
		}
		return n, nil
	case *ast.TagNode:
		return nil, at(a.GetToken(), "型の目印（!）は使えません", "tags (!) are not supported")
	}
	return scalar(a)
}

func nameOf(a ast.Node) string {
	if a == nil || a.GetToken() == nil {
		return ""
	}
	return a.GetToken().Value
}

// anchor registers a value after it is read, so that it cannot contain itself.
func (b *builder) anchor(a *ast.AnchorNode) (*node, error) {
	name := nameOf(a.Name)
	if _, dup := b.anchors[name]; dup {
		return nil, at(a.GetToken(), "目印 &%s が二度書かれています", "anchor &%s is defined twice", name)
	}
	if a.Value == nil {
		return nil, at(a.GetToken(), "目印 &%s に値がありません", "anchor &%s has no value", name)
	}
	n, err := b.node(a.Value)
	if err != nil {
		return nil, err
	}
	b.anchors[name] = n
	return n, nil
}

func (b *builder) sequence(a *ast.SequenceNode) (*node, error) {
	n := &node{kind: listNode, pos: posOf(a.GetToken()), items: make([]*node, 0, len(a.Values))}
	for _, v := range a.Values {
		if v == nil {
			return nil, at(a.GetToken(), "一覧の行に値がありません", "a list element has no value")
		}
		item, err := b.node(v)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, item)
	}
	return n, nil
}

func (b *builder) mapping(t *token.Token, flow bool, values []*ast.MappingValueNode) (*node, error) {
	n := &node{kind: mapNode, pos: posOf(t), entries: make([]entry, 0, len(values))}
	for i, v := range values {
		e, err := b.entry(v)
		if err != nil {
			return nil, err
		}
		if i == 0 && !flow {
			n.pos = e.pos // where its first key stands, not its first colon
		}
		n.entries = append(n.entries, e)
	}
	return n, nil
}

func (b *builder) entry(v *ast.MappingValueNode) (entry, error) {
	if v.Key == nil || v.Value == nil {
		return entry{}, at(v.GetToken(), "キーに値がありません", "a key without a value")
	}
	if v.Key.IsMergeKey() {
		return entry{}, at(v.Key.GetToken(), "「<<」による取り込みは使えません。キーを一つずつ書いてください", "merge keys (<<) are not supported; write the keys out")
	}
	key, err := scalar(v.Key)
	if err != nil || key.kind == nullNode {
		return entry{}, at(v.Key.GetToken(), "キーは一語で書いてください", "a key must be a plain word")
	}
	value, err := b.node(v.Value)
	return entry{key: key.text, pos: key.pos, value: value}, err
}

func scalar(a ast.Node) (*node, error) {
	n := &node{pos: posOf(a.GetToken())}
	switch a := a.(type) {
	case *ast.StringNode:
		n.kind, n.text = textNode, a.Value
	case *ast.LiteralNode:
		n.kind, n.block = textNode, true
		if a.Value != nil {
			n.text = a.Value.Value
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		n.kind, n.text = numberNode, a.GetToken().Value
	case *ast.BoolNode:
		n.kind, n.text = boolNode, "false"
		if a.Value {
			n.text = "true"
		}
	case *ast.NullNode:
	default:
		return nil, at(a.GetToken(), "この種類の値は使えません", "this kind of value is not supported")
	}
	return n, nil
}
