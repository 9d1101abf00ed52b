package notify

import (
	"fmt"
	"strings"
	"time"

	"noren"
)

// Severity is how soon a person should know.
type Severity int

// Severities.
const (
	Low    Severity = 1 // 知らせ: can wait for the morning
	Middle Severity = 2 // 確認が要ります: look today
	High   Severity = 3 // 今すぐ: look now; passed on until somebody has acknowledged it
)

// Severities lists them, the most urgent first.
func Severities() []Severity { return []Severity{High, Middle, Low} }

// String is the word in files and in JSON.
func (s Severity) String() string {
	switch s {
	case Low:
		return "low"
	case Middle:
		return "middle"
	case High:
		return "high"
	}
	return fmt.Sprintf("severity %d", int(s))
}

// Words are what a shopkeeper reads.
func (s Severity) Words() noren.Text {
	switch s {
	case High:
		return noren.Text{Ja: "今すぐ", En: "Now"}
	case Middle:
		return noren.Text{Ja: "確認が要ります", En: "Please check"}
	}
	return noren.Text{Ja: "知らせ", En: "Note"}
}

// MarshalText is String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *Severity) UnmarshalText(b []byte) error {
	for _, one := range Severities() {
		if one.String() == string(b) {
			*s = one
			return nil
		}
	}
	return noren.Errorf(noren.Invalid, "severity %q is not low, middle or high", b)
}

// Notice is one thing that people should know.
type Notice struct {
	ID       string     `json:"id"`   // made when empty; the same id is told once
	Site     string     `json:"site"` // "" for the instance
	Severity Severity   `json:"severity"`
	Key      string     `json:"key"` // the same trouble has the same key; never an outsider's words
	Title    noren.Text `json:"title"`
	Text     noren.Text `json:"text"`
	Next     noren.Text `json:"next"` // what to do
	Link     string     `json:"link"` // path in the console, such as /events/…
	At       time.Time  `json:"at"`
	Count    int64      `json:"count"` // how often it happened; 0 is once
}

// Bounds of a notice.
const (
	maxTitle = 120  // characters, of a line
	maxText  = 2000 // characters
	maxLink  = 512
)

// tidy fills in, cleans every text and bounds it.
func (n *Notice) tidy(now time.Time) error {
	if n.Severity < Low || n.Severity > High {
		return noren.Errorf(noren.Invalid, "notice: %s is none", n.Severity)
	}
	if n.Key == "" || len(n.Key) > 200 || strings.ContainsFunc(n.Key, func(r rune) bool { return r < '!' || r > '~' }) {
		return noren.Errorf(noren.Invalid, "notice: key %q is not 1 to 200 printable ASCII letters", n.Key)
	}
	if n.At.IsZero() {
		n.At = now
	}
	if n.ID == "" {
		n.ID = noren.NewID(n.At)
	}
	n.Count = max(n.Count, 1)
	n.Title = eachLanguage(n.Title, func(s string) string { return CleanLine(s, maxTitle) })
	n.Text = eachLanguage(n.Text, func(s string) string { return CleanText(s, maxText) })
	n.Next = eachLanguage(n.Next, func(s string) string { return CleanText(s, maxText) })
	if n.Title.Ja == "" {
		return noren.Errorf(noren.Invalid, "notice %s: no title", n.Key)
	}
	if !validLink(n.Link) {
		return noren.Errorf(noren.Invalid, "notice %s: %q is not a path in the console", n.Key, n.Link)
	}
	return validID(n.ID)
}

// eachLanguage applies f, and lets what is missing in one language stand in the
// other's.
func eachLanguage(t noren.Text, f func(string) string) noren.Text {
	t.Ja, t.En = f(t.Ja), f(t.En)
	if t.Ja == "" {
		t.Ja = t.En
	}
	if t.En == "" {
		t.En = t.Ja
	}
	return t
}

// validID accepts what may stand in a Message-ID and a header.
func validID(id string) error {
	ok := len(id) <= 80 && id != ""
	for _, c := range []byte(id) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-')
	}
	if !ok {
		return noren.Errorf(noren.Invalid, "notice id %q is not 1 to 80 letters, digits and -", id)
	}
	return nil
}

// validLink accepts a path of the console: no scheme, no other host, nothing that
// would have to be escaped in any channel.
func validLink(s string) bool {
	if s == "" {
		return true
	}
	if s[0] != '/' || strings.HasPrefix(s, "//") || len(s) > maxLink {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("/-_.~?=&%+:", r))
	})
}
