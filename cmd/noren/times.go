package main

import (
	"fmt"
	"time"

	"noren"
	"noren/gateway"
)

// Times for people are the shop's: Japan's, and they say so. The machine may keep
// another zone, and who reads a report need not know which. JSON keeps RFC 3339.

// precision is how much of a time a report needs.
type precision string

// Precisions.
const (
	toDay    precision = time.DateOnly
	toMinute precision = "2006-01-02 15:04 MST"
	toSecond precision = "2006-01-02 15:04:05 MST"
	toMillis precision = "2006-01-02 15:04:05.000 MST"
	ofToday  precision = "15:04:05 MST"
)

// shown is a time as the shop's people read it.
func shown(t time.Time, p precision) string { return t.In(gateway.Japan()).Format(string(p)) }

// untilText is the end of something.
func untilText(t noren.Time) string { return shown(t.Time, toMinute) }

// endText is how long something holds that may have no end.
func endText(until noren.Time, lang string) string {
	if until.IsZero() {
		return noren.Text{Ja: "解除するまで", En: "until lifted"}.In(lang)
	}
	return fmt.Sprintf(noren.Text{Ja: "%s まで", En: "until %s"}.In(lang), untilText(until))
}

// counted is a number with its noun: 1 entry, 2 entries.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
