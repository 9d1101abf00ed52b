package prove

import (
	"net/mail"
	"slices"
	"strings"
)

// mailPrograms put a value into a line of a header. The message must have
// another header that means something, or begin earlier.
func mailPrograms() map[string]program {
	return map[string]program{
		"subject": headerProgram("Subject: ", []string{"bcc", "cc", "to", "from", "reply-to", "content-type", "content-transfer-encoding", "mime-version", "sender", "x-mailer"}),
		"from":    headerProgram("From: ", []string{"bcc", "cc", "to", "subject", "reply-to", "content-type", "content-transfer-encoding", "mime-version", "sender"}),
		"location": headerProgram("Location: https://shop.example/",
			[]string{"set-cookie", "location", "content-type", "content-length", "refresh", "access-control-allow-origin", "x-xss-protection", "link", "transfer-encoding"}),
	}
}

func headerProgram(line string, meaning []string) program {
	return func(v string) (string, error) {
		text := "Received: here\r\n" + line + v + "\r\nX-End: 1\r\n\r\nbody\r\n"
		// Mail programs take a bare line feed, and many a bare carriage return.
		text = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n")
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			return "", err
		}
		for name := range m.Header {
			if slices.Contains(meaning, strings.ToLower(name)) && (!strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)) || len(m.Header[name]) > 1) {
				return "a header " + name + ": " + clip(m.Header.Get(name)), nil
			}
		}
		return "", invalid("the header is the same")
	}
}
