package noren

// MaskCards replaces card numbers in free text by BIN, asterisks and last four
// digits. A number counts as a card's when it has a length its brand uses (13
// to 19 digits, single spaces or hyphens between groups allowed), starts in an
// issuer's range and passes the Luhn check (ISO/IEC 7812-1). It must begin and
// end where a group of digits does. Full-width digits count like ASCII ones.
// Text without a card number is returned as it is, without an allocation.
func MaskCards(s string) string {
	var out []byte
	last := 0
	for i := 0; i < len(s); {
		if digitAt(s, i) < 0 {
			i++
			continue
		}
		if n := readNumber(s, i); n.card > 0 {
			out = append(out, s[last:i]...)
			out = n.masked(out)
			i = n.ends[n.card]
			last = i
			continue
		}
		for i < len(s) && digitAt(s, i) >= 0 { // to the end of this group
			i += digitLen(s, i)
		}
	}
	if out == nil {
		return s
	}
	return string(append(out, s[last:]...))
}

const maxCardDigits = 19

// number is what stands at the start of a group of digits: up to 19 digits,
// across single separators.
type number struct {
	digits [maxCardDigits]byte    // values 0–9
	ends   [maxCardDigits + 1]int // ends[n]: where n digits end in the text, if a group ends there
	card   int                    // digits of the card number found, 0 for none
}

// digitAt returns the ASCII or full-width digit that starts at s[i], or -1.
func digitAt(s string, i int) int {
	if c := s[i]; c >= '0' && c <= '9' {
		return int(c - '0')
	}
	if i+2 < len(s) && s[i] == 0xEF && s[i+1] == 0xBC && s[i+2] >= 0x90 && s[i+2] <= 0x99 {
		return int(s[i+2] - 0x90)
	}
	return -1
}

func digitLen(s string, i int) int {
	if s[i] < 0x80 {
		return 1
	}
	return 3
}

// readNumber reads the digits from i on and finds the longest card number that
// ends where a group does.
func readNumber(s string, i int) number {
	var n number
	count := 0
	for i < len(s) {
		d := digitAt(s, i)
		if d < 0 {
			n.ends[count] = i
			if i = skipSeparator(s, i); i < 0 {
				break
			}
			continue
		}
		if count == maxCardDigits {
			break
		}
		n.digits[count] = byte(d)
		count++
		i += digitLen(s, i)
		if i == len(s) {
			n.ends[count] = i
		}
	}
	for c := count; c >= 13; c-- {
		if n.ends[c] > 0 && isCard(n.digits[:c]) {
			n.card = c
			break
		}
	}
	return n
}

// skipSeparator steps over one space or hyphen between digits, or returns -1.
func skipSeparator(s string, i int) int {
	if (s[i] == ' ' || s[i] == '-') && i+1 < len(s) && digitAt(s, i+1) >= 0 {
		return i + 1
	}
	return -1
}

func isCard(d []byte) bool {
	return brandUses(d) && luhn(d)
}

// brandUses reports whether a brand met by Japanese shops issues numbers of
// this beginning and length: Visa, Mastercard, JCB, American Express, Diners,
// Discover, UnionPay. Thirteen digits from 45 or 49 are a JAN code, not a card.
func brandUses(d []byte) bool {
	n := len(d)
	two := int(d[0])*10 + int(d[1])
	four := two*100 + int(d[2])*10 + int(d[3])
	switch {
	case d[0] == 4:
		return n == 16 || n == 19 || n == 13 && two != 45 && two != 49
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720:
		return n == 16
	case two == 34, two == 37:
		return n == 15
	case four/10 >= 300 && four/10 <= 305, four == 3095, two == 36, two == 38, two == 39:
		return n >= 14
	case four >= 3528 && four <= 3589, four == 6011, two == 64, two == 65, two == 62, two == 81:
		return n >= 16
	}
	return false
}

// luhn is the check of ISO/IEC 7812-1 annex B.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func (n *number) masked(out []byte) []byte {
	for i, d := range n.digits[:n.card] {
		if i < 6 || i >= n.card-4 {
			out = append(out, '0'+d)
		} else {
			out = append(out, '*')
		}
	}
	return out
}
