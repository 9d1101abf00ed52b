package prove

import (
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// htmlPrograms build a page from strings. The value must bring something active
// into the tree that a browser builds: a script, a handler of events, an address
// that is code, a frame, a form of somebody else's, or code that breaks out of a
// string of a script.
func htmlPrograms() map[string]program {
	page := func(before, after string) program {
		return func(value string) (string, error) {
			return activeHTML("<!DOCTYPE html><body>" + before + value + after + "</body>")
		}
	}
	return map[string]program{
		"text":            page("<p>", "</p>"),
		"attribute":       page(`<input type="text" name="q" value="`, `"><p>`),
		"single":          page(`<input type='text' name='q' value='`, `'><p>`),
		"unquoted":        page(`<input type=text value=`, `><p>`),
		"href":            page(`<a href="`, `">link</a>`),
		"comment":         page("<!-- searched: ", " -->"),
		"title":           page("<title>", "</title>"),
		"textarea":        page("<textarea>", "</textarea>"),
		"style":           page("<style>.a{color:", "}</style>"),
		"script":          scriptProgram(`var q = "`, `"; search(q);`),
		"script single":   scriptProgram("var q = '", "'; search(q);"),
		"script template": scriptProgram("var q = `", "`; search(q);"),
		"script code":     scriptProgram("var id = ", "; show(id);"),
		"shown twice": func(value string) (string, error) { // filters that take a tag out once
			return activeHTML("<!DOCTYPE html><body><p>" + strings.ReplaceAll(strings.ReplaceAll(value, "<script>", ""), "</script>", "") + "</p></body>")
		},
	}
}

func activeHTML(page string) (string, error) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return "", err
	}
	how := ""
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && how == "" {
			how = activeElement(n)
		}
	}
	if how == "" {
		return "", invalid("nothing active in the page")
	}
	return how, nil
}

func activeElement(n *html.Node) string {
	switch n.Data {
	case "script":
		if code := textOf(n); strings.TrimSpace(code) != "" {
			if _, err := lexScript(code); err == nil {
				return "runs <script>" + clip(code)
			}
		}
	case "iframe", "object", "embed", "frame", "base", "applet", "portal":
		for _, a := range n.Attr {
			if (a.Key == "src" || a.Key == "data" || a.Key == "href" || a.Key == "srcdoc" || a.Key == "code") && a.Val != "" {
				return "<" + n.Data + "> of " + clip(a.Val)
			}
		}
	case "form":
		if hasAttr(n, "action") {
			return "<form> to somewhere"
		}
	case "meta":
		if hasAttr(n, "http-equiv") && hasAttr(n, "content") {
			return "<meta> that acts"
		}
	case "link":
		if hasAttr(n, "href") && hasAttr(n, "rel") {
			return "<link> to a style"
		}
	}
	for _, a := range n.Attr {
		if h := activeAttribute(n.Data, a); h != "" {
			return h
		}
	}
	return ""
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name && strings.TrimSpace(a.Val) != "" {
			return true
		}
	}
	return false
}

func activeAttribute(element string, a html.Attribute) string {
	switch {
	case strings.HasPrefix(a.Key, "on") && isHandler(a.Key):
		if calls, err := lexScript(a.Val); err == nil && calls > 0 {
			return "handler " + a.Key + " of <" + element + ">: " + clip(a.Val)
		}
	case a.Key == "src" && element == "script" && a.Val != "":
		return "<script> from " + clip(a.Val)
	case (a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "formaction" || a.Key == "data" || a.Key == "xlink:href" || a.Key == "to" || a.Key == "values" || a.Key == "from" || a.Key == "poster") && codeAddress(a.Val):
		return a.Key + " is code: " + clip(a.Val)
	}
	return ""
}

// isHandler knows the names of handlers by their form: on and letters.
func isHandler(name string) bool {
	return len(name) > 4 && strings.Trim(name[2:], "abcdefghijklmnopqrstuvwxyz") == ""
}

// codeAddress reads an address as the URL Standard does: spaces before it and
// line ends in it do not count.
func codeAddress(s string) bool {
	s = strings.TrimLeft(s, "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f ")
	s = strings.NewReplacer("\t", "", "\r", "", "\n", "").Replace(s)
	scheme, code, ok := strings.Cut(s, ":")
	if !ok {
		return false
	}
	switch strings.ToLower(scheme) {
	case "javascript":
		if plain, err := url.PathUnescape(code); err == nil {
			code = plain
		}
		calls, err := lexScript(code)
		return err == nil && calls > 0
	case "vbscript":
		return code != ""
	case "data":
		return strings.HasPrefix(strings.ToLower(code), "text/html") || strings.HasPrefix(strings.ToLower(code), "image/svg+xml")
	}
	return false
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for c := range n.ChildNodes() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return b.String()
}

// scriptProgram puts a value into a string of a script. It may end the script
// (</script>), or the string: what is outside of it then must be a script that
// holds together and does something of its own.
func scriptProgram(before, after string) program {
	return func(value string) (string, error) {
		if strings.Contains(strings.ToLower(value), "</script") {
			rest := value[strings.Index(strings.ToLower(value), "</script"):]
			return activeHTML("<!DOCTYPE html><body><script>" + rest + "</body>")
		}
		want, err := lexScript(before + "1" + after)
		if err != nil {
			return "", err
		}
		// What is left of the program may go into a comment.
		if calls, err := lexScript(before + value + "\n"); err == nil && calls > 0 && strings.Contains(value, "//") {
			return "the script does something of its own: " + clip(value), nil
		}
		calls, err := lexScript(before + value + after)
		if err != nil {
			return "", err
		}
		if calls <= want {
			return "", invalid("the script does nothing more")
		}
		return "the script does something of its own: " + clip(value), nil
	}
}
