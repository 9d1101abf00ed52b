package gateway

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stubborn sends a chunked body, never looking whether somebody answers, and
// only then reads the answer: what a simple uploader does.
func stubborn(c net.Conn, contentType, accept string, bytes int) (status int, body string, err error) {
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	w := bufio.NewWriterSize(c, 16<<10)
	fmt.Fprintf(w, "POST /contact HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nAccept: %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", browserUA, accept, contentType)
	chunk := strings.Repeat("\x00", 8<<10)
	for n := 0; n < bytes && err == nil; n += len(chunk) {
		_, err = fmt.Fprintf(w, "%x\r\n%s\r\n", len(chunk), chunk)
	}
	if err == nil {
		_, err = io.WriteString(w, "0\r\n\r\n")
		err = firstErr(err, w.Flush())
	}
	if err != nil {
		return 0, "", fmt.Errorf("cut off while sending: %w", err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// ordinary is net/http's client, which listens while it sends.
func ordinary(url, contentType, accept string, bytes int64) (status int, body string, err error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequest("POST", url+"/contact", io.LimitReader(zeroes{}, bytes))
	if err != nil {
		return 0, "", err
	}
	req.Header = http.Header{"User-Agent": {browserUA}, "Accept": {accept}, "Content-Type": {contentType}}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func firstErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

type way struct{ contentType, accept, want string }

// TestEveryClientReadsIts413: about one in ten clients that went on sending met
// a reset instead of the answer.
func TestEveryClientReadsIts413(t *testing.T) {
	const tooMuch = 8 << 20
	tries := 300
	if n, err := strconv.Atoi(os.Getenv("NOREN_413_TRIES")); err == nil {
		tries = n
	}
	s := stand(t, func(o *Options) {
		o.KV = nil // no limits: one address sends them all
		o.Settings.Sites[0].BodyLimit, o.Settings.Sites[0].InspectLimit = 256<<10, 4<<10
	})
	secure := s.secure(t)
	overTCP := func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(s.url, "http://")) }
	overTLS := func() (net.Conn, error) {
		return tls.Dial("tcp", secure, &tls.Config{ServerName: "x", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	}
	send := func(i int, w way) (int, string, error) {
		dial := overTCP
		switch i % 3 {
		case 0:
			return ordinary(s.url, w.contentType, w.accept, tooMuch)
		case 1:
			dial = overTLS
		}
		c, err := dial()
		if err != nil {
			return 0, "", err
		}
		defer c.Close()
		return stubborn(c, w.contentType, w.accept, tooMuch)
	}
	ways := []way{
		{"application/x-www-form-urlencoded", "text/html", "大きすぎました"},
		{"application/json", "application/json", `"status":413`},
		{"image/jpeg", "application/json", `"status":413`},
		{"application/x-www-form-urlencoded", "application/json", `"status":413`},
	}
	var got atomic.Int64
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i := range tries {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			w := ways[i/3%len(ways)]
			status, body, err := send(i, w)
			if err != nil || status != http.StatusRequestEntityTooLarge || !strings.Contains(body, w.want) {
				t.Errorf("try %d, %s: status %d, err %v: %.200s", i, w.contentType, status, err, body)
				return
			}
			got.Add(1)
		})
	}
	wg.Wait()
	t.Logf("%d of %d clients read their 413", got.Load(), tries)
}

// A client that declares a body and never sends it does not hold the answer, nor
// the connection for long.
func TestLingeringIsBounded(t *testing.T) {
	s := stand(t, func(o *Options) { o.Settings.Sites[0].BodyLimit = 1 << 10 })
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "POST /contact HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nContent-Length: 1000000\r\n\r\n", browserUA)
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 413 || !res.Close {
		t.Fatalf("%v, close %v, %v", res, res != nil && res.Close, err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("the connection stays open: %v", err)
	}
	if n := s.lingering.Load(); n != 0 {
		t.Errorf("%d still linger", n)
	}
}

// TestShopMayAnswerBeforeItHasReadAll: the shop answers an upload while it is
// still reading it. net/http's server would take the rest of the body for
// itself first, and the shop would miss it.
func TestShopMayAnswerBeforeItHasReadAll(t *testing.T) {
	const size, step = 192 << 10, 16 << 10
	for _, chunked := range []bool{true, false} {
		var read atomic.Int64
		done := make(chan error, 1)
		s := stand(t, func(o *Options) {
			o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				_, _ = io.CopyN(io.Discard, r.Body, 1<<10)
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				n, err := io.Copy(io.Discard, r.Body)
				read.Store(n + 1<<10)
				done <- err
			})
		})
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		framing, begin, end, last := fmt.Sprintf("Content-Length: %d", size), "", "", ""
		if chunked {
			framing, begin, end, last = "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n", step), "\r\n", "0\r\n\r\n"
		}
		piece := begin + strings.Repeat("\x00", step) + end
		fmt.Fprintf(c, "POST /upload HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nContent-Type: image/jpeg\r\n%s\r\n\r\n%s", browserUA, framing, piece)
		res, err := http.ReadResponse(bufio.NewReader(c), nil) // the answer begins here
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("chunked %v: no answer before the body's end: %v", chunked, err)
		}
		io.WriteString(c, strings.Repeat(piece, size/step-1)+last)
		if err := <-done; err != nil || read.Load() != size {
			t.Errorf("chunked %v: the shop read %d of %d bytes and then: %v", chunked, read.Load(), size, err)
		}
	}
}
