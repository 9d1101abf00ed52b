package grammar

import (
	"compress/gzip"
	"encoding/base64"
	"io"
	"strings"
)

// objectNeeds: the beginnings of serialised objects and of their base64, and what
// makes a text build one.
var objectNeeds = []string{"o:", "c:", "a:", "tzo", "qzo", "ytox", "yt", "ro0ab", "aced0005", "\xac\xed", "aaeaaad", "c__", "cos", "cposix", "csubprocess", "cbuiltin", "csys", "cnt", "y2", "y1", "y3", "bah", "\x04\x08",
	"gas", "gaj", "gan", "gar", "gau", "h4si", "!ruby", "!!", "nd_func", "com.", "org.", "ch.qos", "java", "br.com", "oracle.", "weblogic", "system.", "microsoft.", "net.sf", "\x80\x02", "\x80\x03", "\x80\x04", "\x80\x05", "_cryo_", "dynamic-proxy", "/wey", "/we", "py/", "__js_function", "kgl", "cdill", "c_", "ccommands", "i("}

// Object reports whether s is, or holds, an object of PHP, Java, .NET, Python, Ruby
// or Node in the form in which those languages bring it to life, or names a class
// that a parser of JSON or YAML is to make.
func Object(s string) bool {
	if objectText(s) {
		return true
	}
	t := strings.TrimLeft(s, " \t\r\n\"'=")
	if strings.HasPrefix(strings.ToLower(t), "aced0005") && len(t) > 16 || strings.HasPrefix(t, "\xac\xed\x00\x05") {
		return true
	}
	if len(t) < 8 || !base64Object(t) {
		return false
	}
	return objectBytes(t)
}

// base64Object: the beginnings in base64 of what objectBytes finds.
func base64Object(t string) bool {
	return hasAnyPrefix(t, "rO0AB", "Tzo", "Qzo", "YTo", "AAEAAAD", "BAh", "gAS", "gAJ", "gAN", "gAR", "gAU", "H4sI", "Y2", "Y1", "Y3", "KGl", "/wEy", "/wEP", "KGRw", "KGxw")
}

func objectBytes(t string) bool {
	if hasAnyPrefix(t, "rO0AB", "AAEAAAD/////", "/wEy") {
		return len(t) > 12
	}
	end := 0
	for end < len(t) && end < 1024 && (isWord(t[end]) || t[end] == '+' || t[end] == '/' || t[end] == '-') {
		end++
	}
	raw, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(t[:end-end%4+[4]int{0, 0, 2, 3}[end%4]]))
	if err != nil || len(raw) < 6 {
		return false
	}
	b := string(raw)
	switch {
	case strings.HasPrefix(b, "\x04\x08"): // Ruby: an object, a user-made one, or in a list or a hash
		return strings.IndexByte("oUuICSce", b[2]) >= 0 && b[2] != 'I' || strings.IndexByte("[{I", b[2]) >= 0 && strings.ContainsAny(b, "oUu") && strings.Contains(b, ":") && b[2] != 'I'
	case b[0] == 0x80: // Python, protocols 2 to 5
		return b[1] >= 2 && b[1] <= 5 && (strings.Contains(b, "\nsystem\n") || strings.Contains(b, "\x93") || strings.Contains(b, "R.") || pickleGlobal(b[2:]))
	case strings.HasPrefix(b, "\x1f\x8b"):
		return packedObject(b)
	}
	return objectText(b) || pickleGlobal(b)
}

// packedObject looks at the beginning of what gzip packed.
func packedObject(b string) bool {
	r, err := gzip.NewReader(strings.NewReader(b))
	if err != nil {
		return false
	}
	head := make([]byte, 256)
	n, _ := io.ReadFull(r, head) // the end is cut off, and not needed
	plain := string(head[:n])
	return strings.HasPrefix(plain, "\xac\xed\x00\x05") || strings.HasPrefix(plain, "\x00\x01\x00\x00\x00\xff\xff\xff\xff") || objectText(plain)
}

// objectText finds what is readable.
func objectText(s string) bool {
	return phpObject(s) || pickleGlobal(s) || strings.Contains(s, "_$$ND_FUNC$$_") || strings.Contains(s, "__js_function") || yamlObject(s) || className(s) || strings.Contains(s, "java.beans.XMLDecoder") || strings.Contains(s, "<dynamic-proxy") || strings.Contains(s, "_CRYO_") ||
		strings.Contains(s, `"py/object"`) || strings.Contains(s, `"py/reduce"`)
}

// phpObject finds O:8:"stdClass":1:{ and C:…, as unserialize() reads them.
func phpObject(s string) bool {
	for i := 0; i+8 < len(s); i++ {
		if s[i] != 'O' && s[i] != 'C' || s[i+1] != ':' || i > 0 && isWord(s[i-1]) {
			continue
		}
		at := i + 2
		if s[at] == '+' {
			at++
		}
		from := at
		for at < len(s) && isDigit(s[at]) && at-from < 6 {
			at++
		}
		if at > from && strings.HasPrefix(s[at:], `:"`) && at+2 < len(s) && (isLetter(s[at+2]) || s[at+2] == '_' || s[at+2] == '\\') {
			return true
		}
	}
	return false
}

// pickleGlobal finds the beginning of a pickle that calls: c, a module and a name,
// each with its line end.
func pickleGlobal(s string) bool {
	if hasAnyPrefix(s, "(dp", "(lp") {
		s = s[3:]
	}
	at := 0
	if s != "" && s[0] != 'c' {
		if at = strings.Index(s[:min(len(s), 64)], "\nc"); at < 0 {
			if !strings.HasPrefix(s, "(") {
				return false
			}
			at = strings.IndexAny(s[:min(len(s), 16)], "ci")
		} else {
			at++
		}
	}
	if at < 0 || at >= len(s) {
		return false
	}
	lines := strings.SplitN(s[at+1:min(len(s), at+128)], "\n", 3)
	if len(lines) < 3 || lines[0] == "" || lines[1] == "" || lines[2] == "" || strings.IndexByte("(q.S)X}tRVI]", lines[2][0]) < 0 {
		return false
	}
	for _, l := range lines[:2] {
		for i := range len(l) {
			if !isWord(l[i]) && l[i] != '.' {
				return false
			}
		}
	}
	return true
}

// yamlObject finds tags that make an object: !!python/object, !ruby/object,
// !!javax.script.ScriptEngineManager.
func yamlObject(s string) bool {
	for i := 0; i+4 < len(s); i++ {
		at := strings.IndexByte(s[i:], '!')
		if at < 0 {
			return false
		}
		i += at
		rest := strings.TrimLeft(s[i:min(len(s), i+64)], "!<")
		if hasAnyPrefix(rest, "python/", "ruby/", "php/object", "tag:yaml.org,2002:python", "tag:ruby", "js/function", "js/undefined") || strings.HasPrefix(s[i:], "!!") && className(rest) {
			return true
		}
	}
	return false
}

// className finds a value that is a class of a package as only Java and
// .NET have them: com.sun.rowset.JdbcRowSetImpl.
func className(s string) bool {
	s = strings.TrimLeft(s, " \t\r\n[\"'!")
	if !hasAnyPrefix(s, "com.", "org.", "ch.qos.", "java.", "javax.", "oracle.", "weblogic.", "br.com.", "net.sf.", "System.", "Microsoft.", "jdk.", "sun.", "clojure.", "groovy.", "scala.", "bsh.", "flex.", "freemarker.", "spring") {
		return false
	}
	end := 0
	for end < len(s) && (isWord(s[end]) || s[end] == '.' || s[end] == '$') {
		end++
	}
	// The name of an error is what a customer saw on the page.
	if after := strings.TrimLeft(s[end:], "\"' ]\t\r\n"); after != "" && strings.IndexByte(",{[", after[0]) < 0 || strings.HasSuffix(s[:end], "Exception") || strings.HasSuffix(s[:end], "Error") {
		return false
	}
	parts := strings.Split(s[:end], ".")
	last := parts[len(parts)-1]
	if len(parts) < 3 || last == "" || last[0] < 'A' || last[0] > 'Z' {
		return false
	}
	if strings.HasPrefix(s, "System.") || strings.HasPrefix(s, "Microsoft.") {
		return end < len(s) && s[end] == ',' // System.Windows.Data.ObjectDataProvider, PresentationFramework
	}
	for _, p := range parts[:len(parts)-1] {
		if p == "" || p[0] < 'a' || p[0] > 'z' && p[0] != '_' {
			return false
		}
	}
	return strings.ToUpper(last) != last || len(last) > 3 || strings.HasPrefix(s, "java") // not com.example.PDF
}
