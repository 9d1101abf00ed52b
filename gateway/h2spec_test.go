package gateway

import (
	"context"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestH2Spec runs h2spec, pinned in tools/go.mod, against the gateway over TLS:
// every case of RFC 9113 and RFC 7541 that it has.
func TestH2Spec(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "tool", "-modfile=../tools/go.mod", "-n", "h2spec").CombinedOutput()
	if err != nil {
		t.Fatalf("h2spec cannot be built: %v\n%s", err, out)
	}
	tool := strings.TrimSpace(string(out))
	if _, err := os.Stat(tool); err != nil { // -n tells where it would be
		if out, err := exec.CommandContext(ctx, "go", "tool", "-modfile=../tools/go.mod", "h2spec", "--version").CombinedOutput(); err != nil {
			t.Fatalf("h2spec cannot be built: %v\n%s", err, out)
		}
	}
	s := stand(t, func(o *Options) {
		o.KV = nil                                             // no limits: it sends from one address
		o.Settings.Sites[0].Hosts = []string{"127.0.0.1", "*"} // it names no host in its handshake
	})
	host, port, err := net.SplitHostPort(s.secure(t))
	if err != nil {
		t.Fatal(err)
	}
	report, err := exec.CommandContext(ctx, tool, "--tls", "--insecure", "--host", host, "--port", port, "--timeout", "5", "http2", "hpack", "generic").CombinedOutput()
	text := string(report)
	summary := regexp.MustCompile(`(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed`).FindStringSubmatch(text)
	if summary == nil || summary[1] != "145" || summary[3] != "0" {
		t.Fatalf("h2spec: %v\n%s", err, text)
	}
	_, failures, _ := strings.Cut(text, "Failures:")
	for _, m := range regexp.MustCompile(`(?s)× \d+: ([^\n]*)\n(.*?Actual: [^\n]*)`).FindAllStringSubmatch(failures, -1) {
		if actual, known := stricter[m[1]]; !known || !strings.Contains(m[2], "Actual: "+actual) {
			t.Errorf("%s\n%s", m[1], m[2])
		}
	}
	t.Logf("%s; of these %d where net/http answers more strictly or more fully than h2spec expects", summary[0], len(stricter))
}

// stricter are h2spec's cases in which net/http's server differs on purpose,
// and how. They are held here so that a change is noticed.
var stricter = map[string]string{
	// RFC 9113, 8.1.1: "a server MAY send an HTTP response prior to closing or
	// resetting the stream". It sends 400 and ends the stream; nothing reaches
	// us or the shop (lab smuggle, HTTP/2).
	"Sends a HEADERS frame that contains the connection-specific header field":                       "DATA Frame",
	"Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "DATA Frame",
	// A setting twice in one frame ends the connection: no client sends it but
	// to make a server work.
	"Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "Connection closed",
}
