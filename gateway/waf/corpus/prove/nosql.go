package prove

import (
	"encoding/json"
	"slices"
	"strings"
)

// nosqlPrograms ask a document database with what a form or a JSON body holds.
// Where a string was meant, an object with an operator must arrive, or code in
// $where.
func nosqlPrograms() map[string]program {
	return map[string]program{
		"bracket": func(v string) (string, error) { // a[$ne]=1, as Express and PHP read it
			name, _, _ := strings.Cut(v, "=")
			for _, key := range keysOf(name)[1:] {
				if isOperator(key) {
					return "the condition becomes {" + key + ": …}", nil
				}
			}
			return "", invalid("no operator")
		},
		"object": func(v string) (string, error) {
			var doc any
			if err := json.Unmarshal([]byte(v), &doc); err != nil {
				return "", err
			}
			if op := findOperator(doc); op != "" {
				return "the condition becomes {" + op + ": …}", nil
			}
			return "", invalid("no operator")
		},
		"where":        whereProgram("this.name == '", "'"),
		"where double": whereProgram(`this.name == "`, `"`),
		"parsed": func(v string) (string, error) { // JSON put together from strings
			var doc any
			if err := json.Unmarshal([]byte(`{"name":"`+v+`","hidden":0}`), &doc); err != nil {
				return "", err
			}
			if op := findOperator(doc); op != "" {
				return "the condition becomes {" + op + ": …}", nil
			}
			return "", invalid("no operator")
		},
	}
}

var operators = strings.Fields("$ne $gt $gte $lt $lte $in $nin $regex $exists $where $or $and $not $nor $eq $expr $type $mod $all $size $function $accumulator $lookup $elemMatch $jsonSchema $text $comment $set $unset $rename $push $inc")

func isOperator(key string) bool { return slices.Contains(operators, key) }

func findOperator(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if isOperator(k) {
				return k
			}
			if op := findOperator(e); op != "" {
				return op
			}
		}
	case []any:
		for _, e := range v {
			if op := findOperator(e); op != "" {
				return op
			}
		}
	}
	return ""
}

// keysOf reads a[b][c] as qs and PHP do.
func keysOf(name string) []string {
	head, rest, _ := strings.Cut(name, "[")
	keys := []string{head}
	for rest != "" {
		key, more, ok := strings.Cut(rest, "]")
		if !ok {
			break
		}
		keys = append(keys, key)
		rest = strings.TrimPrefix(more, "[")
	}
	return keys
}

// whereProgram is a $where made from strings; lexScript and the shape of the
// expression say whether it is another one.
func whereProgram(before, after string) program {
	return func(v string) (string, error) {
		script := before + v + after
		acts, err := lexScript(script)
		if err != nil {
			return "", err
		}
		if q := before[len(before)-1:]; !strings.Contains(v, q) {
			return "", invalid("the string is not left")
		}
		rest := strings.ReplaceAll(v, " ", "")
		if acts > 0 || strings.Contains(rest, "||") || strings.Contains(rest, "&&") || strings.Contains(rest, ";return") {
			return "$where becomes " + clip(script), nil
		}
		return "", invalid("the same condition")
	}
}

// prototypePrograms merge what arrives into an object, as careless programs for
// Node do. The prototype of all objects must have got a property.
func prototypePrograms() map[string]program {
	return map[string]program{
		"bracket": func(v string) (string, error) {
			name, value, _ := strings.Cut(v, "=")
			return pollutes(keysOf(name), value)
		},
		"dotted": func(v string) (string, error) {
			name, value, _ := strings.Cut(v, "=")
			return pollutes(strings.Split(name, "."), value)
		},
		"object": func(v string) (string, error) {
			var doc any
			if err := json.Unmarshal([]byte(v), &doc); err != nil {
				return "", err
			}
			root, proto := map[string]any{}, map[string]any{}
			merge(root, doc, proto)
			if len(proto) == 0 {
				return "", invalid("the prototype is as it was")
			}
			return "every object has got a property", nil
		},
	}
}

func pollutes(keys []string, value string) (string, error) {
	var doc any = value
	for _, k := range slices.Backward(keys) {
		doc = map[string]any{k: doc}
	}
	root, proto := map[string]any{}, map[string]any{}
	merge(root, doc, proto)
	if len(proto) == 0 {
		return "", invalid("the prototype is as it was")
	}
	return "every object has got a property", nil
}

// merge is lodash's old merge: obj.__proto__ and obj.constructor.prototype are
// the one prototype.
func merge(into map[string]any, from any, proto map[string]any) {
	doc, ok := from.(map[string]any)
	if !ok {
		return
	}
	for k, v := range doc {
		target := map[string]any{}
		switch k {
		case "__proto__":
			target = proto
		case "constructor":
			if c, ok := v.(map[string]any); ok && c["prototype"] != nil {
				merge(proto, c["prototype"], proto)
				continue
			}
		}
		if inner, ok := v.(map[string]any); ok {
			if old, had := into[k].(map[string]any); had && k != "__proto__" {
				target = old
			}
			merge(target, inner, proto)
			if k != "__proto__" {
				into[k] = target
			}
			continue
		}
		into[k] = v
	}
}
