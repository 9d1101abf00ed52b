package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"

	"noren"
	"noren/console"
	"noren/notify"
)

// Tell implements console.Bell.
func (h house) Tell(ctx context.Context, site string, who []console.Hearer, author, reason string) (func(context.Context, string) error, error) {
	return h.edit(ctx, site, notifyFile, func(text string) (string, error) { return withHearers(text, who) }, author, reason)
}

// Test implements console.Bell.
func (h house) Test(ctx context.Context, site string) ([]notify.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*setupWithin)
	defer cancel()
	return h.in.notify.Test(ctx, site, nil)
}

// withHearers names the first people in a notify.yaml that tells nobody yet; one
// that people wrote is left to them. What else stands in the file stays.
func withHearers(text string, who []console.Hearer) (string, error) {
	if text == "" {
		text = string(notify.ShippedFile())
	}
	rules, err := notify.Parse(notifyFile, []byte(text))
	if err != nil {
		return "", err
	}
	if len(rules.Receivers) > 0 {
		return "", noren.WithText(noren.Errorf(noren.Conflict, "notify.yaml names people already"), noren.Text{
			Ja: "知らせる相手は、すでに書かれています。", En: "Whom to tell is written down already."})
	}
	if len(who) == 0 {
		return "", noren.Errorf(noren.Invalid, "nobody is named")
	}
	var receivers strings.Builder
	var first, next []string
	for i, x := range who {
		if _, err := mail.ParseAddress(x.Mail); err != nil {
			return "", noren.Errorf(noren.Invalid, "%q is no mail address", notify.CleanLine(x.Mail, 100))
		}
		name := fmt.Sprintf("person%d", i+1)
		language := "ja"
		if x.Language == "en" {
			language = "en"
		}
		fmt.Fprintf(&receivers, "  - {name: %s, mail: %s, language: %s}\n", name, yamlText(x.Mail), language)
		if x.Next {
			next = append(next, name)
		} else {
			first = append(first, name)
		}
	}
	if len(first) == 0 {
		first, next = next, nil
	}
	out := strings.TrimRight(text, "\n") + "\nreceivers:\n" + receivers.String()
	list := strings.Join(first, ", ")
	out += fmt.Sprintf("tell:\n  high: [%s]\n  middle: [%s]\n  low: [%s]\ndigest: [%s]\n", list, list, list, list)
	if len(next) > 0 {
		out += "escalate: [" + strings.Join(next, ", ") + "]\n"
	}
	_, err = notify.Parse(notifyFile, []byte(out))
	return out, err
}

// jsonText writes a text as JSON does.
func jsonText(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}
