package prove

import (
	"path"
	"slices"
	"strings"
)

// shellPrograms put a value into a command line. It must start another program
// that is there, or write into a file; the line must be one a POSIX shell reads.
func shellPrograms() map[string]program {
	out := map[string]program{}
	for name, shape := range map[string]string{
		"bare":   "convert -resize 80x80 %s out.png",
		"single": "ping -c 1 '%s'",
		"double": `mail -s "%s" shop@example.jp`,
		"end":    "nslookup %s",
	} {
		out[name] = func(value string) (string, error) {
			if strings.ContainsRune(value, 0) {
				return "", invalid("a zero byte ends the command line")
			}
			x := &shell{s: strings.Replace(shape, "%s", value, 1)}
			if err := x.script(0, ""); err != nil {
				return "", err
			}
			own, _, _ := strings.Cut(shape, " ")
			for _, c := range x.commands {
				if c != own && isProgram(c) {
					return "starts " + c, nil
				}
			}
			if x.writes != "" {
				return "writes into " + x.writes, nil
			}
			return "", invalid("no program is started but %v", x.commands)
		}
	}
	return out
}

// there are the programs of a small server.
var there = strings.Fields("cat id ls dir pwd whoami uname hostname ps env printenv echo printf curl wget nc ncat netcat telnet ssh ftp tftp bash sh dash zsh ksh csh python python2 python3 perl ruby php node lua awk gawk sed head tail tac nl more less rev od xxd hexdump base64 base32 tee cp mv rm touch chmod chown mkdir find xargs sleep ping nslookup dig host ifconfig ip netstat w who last crontab at kill sudo su passwd useradd mysql mysqldump psql sqlite3 tar gzip zip unzip dd busybox socat openssl eval exec source type set export id3 timeout nohup setsid")

func isProgram(word string) bool {
	base := path.Base(word)
	if strings.ContainsAny(word, "?*[") { // a pattern of /bin/cat or /usr/bin/id
		for _, dir := range []string{"/bin/", "/usr/bin/"} {
			if slices.ContainsFunc(there, func(p string) bool { ok, err := path.Match(word, dir+p); return err == nil && ok }) {
				return true
			}
		}
		return false
	}
	return slices.Contains(there, base) && (base == word || strings.HasPrefix(word, "/bin/") || strings.HasPrefix(word, "/usr/bin/") || strings.HasPrefix(word, "./"))
}

// shell reads a command line and notes the first word of every command, also of
// those inside $( ), backticks and <( ).
type shell struct {
	s        string
	i        int
	commands []string
	writes   string
	vars     map[string]string
}

// script reads commands up to an end sign.
func (x *shell) script(depth int, end string) error {
	if depth > 8 {
		return invalid("too deep")
	}
	first := true
	need := false         // an operator wants a command behind it
	assignedOnly := false // a=b alone is a command too
	for x.i < len(x.s) {
		c := x.s[x.i]
		switch {
		case end != "" && strings.HasPrefix(x.s[x.i:], end):
			x.i += len(end)
			return nil
		case c == ' ' || c == '\t':
			x.i++
		case c == '\n' || c == '\r':
			x.i++
			first = true
		case c == '#':
			for x.i < len(x.s) && x.s[x.i] != '\n' {
				x.i++
			}
		case c == ';' || c == '&' || c == '|':
			if first && !assignedOnly && !(c == '&' && x.i > 0 && x.s[x.i-1] == '&') {
				return invalid("%q without a command before it", c)
			}
			n := 1
			if strings.HasPrefix(x.s[x.i:], "&&") || strings.HasPrefix(x.s[x.i:], "||") || strings.HasPrefix(x.s[x.i:], "|&") {
				n = 2
			}
			if c == ';' && strings.HasPrefix(x.s[x.i:], ";;") {
				return invalid(";; outside of a case")
			}
			x.i += n
			first, need, assignedOnly = true, n == 2 || c == '|', false
		case c == '(' && first:
			x.i++
			if err := x.script(depth+1, ")"); err != nil {
				return err
			}
			first, need = false, false
		case c == ')':
			return invalid("a bracket too many")
		case (c == '<' || c == '>') && !strings.HasPrefix(x.s[x.i+1:], "("):
			if err := x.redirect(c, depth); err != nil {
				return err
			}
		default:
			word, err := x.word(depth)
			if err != nil {
				return err
			}
			need = false
			if !first {
				continue
			}
			name, value, assigned := strings.Cut(word, "=")
			switch {
			case assigned && isName(name):
				if x.vars == nil {
					x.vars = map[string]string{}
				}
				x.vars[name] = value
				assignedOnly = true
			case slices.Contains([]string{"{", "}", "!", "if", "then", "else", "fi", "do", "done", "while", "time"}, word):
			case word != "":
				// What expanded to several words starts the first of them.
				if list, ok := strings.CutPrefix(word, "{"); ok && strings.HasSuffix(list, "}") {
					word = strings.ReplaceAll(strings.TrimSuffix(list, "}"), ",", " ") // bash: {cat,file}
				}
				if w := strings.Fields(word); len(w) > 0 {
					x.commands = append(x.commands, w[0])
				}
				first = false
			}
		}
	}
	if end != "" || need {
		return invalid("the line does not end")
	}
	return nil
}

func isName(s string) bool {
	return s != "" && !isDigit(s[0]) && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func (x *shell) redirect(c byte, depth int) error {
	for x.i < len(x.s) && strings.IndexByte("<>&|", x.s[x.i]) >= 0 {
		x.i++
	}
	for x.i < len(x.s) && x.s[x.i] == ' ' {
		x.i++
	}
	word, err := x.word(depth)
	if err != nil {
		return err
	}
	if word == "" {
		return invalid("a redirection to nowhere")
	}
	if c == '>' && (strings.HasPrefix(word, "/") || strings.HasPrefix(word, "./")) && strings.Trim(word, "/.") != "" && asciiOnly(word) {
		x.writes = word
	}
	return nil
}

func asciiOnly(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// word reads one word and takes its quotes off.
func (x *shell) word(depth int) (string, error) {
	var b strings.Builder
	for x.i < len(x.s) {
		c := x.s[x.i]
		switch {
		case strings.IndexByte(" \t\r\n;&|)", c) >= 0:
			return b.String(), nil
		case (c == '<' || c == '>') && strings.HasPrefix(x.s[x.i+1:], "("):
			x.i += 2
			if err := x.script(depth+1, ")"); err != nil {
				return "", err
			}
		case c == '<' || c == '>':
			return b.String(), nil
		case c == '(':
			return "", invalid("a bracket inside a word")
		case c == '\\':
			if x.i+1 >= len(x.s) {
				return "", invalid("nothing behind the backslash")
			}
			if x.s[x.i+1] != '\n' {
				b.WriteByte(x.s[x.i+1])
			}
			x.i += 2
		case c == '\'':
			end := strings.IndexByte(x.s[x.i+1:], '\'')
			if end < 0 {
				return "", invalid("a quote does not end")
			}
			b.WriteString(x.s[x.i+1 : x.i+1+end])
			x.i += end + 2
		case c == '"':
			x.i++
			if err := x.doubleQuoted(&b, depth); err != nil {
				return "", err
			}
		case c == '$' || c == '`':
			if err := x.expand(&b, depth); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			x.i++
		}
	}
	return b.String(), nil
}

func (x *shell) doubleQuoted(b *strings.Builder, depth int) error {
	for x.i < len(x.s) {
		switch c := x.s[x.i]; {
		case c == '"':
			x.i++
			return nil
		case c == '\\' && x.i+1 < len(x.s):
			b.WriteByte(x.s[x.i+1])
			x.i += 2
		case c == '$' || c == '`':
			if err := x.expand(b, depth); err != nil {
				return err
			}
		default:
			b.WriteByte(c)
			x.i++
		}
	}
	return invalid("a quote does not end")
}

// expand reads $name, ${…}, $( ), backticks and $'…'.
func (x *shell) expand(b *strings.Builder, depth int) error {
	rest := x.s[x.i:]
	switch {
	case rest[0] == '`':
		end := strings.IndexByte(rest[1:], '`')
		if end < 0 {
			return invalid("a backtick does not end")
		}
		inner := &shell{s: rest[1 : 1+end]}
		x.i += end + 2
		err := inner.script(depth+1, "")
		x.commands = append(x.commands, inner.commands...)
		return err
	case strings.HasPrefix(rest, "$(("):
		end := strings.Index(rest, "))")
		if end < 0 {
			return invalid("arithmetic does not end")
		}
		x.i += end + 2
	case strings.HasPrefix(rest, "$("):
		x.i += 2
		return x.script(depth+1, ")")
	case strings.HasPrefix(rest, "${"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return invalid("an expansion does not end")
		}
		b.WriteString(x.variable(rest[2:end]))
		x.i += end + 1
	case strings.HasPrefix(rest, "$'"):
		end := strings.IndexByte(rest[2:], '\'')
		if end < 0 {
			return invalid("a quote does not end")
		}
		b.WriteString(cEscapes(rest[2 : 2+end]))
		x.i += end + 3
	default:
		j := 1
		for j < len(rest) && (rest[j] == '_' || isLetter(rest[j]) || isDigit(rest[j])) {
			j++
		}
		if j == 1 && len(rest) > 1 && strings.IndexByte("@*#?!-$", rest[1]) >= 0 {
			j = 2
		} else if j == 1 {
			b.WriteByte('$')
		} else {
			b.WriteString(x.variable(rest[1:j]))
		}
		x.i += j
	}
	return nil
}

// variable knows what every shell has.
func (x *shell) variable(expr string) string {
	name := expr
	if i := strings.IndexAny(expr, ":%#/-+,^"); i > 0 {
		name = expr[:i]
	}
	if v, ok := x.vars[name]; ok {
		return v
	}
	switch {
	case name == "IFS":
		return " "
	case strings.HasPrefix(expr, "PATH:0:1") || strings.HasPrefix(expr, "HOME:0:1") || strings.HasPrefix(expr, "PWD:0:1") || expr == "PATH%%u*":
		return "/"
	case name == "SHELL":
		return "/bin/sh"
	}
	return ""
}

func cEscapes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case s[i] == 'x' && i+2 < len(s):
			b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
			i += 2
		case s[i] >= '0' && s[i] <= '7' && i+2 < len(s):
			b.WriteByte((s[i]-'0')<<6 | (s[i+1]-'0')<<3 | (s[i+2] - '0'))
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func unhex(c byte) byte {
	switch {
	case isDigit(c):
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0
}
