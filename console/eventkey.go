package console

import (
	"net/netip"
	"strconv"
	"strings"

	"noren"
	"noren/journal"
)

// Fields that are looked up in another way than by a search token.
const (
	keyAuto  = ""   // understand what was typed
	keyID    = "id" // of an event
	keyEntry = "no" // number of an entry in the record
)

// key is one exact thing to look for.
type key struct {
	Field, Value string
	Guessed      bool // from what was typed
}

// keyOf understands what somebody typed or pasted: an address, a network (also as
// a page shows it, with a dot for what is masked), a reference number, an event, a
// mail address or an account. field is what they chose, keyAuto to let us guess.
func keyOf(field, typed string) (key, error) {
	s := noren.HalfWidth(strings.TrimSpace(typed))
	if len(s) > noren.MaxEntityValue {
		return key{}, wrong("q", "長すぎます。", "That is too long.")
	}
	if s == "" {
		return key{}, nil
	}
	guessed := field == keyAuto
	if guessed {
		field = guess(s)
	}
	value, err := keyValue(field, s)
	return key{field, value, guessed}, err
}

func guess(s string) string {
	switch _, isAddr := addressOf(s); {
	case isAddr:
		return noren.EntityAddress
	case isNetwork(s):
		return noren.EntityNet
	case len(s) == 26 && isCrockford(s):
		return keyID
	case looksLikeTicket(s):
		return journal.FieldTicket
	case strings.HasPrefix(s, "#") || strings.HasSuffix(s, "番"):
		return keyEntry
	case isDevice(s):
		return noren.EntityDevice
	case isSession(s):
		return noren.EntitySession
	}
	return noren.EntityAccount
}

// keyValue is the value as the record has it.
func keyValue(field, s string) (string, error) {
	switch field {
	case noren.EntityAddress:
		a, ok := addressOf(s)
		if !ok {
			return "", wrong("q", "IPアドレスではありません。例: 203.0.113.7", "That is no IP address. Example: 203.0.113.7")
		}
		return a.String(), nil
	case noren.EntityNet:
		return netOf(s)
	case journal.FieldTicket:
		t, ok := noren.ReadTicket(s)
		if !ok {
			return "", wrong("q", "受付番号ではありません。例: 7K2QM-X4T9A（10文字）", "That is no reference number. Example: 7K2QM-X4T9A (ten characters)")
		}
		return t, nil
	case keyID:
		return strings.ToUpper(s), nil
	case keyEntry:
		n, err := strconv.ParseInt(strings.Trim(s, "#番 "), 10, 64)
		if err != nil || n < 0 {
			return "", wrong("q", "記録の番号ではありません。例: #1204", "That is no number of an entry. Example: #1204")
		}
		return strconv.FormatInt(n, 10), nil
	}
	return s, nil
}

// addressOf reads an address, also with a port behind it.
func addressOf(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}, false
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), true
}

// isNetwork reports whether s is meant as a network.
func isNetwork(s string) bool {
	_, err := netOf(s)
	return err == nil && strings.ContainsAny(s, "/•*") || strings.Count(s, ".") == 3 && strings.HasSuffix(s, ".") && err == nil
}

// netOf is the /24 or /48 around what was typed: the record knows networks of that
// size.
func netOf(s string) (string, error) {
	no := wrong("q", "ネットワークではありません。例: 203.0.113.0/24", "That is no network. Example: 203.0.113.0/24")
	if a, ok := addressOf(s); ok {
		return journal.NetOf(a), nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		a := p.Addr().Unmap()
		if a.Is4() && p.Bits() < 24 || !a.Is4() && p.Bits() < 48 {
			return "", wrong("q", "ネットワークは /24（IPv6は /48）までの大きさで探せます。", "A network can be looked for up to the size of /24 (of IPv6 /48).")
		}
		return journal.NetOf(a), nil
	}
	s = strings.TrimRight(s, "•*x.")
	for _, whole := range []string{s + ".0", s, s + "::"} {
		if a, err := netip.ParseAddr(whole); err == nil {
			return journal.NetOf(a), nil
		}
	}
	return "", no
}

// looksLikeTicket tells a reference number from an account's name of ten letters:
// by the hyphen or space in its middle, or else by having capitals or digits only.
func looksLikeTicket(s string) bool {
	if _, ok := noren.ReadTicket(s); !ok {
		return false
	}
	return strings.ContainsAny(s, "- ") || strings.ToUpper(s) == s && strings.ContainsAny(s, "0123456789")
}

func isCrockford(s string) bool {
	return !strings.ContainsFunc(strings.ToUpper(s), func(r rune) bool { return !strings.ContainsRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", r) })
}

// isDevice reports whether s has the shape of a device's id (device.go).
func isDevice(s string) bool {
	day, random, ok := strings.Cut(s, "-")
	_, err := strconv.ParseUint(day, 10, 32)
	return ok && err == nil && len(day) == 5 && len(random) == 14
}

// isSession reports whether s has the shape of a session's keyed hash.
func isSession(s string) bool {
	return len(s) >= 16 && len(s)%2 == 0 && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
}
