package yamlfile

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"noren"
)

// scalar decodes a text, number or yes-or-no into a Go value of a basic kind.
func (d *decoder) scalar(n *node, v reflect.Value, key string) {
	if v.Type() == durationType {
		d.duration(n, v, key)
		return
	}
	switch v.Kind() {
	case reflect.String:
		// A number where a text is wanted is taken as it is written, so that a
		// postal code keeps its zero.
		if n.kind == numberNode || d.want(n, textNode, aText, key) {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if d.want(n, boolNode, noren.Text{Ja: " true か false ", En: "true or false"}, key) {
			v.SetBool(n.text == "true")
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if i, ok := d.integer(n, key); ok {
			if v.OverflowInt(i) {
				d.fault(n.pos, "%s: %d は大きすぎるか小さすぎます", "%s: %d is out of range", nameOr(key, noren.Text{Ja: "数", En: "number"}), i)
				return
			}
			v.SetInt(i)
		}
	case reflect.Float32, reflect.Float64:
		if f, ok := d.float(n, key); ok {
			v.SetFloat(f)
		}
	default:
		panic("yamlfile: fields of type " + v.Type().String() + " are not supported")
	}
}

func (d *decoder) integer(n *node, key string) (int64, bool) {
	if !d.want(n, numberNode, noren.Text{Ja: "整数", En: "a whole number"}, key) {
		return 0, false
	}
	i, err := parseInt(n.text)
	if err != nil {
		d.fault(n.pos, "%s: %s は使える範囲の整数ではありません", "%s: %s is not a whole number in range", nameOr(key, noren.Text{Ja: "数", En: "number"}), shorten(n.text))
	}
	return i, err == nil
}

// parseInt reads a whole number. A leading zero means octal to some readers and
// nothing to others, so it is refused.
func parseInt(s string) (int64, error) {
	digits := strings.TrimLeft(s, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return 0, fmt.Errorf("%q begins with a zero", s)
	}
	return strconv.ParseInt(s, 0, 64)
}

// Words for kinds of values.
var (
	aText  = noren.Text{Ja: "文字", En: "a text"}
	aList  = noren.Text{Ja: "一覧（- で始まる行）", En: "a list"}
	aMap   = noren.Text{Ja: "「キー: 値」の並び", En: "a map"}
	number = noren.Text{Ja: "数", En: "a number"}
)

func (d *decoder) float(n *node, key string) (float64, bool) {
	if !d.want(n, numberNode, number, key) {
		return 0, false
	}
	f, err := parseFloat(n.text)
	if err != nil {
		d.fault(n.pos, "%s: %s は使える範囲の数ではありません", "%s: %s is not a number in range", nameOr(key, noren.Text{Ja: "数", En: "number"}), shorten(n.text))
	}
	return f, err == nil
}

func parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return 0, fmt.Errorf("%q is not a finite number", s)
	}
	return f, err
}

func (d *decoder) duration(n *node, v reflect.Value, key string) {
	if n.kind != textNode {
		d.fault(n.pos, "%s には 30s・10m・24h・7d のような長さを書きます（いまは%s）", "%s must be a duration such as 30s, 10m, 24h or 7d, not %s", nameOr(key, here), n.describe())
		return
	}
	t, err := ParseDuration(n.text)
	if err != nil {
		d.fault(n.pos, "%s: %v", "%s: %v", nameOr(key, noren.Text{Ja: "長さ", En: "duration"}), err)
		return
	}
	v.SetInt(int64(t))
}

// ParseDuration reads a duration as operators write it: time.ParseDuration's
// form, or a whole number of days such as 7d.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, noren.Say(noren.Invalid, noren.Textf("%q は 30s・10m・24h・7d のような長さではありません", "%q is not a duration such as 30s, 10m, 24h or 7d", shorten(s)))
	}
	return d, nil
}

// unmarshalText decodes into a type that reads itself from text.
func (d *decoder) unmarshalText(n *node, v reflect.Value, key string) {
	if n.kind != numberNode && !d.want(n, textNode, aText, key) {
		return
	}
	u := v.Addr().Interface().(encoding.TextUnmarshaler)
	if err := u.UnmarshalText([]byte(n.text)); err != nil {
		d.fault(n.pos, "%s: %s", "%s: %s", nameOr(key, noren.Text{Ja: "値", En: "value"}), shortText(err))
	}
}

// any decodes into bool, int64, float64, string, []any or map[string]any.
func (d *decoder) any(n *node, key string) any {
	switch n.kind {
	case nullNode:
		return nil
	case boolNode:
		return n.text == "true"
	case textNode:
		return n.text
	case numberNode:
		if i, err := parseInt(n.text); err == nil {
			return i
		}
		f, _ := d.float(n, key)
		return f
	case listNode:
		var out []any
		d.list(n, reflect.ValueOf(&out).Elem(), key)
		return out
	}
	var out map[string]any
	d.mapping(n, reflect.ValueOf(&out).Elem(), key)
	return out
}
