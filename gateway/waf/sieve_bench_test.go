package waf

import (
	"context"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkMix is the CPU of one request of a shop's mix of clean requests, with
// the screen and without; BenchmarkField that of one clean field.
func BenchmarkMix(b *testing.B) {
	s := newShop(b, 1)
	var reqs []*Request
	for len(reqs) < 500 {
		if r := s.mix(); !marked(oracle(b, r)) {
			reqs = append(reqs, r)
		}
	}
	both(b, func(b *testing.B, w *WAF) {
		b.ReportAllocs()
		i, cpu := 0, cpuTime(b)
		for b.Loop() {
			if _, err := w.Inspect(context.Background(), reqs[i%len(reqs)]); err != nil {
				b.Fatal(err)
			}
			i++
		}
		b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
	})
}

// BenchmarkAttack is the CPU of one request that the rules mark: those of their
// own tests, and a field of 64 KiB with an attack at its end.
func BenchmarkAttack(b *testing.B) {
	var reqs []*Request
	for i, s := range suite(b) {
		if i%9 == 0 && marked(oracle(b, s.r)) {
			reqs = append(reqs, s.r)
		}
	}
	long := request("POST", "/contact", "note="+strings.Repeat("%E3%81%8A%E8%8C%B6+and+tea.+", 64<<10/28)+"%3Cscript%3Ealert(1)%3C/script%3E")
	both(b, func(b *testing.B, w *WAF) {
		for name, reqs := range map[string][]*Request{"suite": reqs, "64KiB": {long}} {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				i, cpu := 0, cpuTime(b)
				for b.Loop() {
					if res, err := w.Inspect(context.Background(), reqs[i%len(reqs)]); err != nil || !marked(res) {
						b.Fatal(res, err)
					}
					i++
				}
				b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
			})
		}
	})
}

// cpuTime is what this process used, which neighbours on the machine disturb
// least.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkField(b *testing.B) {
	text := "お問い合わせの件ですが、先日購入したメーカー純正カバー（赤）のサイズについて教えてください。It arrived on Monday, thank you. "
	for _, size := range []int{24 << 10, 64 << 10, 512 << 10} {
		body := "note="
		for i := 0; len(body) < size; i++ {
			body += url.QueryEscape(text)
		}
		both(b, func(b *testing.B, w *WAF) {
			r := request("POST", "/contact", body[:strings.LastIndexByte(body[:size], '+')]) // whole characters
			cpu := cpuTime(b)
			for b.Loop() {
				res, err := w.Inspect(context.Background(), r)
				if err != nil || res.Score > 0 {
					b.Fatal(res, err)
				}
			}
			b.ReportMetric(float64(len(r.Body))/1024, "KiB")
			b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func both(b *testing.B, f func(b *testing.B, w *WAF)) {
	for name, o := range map[string]Options{"screen": {Compare: -1}, "engine": {NoScreen: true}} {
		w, err := New(o)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) { f(b, w) })
		w.Close()
	}
}
