package grammar

import "strings"

// Header reports whether a line of s is a header of a mail or of an answer, where s
// is meant to be one line: a subject, an address, a place to go on to.
func Header(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '\r' && s[i] != '\n' {
			continue
		}
		at := i + 1
		for at < len(s) && (isSpace(s[at]) || s[at] == 0) {
			at++
		}
		end := at
		for end < len(s) && end-at < 40 && (isWord(s[end]) || s[end] == '-') {
			end++
		}
		colon := end
		for colon < len(s) && colon-end < 8 && (s[colon] == ' ' || s[colon] == '\t') {
			colon++
		}
		if strings.HasPrefix(s[at:], "HTTP/1.") || end > at && hasAnyPrefix(s[end:], " TO:", " FROM:", " To:", " From:", " to:", " from:") && (strings.EqualFold(s[at:end], "rcpt") || strings.EqualFold(s[at:end], "mail")) {
			return true
		}
		if colon < len(s) && s[colon] == ':' && headerHas(strings.ToLower(s[at:end]), s[colon+1:min(len(s), colon+maxHeader)]) {
			return true
		}
		i = max(i, at-1)
	}
	return false
}

const maxHeader = 1 << 10

// headerHas: a name that people write too ("To: Ken") is a header when its value is
// one.
func headerHas(name, value string) bool {
	if end := strings.IndexAny(value, "\r\n"); end >= 0 {
		value = value[:end]
	}
	switch name {
	case "to", "cc", "from", "bcc", "reply-to", "sender", "return-path", "errors-to", "resent-to", "resent-from", "disposition-notification-to", "mail-from", "rcpt-to":
		return strings.Contains(value, "@") || name == "bcc"
	case "subject", "x-mailer", "x-priority", "mime-version", "content-transfer-encoding", "content-disposition", "message-id", "in-reply-to", "references",
		"set-cookie", "location", "refresh", "content-length", "transfer-encoding", "content-type", "content-security-policy", "host", "link", "cache-control", "x-xss-protection":
		return strings.TrimSpace(value) != ""
	}
	return strings.HasPrefix(name, "access-control-") || strings.HasPrefix(name, "x-forwarded")
}
