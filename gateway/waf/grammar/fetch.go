package grammar

import "strings"

// Fetch reports whether s begins with an address that makes the shop call itself,
// its neighbours or what a cloud keeps for its machines, in any spelling that a
// program which fetches addresses understands, or with a scheme for other things
// than pages. An address in the middle of a text is one.
//
// The plain addresses of a home's network are left to Neighbour: customers ask
// about the one their router has.
func Fetch(s string) bool {
	return fetches(s, func(host string) bool { return inside(host) && !neighbour(host) })
}

// Neighbour reports whether s begins with an address of a private network, plainly
// written.
func Neighbour(s string) bool { return fetches(s, neighbour) }

func fetches(s string, wanted func(host string) bool) bool {
	s = strings.TrimLeft(s, " \t\r\n\x00\"'<(")
	lower := strings.ToLower(s[:min(len(s), 32)])
	for again := true; again; {
		again = false
		for _, p := range [...]string{"url:", "view-source:", "feed:", "netdoc:///"} {
			if strings.HasPrefix(lower, p) && len(s) >= len(p) {
				s, lower, again = s[len(p):], lower[len(p):], true
			}
		}
	}
	end := strings.IndexByte(lower, ':')
	scheme := ""
	if end > 1 {
		scheme = strings.Map(func(r rune) rune {
			if r <= ' ' {
				return -1
			}
			return r
		}, lower[:end])
		for i := range len(scheme) {
			if !isWord(scheme[i]) && strings.IndexByte("+.-", scheme[i]) < 0 {
				return false
			}
		}
		s = s[end+1:]
	}
	s = strings.Map(func(r rune) rune { // programs take these out
		if r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s[:min(len(s), maxURL)])
	slashes := len(s) - len(strings.TrimLeft(s, `/\`))
	if slashes > 0 && fetchSchemes[scheme] && wanted("localhost") {
		rest := s[slashes:] // file:///C:/Users is what a browser shows of a customer's own file
		if rest == "" || rest[0] >= 0x80 || isSpace(rest[0]) {
			return false // the scheme alone, in a sentence
		}
		return scheme != "file" || len(rest) < 2 || !isLetter(rest[0]) || rest[1] != ':'
	}
	switch scheme {
	case "":
		if slashes < 2 {
			return false
		}
	case "http", "https", "ftp", "ws", "wss":
		if slashes == 0 {
			return false
		}
	default:
		return false
	}
	return wanted(authority(s[slashes:]))
}

// maxURL is longer than what is needed to read the host of an address.
const maxURL = 2 << 10

// fetchSchemes lead to files or other services wherever they point.
var fetchSchemes = wordList("gopher dict ldap ldaps ldapi rmi iiop jar tftp file phar php expect zip ogg glob data+ sftp netdoc smb imap pop3 telnet ssh2 mongodb redis mysql jdbc smtp ws+unix unix")

// Host reports whether s, the whole value of a field that names a machine, is one
// of the inside.
func Host(s string) bool {
	s = strings.TrimSpace(s[:min(len(s), maxURL)])
	if s == "" || strings.Contains(s, "//") {
		return false
	}
	for i := range len(s) {
		if s[i] >= 0x80 || isSpace(s[i]) {
			s = s[:i]
			break
		}
	}
	host := authority(s)
	if digits := strings.Trim(host, "0123456789"); digits == "" && len(host) < 8 {
		return false // a number
	}
	return inside(host)
}

// authority is the host of what follows the slashes of an address.
func authority(s string) string {
	if end := strings.IndexAny(s, "/\\?#\"'<> \t\r\n"); end >= 0 {
		s = s[:end]
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		s = s[at+1:]
	}
	s = hostFold(s)
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		return s[:max(0, end)+min(1, max(0, end+1))]
	}
	if colon := strings.IndexByte(s, ':'); colon >= 0 && strings.Count(s, ":") == 1 {
		s = s[:colon]
	}
	// What is no letter, digit, dot or hyphen ends the host for a reader of text.
	for i, r := range s {
		if r >= 0x80 {
			s = s[:i]
			break
		}
	}
	return strings.TrimRight(s, ".")
}

// hostFold writes a host as resolvers read it: small letters, one kind of dot, no
// circles around letters, no escapes.
func hostFold(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '。' || r == '．' || r == '｡':
			return '.'
		case r >= 0xFF01 && r <= 0xFF5E:
			return r - 0xFEE0
		case r >= 'ⓐ' && r <= 'ⓩ':
			return r - 'ⓐ' + 'a'
		case r >= 'Ⓐ' && r <= 'Ⓩ':
			return r - 'Ⓐ' + 'a'
		case r >= '①' && r <= '⑨':
			return r - '①' + '1'
		case r == '⓪':
			return '0'
		case r >= 0x1D400 && r <= 0x1D433: // mathematical bold
			return 'a' + (r-0x1D400)%26
		case r == 0xAD || r == 0x200B || r == 0x2060:
			return -1
		}
		return r
	}, s)
	return strings.ToLower(s)
}
