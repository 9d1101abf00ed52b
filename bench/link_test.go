package main

import (
	"io"
	"net"
	"testing"
	"time"
)

// The times are lower bounds: a busy machine only adds to them.
func TestLinkIsFarAndNarrow(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	const size = 40_000
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for b := make([]byte, 1); ; {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					c.Write(make([]byte, size))
				}
			}()
		}
	}()
	k, err := openLink(t.Context(), server.Addr().String(), 100*time.Millisecond, 4e6)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", k.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ask := func() time.Duration {
		began := time.Now()
		if _, err := c.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	// The connection, the question, and a second round trip because ten packets are
	// 14.6 KB and twenty more do not hold the rest before the first are acknowledged.
	if took := ask(); took < 300*time.Millisecond {
		t.Errorf("the first answer took %s, want three round trips of 100 ms", took)
	}
	// By now the window is open: the question, and 40 KB at 4 Mbit/s.
	if took := ask(); took < 180*time.Millisecond {
		t.Errorf("the second answer took %s, want a round trip and 80 ms on the line", took)
	}
}
