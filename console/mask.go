package console

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"noren"
	"noren/console/ui"
)

// mask writes personal data for people who did not ask to see it, or may not. What
// is shown still tells one visitor from another at a glance, and no more.
type mask struct{ open bool }

const dots = "•••"

// address shows the network of an address: /24, of IPv6 /48.
func (m mask) address(s string) string {
	if m.open {
		return s
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		return m.prefix(p)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return hidden(s)
	}
	return maskAddr(a.Unmap())
}

// prefix shows a network as it is when it is no narrower than what is shown of an
// address.
func (m mask) prefix(p netip.Prefix) string {
	if m.open || p.Addr().Is4() && p.Bits() <= 24 || !p.Addr().Is4() && p.Bits() <= 48 {
		return p.String()
	}
	return maskAddr(p.Addr().Unmap())
}

func maskAddr(a netip.Addr) string {
	if a.Is4() {
		b := a.As4()
		b[3] = 0
		return strings.TrimSuffix(netip.AddrFrom4(b).String(), "0") + "•"
	}
	p, err := a.WithZone("").Prefix(48)
	if err != nil {
		return dots
	}
	return p.Masked().Addr().String() + "•"
}

// name shows the first character of an account, and a mail address's domain.
func (m mask) name(s string) string {
	if m.open || s == "" {
		return s
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return hidden(s)
	}
	return hidden(s[:at]) + s[at:]
}

func hidden(s string) string {
	for _, r := range s {
		return string(r) + dots
	}
	return ""
}

// token shows the beginning of a name that Noren made itself: a session's hash, a
// device's number. It is nobody's name, and enough to compare by eye.
func (m mask) token(s string) string {
	if r := []rune(s); !m.open && len(r) > 6 {
		return string(r[:6]) + "…"
	}
	return s
}

// entity writes the value of a party of an event.
func (m mask) entity(field, value string) string {
	switch field {
	case noren.EntityAddress, noren.EntityNet:
		return m.address(value)
	case noren.EntitySession, noren.EntityDevice:
		return m.token(value)
	case noren.EntityCountry, noren.EntityASN, noren.EntityJA4, noren.EntityBIN, noren.EntityItem, noren.EntitySite, noren.EntityStaff:
		return value
	}
	return m.name(value)
}

// What is personal in free texts: mail addresses, IP addresses, long numbers such
// as a phone's or an order's.
var (
	mailIn    = regexp.MustCompile(`[^\s@<>"'(),;:=&?/]+(?:@|%40)[A-Za-z0-9.-]+`)
	addressIn = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){3,7}\b`)
	numberIn  = regexp.MustCompile(`\+?\d[\d-]{7,}\d`)
)

// text takes personal data out of a text that people or visitors wrote.
func (m mask) text(s string) string {
	if m.open {
		return s
	}
	s = mailIn.ReplaceAllStringFunc(s, func(x string) string { return m.name(strings.Replace(x, "%40", "@", 1)) })
	s = addressIn.ReplaceAllStringFunc(s, func(x string) string {
		if _, err := netip.ParseAddr(x); err != nil {
			return x
		}
		return m.address(x)
	})
	return numberIn.ReplaceAllString(s, dots)
}

// texts is text of both languages, with what is invisible made visible.
func (m mask) texts(t noren.Text) noren.Text {
	return noren.Text{Ja: ui.Plain(m.text(t.Ja)), En: ui.Plain(m.text(t.En))}
}

// query shows the names of what was sent in an address, without the values.
func (m mask) query(s string) string {
	if m.open || s == "" {
		return s
	}
	var out []string
	for part := range strings.SplitSeq(s, "&") {
		name, _, has := strings.Cut(part, "=")
		if !has {
			out = append(out, dots) // a word alone is a value as well
			continue
		}
		out = append(out, m.text(name)+"="+dots)
	}
	return strings.Join(out, "&")
}

// referer shows the page that was visited before, without what it was asked.
func (m mask) referer(s string) string {
	if m.open {
		return s
	}
	page, query, has := strings.Cut(s, "?")
	if !has {
		return m.text(page)
	}
	return m.text(page) + "?" + m.query(query)
}

// people are the names of the people of the shop by id; they are no customers.
type people map[string]string

// author names who did something, as lists and settings keep it.
func (p people) author(s string) noren.Text {
	id, isStaff := strings.CutPrefix(s, "staff:")
	if policy, ok := strings.CutPrefix(s, "policy:"); ok {
		return fill("方針 %s", "policy %s", policy)
	}
	if name := p[id]; name != "" {
		return same(name)
	}
	switch {
	case isStaff:
		return noren.Text{Ja: "スタッフ", En: "somebody of the staff"}
	case strings.HasSuffix(s, " (command line)"), s == "command line":
		return noren.Text{Ja: "この機械を操作した人", En: "somebody at the machine"}
	case slices.Contains([]string{"", "noren"}, s):
		return noren.Text{Ja: "Noren", En: "Noren"}
	}
	return same(s)
}
