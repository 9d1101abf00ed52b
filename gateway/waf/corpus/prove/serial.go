package prove

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

func base64Raw(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// bytesOf reads a value as bytes: as it is, in base64 (also for addresses), or
// in hexadecimal digits.
func bytesOf(v string) [][]byte {
	out := [][]byte{[]byte(v)}
	s := strings.TrimRight(strings.TrimSpace(v), "=")
	for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil && len(b) > 4 {
			out = append(out, b)
		}
	}
	if b, err := hex.DecodeString(s); err == nil && len(b) > 4 {
		out = append(out, b)
	}
	return out
}

// serialPrograms restore objects from a value, in the format of a language. The
// value must be one that its format reads and that makes an object.
func serialPrograms() map[string]program {
	in := func(read func([]byte) (string, error)) program {
		return func(v string) (string, error) {
			var last error
			for _, b := range bytesOf(v) {
				how, err := read(b)
				if err == nil {
					return how, nil
				}
				last = err
			}
			return "", last
		}
	}
	return map[string]program{
		"php":    in(readPHP),
		"java":   in(readJava),
		"python": in(readPickle),
		"ruby":   in(readMarshal),
		"net":    in(readBinaryFormatter),
		"node":   in(readNode),
		"yaml":   in(readYAML),
		"typed":  in(readTyped),
	}
}

// readPHP reads serialize()'s format strictly; an object must be in it.
func readPHP(b []byte) (string, error) {
	p := &phpReader{s: string(b)}
	if err := p.value(0); err != nil {
		return "", err
	}
	if p.object == "" {
		return "", invalid("no object")
	}
	return "an object of " + p.object, nil
}

type phpReader struct {
	s      string
	object string
}

func (p *phpReader) until(end string) (string, error) {
	head, rest, ok := strings.Cut(p.s, end)
	if !ok {
		return "", invalid("%q is missing", end)
	}
	p.s = rest
	return head, nil
}

func (p *phpReader) count(end string) (int, error) {
	s, err := p.until(end)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(s)
}

func (p *phpReader) text() (string, error) {
	n, err := p.count(":")
	if err != nil || n < 0 || len(p.s) < n+2 || p.s[0] != '"' || p.s[n+1] != '"' {
		return "", invalid("no string of its length")
	}
	t := p.s[1 : n+1]
	p.s = p.s[n+2:]
	return t, nil
}

func (p *phpReader) value(depth int) error {
	if len(p.s) < 2 || depth > 20 {
		return invalid("no value")
	}
	kind := p.s[0]
	if kind == 'N' {
		_, err := p.until(";")
		return err
	}
	if p.s[1] != ':' {
		return invalid("no value")
	}
	p.s = p.s[2:]
	switch kind {
	case 'i', 'b', 'd', 'R', 'r':
		_, err := p.until(";")
		return err
	case 's':
		if _, err := p.text(); err != nil {
			return err
		}
		_, err := p.until(";")
		return err
	case 'O', 'C':
		class, err := p.text()
		if err != nil {
			return err
		}
		p.object = class
		if p.s, _ = strings.CutPrefix(p.s, ":"); kind == 'C' {
			n, err := p.count(":")
			if err != nil || len(p.s) < n+2 {
				return invalid("no body")
			}
			p.s = p.s[n+2:]
			return nil
		}
		return p.pairs(depth)
	case 'a':
		return p.pairs(depth)
	}
	return invalid("no value of kind %q", kind)
}

func (p *phpReader) pairs(depth int) error {
	n, err := p.count(":")
	if err != nil || !strings.HasPrefix(p.s, "{") || n > 100 || n < 0 {
		return invalid("no list")
	}
	p.s = p.s[1:]
	for range 2 * n {
		if err := p.value(depth + 1); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(p.s, "}") {
		return invalid("a list does not end")
	}
	p.s = p.s[1:]
	return nil
}

// readJava reads the head of the Java Object Serialization Stream (protocol 2,
// 6.4.2) and the description of its first object's class.
func readJava(b []byte) (string, error) {
	if !bytes.HasPrefix(b, []byte{0xAC, 0xED, 0, 5}) || len(b) < 10 {
		return "", invalid("no stream of Java objects")
	}
	b = b[4:]
	if b[0] != 0x73 || b[1] != 0x72 {
		return "", invalid("no object")
	}
	n := int(binary.BigEndian.Uint16(b[2:4]))
	if len(b) < 4+n+8 || n == 0 {
		return "", invalid("no class")
	}
	return "an object of " + string(b[4:4+n]), nil
}

// readPickle runs the opcodes of Python's pickle as far as to see a call.
func readPickle(b []byte) (string, error) {
	global := ""
	if m := regexp.MustCompile(`(?s)c([\w.]+)\n(\w+)\n`).FindSubmatch(b); m != nil {
		global = string(m[1]) + "." + string(m[2])
	} else if m := regexp.MustCompile(`\x8c.([\w.]+)\x94?\x8c.(\w+)\x94?\x93`).FindSubmatch(b); m != nil {
		global = string(m[1]) + "." + string(m[2])
	} else if m := regexp.MustCompile(`(?s)\(S'[^']*'\n?i(\w+)\n(\w+)\n`).FindSubmatch(b); m != nil {
		return "calls " + string(m[1]) + "." + string(m[2]), nil
	}
	if global == "" || !bytes.Contains(b, []byte("R")) || !bytes.HasSuffix(b, []byte(".")) {
		return "", invalid("no call in a pickle")
	}
	return "calls " + global, nil
}

// readMarshal reads the head of Ruby's Marshal 4.8 and an object in it.
func readMarshal(b []byte) (string, error) {
	if !bytes.HasPrefix(b, []byte{4, 8}) || len(b) < 6 {
		return "", invalid("no Marshal of Ruby")
	}
	if i := bytes.IndexAny(b, "oUcme"); i >= 2 && i+3 < len(b) && (b[i+1] == ':' || b[i+1] == ';' || b[i] == 'c' || b[i] == 'm') {
		return "an object of Ruby", nil
	}
	return "", invalid("no object in it")
}

// readBinaryFormatter knows the head of .NET's format (MS-NRBF 2.6.1) and of
// ViewState made with LosFormatter.
func readBinaryFormatter(b []byte) (string, error) {
	if bytes.HasPrefix(b, []byte{0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0}) && bytes.Contains(b, []byte("System.")) {
		return "an object of .NET", nil
	}
	return "", invalid("no object of .NET")
}

var nodeFunction = regexp.MustCompile(`"_\$\$ND_FUNC\$\$_\s*(function\s*\(.*\)\s*\{.*\}(?:\s*\(\s*\))?)"`)

// readNode reads JSON as node-serialize does: a text with its mark is code.
func readNode(b []byte) (string, error) {
	if !json.Valid(b) {
		return "", invalid("no JSON")
	}
	m := nodeFunction.FindSubmatch(b)
	if m == nil {
		return "", invalid("no function in it")
	}
	return "runs " + clip(string(m[1])), nil
}

var yamlTag = regexp.MustCompile(`(?m)(?:^|[\s:\[{-])!!?(?:python/(?:object(?:/apply|/new)?|module|name):[\w.]+|ruby/(?:object|hash|struct|class):[\w:]+|javax?\.[\w.]+|com\.sun\.[\w.]+|org\.[\w.]+)`)

// readYAML finds tags that make objects of the language.
func readYAML(b []byte) (string, error) {
	if m := yamlTag.Find(b); m != nil {
		return "an object by " + strings.TrimSpace(string(m)), nil
	}
	return "", invalid("no tag of the language")
}

// readTyped reads JSON whose type a member names: Json.NET, fastjson, Jackson.
func readTyped(b []byte) (string, error) {
	var doc any
	if err := json.Unmarshal(b, &doc); err != nil {
		return "", err
	}
	if t := typeIn(doc); t != "" {
		return "an object of " + t, nil
	}
	return "", invalid("no type in it")
}

var className = regexp.MustCompile(`^(?:\[?L?)(?:[a-zA-Z_]\w*\.){2,}[\w$]+;?(?:,\s*\w+.*)?$`)

func typeIn(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if s, ok := e.(string); ok && (k == "@type" || k == "$type" || k == "@class" || k == "__type") && className.MatchString(s) {
				return s
			}
			if t := typeIn(e); t != "" {
				return t
			}
		}
	case []any:
		if len(v) == 2 {
			if s, ok := v[0].(string); ok && className.MatchString(s) {
				return s
			}
		}
		for _, e := range v {
			if t := typeIn(e); t != "" {
				return t
			}
		}
	}
	return ""
}
