package gateway

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// A shop that has no news for longer than a client may stall is no fault of the
// client: its stream goes on, over HTTP/1.1 and HTTP/2. And a kept connection
// serves on after a pause of that length.
func TestQuietStreamsLive(t *testing.T) {
	const stalled = time.Second
	quiet := stalled + stalled/2
	s := stand(t, func(o *Options) {
		secure(t, o)
		o.Settings.Connections.Stalled = stalled
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 2 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				if i == 0 && r.URL.Path == "/events" {
					<-time.After(quiet)
				}
			}
		})
	})
	addr := s.https()
	for _, protos := range [][]string{{"http/1.1"}, {"h2", "http/1.1"}} {
		t.Run(protos[0], func(t *testing.T) {
			t.Parallel()
			c := tlsClient(protos)
			defer c.CloseIdleConnections()
			for _, path := range []string{"/events", "/short", "/short"} {
				res, err := c.Get("https://" + addr + path)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(res.Body)
				if err != nil || string(got) != "data: 0\n\ndata: 1\n\n" {
					t.Errorf("%s over HTTP/%d: %q, %v", path, res.ProtoMajor, got, err)
				}
				res.Body.Close()
				if path == "/short" {
					<-time.After(quiet)
				}
			}
		})
	}
}

// A client that takes nothing is cut off, and the shop is told; one that takes
// little at a time is served to the end.
func TestClientsThatTakeNothing(t *testing.T) {
	const size = 24 << 20 // more than all buffers in between hold
	gone := make(chan error, 8)
	s := stand(t, func(o *Options) {
		secure(t, o)
		o.Settings.Connections.Stalled = time.Second
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.CopyN(w, zeros{}, size)
			if r.URL.Path == "/stuck" {
				gone <- err
			}
		})
	})
	addr := s.https()
	for _, protos := range [][]string{{"http/1.1"}, {"h2", "http/1.1"}} {
		c := tlsClient(protos)
		stuck, err := c.Get("https://" + addr + "/stuck")
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-gone:
			if err == nil {
				t.Errorf("over HTTP/%d the shop could send everything to nobody", stuck.ProtoMajor)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("over HTTP/%d a client that takes nothing is not cut off", stuck.ProtoMajor)
		}
		stuck.Body.Close()
		c = tlsClient(protos)
		slow, err := c.Get("https://" + addr + "/slow")
		if err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for in := bufio.NewReader(slow.Body); ; {
			got, err := io.CopyN(io.Discard, in, 6<<20)
			if n += got; err != nil {
				break
			}
			<-time.After(600 * time.Millisecond) // four times: longer in all than a client may stall
		}
		if n != size {
			t.Errorf("over HTTP/%d a slow client got %d of %d bytes", slow.ProtoMajor, n, size)
		}
		slow.Body.Close()
	}
}

func tlsClient(protos []string) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{ServerName: "a.example.jp", InsecureSkipVerify: true, NextProtos: protos},
		ForceAttemptHTTP2: protos[0] == "h2", TLSNextProto: nil,
	}}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
