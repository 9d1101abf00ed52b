package waf

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"
)

const formType = "multipart/form-data; boundary=XX"

// body joins lines with CR LF.
func body(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }

func TestReduceKeepsFieldsAndDropsFiles(t *testing.T) {
	in := body("--XX", `Content-Disposition: form-data; name="note"`, "", "カラー/価格", "--XX",
		`Content-Disposition: form-data; name="photo"; filename="猫.jpg"`, "Content-Type: image/jpeg", "", strings.Repeat("\xFF\xD8", 500), "--XX",
		`Content-Disposition: form-data; name=plain`, "", "x", "--XX--")
	for name, r := range map[string]io.Reader{"whole": strings.NewReader(in), "byte by byte": iotest.OneByteReader(strings.NewReader(in))} {
		out, err := Reduce(r, formType, 4096)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := string(out)
		for _, want := range []string{"カラー/価格", `filename="猫.jpg"`, "name=plain"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is missing in %q", name, want, got)
			}
		}
		if strings.Contains(got, "\xFF\xD8") {
			t.Errorf("%s: the file's content is inspected", name)
		}
	}
}

func TestReduceRefusesWhatTwoParsersMayReadInTwoWays(t *testing.T) {
	field := func(disposition string) string { return body("--XX", disposition, "", "v", "--XX--") }
	tests := []struct{ name, contentType, body string }{
		{"two boundaries", "multipart/form-data; boundary=XX; boundary=YY", field(`Content-Disposition: form-data; name="a"`)},
		{"boundary continued by RFC 2231", "multipart/form-data; boundary*0=X; boundary*1=X", field(`Content-Disposition: form-data; name="a"`)},
		{"boundary with a space inside", `multipart/form-data; boundary="X X"`, ""},
		{"no boundary", "multipart/form-data", ""},
		{"line feed only", formType, strings.ReplaceAll(field(`Content-Disposition: form-data; name="a"`), "\r\n", "\n")},
		{"boundary inside a line", formType, body("--XX", `Content-Disposition: form-data; name="a"`, "", "x--XX", "--XX--")},
		{"boundary after a bare line feed", formType, body("--XX", `Content-Disposition: form-data; name="a"; filename="f"`, "", "x\n--XX", `Content-Disposition: form-data; name="b"`, "", "v", "--XX--")},
		{"padding behind a boundary", formType, body("--XX", `Content-Disposition: form-data; name="a"`, "", "v", "--XX ", `Content-Disposition: form-data; name="b"`, "", "w", "--XX--")},
		{"a part after the end", formType, body("--XX", `Content-Disposition: form-data; name="a"`, "", "v", "--XX--", "--XX", `Content-Disposition: form-data; name="b"`, "", "w", "--XX--")},
		{"no end", formType, body("--XX", `Content-Disposition: form-data; name="a"`, "", "v")},
		{"the header twice", formType, body("--XX", `Content-Disposition: form-data; name="a"`, `Content-Disposition: form-data; name="b"; filename="f"`, "", "v", "--XX--")},
		{"the name twice", formType, field(`Content-Disposition: form-data; name="a"; name="b"`)},
		{"an extended file name", formType, field(`Content-Disposition: form-data; name="a"; filename*=utf-8''x.php`)},
		{"a quote escaped in the name", formType, field(`Content-Disposition: form-data; name="a\"; filename=\"x"`)},
		{"no disposition", formType, field("X-Other: 1")},
		{"base64", formType, body("--XX", `Content-Disposition: form-data; name="a"`, "Content-Transfer-Encoding: base64", "", "PHNjcmlwdD4=", "--XX--")},
		{"multipart in multipart", formType, body("--XX", `Content-Disposition: form-data; name="a"; filename="f"`, "Content-Type: multipart/mixed; boundary=YY", "", "v", "--XX--")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if out, err := Reduce(strings.NewReader(tt.body), tt.contentType, 4096); !errors.Is(err, ErrAmbiguous) {
				t.Errorf("Reduce = %q, %v; want ErrAmbiguous", out, err)
			}
		})
	}
}

func TestReduceIsBounded(t *testing.T) {
	big := body("--XX", `Content-Disposition: form-data; name="a"`, "", strings.Repeat("x", 5000), "--XX--")
	if _, err := Reduce(strings.NewReader(big), formType, 4096); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long field: %v, want ErrTooLarge", err)
	}
	many := strings.Repeat(body("--XX", `Content-Disposition: form-data; name="a"`, "", ""), maxParts+1) + "--XX--"
	if _, err := Reduce(strings.NewReader(many), formType, 1<<20); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many parts: %v, want ErrTooLarge", err)
	}
	broken := io.MultiReader(strings.NewReader("--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx"), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := Reduce(broken, formType, 4096); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, ErrAmbiguous) {
		t.Errorf("a broken connection: %v, want its error", err)
	}
}

// FuzzReduce holds that no field escapes: whatever parses as a field of an
// accepted body is in what is inspected, and reducing twice changes nothing.
func FuzzReduce(f *testing.F) {
	f.Add(body("--XX", `Content-Disposition: form-data; name="a"`, "", "v", "--XX--"))
	f.Add(body("--XX", `Content-Disposition: form-data; name="a"; filename="f"`, "", "v\r\n--X", "--XX--"))
	f.Fuzz(func(t *testing.T, in string) {
		out, err := Reduce(strings.NewReader(in), formType, 1<<16)
		if err != nil {
			return
		}
		if want, got := fields(t, in), fields(t, string(out)); want != got {
			t.Fatalf("fields of %q:\n%s\ninspected:\n%s", in, want, got)
		}
		if lf := strings.ReplaceAll(in, "\r\n", "\n"); strings.Count(lf, "--XX") != strings.Count(string(out), "--XX") {
			t.Fatalf("a boundary of %q is not in %q", in, out)
		}
		if again, err := Reduce(bytes.NewReader(out), formType, 1<<16); err != nil || len(again) != len(out) {
			t.Fatalf("reduced twice: %q, %v; once %q", again, err, out)
		}
	})
}

func fields(t *testing.T, body string) string {
	t.Helper()
	var b strings.Builder
	mr := multipart.NewReader(strings.NewReader(body), "XX")
	for {
		p, err := mr.NextRawPart()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatalf("an accepted body does not parse: %v", err)
		}
		v, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("an accepted body does not parse: %v", err)
		}
		if p.FileName() == "" {
			b.WriteString(p.FormName() + "=" + string(v) + "\n")
		}
	}
}

func TestKindOf(t *testing.T) {
	tests := map[string]BodyKind{
		"":                                  Text,
		"application/x-www-form-urlencoded": Text,
		"application/json":                  Text,
		"image/svg+xml":                     Text,
		"multipart/mixed; boundary=x":       Text,
		"rubbish;;;":                        Text,
		"multipart/form-data; boundary=x":   Multipart,
		"Multipart/Form-Data; boundary=x":   Multipart,
		"image/jpeg":                        Binary,
		"application/octet-stream":          Binary,
	}
	for ct, want := range tests {
		if got := KindOf(ct); got != want {
			t.Errorf("KindOf(%q) = %v, want %v", ct, got, want)
		}
	}
}

func TestLooksBinary(t *testing.T) {
	long := strings.Repeat("日", 171)[:SniffBytes] // the last rune is cut
	for in, want := range map[string]bool{
		"": false, "a=b&c=d": false, `{"a":"日本"}`: false, long: false,
		"\xFF\xD8\xFF\xE0": true, "PK\x03\x04\x00": true, "a\x00b": true,
	} {
		if got := LooksBinary([]byte(in)); got != want {
			t.Errorf("LooksBinary(%.20q) = %v, want %v", in, got, want)
		}
	}
}
