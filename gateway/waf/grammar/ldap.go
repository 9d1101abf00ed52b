package grammar

import "strings"

// ldapNames are attributes of directories.
var ldapNames = wordList("uid cn sn mail objectclass userpassword givenname memberof telephonenumber homedirectory ou dc dn o c l description samaccountname displayname password user username name email title department manager mobile uidnumber gidnumber loginshell member uniquemember userprincipalname distinguishedname admincount useraccountcontrol pwdlastset employeenumber krbprincipalname shadowlastchange role admin group id pass objectcategory street postalcode gecos jpegphoto")

// LDAP reports whether s closes a filter and begins another, or ends the search
// with a NUL.
func LDAP(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != ')' {
			continue
		}
		at := skipSpace(s, i+1)
		if at < len(s) && s[at] == 0 {
			return true
		}
		if at >= len(s) || s[at] != '(' {
			continue
		}
		logic := byte(0)
		for at < len(s) && (isSpace(s[at]) || strings.IndexByte("(&|!", s[at]) >= 0) {
			if s[at] != '(' && !isSpace(s[at]) {
				logic = s[at]
			}
			at++
		}
		if logic != 0 && (at >= len(s) || s[at] == ')') && s[at-1] == logic {
			return true // (&) is true, (|) false
		}
		end := at
		for end < len(s) && end-at < 64 && (isWord(s[end]) || strings.IndexByte("-;.", s[end]) >= 0) {
			end++
		}
		name, _, _ := strings.Cut(s[at:end], ";")
		op := strings.TrimLeft(s[end:min(len(s), end+4)], " ~<>:")
		if strings.HasPrefix(op, "=") && (ldapNames.has(name) || logic != 0 && name != "" && isLetter(name[0])) {
			return true
		}
		i = max(i, at-1)
	}
	return false
}
