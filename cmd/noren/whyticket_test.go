package main

import (
	"strings"
	"testing"
	"time"

	"noren"
)

// A customer reads the number in many ways; what is none is not taken for one, least
// of all an address.
func TestTicketOf(t *testing.T) {
	for in, want := range map[string]string{
		"7K2QM-X4T9A":    "7K2QM-X4T9A",
		"7k2qmx4t9a":     "7K2QM-X4T9A",
		"7k2qm x4t9a":    "7K2QM-X4T9A",
		"oOiIl-LoO0o":    "00111-10000",
		"7K2QM-X4T9":     "",
		"7K2QM-X4T9AA":   "",
		"7K2QU-X4T9A":    "",
		"203.0.113.7":    "",
		"2001:db8::1":    "",
		"10.10.10.1":     "",
		"":               "",
		"7K2QM-X4T9\x00": "",
	} {
		if got, ok := noren.ReadTicket(in); ok != (want != "") || ok && got != want {
			t.Errorf("%q is read as %q, %v; want %q", in, got, ok, want)
		}
	}
}

// Who was stopped because their session is banned is told how to lift that, and who is
// on the allow-list is not called banned.
func TestNextStepsNameTheBan(t *testing.T) {
	in := open(t, instanceWants{cfg: configFor(t.TempDir(), "", siteFor("shop", "shop.test", "http://127.0.0.1:9"))})
	session := strings.Repeat("5e", 16)
	err := in.lists.Act(t.Context(), noren.Action{ID: noren.NewID(time.Now()), Kind: noren.ActBan, Site: "shop", Entity: noren.EntitySession, Target: session, Until: noren.At(time.Now().Add(time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	steps := func(s *stopped) string {
		var all []string
		for _, text := range in.nextSteps(s, time.Now()) {
			all = append(all, text.En)
		}
		return strings.Join(all, "\n")
	}
	s := &stopped{Site: "shop", Address: "203.0.113.7", Cause: string(noren.CauseBan), session: session}
	if got := steps(s); !strings.Contains(got, "noren ban --lift 'session 5e5e5e5e5e5e'") {
		t.Errorf("a banned session:\n%s", got)
	}
	s.session = ""
	if got := steps(s); !strings.Contains(got, "the ban of 203.0.113.7 is over") || strings.Contains(got, "--lift") {
		t.Errorf("an address that is not banned:\n%s", got)
	}
}

// A visitor's path cannot end the quotes of the line that is copied.
func TestTypedPathsStayInTheirQuotes(t *testing.T) {
	for _, path := range []string{"/a'; rm -rf /; '", `/"`, "/\\", "/a\nb\x1b[2J"} {
		if got := typed(path); strings.ContainsAny(got, "'\"\\\n\x1b") {
			t.Errorf("%q is shown as %q", path, got)
		}
	}
}

// Times as they are typed after --for.
func TestSpanText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Second: "30s", 30 * time.Minute: "30m", 30*time.Minute - 3*time.Millisecond: "30m", time.Hour: "1h",
		90 * time.Minute: "90m", 24 * time.Hour: "24h", 72 * time.Hour: "3d", 7*24*time.Hour - time.Millisecond: "7d", 50 * time.Hour: "50h",
	} {
		if got := spanText(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
