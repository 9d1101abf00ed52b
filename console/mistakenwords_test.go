package console

import "testing"

// Every family that can be found has a sentence of its own, also Noren's own rules.
func TestWhyStopped(t *testing.T) {
	other := whyStopped(999999).Ja
	for _, rule := range []int{7, 913100, 920230, 921110, 922100, 930100, 931100, 932130, 933100, 934100, 941100, 942100, 943100, 944100, 100930, 100931, 100932, 100934, 100941, 100942} {
		if s := whyStopped(rule); s.Ja == "" || s.En == "" || s.Ja == other {
			t.Errorf("%d: %q", rule, s.Ja)
		}
	}
	if whyStopped(100942).Ja != whyStopped(942100).Ja {
		t.Error("Noren's own rule about SQL says something else")
	}
}
