package prove

import (
	"regexp"
	"slices"
	"strings"
)

// templatePrograms render a text as a template. It must compute something: an
// operation, a call, a filter that runs code, or a way into the engine. A bare
// {{name}} does not: that is how shops write to their customers.
func templatePrograms() map[string]program {
	return map[string]program{
		"render": renders,
		"inside": func(v string) (string, error) { // {{ "value" }} made from strings
			return renders(`{{ "` + v + `" }}`)
		},
		"expression": func(v string) (string, error) { // ${value}: Spring, OGNL
			return renders("${" + v + "}")
		},
	}
}

// marks are the signs of template languages, opening and closing.
var marks = [][2]string{{"{{", "}}"}, {"{%", "%}"}, {"${{", "}}"}, {"${", "}"}, {"#{", "}"}, {"*{", "}"}, {"<%=", "%>"}, {"<%", "%>"}, {"[[${", "}]]"}, {"@(", ")"}, {"{", "}"}, {"<#", ">"}, {"#set", ")"}, {"#if", ")"}, {"@{", "}"}, {"~{", "}"}, {"__${", "}__"}}

func renders(text string) (string, error) {
	for i := range len(text) {
		for _, m := range marks {
			if !strings.HasPrefix(text[i:], m[0]) {
				continue
			}
			body, ok := upTo(text[i+len(m[0]):], m[1])
			if !ok {
				continue
			}
			if how := computes(m[0], body); how != "" {
				return how, nil
			}
		}
	}
	return "", invalid("nothing is computed")
}

// upTo finds the closing sign outside of strings and inner brackets.
func upTo(s, end string) (string, bool) {
	var quote byte
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case depth == 0 && strings.HasPrefix(s[i:], end):
			return s[:i], true
		case c == '"' || c == '\'':
			quote = c
		case c == '{' || c == '(' || c == '[':
			depth++
		case (c == '}' || c == ')' || c == ']') && depth > 0:
			depth--
		}
	}
	return "", false
}

var (
	arithmetic = regexp.MustCompile(`^\s*(?:\(\s*)?['"]?\d+['"]?\s*[*+-]\s*['"]?\d+['"]?(?:\s*\))?\s*$`)
	// engineWays are ways into the engine or the language under it: the words by
	// which Twig, Smarty, Jinja, Freemarker, Velocity, Thymeleaf, ERB, EJS, Pug and
	// Spring run code.
	engineWays = regexp.MustCompile(`__\w+__|\b_self\b|\|\s*(?:filter|map|reduce|sort|system|passthru|exec|attr|raw_shell)\b|\[['"]\w+['"]\]\s*\|\s*(?:filter|map|join)|getClass\(|forName\(|Runtime|ProcessBuilder|freemarker\.|new\(\)|constructor|process\.|require\(|child_process|system\(|exec\(|popen\(|passthru\(|shell_exec|phpinfo\(|file_get_contents\(|eval\(|readfile\(|config\.(?:items|from_object)|\bconfig\b\s*$|self\._|cycler|lipsum|joiner|url_for\.|get_flashed_messages\.|request\.application|app\.request\.server|java\.lang|T\(java|@java|#rt\b|#this|\(#\w+=|File\.open|File\.read|IO\.popen|Dir\.entries|\x60\w+\x60|%x\(|global\.|range\(\s*\d+\s*,\s*\d{4,}|import\s+os|source\(|include\(\s*["']/etc|\$smarty\.template_object|smarty\.version|Smarty_Internal|\?new|\?api|class\.inspect|\.getEnvironment|executor|scriptengine|ObjectConstructor|JythonRuntime|_context|dump\(app|\.env\b|debug\s*$`)
	joined     = regexp.MustCompile(`\d\s*(?:~|\.\.)\s*\d`)
	// callWithArgs is a call of a method or function with arguments.
	callWithArgs = regexp.MustCompile(`[A-Za-z_$][\w.$]*\(.+\)`)
)

func computes(mark, body string) string {
	switch {
	case strings.TrimSpace(body) == "" || slices.ContainsFunc([]rune(body), func(r rune) bool { return r > 0x2E80 && !strings.ContainsAny(body, `"'`) }):
		return ""
	case arithmetic.MatchString(body) && mark != "{":
		return mark + " computes " + clip(strings.TrimSpace(body))
	case engineWays.MatchString(body):
		return mark + " reaches " + engineWays.FindString(body)
	case (mark == "<%=" || mark == "<%" || mark == "#set" || mark == "@(" || mark == "${" || mark == "#{") && callWithArgs.MatchString(body):
		return mark + " calls " + clip(callWithArgs.FindString(body))
	case (mark == "{{" || mark == "${") && (strings.Contains(body, "~") || strings.Contains(body, "..")) && joined.MatchString(body):
		return mark + " computes " + clip(body)
	}
	return ""
}

// lookupPrograms write a text into a log4j of the time before 2.15: its lookups
// are replaced from the inside out, and one that asks by JNDI loads code.
func lookupPrograms() map[string]program {
	return map[string]program{"log": func(v string) (string, error) {
		out, err := lookups(v, 0)
		if err != nil {
			return "", err
		}
		if m := jndiCall.FindString(out); m != "" {
			return "asks " + clip(m), nil
		}
		return "", invalid("no JNDI lookup in %q", clip(out))
	}}
}

var jndiCall = regexp.MustCompile(`(?i)\x01jndi:(?:ldaps?|rmi|dns|iiop|corba|nds|nis|https?):/+[^\s\x02]+`)

// lookups replaces ${…}; what is a JNDI call stands between \x01 and \x02.
func lookups(s string, depth int) (string, error) {
	if depth > 40 {
		return "", invalid("too deep")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if !strings.HasPrefix(s[i:], "${") {
			b.WriteByte(s[i])
			continue
		}
		body, ok := bracesOf(s[i+2:])
		if !ok {
			b.WriteByte(s[i])
			continue
		}
		inner, err := lookups(body, depth+1)
		if err != nil {
			return "", err
		}
		b.WriteString(lookup(inner))
		i += len(body) + 2
	}
	return b.String(), nil
}

func bracesOf(s string) (string, bool) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return s[:i], true
			}
			depth--
		}
	}
	return "", false
}

func lookup(expr string) string {
	name, fallback, has := strings.Cut(expr, ":-")
	kind, key, _ := strings.Cut(name, ":")
	switch strings.ToLower(kind) {
	case "jndi":
		return "\x01" + expr + "\x02"
	case "lower":
		return strings.ToLower(key)
	case "upper":
		return strings.ReplaceAll(strings.ToUpper(key), "ı", "I")
	case "date":
		return strings.Trim(key, "'")
	case "java", "env", "sys", "main", "ctx", "map", "sd", "bundle", "":
		if has {
			return fallback
		}
		return "1.8.0" // what the machine has
	}
	if has {
		return fallback
	}
	return "${" + expr + "}"
}
