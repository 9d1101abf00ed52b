package grammar

import "strings"

// XML reports whether s declares entities, takes its document type from elsewhere,
// or includes another document: what lets a parser of XML read files and call
// addresses. The document types of HTML pages name an address that nobody fetches.
func XML(s string) bool {
	for i := 0; i < len(s); i++ {
		at := strings.Index(s[i:], "<!")
		if at < 0 {
			break
		}
		i += at + 2
		w := word(s[:min(len(s), i+10)], i)
		rest := s[i+len(w) : min(len(s), i+maxDeclaration)]
		switch strings.ToUpper(w) {
		case "ENTITY":
			if len(rest) > 0 && isSpace(rest[0]) && strings.ContainsAny(rest, "\"'") {
				return true
			}
		case "DOCTYPE":
			if doctype(rest) {
				return true
			}
		}
	}
	return strings.Contains(s, "/XInclude") && strings.Contains(s, "include") || strings.Contains(s, "<?xml-stylesheet") && strings.Contains(s, "href")
}

const maxDeclaration = 512

func doctype(s string) bool {
	name := strings.ToLower(word(s, skipSpace(s, 0)))
	if name == "" || strings.HasPrefix(name, "html") || name == "svg" {
		head := s[:min(len(s), 512)]
		return strings.Contains(head, "<!ENTITY") || strings.Contains(head, "PUBLIC") && !strings.Contains(head, "//W3C//") || strings.Contains(head, "SYSTEM") && !strings.Contains(head, "about:legacy-compat")
	}
	s = strings.TrimSpace(s[skipSpace(s, 0)+len(name):])
	return hasAnyPrefix(s, "SYSTEM", "PUBLIC", "[") || strings.Contains(s[:min(len(s), 256)], "SYSTEM")
}
