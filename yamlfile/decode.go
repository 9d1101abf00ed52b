package yamlfile

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"noren"
)

// decoder fills Go values from nodes and collects every fault on the way.
type decoder struct {
	file   string
	nodes  int
	faults []*Fault
}

func (d *decoder) fault(p Pos, ja, en string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, faultOf(d.file, p, noren.Textf(ja, en, args...)))
	}
}

// decode fills what into points to; anything but a struct pointer is a mistake
// in the program.
func (d *decoder) decode(root *node, into any) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("yamlfile: cannot decode into %T, only into a pointer to a struct", into))
	}
	d.value(root, v.Elem(), "")
}

var (
	durationType  = reflect.TypeFor[time.Duration]()
	textUnmarshal = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// OneOrMany marks lists of which a single element may be written without
// brackets.
type OneOrMany interface{ OneOrMany() }

// value decodes n into v; key names the value in faults.
func (d *decoder) value(n *node, v reflect.Value, key string) {
	// Aliases are followed here, so this count is what bounds an alias bomb.
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.fault(n.pos, "別名（*）をたどると、値が %d 個を超えます", "more than %d values once aliases are followed", maxNodes)
		}
		return
	}
	if n.kind == nullNode {
		return // a key left empty is a key not given
	}
	if v.Kind() != reflect.Pointer && v.Type() != durationType && reflect.PointerTo(v.Type()).Implements(textUnmarshal) && !(n.kind == mapNode && hasKeys(v.Type())) {
		d.unmarshalText(n, v, key)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		elem := reflect.New(v.Type().Elem())
		d.value(n, elem.Elem(), key)
		v.Set(elem)
	case reflect.Struct:
		d.structure(n, v, key)
	case reflect.Map:
		d.mapping(n, v, key)
	case reflect.Slice:
		if _, ok := v.Interface().(OneOrMany); ok && n.kind != listNode {
			n = &node{kind: listNode, pos: n.pos, items: []*node{n}}
		}
		d.list(n, v, key)
	case reflect.Interface:
		if a := d.any(n, key); a != nil {
			v.Set(reflect.ValueOf(a))
		}
	default:
		d.scalar(n, v, key)
	}
}

func (d *decoder) want(n *node, kind nodeKind, what noren.Text, key string) bool {
	if n.kind == kind {
		return true
	}
	d.fault(n.pos, "%s には%sを書きます（いまは%s）", "%s must be %s, not %s", nameOr(key, here), what, n.describe())
	return false
}

// here stands for what has no name.
var here = noren.Text{Ja: "ここ", En: "this"}

func nameOr(key string, other noren.Text) noren.Text {
	if key == "" {
		return other
	}
	return noren.Text{Ja: key, En: key}
}

func (d *decoder) list(n *node, v reflect.Value, key string) {
	if !d.want(n, listNode, aList, key) {
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		if item.kind == nullNode {
			d.fault(item.pos, "%s に空の行があります", "%s has an empty element", nameOr(key, noren.Text{Ja: "一覧", En: "the list"}))
			continue
		}
		d.value(item, out.Index(i), key)
	}
	v.Set(out)
}

func (d *decoder) mapping(n *node, v reflect.Value, key string) {
	if !d.want(n, mapNode, aMap, key) {
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		panic("yamlfile: a map must have string keys, not " + v.Type().String())
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range d.unique(n) {
		elem := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, elem, e.key)
		out.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), elem)
	}
	v.Set(out)
}

// unique returns n's entries without repeated keys, which are faults.
func (d *decoder) unique(n *node) []entry {
	first := make(map[string]Pos, len(n.entries))
	out := make([]entry, 0, len(n.entries))
	for _, e := range n.entries {
		if p, dup := first[e.key]; dup {
			d.fault(e.pos, "%q が二度書かれています。はじめは %d 行目です", "key %q stands twice; it is first in line %d", shorten(e.key), p.Line)
			continue
		}
		first[e.key] = e.pos
		out = append(out, e)
	}
	return out
}

func (d *decoder) structure(n *node, v reflect.Value, key string) {
	if !d.want(n, mapNode, noren.Text{Ja: "「キー: 値」の並び", En: "a map of keys"}, key) {
		return
	}
	fields := map[string]reflect.Value{}
	collect(v, fields)
	for _, e := range d.unique(n) {
		f, ok := fields[e.key]
		if list, has := fields[e.key+listMark]; has && e.value.kind == listNode {
			f, ok = list, true
		}
		if ok {
			d.value(e.value, f, e.key)
			continue
		}
		d.fault(e.pos, "%q というキーはありません%s", "unknown key %q%s", shorten(e.key), suggest(e.key, fields))
	}
}

// listMark follows the key of a field that takes the key's value when it is a
// list, beside the field that takes it otherwise: `yaml:"upstream,list"`.
const listMark = "[]"

// hasKeys reports whether a struct that reads itself from text may also be
// written as a map: one of its fields has a key.
func hasKeys(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Tag.Get("yaml") != ""
}

// collect gathers the fields of a struct by key, inlined structs included.
func collect(v reflect.Value, into map[string]reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case option == "inline":
			collect(v.Field(i), into)
		case option == "list":
			into[name+listMark] = v.Field(i)
		case name == "":
			into[strings.ToLower(f.Name)] = v.Field(i)
		default:
			into[name] = v.Field(i)
		}
	}
}

func suggest(key string, fields map[string]reflect.Value) noren.Text {
	names := make([]string, 0, len(fields))
	for n := range fields {
		if !strings.HasSuffix(n, listMark) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	if near := Nearest(key, names); near != "" {
		return noren.Textf("。%q のことですか", "; did you mean %q?", near)
	}
	if len(names) == 0 || len(names) > 20 {
		return noren.Text{}
	}
	return noren.Textf("。ここに書けるのは %s です", "; keys here are %s", strings.Join(names, ", "))
}
