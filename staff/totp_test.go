package staff

import (
	"encoding/base32"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"
)

// RFC 6238, appendix B, the rows for SHA-1: eight digits of the secret
// "12345678901234567890".
func TestPublishedCodes(t *testing.T) {
	secret := []byte("12345678901234567890")
	for unix, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := code(secret, stepOf(time.Unix(unix, 0)), 8); got != want {
			t.Errorf("at %d: %s, want %s", unix, got, want)
		}
		if got := code(secret, stepOf(time.Unix(unix, 0)), totpDigits); got != want[2:] {
			t.Errorf("at %d: %s, want %s", unix, got, want[2:])
		}
	}
}

// RFC 4226, appendix D.
func TestPublishedCountedCodes(t *testing.T) {
	for i, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := code([]byte("12345678901234567890"), int64(i), 6); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

func TestWhichCodesFit(t *testing.T) {
	secret := []byte("12345678901234567890")
	now := time.Unix(1_800_000_000, 0)
	at := func(steps int64) string { return code(secret, stepOf(now)+steps, totpDigits) }
	for name, c := range map[string]struct {
		typed string
		last  int64
		fits  bool
	}{
		"this step's":          {at(0), 0, true},
		"the one before":       {at(-1), 0, true},
		"the next":             {at(1), 0, true},
		"two before":           {at(-2), 0, false},
		"two ahead":            {at(2), 0, false},
		"used":                 {at(0), stepOf(now), false},
		"before one used":      {at(-1), stepOf(now), false},
		"after one used":       {at(1), stepOf(now), true},
		"with a space":         {at(0)[:3] + " " + at(0)[3:], 0, true},
		"in wide digits":       {strings.Map(func(r rune) rune { return r - '0' + '０' }, at(0)), 0, true},
		"empty":                {"", 0, false},
		"a digit too few":      {at(0)[:5], 0, false},
		"a digit too many":     {at(0) + "0", 0, false},
		"very long":            {strings.Repeat(" ", 100) + at(0), 0, false},
		"after the clock fell": {at(0), stepOf(now) + 120, false},
	} {
		if _, ok := stepFor(secret, c.typed, now, c.last); ok != c.fits {
			t.Errorf("%s: fits is %v", name, ok)
		}
	}
}

// Whatever names an account, an app reads exactly the secret and the issuer.
func FuzzKeyURI(f *testing.F) {
	f.Add("暖簾 みどり茶舗", "tencho@example.jp", "JBSWY3DPEHPK3PXP")
	f.Add("a&secret=x", "b?issuer=c#d", NewSecret())
	f.Add("a:b", "%41+/", "")
	f.Fuzz(func(t *testing.T, issuer, account, secret string) {
		secret = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(secret))
		u, err := url.Parse(KeyURI(issuer, account, secret))
		if err != nil {
			t.Fatal(err)
		}
		q, err := url.ParseQuery(u.RawQuery)
		if err != nil || len(q) != 5 {
			t.Fatalf("%q: %v", u.RawQuery, err)
		}
		wantLabel := "/" + strings.ReplaceAll(issuer, ":", " ") + ":" + account
		if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != wantLabel || q.Get("secret") != secret || q.Get("issuer") != issuer || u.Fragment != "" {
			t.Fatalf("%s reads as %q %v", u, u.Path, q)
		}
	})
}

// What is taken as a secret is what NewSecret makes, in any spelling of it.
func FuzzParseSecret(f *testing.F) {
	f.Add(NewSecret())
	f.Add("jbsw y3dp ehpk 3pxp jbsw y3dp ehpk 3pxp")
	f.Add("====")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := parseSecret(text)
		if err != nil {
			return
		}
		again, err := parseSecret(base32Secret.EncodeToString(b))
		if err != nil || len(b) != secretBytes || string(again) != string(b) {
			t.Fatalf("%q: %x, %v", text, again, err)
		}
	})
}

// A token is taken in exactly one spelling, and only for what it was made for.
func FuzzParseToken(f *testing.F) {
	made, _ := newToken("session")
	f.Add(made)
	f.Add(made[:42] + "B")
	f.Add(strings.Repeat("A", 43))
	f.Add(made + "\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		hash, ok := parseToken("session", text)
		if !ok {
			return
		}
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || base64.RawURLEncoding.EncodeToString(raw) != text || len(raw) != tokenBytes || len(hash) != 32 {
			t.Fatalf("%q was taken", text)
		}
		if other, _ := parseToken("link", text); string(other) == string(hash) {
			t.Fatal("a session's token opens a link")
		}
	})
}

// What is read as a hash is what we write, and its cost is bounded.
func FuzzParsePHC(f *testing.F) {
	f.Add(hashPassword(goodPassword, quick))
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePHC(text)
		if err == nil && (p.String() != text || p.cost.valid() != nil) {
			t.Fatalf("%q reads as %s", text, p)
		}
	})
}

// A recovery code counts in every spelling people give it, and in no other.
func FuzzFoldRecovery(f *testing.F) {
	f.Add(newRecoveryCodes()[0])
	f.Add("oiL0-oiL0-oiL0")
	f.Fuzz(func(t *testing.T, typed string) {
		folded := foldRecovery(typed)
		if folded != "" && (len(folded) != recoveryLength || foldRecovery(folded) != folded || foldRecovery(strings.ToLower(folded)) != folded) {
			t.Fatalf("%q folds to %q", typed, folded)
		}
	})
}

func TestRecoveryCodesReadBack(t *testing.T) {
	seen := map[string]bool{}
	for range 50 {
		for _, c := range newRecoveryCodes() {
			if f := foldRecovery(c); f == "" || seen[f] || strings.ReplaceAll(c, "-", "") != f {
				t.Fatal(c)
			} else {
				seen[f] = true
			}
		}
	}
}

func TestQRCodeIsAPictureAlone(t *testing.T) {
	q, err := QR(KeyURI("暖簾", "tencho@example.jp", NewSecret()))
	if err != nil {
		t.Fatal(err)
	}
	// The three finders of ISO/IEC 18004 stand in their corners.
	for _, at := range [][2]int{{0, 0}, {q.Size - 7, 0}, {0, q.Size - 7}} {
		for i := range 7 {
			if !q.Black(at[0]+i, at[1]) || !q.Black(at[0], at[1]+i) || !q.Black(at[0]+3, at[1]+3) {
				t.Fatalf("no finder at %v", at)
			}
		}
	}
	svg := q.SVG(`"><script>`)
	if strings.Contains(svg, "<script") || strings.Contains(svg, "style=") || !strings.HasPrefix(svg, "<svg ") || !strings.HasSuffix(svg, "</svg>") {
		t.Fatal(svg[:200])
	}
}
