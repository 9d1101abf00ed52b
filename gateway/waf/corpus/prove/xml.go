package prove

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// xpathPrograms ask a document of customers by a query made from strings. Its
// tokens must be other ones, and brackets and strings must end.
func xpathPrograms() map[string]program {
	out := map[string]program{}
	for name, shape := range map[string]string{
		"predicate": "//user[name='%s' and password='x']",
		"double":    `//user[name="%s"]/email`,
		"contains":  "//item[contains(name,'%s')]",
		"number":    "//item[@id=%s]",
	} {
		out[name] = func(v string) (string, error) {
			got, err := lexXPath(fmt.Sprintf(shape, v))
			if err != nil {
				return "", err
			}
			want, err := lexXPath(fmt.Sprintf(shape, "1"))
			if err != nil {
				return "", err
			}
			if slices.Equal(got, want) {
				return "", invalid("the query is the same")
			}
			return "the query becomes " + strings.Join(got, " "), nil
		}
	}
	return out
}

var xpathToken = regexp.MustCompile(`^(?:\s+|'[^']*'|"[^"]*"|//|/|::|\.\.|\.|@|\||\(|\)|\[|\]|,|!=|<=|>=|=|<|>|\+|-|\*|\$\w+|\d+(?:\.\d+)?|[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)`)

// lexXPath reads a query; strings and numbers are their kind alone. Two values
// side by side, or a bracket that does not end, are no query.
func lexXPath(s string) (out []string, err error) {
	var open []string
	prev := ""
	for s != "" {
		t := xpathToken.FindString(s)
		if t == "" {
			return nil, invalid("no query at %q", clip(s))
		}
		s = s[len(t):]
		if strings.TrimSpace(t) == "" {
			continue
		}
		kind := xpathKind(t, prev)
		if kind == "" || xpathClash(prev, kind) {
			return nil, invalid("%q behind %q", t, prev)
		}
		switch t {
		case "(", "[":
			open = append(open, t)
		case ")", "]":
			if len(open) == 0 || (open[len(open)-1] == "(") != (t == ")") {
				return nil, invalid("a bracket too many")
			}
			open = open[:len(open)-1]
		}
		out = append(out, kind)
		prev = kind
	}
	if len(open) > 0 || slices.Contains([]string{"=", "and", "or", "/", "//", "|", "@"}, prev) {
		return nil, invalid("the query does not end")
	}
	return out, nil
}

func xpathKind(t, prev string) string {
	switch {
	case t[0] == '\'' || t[0] == '"':
		return "string"
	case isDigit(t[0]):
		return "number"
	case (t == "and" || t == "or" || t == "div" || t == "mod") && slices.Contains([]string{"string", "number", ")", "]", "*", "."}, prev) || (t == "and" || t == "or") && strings.HasPrefix(prev, "name "):
		return t
	case isLetter(t[0]) || t[0] == '_':
		return "name " + t
	}
	return t
}

func xpathClash(prev, kind string) bool {
	value := func(k string) bool { return k == "string" || k == "number" || strings.HasPrefix(k, "name ") }
	ended := value(prev) || prev == ")" || prev == "]"
	operator := prev == "and" || prev == "or" || prev == "=" || prev == ""
	return ended && (value(kind) || kind == "(" && !strings.HasPrefix(prev, "name ")) || operator && prev != "" && slices.Contains([]string{"and", "or", "=", ")", "]", "|"}, kind)
}

// xmlPrograms read a document that a visitor sends. It must declare an entity
// that is fetched, or that grows, or include another document.
func xmlPrograms() map[string]program {
	return map[string]program{"parse": func(v string) (string, error) {
		d := xml.NewDecoder(strings.NewReader(v))
		d.Strict, d.CharsetReader = false, func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
		how, elements := "", 0
		for {
			tok, err := d.RawToken()
			if err == io.EOF {
				break
			}
			if err != nil {
				return "", err
			}
			switch t := tok.(type) {
			case xml.Directive:
				how += declares(string(t))
			case xml.StartElement:
				elements++
				if strings.EqualFold(t.Name.Local, "include") && t.Name.Space != "" {
					for _, a := range t.Attr {
						if a.Name.Local == "href" {
							how += "includes " + a.Value
						}
					}
				}
			case xml.ProcInst:
				if t.Target == "xml-stylesheet" && strings.Contains(string(t.Inst), "://") {
					how += "fetches a style sheet"
				}
			}
		}
		if how == "" || elements == 0 {
			return "", invalid("no entity that is fetched or grows")
		}
		return how, nil
	}}
}

var (
	outsideEntity = regexp.MustCompile(`(?s)<!ENTITY\s+(?:%\s+)?[\w.-]+\s+(?:SYSTEM|PUBLIC\s+["'][^"']*["'])\s+["']([^"']+)["']`)
	outsideDTD    = regexp.MustCompile(`(?s)^DOCTYPE\s+[\w:.-]+\s+(?:SYSTEM|PUBLIC\s+["'][^"']*["'])\s+["']((?:https?|file|ftp|php|jar|gopher|netdoc)[^"']+)["']`)
	growing       = regexp.MustCompile(`(?s)<!ENTITY\s+[\w.-]+\s+["'](?:&[\w.-]+;){4,}["']`)
)

func declares(directive string) string {
	if m := outsideEntity.FindStringSubmatch(directive); m != nil {
		return "fetches " + m[1]
	}
	if m := outsideDTD.FindStringSubmatch(directive); m != nil && !strings.Contains(m[1], "www.w3.org") {
		return "fetches " + m[1]
	}
	if len(growing.FindAllString(directive, -1)) >= 2 {
		return "an entity that grows"
	}
	return ""
}
