package noren

import "strings"

// Probe says what the address of a request alone gives away about its intent:
// the steps of an intrusion as logs show them. It is a sign, not a proof, and
// "" for all that customers do.
type Probe string

// Probes, from the mildest.
const (
	ProbeNone Probe = ""
	// ProbeScan looks for what may be there: configuration, backups, tools of
	// administrators, signs of a version with a known hole.
	ProbeScan Probe = "scan"
	// ProbeExploit carries the exploit itself: a known hole's address, or an
	// injection in the path or the query.
	ProbeExploit Probe = "exploit"
	// ProbeShell sends something to a script where no script of the shop
	// belongs: a directory of uploads, images or templates.
	ProbeShell Probe = "web_shell"
)

var probeRank = map[Probe]int{ProbeNone: 0, ProbeScan: 1, ProbeExploit: 2, ProbeShell: 3}

// maxProbed bounds how much of a path and a query is looked at. An exploit does
// not stand behind eight kilobytes of nothing: web servers refuse such lines.
const maxProbed = 8 << 10

// ProbeOf classifies a request line. The path may be as it came: escapes,
// doubled slashes, dot segments and capitals are looked through. An ordinary
// path costs a few map look-ups and no allocation.
func ProbeOf(method, path, query string) Probe {
	path, query = path[:min(len(path), maxProbed)], query[:min(len(query), maxProbed)]
	best := ProbeNone
	view := strings.ToLower(path)
	for range 3 { // as it stands, decoded once, decoded twice
		best = worse(best, probePath(method, view, query))
		if plain := plainPath(view); plain != view {
			best = worse(best, probePath(method, plain, query))
		}
		next := unescapeLax(view)
		if next == view {
			break
		}
		view = strings.ToLower(next)
	}
	if exploits(path) || exploits(query) {
		best = worse(best, ProbeExploit)
	}
	return best
}

// probePath classifies one view of a path: lower case, slashes in its places.
func probePath(method, path, query string) Probe {
	best := ProbeNone
	for i := strings.IndexByte(path, '/'); i >= 0 && i < len(path); {
		rest := path[i+1:]
		end := strings.IndexByte(rest, '/')
		if end < 0 {
			end = len(rest)
		}
		best = worse(best, probeSegment(rest, rest[:end]))
		i += 1 + end
	}
	if strings.IndexByte(path, '.') < 0 && query == "" {
		return best // neither a script nor a copy
	}
	if found := probeScript(method, path, query); found != ProbeNone {
		return worse(best, found)
	}
	if best == ProbeNone && (backupFile(path) || userList(path, query)) {
		return ProbeScan
	}
	return best
}

func worse(a, b Probe) Probe {
	if probeRank[b] > probeRank[a] {
		return b
	}
	return a
}

// probeSegment judges what begins at one segment of a path.
func probeSegment(rest, segment string) Probe {
	if p, ok := probeNames[segment]; ok {
		return p
	}
	for _, r := range probeTrees[segment] {
		if strings.HasPrefix(rest, r.path) {
			return r.probe
		}
	}
	if strings.HasPrefix(segment, ".env") || strings.HasPrefix(segment, "wp-config") {
		return ProbeScan
	}
	if strings.HasPrefix(segment, "phpmyadmin") || strings.HasPrefix(segment, "adminer") && strings.HasSuffix(segment, ".php") {
		return ProbeScan
	}
	return ProbeNone
}

// probeScript judges a script that is asked for where uploads, pictures or
// templates lie.
func probeScript(method, path, query string) Probe {
	dir := scriptDir(path)
	upload := underAny(dir, uploadDirectories[:])
	switch {
	case !upload && !underAny(dir, assetDirectories[:]):
		return ProbeNone
	case method == "POST" || method == "PUT" || shellQuery(query):
		return ProbeShell
	case upload:
		return ProbeScan
	}
	return ProbeNone
}

// scriptDir is the directory of the first script in a path, "" without one.
// What stands behind a script (/x.php/y, /x.php.jpg) belongs to it: some web
// servers run it.
func scriptDir(path string) string {
	for _, ext := range scriptExtensions {
		i := strings.Index(path, ext)
		if i < 0 {
			continue
		}
		if end := i + len(ext); end == len(path) || strings.IndexByte("/.;3457", path[end]) >= 0 {
			return path[:strings.LastIndexByte(path[:i+1], '/')+1]
		}
	}
	return ""
}

func underAny(dir string, directories []string) bool {
	if dir == "" {
		return false
	}
	for _, d := range directories {
		if strings.Contains(dir, d) {
			return true
		}
	}
	return false
}

// shellQuery reports whether a query speaks to a web shell rather than to a
// page: the names such programs take their orders by.
func shellQuery(query string) bool {
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		switch strings.ToLower(name) {
		case "cmd", "exec", "command", "shell", "eval":
			return true
		}
	}
	return false
}

// backupFile reports whether the last segment is named like a copy somebody
// left behind: index.php.bak, config.php~, backup.zip, 2025-01-01.sql.gz.
func backupFile(path string) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, suffix := range backupSuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	stem, ext, ok := strings.Cut(name, ".")
	if !ok || !backupStems[stem] {
		return false
	}
	switch ext {
	case "zip", "tar", "tar.gz", "tgz", "rar", "7z", "gz", "sql", "bz2", "tar.bz2", "xz":
		return true
	}
	return false
}

// userList reports whether ?author=1 asks WordPress for its user names.
func userList(path, query string) bool {
	for part := range strings.SplitSeq(query, "&") {
		if n, ok := strings.CutPrefix(part, "author="); ok && n != "" && strings.Trim(n, "0123456789") == "" {
			return path == "/" || strings.HasSuffix(path, "/index.php") || path == ""
		}
	}
	return false
}

// exploits reports whether an injection stands in a path or a query. This is no
// firewall: it names what needs no second look, in one line of a log.
func exploits(s string) bool {
	if !strings.ContainsAny(s, "%$<({'\";.|\\") {
		return false
	}
	s = strings.ToLower(s)
	for range 3 {
		t := strings.ReplaceAll(strings.ReplaceAll(s, "+", " "), "/**/", " ")
		for _, sign := range exploitSigns {
			if strings.Contains(t, sign) {
				return true
			}
		}
		next := unescapeLax(s)
		if next == s {
			return false
		}
		s = strings.ToLower(next)
	}
	return false
}

// plainPath makes one slash of several, turns backslashes, and resolves dot
// segments.
func plainPath(p string) string {
	if !strings.ContainsAny(p, `\;`) && !strings.Contains(p, "//") && !strings.Contains(p, "/.") {
		return p
	}
	var out []string
	for seg := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
		seg, _, _ = strings.Cut(seg, ";")
		switch seg {
		case "", ".":
		case "..":
			out = out[:max(len(out)-1, 0)]
		default:
			out = append(out, seg)
		}
	}
	return "/" + strings.Join(out, "/")
}

// unescapeLax decodes %XX once and leaves what is no escape.
func unescapeLax(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
