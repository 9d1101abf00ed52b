package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The shops are served although the console's port is somebody else's.
func TestConsolePortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	var log bytes.Buffer
	w, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 1, backing{byHand: true, console: taken.Addr().String()}, nil, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(context.WithoutCancel(t.Context()))
	resp, err := http.Get(w.url + "/")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the shop: %v %v", resp, err)
	}
	if link, err := w.server.ownerLink(t.Context()); link != "" || err != nil {
		t.Errorf("a link into a console that is not served: %q %v", link, err)
	}
	if s := log.String(); !strings.Contains(s, "the console is not served; the shops are") || !strings.Contains(s, "alarm=true") {
		t.Errorf("nobody is told:\n%s", s)
	}
}

// A console in the demo is there, and its first owner is led in by a link.
func TestConsoleIsServed(t *testing.T) {
	w, err := startThrowaway(t.Context(), t.TempDir(), "127.0.0.1:0", 1, backing{byHand: true, console: "127.0.0.1:0"}, nil, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close(context.WithoutCancel(t.Context()))
	link, err := w.server.ownerLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", link, resp.Status)
	}
	if again, err := w.server.ownerLink(t.Context()); err != nil || again == link {
		t.Errorf("a second link: %q %v", again, err)
	}
}
