package main

import (
	"noren"
	"noren/gateway/waf/exclusion"
	"noren/staff"
)

// staffHappened tells what somebody of the shop did, or how their sign-in went.
func staffHappened(ev *noren.Event, lang string) string {
	who := ev.Entities[noren.EntityStaff]
	switch p := ev.Payload.(type) {
	case *noren.StaffSignIn:
		text := staff.SignInText(p).In(lang) + byWhom(who, "", lang)
		if from := ev.Entities[noren.EntityAddress]; from != "" {
			text += say(lang, "、接続元 ", " from ") + from
		}
		return text
	case *noren.Operation:
		what, ok := staff.ActText(p.Action)
		if !ok {
			what, ok = exclusion.ActText(p.Action)
		}
		if !ok {
			return ""
		}
		return what.In(lang) + inBrackets(shorten(p.Object, 200)) + byWhom(who, p.Reason, lang)
	}
	return ""
}
