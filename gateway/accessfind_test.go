package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noren"
)

// A reference number is found in the current file and in packed ones, newest first;
// what a visitor wrote into an address is not taken for one.
func TestFindTicket(t *testing.T) {
	dir := t.TempDir()
	begin := noren.At(time.Date(2026, 9, 1, 3, 0, 0, 0, time.UTC))
	line := func(path, ticket string) string {
		b, err := json.Marshal(Line{At: begin, Site: "shop", Address: "203.0.113.7", Path: path, Verdict: noren.Block, Ticket: ticket})
		if err != nil {
			t.Fatal(err)
		}
		return string(b) + "\n"
	}
	put := func(name, text string) {
		b := []byte(text)
		if strings.HasSuffix(name, ".gz") {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = z.Write(b)
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			b = packed.Bytes()
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	find := func(ticket string) (*Line, noren.Time) {
		t.Helper()
		l, since, err := FindTicket(t.Context(), dir, ticket)
		if err != nil {
			t.Fatalf("%s: %v", ticket, err)
		}
		return l, since
	}
	if l, since := find("00000-00000"); l != nil || !since.IsZero() {
		t.Errorf("in an empty directory: %v, %v", l, since)
	}
	put("access-20260901T000000-A.jsonl.gz", line("/first", "")+line("/old", "AAAAA-AAAAA"))
	put("access-20260902T000000-B.jsonl", `{"at":"2026-09-02T`+"\n"+line("/newer", "BBBBB-BBBBB"))
	put(currentFile, line(`/","ticket":"CCCCC-CCCCC`, "DDDDD-DDDDD")+line("/newest", "EEEEE-EEEEE"))
	for ticket, path := range map[string]string{"AAAAA-AAAAA": "/old", "BBBBB-BBBBB": "/newer", "EEEEE-EEEEE": "/newest"} {
		if l, _ := find(ticket); l == nil || l.Path != path {
			t.Errorf("%s: %+v, want the line of %s", ticket, l, path)
		}
	}
	if l, since := find("CCCCC-CCCCC"); l != nil || !since.Equal(begin.Time) {
		t.Errorf("what a visitor wrote: %+v, since %v", l, since)
	}
	put("access-20260831T000000-C.jsonl.gz", "")
	if err := os.WriteFile(filepath.Join(dir, "access-20260830T000000-D.jsonl.gz"), []byte("no gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, _, err := FindTicket(t.Context(), dir, "CCCCC-CCCCC"); l != nil || err == nil {
		t.Errorf("a file that cannot be read is not told: %v, %v", l, err)
	}
	if l, _, err := FindTicket(t.Context(), dir, "AAAAA-AAAAA"); l == nil || err != nil {
		t.Errorf("a damaged older file hides what is there: %v, %v", l, err)
	}
	if _, _, err := FindTicket(t.Context(), dir, `A","path":"`); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("no reference number: %v", err)
	}
}
