package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"noren"
)

// jst is the time of every page: Japan has had no summer time since 1951.
var jst = time.FixedZone("JST", 9*60*60)

// JST is Japan's time zone.
func JST() *time.Location { return jst }

// funcs are what templates may call, in one language.
func funcs(lang string, a *Assets) template.FuncMap {
	w := Words{lang}
	return template.FuncMap{
		"lang":   func() string { return lang },
		"t":      w.T,
		"text":   func(t noren.Text) string { return Lines(t.In(lang)) },
		"when":   w.When,
		"exact":  Exact,
		"num":    w.Number,
		"bytes":  w.Bytes,
		"span":   w.Span,
		"ratio":  w.Percent,
		"cut":    Cut,
		"asset":  a.URL,
		"icon":   icon,
		"chart":  func(c Chart) template.HTML { return c.svg(w) },
		"stack":  func(s Stack) template.HTML { return s.svg(w) },
		"set":    set,
		"list":   func(v ...any) []any { return v },
		"plain":  Plain,
		"anchor": func(s string) string { return "fact-" + strings.NewReplacer("<", "", ">", "").Replace(s) },
		"act": func(may bool, path string) string {
			if may {
				return path + "/lift"
			}
			return ""
		},
		"at":    noren.At,
		"tone":  func(s string) Tone { return Tone(s) },
		"pair":  func(ja, en string) noren.Text { return noren.Text{Ja: ja, En: en} },
		"bar":   shareBar,
		"lines": Lines,
		"nth":   func(i int) int { return i + 1 },
	}
}

// Words writes for people in one language.
type Words struct{ Lang string }

// T picks the sentence of the language; templates carry both side by side.
func (w Words) T(ja, en string, args ...any) string {
	s := ja
	if w.Lang == "en" {
		s = en
	}
	if len(args) == 0 {
		return s
	}
	return fmt.Sprintf(s, args...)
}

// When is a moment as people say it, with the exact one on hover. Pages are
// made when they are asked for, so "today" is today.
func (w Words) When(t noren.Time) template.HTML { return w.when(t.Time, time.Now()) }

func (w Words) when(t, now time.Time) template.HTML {
	if t.IsZero() {
		return template.HTML(`<span class="none">` + template.HTMLEscapeString(w.T("なし", "none")) + `</span>`)
	}
	return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339Nano) + `" title="` + Exact(noren.Time{Time: t}) + `">` +
		template.HTMLEscapeString(w.near(t.In(jst), now.In(jst))) + `</time>`)
}

// near writes a time with no more of the date than is needed.
func (w Words) near(t, now time.Time) string {
	clock := t.Format("15:04:05")
	switch days := dayNumber(now) - dayNumber(t); {
	case days == 0:
		return w.T("今日 ", "today ") + clock
	case days == 1:
		return w.T("昨日 ", "yesterday ") + clock
	case days == -1:
		return w.T("明日 ", "tomorrow ") + t.Format("15:04")
	case t.Year() == now.Year():
		return w.Day(t) + " " + t.Format("15:04")
	}
	return t.Format(w.T("2006年1月2日 15:04", "2 Jan 2006 15:04"))
}

// Day is a date without its year.
func (w Words) Day(t time.Time) string { return t.In(jst).Format(w.T("1月2日", "2 Jan")) }

func dayNumber(t time.Time) int { return int(t.Unix()+9*60*60) / (24 * 60 * 60) }

// Exact is a moment to the microsecond.
func Exact(t noren.Time) string { return t.In(jst).Format("2006-01-02 15:04:05.000000 JST") }

// Number groups digits; a number of any integer type.
func (w Words) Number(n any) string {
	s := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Bytes is a size with its unit.
func (w Words) Bytes(n int64) string {
	f, unit := float64(n), 0
	for ; f >= 1024 && unit < 4; unit++ {
		f /= 1024
	}
	digits := 0
	if unit > 0 && f < 10 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + [...]string{"B", "KiB", "MiB", "GiB", "TiB"}[unit]
}

// Span is a duration in its two largest units.
func (w Words) Span(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	units := []struct {
		of     time.Duration
		ja, en string
	}{{24 * time.Hour, "日", " d"}, {time.Hour, "時間", " h"}, {time.Minute, "分", " min"}, {time.Second, "秒", " s"}}
	var out []string
	for _, u := range units {
		if n := d / u.of; n > 0 || len(out) == 1 {
			if n > 0 {
				out = append(out, strconv.Itoa(int(n))+w.T(u.ja, u.en))
			}
			d -= n * u.of
			if len(out) == 2 || n == 0 {
				break
			}
		}
	}
	if len(out) == 0 {
		return w.T("1秒未満", "less than a second")
	}
	return strings.Join(out, w.T("", " "))
}

// Percent is a share of one.
func (w Words) Percent(share float64) string {
	digits := 0
	if share < 0.1 {
		digits = 1
	}
	return strconv.FormatFloat(share*100, 'f', digits, 64) + " %"
}

// shownRunes is how much of a value from outside a page shows at once.
const shownRunes = 120

// Query writes a value for an address.
func Query(s string) string { return url.QueryEscape(s) }

// Cut shortens a value from outside; the page offers the whole beside it.
func Cut(s string) string {
	if r := []rune(s); len(r) > shownRunes {
		return string(r[:shownRunes-1]) + "…"
	}
	return s
}

// Plain makes what is invisible visible: control characters and those that turn
// the direction of writing, by which a value could look like another.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff:
			return '␣'
		}
		return r
	}, s)
}

// Lines is Plain for a text of several lines, such as names of people, policies and
// causes that stand within the words of Noren.
func Lines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = Plain(l)
	}
	return strings.Join(lines, "\n")
}

// set gives a part several values: set "Name" value "Name" value.
func set(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, noren.Errorf(noren.Invalid, "set: a name without a value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, noren.Errorf(noren.Invalid, "set: name %v is no text", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}
