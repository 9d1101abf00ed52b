package orient

import (
	"strconv"
	"time"

	"noren"
)

// Windows a counter may have. Request rates live in memory and end at a day.
const (
	minWindow        = 30 * time.Second
	maxWindow        = 365 * 24 * time.Hour
	maxRequestWindow = 24 * time.Hour
	maxCoarseSet     = 24 * time.Hour
)

func unitOf(c byte) time.Duration {
	switch c {
	case 's':
		return time.Second
	case 'm':
		return time.Minute
	case 'h':
		return time.Hour
	case 'd':
		return 24 * time.Hour
	}
	return 0
}

// parseWindow reads a window as policies write it: 30s, 10m, 24h, 365d.
func parseWindow(s string) (time.Duration, error) {
	if !looksLikeWindow(s) {
		return 0, noren.Say(noren.Invalid, noren.Textf("期間 %q は、数と s・m・h・d で書きます。例: 30s、10m、24h、90d", "window %q is not a number with s, m, h or d, for example 30s, 10m, 24h or 90d", s))
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil || s[0] == '0' || len(s) > 9 {
		return 0, noren.Say(noren.Invalid, noren.Textf("期間 %q は、数と s・m・h・d で書きます。例: 30s、10m、24h、90d", "window %q is not a number with s, m, h or d, for example 30s, 10m, 24h or 90d", s))
	}
	unit := unitOf(s[len(s)-1])
	if n > int(maxWindow/unit) || time.Duration(n)*unit < minWindow {
		return 0, noren.Say(noren.Invalid, noren.Textf("期間 %q は 30s（30秒）から 365d（365日）の間ではありません", "window %q is not between 30s and 365d", s))
	}
	return time.Duration(n) * unit, nil
}

// looksLikeWindow reports digits and one letter: what somebody who writes a
// window means, valid or not.
func looksLikeWindow(s string) bool {
	if len(s) < 2 || unitOf(s[len(s)-1]) == 0 {
		return false
	}
	for i := range len(s) - 1 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// windowText says a window to people in its largest whole unit.
func windowText(d time.Duration) noren.Text {
	units := []struct {
		d            time.Duration
		ja, one, few string
	}{
		{24 * time.Hour, "日", "day", "days"},
		{time.Hour, "時間", "hour", "hours"},
		{time.Minute, "分", "minute", "minutes"},
		{time.Second, "秒", "second", "seconds"},
	}
	for _, u := range units {
		if d%u.d != 0 {
			continue
		}
		n := strconv.Itoa(int(d / u.d))
		if n == "1" {
			return noren.Text{Ja: "1" + u.ja, En: u.one}
		}
		return noren.Text{Ja: n + u.ja, En: n + " " + u.few}
	}
	return noren.Text{Ja: d.String(), En: d.String()}
}
