package grammar

import "strings"

// Template reports whether s holds an expression of a template engine that calls,
// computes, or reaches for what is not the customer's: {{name}} and <%= user.name %>
// in a message are what went wrong in a mail, {{7*7}} is somebody trying.
func Template(s string) bool {
	if at := strings.Index(s, ".getClass()"); at >= 0 || strings.Contains(s, "java.lang.") && strings.Contains(s, "new ") {
		return true
	}
	for i := 0; i < len(s); i++ {
		for k := range templateForms {
			f := &templateForms[k]
			if s[i] != f.open[0] || !strings.HasPrefix(s[i:], f.open) {
				continue
			}
			rest := s[i+len(f.open) : min(len(s), i+maxTemplate)]
			end := strings.Index(rest, f.close)
			if end < 0 {
				continue
			}
			if f.does(strings.TrimSpace(strings.TrimLeft(rest[:end], "-=~&"))) {
				return true
			}
		}
	}
	return false
}

const maxTemplate = 1024

type templateForm struct {
	open, close string
	does        func(inside string) bool
}

var templateForms = [...]templateForm{
	{"{{", "}}", expression},
	{"{%", "%}", templateTag},
	{"${", "}", expression},
	{"#{", "}", expression},
	{"*{", "}", expression},
	{"~{", "}", func(s string) bool { return strings.Contains(s, "::") || expression(s) }},
	{"@{", "}", expression},
	{"@(", ")", func(s string) bool { return computes(s, "*+%") || calls(s+")") }},
	{"<%", "%>", func(s string) bool {
		return expression(s) || strings.HasPrefix(s, "import ") || strings.HasPrefix(s, "@ ")
	}},
	{"{", "}", smarty},
	{"<#", ">", func(s string) bool {
		return hasAnyPrefix(s, "assign ", "include ", "import ", "list ", "if ", "function ", "macro ", "setting ", "--") && !strings.HasPrefix(s, "--")
	}},
	{"#", ")", func(s string) bool {
		return hasAnyPrefix(s, "set(", "set (", "include(", "parse(", "evaluate(", "foreach(", "if(", "define(") && strings.ContainsAny(s, "$\"'")
	}},
	{"$", ")", func(s string) bool {
		return hasAnyPrefix(s, "class.", "!class", "request.", "context.", "application.", "session.") || len(s) < 200 && strings.Contains(s, ".getClass(") || strings.Contains(s, ".class.")
	}},
}

func hasAnyPrefix(s string, list ...string) bool {
	for _, p := range list {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// smarty reads what stands in single braces: {$smarty.version}, {php}, {system('id')},
// {7*7}; {name} and {$name} are placeholders.
func smarty(s string) bool {
	if hasAnyPrefix(s, "$smarty", "php", "literal", "self.", "$this", "fetch ", "include ", "eval ") {
		return s != "literal" && s != "phpmyadmin"
	}
	if strings.HasPrefix(s, "if ") || strings.HasPrefix(s, "assign ") || strings.HasPrefix(s, "$") {
		return calls(s)
	}
	if strings.Contains(s, "::") && calls(s) {
		return true
	}
	name := word(s, 0)
	if s != "" && isDigit(s[0]) {
		return computes(s, "*") && strings.Trim(s, "0123456789 *+-()") == ""
	}
	return len(name) > 2 && phpCalls[name] && strings.HasPrefix(s[len(name):], "(")
}

// goCalls are functions of Go's templates.
var goCalls = wordList("printf print println call index define template html js len urlquery block")

var phpCalls = wordList("system exec passthru shell_exec popen proc_open eval assert file_get_contents phpinfo include require readfile show_source highlight_file base64_decode call_user_func call_user_func_array array_map array_filter usort print_r var_dump pcntl_exec create_function file_put_contents fopen fwrite unlink copy rename move_uploaded_file base64_decode gzinflate str_rot13 include_once require_once putenv mail error_log ini_set dl symlink scandir glob parse_ini_file simplexml_load_file curl_exec preg_replace ob_start register_shutdown_function md5 die exit print printf sprintf getenv get_current_user getcwd phpversion php_uname hex2bin chr implode strrev")

// templateRoots are names at the beginning of an expression that lead to the engine
// or the program itself.
var templateRoots = wordList("config self request settings _self _context _charset lipsum cycler joiner namespace get_flashed_messages url_for g current_app session_ env process global globalthis constructor beans dump debug this __proto__ application servletcontext class springmacrorequestcontext execution servlet requestscope sessionscope applicationscope param params cookie pagecontext facescontext initparam rails kernel file dir io object module root range _ system runtime messages localvariables flash app")

// expression reports whether the inside of a template expression does more than
// name a value.
func expression(s string) bool {
	s = strings.TrimLeft(strings.TrimSpace(s), "({[- \t\n=#!~")
	if computes(s, "*+-/%^") || calls(s) {
		return true
	}
	if s != "" && (s[0] == '\'' || s[0] == '"') && strings.ContainsAny(s, "|~") {
		return true
	}
	name := word(s, 0)
	if rest := strings.TrimSpace(s[len(name):]); rest != "" && len(rest) < len(s)-len(name) && (goCalls[name] || phpCalls[name]) && (rest[0] == '"' || rest[0] == '\'' || rest[0] == '.' || rest[0] == '`') {
		return true
	}
	after := first(strings.TrimSpace(s[len(name):]))
	if templateRoots.has(name) && (after == 0 || after == '.' || after == '[' || after == '|' || after == '}') {
		return name != "param" && name != "params" && name != "app" && name != "cookie" && name != "this" && name != "file" && name != "object" || after == '.' || after == '['
	}
	lower := strings.ToLower(s)
	for _, sign := range [...]string{"__", ".constructor", "getclass", "forname", "?new", "|attr", "| attr", ".class", "::", "['\\x", "with \"s\"", "#with ", "#each this", "lookup ", "`", "%x", "<<", "$eval", "runtime", "processbuilder"} {
		if strings.Contains(lower, sign) {
			return true
		}
	}
	return false
}

// templateTag reads {% … %}.
func templateTag(s string) bool {
	s = strings.TrimLeft(s, "-+ \t\r\n")
	tag := word(s, 0)
	rest := strings.TrimSpace(s[len(tag):])
	switch tag {
	case "debug":
		return rest == ""
	case "include", "import", "from", "extends", "embed", "use", "load", "call", "do":
		return rest != "" && rest[0] < 0x80
	case "for":
		return strings.Contains(rest, " in ")
	case "set", "with":
		return strings.Contains(rest, "=")
	}
	return tag != "" && expression(rest)
}

// computes finds a sum of numbers or texts: 7*7, 7*'7', (2+3).
func computes(s, signs string) bool {
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(signs, s[i]) < 0 {
			continue
		}
		before := strings.TrimRight(s[:i], " \t\n*)")
		after := strings.TrimLeft(s[i+1:], " \t\n*(")
		if before == "" || after == "" {
			continue
		}
		b, a := before[len(before)-1], after[0]
		if (isDigit(b) || b == '\'' || b == '"') && (isDigit(a) || a == '\'' || a == '"') && (isDigit(a) || isDigit(b)) {
			return true
		}
		if i > 64 {
			return false
		}
	}
	return false
}

// calls finds a name with a parenthesis directly behind it.
func calls(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] == '(' && (isWord(s[i-1]) || s[i-1] == ']' || s[i-1] == ')' && i > 1) {
			return true
		}
	}
	return false
}
