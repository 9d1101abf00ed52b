package inert

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Markup reports whether v brings nothing active into a page: as text, in an
// attribute, in the string of a script, or as its code.
//
//	画面に<[object Object]>と出ます      a tag's name begins with a letter
//	<?xml からはじまる文字              a comment, to a browser
//	「<script>タグ入門」               a script that never ends is not run, and what
//	                                the page puts behind it makes it no script
func Markup(v string) bool {
	v = sample.ReplaceAllString(v, "$1")
	lower := strings.ToLower(v)
	if !hasWide(v) || reference.MatchString(v) {
		return false
	}
	if strings.ContainsAny(v, "\"'`\\\x00") || handler.MatchString(lower) || strings.Contains(lower, "script:") || strings.Contains(lower, "data:") || strings.Contains(v, "${") {
		return false
	}
	unended := false
	for at := 0; ; {
		i := strings.IndexByte(lower[at:], '<')
		if i < 0 {
			break
		}
		at += i + 1
		rest := lower[at:]
		switch {
		case strings.HasPrefix(rest, "script>") && len(rest) > len("script>") && wide(rest[len("script>")]) && space(rest[len("script>"):]) == 0:
			unended = true
		case rest != "" && (isLetter(rest[0]) || strings.IndexByte("/!%", rest[0]) >= 0 || rest[0] == '?' && !xmlWord.MatchString(rest)):
			return false
		}
	}
	// Bare, the value would have to be a program: what is called in a sentence is not.
	return !call.MatchString(v) || unended && !strings.Contains(v, "/*") && !strings.Contains(v, "//") && afterCall.MatchString(v)
}

// sample is a call that every book begins with. In a string of a script its quotes
// leave a word beside a string, and as code a letter follows where none may.
var sample = regexp.MustCompile(`(?i)\b(?:(?:alert|console\.log|print)\((?:'\w[\w ,!.]*'|"\w[\w ,!.]*")\)|javascript:void\(0\))(\s*[^\x00-\x7f])`)

// Property reports whether v names properties of a page's program in a sentence:
// document.cookieの話. To the program that is another property.
func Property(v string) bool {
	return Markup(v) && !strings.Contains(v, "=") && !property.MatchString(v)
}

var property = regexp.MustCompile(`\.\s*[A-Za-z_]+(?:[^A-Za-z_\x{80}-\x{10ffff}]|$)`)

// hasStop looks for 、 and 。 in UTF-8, and else in Shift_JIS and EUC-JP.
func hasStop(v string) bool {
	if utf8.ValidString(v) {
		return strings.ContainsAny(v, "、。")
	}
	return slices.ContainsFunc([]string{"\x81\x41", "\x81\x42", "\xa1\xa2", "\xa1\xa3"}, func(stop string) bool { return strings.Contains(v, stop) })
}

// Sentence reports whether a Japanese comma or full stop makes v no program. As a
// program it does not parse, and it cannot leave a string.
func Sentence(v string) bool {
	v = sample.ReplaceAllString(v, "$1")
	return hasStop(v) && !strings.ContainsAny(letters(v), "'\"`/\\<${")
}

var (
	handler   = regexp.MustCompile(`\bon[a-z]+\s*=|\b(?:style|src|href|srcdoc|formaction|action|data)\s*=`)
	xmlWord   = regexp.MustCompile(`^\?(?:xml|php)? (?:echo )?[^\x00-\x7f]`)
	reference = regexp.MustCompile(`&#?\w`)
	call      = regexp.MustCompile(`[\w$\])][\s]*\(`)
	afterCall = regexp.MustCompile(`\)[^\x00-\x7f]`)
)

// GraphQL reports whether v is a GraphQL document whose $names are its
// variables. MongoDB's operators are names of a JSON object: they stand in
// quotes, brackets or behind a brace there.
func GraphQL(v string) bool {
	if !document.MatchString(v) {
		return false
	}
	for i := range len(v) {
		if v[i] == '$' && (i == 0 || !strings.ContainsRune("( :,\n\t[", rune(v[i-1])) || i > 0 && v[i-1] == '[' && strings.Contains(v[:i], "where")) {
			return false
		}
	}
	return !strings.ContainsAny(v, "'`;") && !strings.Contains(v, `"$`)
}

var document = regexp.MustCompile(`^\s*(?:query|mutation|subscription|fragment)\b[^{]*\{`)

// Filename reports whether v, the name of an uploaded file, means the same to
// every reader of a multipart body. In quotes, a semicolon, an equals sign and
// an apostrophe do; a quote and a backslash do not. In Shift_JIS a backslash may
// be half of a letter; not the last, where it would hide the closing quote.
func Filename(v string) bool {
	if strings.ContainsAny(v, "\"/\r\n\x00") || strings.HasSuffix(v, `\`) || disposition.MatchString(v) {
		return false
	}
	if !hasWide(v) && strings.ContainsAny(v, "=&") {
		return false
	}
	if !strings.Contains(v, `\`) {
		return true
	}
	return !utf8.ValidString(v) && backslashesAreLetters(v)
}

// backslashesAreLetters reads v as Shift_JIS.
func backslashesAreLetters(v string) bool {
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\':
			return false
		case c >= 0x81 && c <= 0x9f || c >= 0xe0 && c <= 0xfc:
			i++
		}
	}
	return true
}

var disposition = regexp.MustCompile(`(?i)name\*?\d*\*?\s*=`)

// Path reports whether the names of files in v are part of a sentence: what
// follows the last of them belongs to no file's name, and nothing in v could
// call a program or begin markup.
//
//	C:\Windows\System32\drivers に入らないと言われます
func Path(v string) bool {
	v = letters(v)
	if strings.ContainsAny(v, "<>{}$;|&`\"'\x00\n\r*^~") || strings.Contains(v, "..") || strings.Contains(v, "://") || call.MatchString(v) {
		return false
	}
	last := v[strings.LastIndexAny(v, `/\`)+1:]
	return endsInProse(last)
}

// endsInProse: a character outside ASCII, glued to the last word.
func endsInProse(s string) bool {
	s = strings.TrimRight(s, " !?.)")
	return s != "" && wide(s[len(s)-1]) && japaneseRunes(s) >= 3
}

func japaneseRunes(s string) (n int) {
	if !utf8.ValidString(s) {
		for i := range len(s) {
			if wide(s[i]) {
				n++
			}
		}
		return n / 2
	}
	for _, r := range s {
		if r >= 0x3040 && r <= 0x30ff || r >= 0x4e00 && r <= 0x9fff || r >= 0xff66 && r <= 0xff9f {
			n++
		}
	}
	return n
}

// Command reports whether no shell finds a command in v where the rules saw one.
//
//	$ ls と打って出てくる画面    $ is no command, and nothing ends it
//	<p>&copy; 2026            &copy; is a letter of HTML, not the command copy
//	awk '{print $1}'の一行     a program of awk, in its quotes
//	if (a == b) { c = d }     the if of C, not of cmd.exe
//	chmod 755 と 644 の違い     no option, no path, no sign: words
//	$HOME/$USER               a path, if anything
func Command(v string) bool {
	switch {
	case variablePath.MatchString(v):
		return true
	case strings.HasPrefix(v, "$ "):
		return hasWide(v) && !strings.ContainsAny(v[2:], ";|&`\n\r<>$({")
	}
	if plainWords.MatchString(letters(v)) && endsInProse(letters(v)) {
		return true
	}
	left := entity.ReplaceAllString(v, "")
	left = awk.ReplaceAllString(left, "")
	left = ifOfC.ReplaceAllString(left, "")
	return left != v && !strings.ContainsAny(left, ";|&`\n\r{}$^%")
}

var (
	variablePath = regexp.MustCompile(`(?i)^\$[A-Z]{2,}(?:/\$[A-Z]{2,})+$`)
	// plainWords: nothing that a shell would take for more than words.
	plainWords = regexp.MustCompile(`^(?:(?:echo )?\$(?:PATH|HOME|USER|SHELL|LANG|path|home|user|shell|lang))?[0-9A-Za-z ,!?\x{80}-\x{10ffff}]+$`)
	entity     = regexp.MustCompile(`&(?:copy|reg|trade|nbsp|yen|amp|hearts|times|middot|laquo|raquo|ldquo|rdquo|hellip|mdash|ndash|bull|larr|rarr);`)
	awk        = regexp.MustCompile(`\bawk '\{ ?print \$[0-9] ?\}'`)
	ifOfC      = regexp.MustCompile(`\bif ?\([a-z_A-Z0-9 =<>!]+\) ?\{[ a-zA-Z0-9_=]*;? ?\}`)
)

// Tilde reports whether no ~ of v stands where a shell expands one: at the
// beginning of a word or behind = and : (POSIX, Shell Command Language, 2.6.1).
// Inside a word it is a letter of it. 冬-15 holds one in Shift_JIS: 93 7E 2D.
func Tilde(v string) bool {
	for i := range len(v) {
		if v[i] == '~' && (i == 0 || !isWord(v[i-1]) && !wide(v[i-1])) {
			return false
		}
	}
	return true
}

// PHP reports whether v makes PHP do nothing: it names a tag, a variable or a
// word of the language, and there is nothing that could be a call, an index, a
// string or the end of a statement.
func PHP(v string) bool {
	v = letters(v)
	v = xmlDeclaration.ReplaceAllString(v, "")
	return endsInProse(v) && !strings.ContainsAny(v, "([{;`\"'\\=>\n\r")
}

// What PHP's own short tag would read as a name.
var xmlDeclaration = regexp.MustCompile(`^<\?(?:php|xml)? (?:echo )?`)

// Placeholder reports whether each ${…} of v is a lone word of small letters with
// an underscore, as templates of mails have them: ${customer_name}. No shell has
// such a variable, and no language of expressions finds anything under it.
func Placeholder(v string) bool {
	left := mailWord.ReplaceAllString(v, "")
	return left != v && hasWide(left) && !strings.ContainsAny(left, "${}()<>`;|&/\\")
}

var mailWord = regexp.MustCompile(`\$\{(?:[a-z]+(?:_[a-z0-9]+)+|[^\x00-\x7f]+)\}`)

// List reports whether v lists goods with semicolons between them, in which a
// rule found the command cd: お米;CD;ローラーを各1個.
func List(v string) bool {
	v = farCharacter.ReplaceAllString(andCD.ReplaceAllString(letters(v), ""), "")
	if !hasWide(v) || strings.ContainsAny(v, "|&`$") {
		return false
	}
	for item := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ';' || r == '\n' || r == '\r' }) {
		if item = strings.TrimSpace(item); item != "" && (isLetter(item[0]) || strings.IndexByte("./\\\"'", item[0]) >= 0) && !strings.EqualFold(item, "cd") && !wideWord(item) {
			return false
		}
	}
	return true
}

// andCD: 椅子&CD.HEIC.
var andCD = regexp.MustCompile(`(?i)[^\x00-\x7f]&cd(?:\.[a-z]{3,4})?$`)

// farCharacter is how a page sends a character that its encoding lacks.
var farCharacter = regexp.MustCompile(`&#[0-9]{4,6};`)

// letters takes the second bytes that look like ASCII out of Shift_JIS: ポ is 83 7C.
func letters(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	b := []byte(v)
	for i := 0; i+1 < len(b); i++ {
		if c := b[i]; c >= 0x81 && c <= 0x9f || c >= 0xe0 && c <= 0xfc {
			i++
			b[i] |= 0x80
		}
	}
	return string(b)
}

// wideWord: the first word is not of ASCII alone.
func wideWord(s string) bool { return hasWide(word(s)) }

// Expression is Placeholder, or a face that reads like bash's <(command): in
// <平常心>＼(^o^)／ the command would be a single letter.
func Expression(v string) bool {
	if Placeholder(v) {
		return true
	}
	if !hasWide(v) || strings.ContainsAny(v, "$`") || indexed.MatchString(v) {
		return false
	}
	for _, m := range substitution.FindAllStringSubmatch(v, -1) {
		if aCommand.MatchString(m[1]) {
			return false
		}
	}
	return true
}

var (
	indexed      = regexp.MustCompile(`/\w*\[[^\]]+\]`)
	substitution = regexp.MustCompile(`[<>]\(([^)]*)`)
	aCommand     = regexp.MustCompile(`[0-9A-Za-z./]{2,}|^\s*w\s*$|\[`)
)

// Called reports whether what reads like PHP's (name)(arguments) names no
// function: 御成システムズ(株)(担当:西村).
func Called(v string) bool {
	if strings.ContainsAny(v, "$'\"`\\[{") {
		return false
	}
	found := false
	for i := range len(v) {
		if v[i] == '(' {
			before := strings.TrimRight(v[:i], " \t\r\n")
			if strings.HasSuffix(before, ")") {
				before = strings.TrimRight(before[:len(before)-1], " ")
				if before == "" || !wide(before[len(before)-1]) {
					return false
				}
				found = true
			}
		}
	}
	return found
}
