package console

import (
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"noren/console/ui"
)

// Who opens a page over HTTP/2 is told of the stylesheet before the page; a part, an
// image or an old connection is not.
func TestHint(t *testing.T) {
	assets, err := ui.OpenAssets()
	if err != nil {
		t.Fatal(err)
	}
	c := &Console{assets: assets}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(&visit{c: c, w: w, r: r}).hint()
		w.Write([]byte("page"))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	old := server.Client().Transport.(*http.Transport).Clone()
	old.ForceAttemptHTTP2, old.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
	for _, tt := range []struct {
		name, method, dest string
		via                http.RoundTripper
		want               bool
	}{
		{"page", "GET", "document", server.Client().Transport, true},
		{"act", "POST", "document", server.Client().Transport, false},
		{"part", "GET", "empty", server.Client().Transport, false},
		{"HTTP/1.1", "GET", "document", old, false},
	} {
		hinted := ""
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error { hinted = h.Get("Link"); return nil }}
		req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), tt.method, server.URL, nil)
		req.Header.Set("Sec-Fetch-Dest", tt.dest)
		resp, err := tt.via.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		resp.Body.Close()
		if got := strings.Contains(hinted, assets.URL("style.css")) && strings.Contains(hinted, "preload"); got != tt.want || resp.Header.Get("Link") != "" {
			t.Errorf("%s: hinted %q, then %q", tt.name, hinted, resp.Header.Get("Link"))
		}
	}
}
