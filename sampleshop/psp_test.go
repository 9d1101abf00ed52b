package sampleshop

import (
	"strings"
	"testing"
	"time"
)

func TestReportSignature(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	v, err := newProvider(Options{BaseURL: "http://127.0.0.1:1", Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	other, err := newProvider(Options{BaseURL: "http://127.0.0.1:1", Now: time.Now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	body := []byte(`{"type":"charge.succeeded"}`)
	good := v.sign(body, at)
	tests := []struct {
		name   string
		header string
		body   string
		now    time.Time
		want   bool
	}{
		{"good", good, string(body), at, true},
		{"a little late", good, string(body), at.Add(4 * time.Minute), true},
		{"replayed", good, string(body), at.Add(6 * time.Minute), false},
		{"from the future", good, string(body), at.Add(-6 * time.Minute), false},
		{"another body", good, `{"type":"slip.paid"}`, at, false},
		{"another time", strings.Replace(good, "t=1800000000", "t=1800000001", 1), string(body), at, false},
		{"another key", other.sign(body, at), string(body), at, false},
		{"empty", "", string(body), at, false},
		{"no signature", "t=1800000000", string(body), at, false},
		{"not hex", "t=1800000000,v1=zz", string(body), at, false},
		{"empty signature", "t=1800000000,v1=", string(body), at, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := v.signed(tt.header, []byte(tt.body), tt.now); got != tt.want {
				t.Errorf("signed(%q) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}

func TestProviderForgetsTheOldest(t *testing.T) {
	var f fifo[int]
	for i := range keep + 10 {
		f.put(letters(8), i)
	}
	if len(f.m) != keep || len(f.order) != keep {
		t.Errorf("holds %d of %d, want %d", len(f.m), len(f.order), keep)
	}
}

func TestPasswords(t *testing.T) {
	stored, err := hashPassword("himitsu", newSalt(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		stored, password string
		want             bool
	}{
		{stored, "himitsu", true},
		{stored, "Himitsu", false},
		{stored, "", false},
		{"", "", false},
		{"pbkdf2-sha256$0$00$00", "", false},
		{"pbkdf2-sha256$1000$00$", "", false},
		{"md5$1$00$00", "", false},
	} {
		if got, _ := checkPassword(tt.stored, tt.password); got != tt.want {
			t.Errorf("checkPassword(%q, %q) = %v, want %v", tt.stored, tt.password, got, tt.want)
		}
	}
}

func TestCSVCell(t *testing.T) {
	for in, want := range map[string]string{
		"山田":            "山田",
		"=1+1":          "'=1+1",
		"+81-3":         "'+81-3",
		"-1":            "'-1",
		"@SUM(A1)":      "'@SUM(A1)",
		"  =1":          "'  =1",
		"　＝cmd":         "'　＝cmd",
		"\t=1":          "'\t=1",
		"090-0000-0000": "090-0000-0000",
		"":              "",
	} {
		if got := csvCell(in); got != want {
			t.Errorf("csvCell(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestYen(t *testing.T) {
	for in, want := range map[int64]string{0: "0円", 999: "999円", 1000: "1,000円", 1234567: "1,234,567円", -1234: "-1,234円"} {
		if got := yen(in); got != want {
			t.Errorf("yen(%d) = %s, want %s", in, got, want)
		}
	}
}

func TestEveryProductHasAPicture(t *testing.T) {
	c, err := loadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.products) < 24 {
		t.Errorf("only %d products", len(c.products))
	}
	for _, p := range c.products {
		if svg := string(c.pictures[p.ID]); !strings.HasPrefix(svg, "<svg") || strings.Contains(svg, "MAIN") || strings.Contains(svg, "ACCENT") {
			t.Errorf("picture of %s is %.80s", p.ID, svg)
		}
	}
}
