package prove

import (
	"fmt"
	"strings"
)

// ldapPrograms build a filter (RFC 4515) from strings. It must become one with
// other parts; servers read the
// first whole filter and leave what follows, which must be filters as well.
func ldapPrograms() map[string]program {
	out := map[string]program{}
	for name, shape := range map[string]string{
		"and":    "(&(uid=%s)(userPassword=x))",
		"or":     "(|(cn=*%s*)(mail=x))",
		"single": "(uid=%s)",
	} {
		out[name] = func(v string) (string, error) {
			want, err := ldapShape(fmt.Sprintf(shape, "x"))
			if err != nil {
				return "", err
			}
			got, err := ldapShape(fmt.Sprintf(shape, v))
			if err != nil {
				return "", err
			}
			if got == want {
				return "", invalid("the filter has the same parts")
			}
			return "the filter becomes " + got, nil
		}
	}
	return out
}

func ldapShape(s string) (string, error) {
	s, _, _ = strings.Cut(s, "\x00")
	shape, rest, err := ldapFilter(s, 0)
	for rest = strings.TrimSpace(rest); err == nil && rest != ""; rest = strings.TrimSpace(rest) {
		_, rest, err = ldapFilter(rest, 0)
	}
	return shape, err
}

// ldapFilter reads one filter and writes its parts without values.
func ldapFilter(s string, depth int) (shape, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if !strings.HasPrefix(s, "(") || depth > 20 {
		return "", "", invalid("no filter at %q", clip(s))
	}
	s = s[1:]
	if s != "" && strings.ContainsRune("&|!", rune(s[0])) {
		sign := s[:1]
		s = s[1:]
		var parts []string
		for strings.HasPrefix(strings.TrimLeft(s, " "), "(") {
			var part string
			if part, s, err = ldapFilter(s, depth+1); err != nil {
				return "", "", err
			}
			parts = append(parts, part)
		}
		if !strings.HasPrefix(s, ")") || len(parts) == 0 || sign == "!" && len(parts) != 1 {
			return "", "", invalid("a filter does not end")
		}
		return "(" + sign + strings.Join(parts, "") + ")", s[1:], nil
	}
	item, rest, ok := strings.Cut(s, ")")
	if !ok || strings.Contains(item, "(") {
		return "", "", invalid("a condition does not end")
	}
	name, _, ok := strings.Cut(item, "=")
	name = strings.TrimRight(name, "~<>:")
	if !ok || name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-;.:") != "" {
		return "", "", invalid("no condition in %q", clip(item))
	}
	return "(" + name + ")", rest, nil
}
