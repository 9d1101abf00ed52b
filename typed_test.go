package noren

import "testing"

func TestReadTicket(t *testing.T) {
	for typed, want := range map[string]string{
		"7K2QM-X4T9A": "7K2QM-X4T9A", "7k2qm x4t9a": "7K2QM-X4T9A", "７Ｋ２ＱＭ－Ｘ４Ｔ９Ａ": "7K2QM-X4T9A", "7K2QMーX4T9A": "7K2QM-X4T9A", "7K2QM−X4T9A": "7K2QM-X4T9A", "7K2QM‐X4T9A": "7K2QM-X4T9A",
		"7k2qm-x4t9o": "7K2QM-X4T90", "il2qm-x4t9a": "112QM-X4T9A", "7K2QM-X4T9": "", "203.0.113.7": "", "": "", "7K2QM-X4T9Aあ": "", "<script>a": "",
	} {
		got, ok := ReadTicket(typed)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q is read as %q, %t; want %q", typed, got, ok, want)
		}
	}
}

func FuzzReadTicket(f *testing.F) {
	f.Add("7K2QM-X4T9A")
	f.Add("７ｋ２ｑｍ　ｘ４ｔ９ｏ")
	f.Fuzz(func(t *testing.T, typed string) {
		got, ok := ReadTicket(typed)
		if !ok {
			return
		}
		if again, fine := ReadTicket(got); !fine || again != got || !ValidTicket(got) {
			t.Fatalf("%q is read as %q, and that as %q, %t", typed, got, again, fine)
		}
	})
}
