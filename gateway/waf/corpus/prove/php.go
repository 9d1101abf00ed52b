package prove

import (
	"regexp"
	"strings"
)

// phpPrograms write a value into a file that PHP runs, or run it with eval,
// assert or a function that a value names.
func phpPrograms() map[string]program {
	return map[string]program{
		"file": func(v string) (string, error) { // an open tag, and code behind it
			for _, tag := range []string{"<?php", "<?=", "<?"} {
				for i := range len(v) {
					if len(v[i:]) >= len(tag) && strings.EqualFold(v[i:i+len(tag)], tag) && !strings.HasPrefix(strings.ToLower(v[i:]), "<?xml") {
						if how, err := phpCode(v[i+len(tag):]); err == nil {
							return how, nil
						}
					}
				}
			}
			if m := phpScriptTag.FindStringSubmatch(v); m != nil {
				return phpCode(m[1])
			}
			return "", invalid("no PHP in it")
		},
		"eval": func(v string) (string, error) { // eval("$x = '" . v . "';")
			return phpString("$x = '", v, "';", '\'')
		},
		"double": func(v string) (string, error) {
			if m := phpInString.FindStringSubmatch(v); m != nil && !strings.Contains(v, `"`) {
				return phpCode(m[1] + ";")
			}
			return phpString(`$x = "`, v, `";`, '"')
		},
		"code": func(v string) (string, error) { return phpCode(v) },
	}
}

// phpCalls are functions that an intruder calls; every other call is the
// program's own.
var phpCalls = regexp.MustCompile(`(?i)(?:^|[^\w>$:])@?\\?(?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec|eval|assert|include|include_once|require|require_once|phpinfo|phpversion|php_uname|getenv|file_get_contents|file_put_contents|fopen|fwrite|readfile|highlight_file|show_source|unlink|move_uploaded_file|base64_decode|gzinflate|str_rot13|create_function|call_user_func|call_user_func_array|array_map|usort|preg_replace|mail|print_r|var_dump|die|scandir|glob|chr|ini_set|error_log|curl_exec|copy|array_filter|register_shutdown_function|putenv|dl|parse_str|extract)\s*(?:/\*.*?\*/\s*)?\(`)

var (
	phpScriptTag = regexp.MustCompile(`(?is)<script\s+language\s*=\s*["']?php["']?\s*>(.*)</script>`)
	phpInString  = regexp.MustCompile(`\{?\$\{\s*@?\s*(.+?)\s*\}`)
	phpRuns      = regexp.MustCompile("`[^`]+`|\\$_(?:GET|POST|REQUEST|COOKIE|SERVER|FILES)\\s*\\[[^\\]]*\\](?:\\s*\\[[^\\]]*\\])?\\s*\\(|\\$\\w+\\s*\\([^)]*\\)\\s*;|(?:include|require)(?:_once)?\\s+['\"$(][^;]*;|\\(\\s*['\"]\\w+['\"](?:\\s*\\.\\s*['\"]\\w+['\"])*\\s*\\)\\s*\\(")
)

// phpCode reads code as far as to see that strings and brackets end and that it
// calls something.
func phpCode(s string) (string, error) {
	body, _, closed := strings.Cut(s, "?>")
	plain, err := phpBalanced(body)
	if err != nil {
		return "", err
	}
	if m := phpCalls.FindString(plain); m != "" && (closed || strings.Contains(plain, ";")) {
		return "calls " + strings.TrimSpace(m), nil
	}
	if m := phpRuns.FindString(body); m != "" {
		return "runs " + clip(m), nil
	}
	return "", invalid("nothing is called")
}

// phpBalanced gives code without what its strings hold.
func phpBalanced(s string) (string, error) {
	var b strings.Builder
	var open []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\'' || c == '"':
			end := i + 1
			for end < len(s) && s[end] != c {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(s) {
				return "", invalid("a string does not end")
			}
			b.WriteString("''")
			i = end
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return "", invalid("a comment does not end")
			}
			i += end + 3
		case c == '#' || strings.HasPrefix(s[i:], "//"):
			end := strings.IndexByte(s[i:], '\n')
			if end < 0 {
				end = len(s) - i
			}
			i += end
		case strings.IndexByte("([{", c) >= 0:
			open = append(open, c)
			b.WriteByte(c)
		case strings.IndexByte(")]}", c) >= 0:
			if len(open) == 0 || open[len(open)-1] != closing[c] {
				return "", invalid("a bracket too many")
			}
			open = open[:len(open)-1]
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	if len(open) > 0 {
		return "", invalid("a bracket does not end")
	}
	return b.String(), nil
}

// phpString is code with a value inside a string: it must leave the string.
func phpString(before, v, after string, q byte) (string, error) {
	out := false
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' {
			i++
		} else if v[i] == q {
			out = true
		}
	}
	if !out {
		return "", invalid("the string is not left")
	}
	return phpCode(before + v + after)
}
