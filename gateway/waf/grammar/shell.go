package grammar

import "strings"

// Shell reports whether s holds, where a shell would begin a command, the name of
// a program and what makes a command of it: its end, or an argument in the form of
// one. "; cat and dog" has neither.
func Shell(s string) bool {
	for i := 0; i < len(s); i++ {
		sep := s[i]
		switch sep {
		case ';', '|', '&', '\n', '`':
		case '(':
			if i == 0 || s[i-1] != '$' && s[i-1] != '<' && s[i-1] != '>' {
				continue
			}
		default:
			continue
		}
		if shellCommand(s, i+1, sep) {
			return true
		}
	}
	return false
}

const shellSeparators = ";|&`\n)"

// Programs by what must follow them.
var (
	// alone: they tell or do something without an argument.
	shellAlone = wordList("id whoami uname ifconfig ipconfig netstat printenv env ls ps pwd systeminfo tasklist hostname getent lsb_release lscpu dmesg mount lsof df w who set export history reboot shutdown halt dir arp route ip netsh qwinsta ver")
	// counted: a number is enough.
	shellCounted = wordList("sleep timeout ping kill usleep tail head seq nc ncat chmod")
	// spoken: whatever they are given is done.
	shellSpoken = wordList("echo printf eval exec xargs nohup export nslookup dig host telnet whois getent base64 which powershell pwsh cmd cmd.exe sudo bash sh")
	// others need an argument that looks like an option, a path, an address or a variable.
	shellOthers = wordList("cat curl wget bash sh zsh ksh dash csh ash fish python python2 python3 perl ruby php node lua nc ncat socat rm mv cp ln touch mkdir rmdir chmod chown tee awk gawk sed xxd od strings openssl crontab at source find grep egrep zgrep head tail more less nl tac rev sort uniq cut paste tr wc vi vim nano ed su ssh scp sftp ftp tftp rsync git svn mysql mysqldump sqlite3 psql redis-cli mongo docker kubectl aws xargs nohup setsid busybox tar zip unzip gzip gunzip gcc cc make dd install env uname ls id ps type copy del certutil bitsadmin net reg wmic rundll32 regsvr32 mshta cscript wscript schtasks useradd usermod passwd chpasswd service systemctl iptables mail sendmail nmap traceroute mknod mkfifo exiftool jq file stat test time command builtin watch script lynx fetch axel aria2c apt apt-get yum dnf pip npm gem composer arping hexdump base32 dir nslookup ping tcpdump strace gdb")
)

func shellCommand(s string, i int, sep byte) bool {
	spaced := i < len(s) && isSpace(s[i])
	i = shellSpace(s, i)
	braces := i < len(s) && s[i] == '{'
	for i < len(s) && (s[i] == '(' || s[i] == '{' || s[i] == '!' || s[i] == '@') {
		i = shellSpace(s, i+1)
	}
	if i < len(s) && s[i] == '$' {
		return shellVariable(s, i)
	}
	name, end := shellWord(s, i)
	if name == "" {
		return false
	}
	if end < len(s) && s[end] == '=' && sep != '&' && len(name) < 16 && isLetter(name[0]) { // a=b c
		value := end + 1
		for value < len(s) && value < end+maxShell && (isWord(s[value]) || strings.IndexByte("/.-'\"\\$", s[value]) >= 0) {
			value++
		}
		if at := shellSpace(s, value); at > value && at < len(s) && isWord(s[at]) {
			return shellCommand(s, at, ';')
		}
		return false
	}
	if braces && end+1 < len(s) && s[end] == ',' { // {cat,/etc/passwd}
		return (shellOthers[name] || shellAlone[name] || shellSpoken[name]) && strings.IndexByte(s[end:min(len(s), end+maxShell)], '}') > 0
	}
	path := strings.LastIndexByte(name, '/')
	if path == 0 && strings.Contains(name, "?") || path > 0 && strings.ContainsAny(name, "?*") {
		return strings.Count(name, "/") > 1 // /???/c?t
	}
	name = name[path+1:]
	if sep == '`' && strings.IndexByte(s[end:min(len(s), end+maxShell)], '`') < 0 {
		return false
	}
	next := shellSpace(s, end)
	if sep == '`' && shellAlone[name] && strings.Count(s[max(0, i-maxShell):min(len(s), i+maxShell)], "`") > 2 {
		return false // names between backticks, as in SQL and Markdown
	}
	if shellAlone[name] && shellEnds(s, next, end) && (len(name) > 1 || sep == '`' || sep == '(') {
		// &id; is an entity, and ?a=1&id a parameter.
		return sep != '&' || spaced || i > 1 && s[i-2] == '&' || !strings.ContainsAny(s[max(0, i-maxShell):i], "?=") && (next >= len(s) || s[next] != ';')
	}
	if next < len(s) && (s[next] == '>' || s[next] == '<') && next+1 < len(s) && strings.IndexByte("/&>.(<", s[next+1]) >= 0 {
		return shellOthers[name] || shellSpoken[name] || shellAlone[name]
	}
	if next == end || next >= len(s) {
		return path > 0 && next >= len(s) && (shellOthers[name] || shellSpoken[name])
	}
	return shellArgument(name, s[next:], sep)
}

// shellVariable reports whether a command's name is put together of variables
// ($a$b) or of escapes ($'\143at'), or is one that the value itself sets.
func shellVariable(s string, i int) bool {
	if rest, ok := strings.CutPrefix(s[i:min(len(s), i+maxShell)], "$'"); ok {
		inside, _, closed := strings.Cut(rest, "'")
		return closed && strings.Contains(inside, `\`)
	}
	name := word(s, i+1)
	if name == "" {
		return false
	}
	end := i + 1 + len(name)
	if end+1 < len(s) && s[end] == '$' && isLetter(s[end+1]) {
		return true
	}
	return strings.Contains(s[max(0, i-maxShell):i], name+"=") && (end >= len(s) || isSpace(s[end]) || strings.IndexByte(shellSeparators, s[end]) >= 0)
}

// maxShell is how far around a place is looked.
const maxShell = 256

// shellEnds reports whether a command without arguments ends at i. A word after
// it, as in a sentence, is none; text that is no ASCII may stand behind an attack
// that ends in the last line.
func shellEnds(s string, i, end int) bool {
	return i >= len(s) || strings.IndexByte(shellSeparators, s[i]) >= 0 || s[i] == '#' || s[i] == '\'' || s[i] == '"' || strings.IndexByte(s[end:i], '\n') >= 0
}

func shellArgument(name, arg string, sep byte) bool {
	if !shellOthers[name] && !shellCounted[name] && !shellSpoken[name] && !shellAlone[name] {
		return false
	}
	arg = arg[:min(len(arg), maxShell)]
	c := arg[0]
	shaped := c == '-' && len(arg) > 1 && (isLetter(arg[1]) || arg[1] == '-') || c == '/' || c == '~' || c == '$' && len(arg) > 1 && (isWord(arg[1]) || arg[1] == '{' || arg[1] == '(') ||
		strings.HasPrefix(arg, "../") || strings.HasPrefix(arg, "./") || strings.HasPrefix(arg, "*")
	if !shaped {
		w := arg[:strings.IndexFunc(arg+" ", func(r rune) bool { return r <= ' ' || r >= 0x80 || strings.ContainsRune(shellSeparators, r) })]
		plain := strings.NewReplacer("'", "", `"`, "", `\`, "").Replace(w)
		shaped = strings.Contains(plain, "://") || strings.Contains(plain, ".") && len(plain) > 3 && !strings.HasSuffix(plain, ".") && isWord(plain[0]) ||
			strings.Contains(plain, "/") && isWord(plain[0]) || len(w) > 2 && isLetter(w[0]) && w[1] == ':' && (w[2] == '\\' || w[2] == '/')
		if shellCounted[name] {
			shaped = shaped || plain != "" && isDigit(plain[0])
		}
		shaped = shaped || (name == "export" || name == "set") && strings.Contains(plain, "=")
		if shellSpoken[name] && w != "" && c < 0x80 {
			shaped = shaped || sep != '\n' && (sep == '`' || sep == '(' || strings.ContainsAny(arg[:min(len(arg), maxShell)], shellSeparators))
		}
	}
	return shaped && (shellOthers[name] || shellCounted[name] || shellSpoken[name] || shellAlone[name] && c != '/')
}

// shellSpace goes over what separates words: spaces, ${IFS}, $IFS$9.
func shellSpace(s string, i int) int {
	for i < len(s) {
		switch {
		case s[i] == '\n' || !isSpace(s[i]) && s[i] != '$' && s[i] != '\r':
			return i
		case s[i] != '$':
			i++
		case strings.HasPrefix(s[i:], "${IFS"):
			end := strings.IndexByte(s[i:min(len(s), i+32)], '}')
			if end < 0 {
				return i
			}
			i += end + 1
		case strings.HasPrefix(s[i:], "$IFS"):
			i += 4
			for i+1 < len(s) && s[i] == '$' && (isDigit(s[i+1]) || s[i+1] == '@' || s[i+1] == '*') {
				i += 2
			}
		default:
			return i
		}
	}
	return i
}

// shellName is what a command's name is written with inside quotes.
const shellName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-\\"

// shellWord reads a command's name as a shell would put it together: quotes,
// backslashes and empty expansions fall away.
func shellWord(s string, i int) (name string, end int) {
	var b []byte
	for s = s[:min(len(s), i+maxShell)]; i < len(s) && len(b) < 64; {
		c := s[i]
		switch {
		case isWord(c) || c == '/' || c == '.' || c == '-':
			b = append(b, c)
		case c == '\'' || c == '"':
			inside, _, closed := strings.Cut(s[i+1:min(len(s), i+34)], s[i:i+1])
			if !closed || strings.Trim(inside, shellName) != "" {
				return string(b), i
			}
			b = append(b, inside...)
			i += len(inside) + 1
		case c == '^' && len(b) > 0 && i+1 < len(s) && isLetter(s[i+1]): // Windows
		case c == '\\':
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
		case strings.HasPrefix(s[i:], "$()"), strings.HasPrefix(s[i:], "${}"):
			i += 2
		case c == '$' && i+1 < len(s) && (s[i+1] == '@' || s[i+1] == '*' || isDigit(s[i+1]) && s[i+1] != '0'):
			i++
		case strings.HasPrefix(s[i:], "``"):
			i++
		case c == '?' || c == '*' && len(b) > 0 && b[0] == '/':
			b = append(b, c)
		default:
			return string(b), i
		}
		i++
	}
	return string(b), i
}
