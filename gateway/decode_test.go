package gateway

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func pack(t testing.TB, coding, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if coding == "deflate" {
		w = zlib.NewWriter(&b)
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A body that came packed is inspected, and goes on as what was inspected.
func TestPackedBodies(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].BodyLimit = 8 << 20 })
	const form, jpeg = "application/x-www-form-urlencoded", "image/jpeg"
	plain := "a=1&b=" + strings.Repeat("x", 1000)
	picture := strings.Repeat("\xff\xd8\x00\x01", 1000)
	for _, tt := range []struct {
		name, contentType, coding string
		body                      []byte
		status                    int
		arrives                   string
	}{
		{"gzip", form, "gzip", pack(t, "gzip", plain), 200, plain},
		{"deflate", form, "deflate", pack(t, "deflate", plain), 200, plain},
		{"identity", form, "identity", []byte(plain), 200, plain},
		{"a picture", jpeg, "gzip", pack(t, "gzip", picture), 200, picture},
		{"an attack", form, "gzip", pack(t, "gzip", "a=<script>alert(1)</script>"), 403, ""},
		{"an attack in a picture", jpeg, "gzip", pack(t, "gzip", "<script>alert(1)</script>"), 403, ""},
		{"Brotli", form, "br", []byte(plain), 415, ""},
		{"two codings", form, "gzip, gzip", pack(t, "gzip", plain), 415, ""},
		{"not what it says", form, "gzip", []byte(plain), 400, ""},
		{"a form too large", form, "gzip", pack(t, "gzip", strings.Repeat("a", 100<<10)), 413, ""},
		{"a picture too large", jpeg, "gzip", pack(t, "gzip", strings.Repeat("\x00", 9<<20)), 413, ""},
		{"a picture that grows too much", jpeg, "gzip", pack(t, "gzip", strings.Repeat("\x00", 4<<20)), 413, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := s.do("POST", "/contact", string(tt.body), "Content-Type: "+tt.contentType, "Content-Encoding: "+tt.coding)
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", res.StatusCode, tt.status)
			}
			if tt.status == 415 && res.Header.Get("Accept-Encoding") != acceptedEncodings {
				t.Errorf("Accept-Encoding %q", res.Header.Get("Accept-Encoding"))
			}
			if tt.status == 200 && (!strings.HasSuffix(body, tt.arrives) || strings.Contains(body, "has Content-Encoding")) {
				t.Errorf("the shop received %.300s", body)
			}
		})
	}
	if free := s.spool.free.Load(); free != defaultSpoolMax {
		t.Errorf("bodies still hold %d bytes", defaultSpoolMax-free)
	}
}

// FuzzUnpacker: whatever comes, no more than the limit and the ratio allow comes
// out, and what comes out without a fault is what the plain library reads, to
// the last byte that came in.
func FuzzUnpacker(f *testing.F) {
	for _, coding := range []string{"gzip", "deflate"} {
		f.Add(coding == "gzip", pack(f, coding, "a=1"))
		f.Add(coding == "gzip", append(pack(f, coding, "a=1"), "tail"...))
		f.Add(coding == "gzip", pack(f, coding, strings.Repeat("\x00", 2<<20)))
	}
	f.Fuzz(func(t *testing.T, isGzip bool, packed []byte) {
		const limit = 3 << 20
		coding := "deflate"
		if isGzip {
			coding = "gzip"
		}
		u := &unpacker{coding: coding, limit: limit, packed: counter{src: bytes.NewReader(packed)}}
		got, err := io.ReadAll(u)
		if len(got) > limit || len(got) > freeRatio+64<<10 && len(got) > maxRatio*len(packed)+64<<10 {
			t.Fatalf("%d bytes of %d", len(got), len(packed))
		}
		if err != nil {
			_, large := errors.AsType[*http.MaxBytesError](err)
			if !large && !errors.Is(err, errBomb) && !errors.Is(err, errEncoding) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		var plain io.Reader
		if isGzip {
			plain, err = gzip.NewReader(bytes.NewReader(packed))
		} else {
			plain, err = zlib.NewReader(bytes.NewReader(packed))
		}
		if err != nil {
			t.Fatal(err)
		}
		if want, err := io.ReadAll(plain); err != nil || !bytes.Equal(want, got) {
			t.Fatalf("%q, the library reads %q, %v", got, want, err)
		}
	})
}
