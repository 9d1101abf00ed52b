package pagewalk

import (
	"bytes"
	"io"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"

	"noren"
)

// link is where a page leads.
type link struct {
	url  string
	text string // what a visitor reads on it
	acts bool   // marked as doing something
}

// part says which attribute of an element loads something, and how much that can
// do to the page (Mixed Content, 3).
type part struct {
	tag, attr string
	kind      Kind
}

var parts = [...]part{
	{"script", "src", MixedActive}, {"iframe", "src", MixedActive}, {"frame", "src", MixedActive}, {"embed", "src", MixedActive},
	{"object", "data", MixedActive}, {"img", "src", MixedPassive}, {"img", "srcset", MixedPassive}, {"audio", "src", MixedPassive},
	{"video", "src", MixedPassive}, {"video", "poster", MixedPassive}, {"source", "src", MixedPassive}, {"source", "srcset", MixedPassive},
	{"track", "src", MixedPassive}, {"input", "src", MixedPassive}, {"base", "href", MixedActive},
}

// loads are the relations by which a link element loads something.
var loads = [...]string{"stylesheet", "preload", "modulepreload", "prefetch", "icon", "apple-touch-icon", "manifest", "import"}

// styled finds what a style loads by http.
var styled = regexp.MustCompile(`(?i)url\(\s*["']?(http://[^"')\s]+)|@import\s+["'](http://[^"']+)`)

// maxFindings bounds what one page may say.
const maxFindings = 200

// looking goes through one page.
type looking struct {
	at      *url.URL // the page, or its base
	hosts   []string
	line    int
	links   []link
	found   []Finding
	inStyle bool
	open    int // index of the link whose text is being read, -1 for none
}

// look reads a page and returns where it leads and what is not safe in it.
func look(at *url.URL, page io.Reader, hosts []string) ([]link, []Finding) {
	l := &looking{at: at, hosts: hosts, line: 1, open: -1}
	z := html.NewTokenizer(page)
	z.SetMaxBuf(pageBytes)
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return l.links, l.found
		}
		lines := bytes.Count(z.Raw(), []byte("\n"))
		switch kind {
		case html.StartTagToken, html.SelfClosingTagToken:
			l.element(z.Token())
		case html.EndTagToken:
			if t := z.Token(); t.Data == "a" {
				l.open = -1
			} else if t.Data == "style" {
				l.inStyle = false
			}
		case html.TextToken:
			l.words(string(z.Text()))
		}
		l.line += lines
	}
}

func (l *looking) words(text string) {
	if l.inStyle {
		l.style("style", text)
	}
	if l.open >= 0 && len(l.links[l.open].text) < 500 {
		l.links[l.open].text += " " + text
	}
}

func (l *looking) element(t html.Token) {
	attrs := map[string]string{}
	for _, a := range t.Attr {
		if _, twice := attrs[a.Key]; !twice {
			attrs[a.Key] = strings.TrimSpace(a.Val)
		}
	}
	for _, p := range parts {
		if v, ok := attrs[p.attr]; ok && p.tag == t.Data {
			l.loaded(p, v)
		}
	}
	if s := attrs["style"]; s != "" {
		l.style(t.Data+" style", s)
	}
	switch t.Data {
	case "style":
		l.inStyle = true
	case "base":
		if base, err := l.at.Parse(attrs["href"]); err == nil {
			l.at = base
		}
	case "link":
		for rel := range strings.FieldsSeq(strings.ToLower(attrs["rel"])) {
			for _, known := range loads {
				if rel == known {
					kind := MixedActive
					if strings.Contains(rel, "icon") {
						kind = MixedPassive
					}
					l.loaded(part{"link", "href", kind}, attrs["href"])
				}
			}
		}
	case "form":
		l.form("form action", attrs["action"])
	case "button", "input":
		if to, ok := attrs["formaction"]; ok {
			l.form(t.Data+" formaction", to)
		}
	case "a", "area":
		l.anchor(t.Data, attrs)
	}
}

func (l *looking) anchor(tag string, attrs map[string]string) {
	href, ok := attrs["href"]
	if !ok || href == "" {
		return
	}
	_, method := attrs["data-method"]
	_, post := attrs["data-post"]
	_, download := attrs["download"]
	nofollow := strings.Contains(strings.ToLower(attrs["rel"]), "nofollow")
	l.links = append(l.links, link{url: href, text: attrs["title"] + " " + attrs["aria-label"], acts: method || post || download || nofollow || strings.Contains(attrs["class"], "cart") || strings.Contains(attrs["class"], "logout")})
	if tag == "a" {
		l.open = len(l.links) - 1
	}
}

func (l *looking) loaded(p part, value string) {
	values := []string{value}
	if p.attr == "srcset" {
		values = strings.Split(value, ",")
	}
	for _, v := range values {
		first, _, _ := strings.Cut(strings.TrimSpace(v), " ")
		if to := l.resolve(first); to != nil && to.Scheme == "http" {
			l.add(p.kind, p.tag+" "+p.attr, to)
		}
	}
}

func (l *looking) style(tag, css string) {
	first := l.line
	for _, m := range styled.FindAllStringSubmatchIndex(css, maxFindings) {
		begin, end := m[2], m[3]
		if begin < 0 {
			begin, end = m[4], m[5]
		}
		if to := l.resolve(css[begin:end]); to != nil {
			l.line = first + strings.Count(css[:begin], "\n")
			l.add(MixedPassive, tag, to)
		}
	}
	l.line = first
}

// form looks at where a form sends what is typed; nowhere said is the page itself.
func (l *looking) form(tag, action string) {
	to := l.resolve(action)
	switch {
	case to == nil:
	case to.Scheme == "http":
		l.add(FormHTTP, tag, to)
	case to.Scheme == "https" && !ours(to.Hostname(), l.hosts):
		l.add(FormAway, tag, to)
	}
}

func (l *looking) resolve(ref string) *url.URL {
	to, err := l.at.Parse(ref)
	if err != nil {
		return nil
	}
	return to
}

var texts = map[Kind]noren.Text{
	MixedActive:  {Ja: "スクリプト・枠・スタイルなどを http で読み込んでいます。途中で書き換えられるおそれがあり、ブラウザーは読み込みを止めます。アドレスを https:// に直してください。", En: "A script, frame or style is loaded by http. It could be replaced on its way, and browsers refuse it. Write its address with https://."},
	MixedPassive: {Ja: "画像や動画などを http で読み込んでいます。鍵マークが外れることがあります。アドレスを https:// に直してください。", En: "A picture or film is loaded by http. The padlock may go away. Write its address with https://."},
	FormHTTP:     {Ja: "入力された内容が http で送られます。途中で読まれるおそれがあります。送り先を https:// に直してください。", En: "What visitors type is sent by http, where others can read it. Write the form's address with https://."},
	FormAway:     {Ja: "入力された内容が別のサイトへ送られます。決済会社など、心当たりのある送り先かをお確かめください。", En: "What visitors type is sent to another site. See that it is one you know, such as the payment company's."},
}

func (l *looking) add(k Kind, tag string, to *url.URL) {
	if len(l.found) < maxFindings {
		shown := to.Redacted()
		l.found = append(l.found, Finding{Line: l.line, Kind: k, Tag: tag, URL: shown[:min(len(shown), 300)], Text: texts[k]})
	}
}
