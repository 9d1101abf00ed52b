package screen

import (
	"hash/maphash"
	mathbits "math/bits"
	"sync/atomic"
)

// Bounds of the memo: one megabyte.
const (
	memoPlaces = 1 << 16
	memoBytes  = 2 << 10 // of a key with its value
)

// memoized says which values of a variable may be remembered.
type memoized uint8

const (
	never  memoized = iota
	always          // what browsers send again with every request
	public          // unless the request is Private: what forms hold is not kept
)

// remembered are the variables whose values come again and again: pages, their
// queries, a browser's headers. What forms hold and what cookies hold (sessions)
// is never kept, and headers are those of commonHeaders.
var remembered = map[string]memoized{
	"REQUEST_HEADERS": always, "REQUEST_HEADERS_NAMES": always, "REQUEST_COOKIES_NAMES": always, "REQUEST_METHOD": always,
	"REQUEST_PROTOCOL": always, "REQUEST_LINE": always, "REQUEST_URI": always, "REQUEST_URI_RAW": always, "REQUEST_FILENAME": always,
	"REQUEST_BASENAME": always, "QUERY_STRING": always, "ARGS_GET": always, "ARGS_GET_NAMES": always, "ARGS_NAMES": always,
	"ARGS": public, "SERVER_NAME": always,
}

// commonHeaders are those that every browser sends with the same few values.
var commonHeaders = map[string]bool{
	"user-agent": true, "accept": true, "accept-language": true, "accept-encoding": true, "connection": true, "host": true,
	"cache-control": true, "pragma": true, "priority": true, "te": true, "dnt": true, "upgrade-insecure-requests": true,
	"content-type": true, "content-length": true, "origin": true, "referer": true, "sec-fetch-site": true, "sec-fetch-mode": true,
	"sec-fetch-dest": true, "sec-fetch-user": true, "sec-ch-ua": true, "sec-ch-ua-mobile": true, "sec-ch-ua-platform": true,
	"sec-gpc": true, "x-requested-with": true,
}

// memo remembers of which values no rule of a plan wants to know more: that
// depends on the plan, the key and the value alone. It keeps 128 bits of a hash
// with seeds of its own, never the value, so that nobody can find another value
// that is taken for it, and nothing can be read out of it. It is a table in which
// a newcomer takes the place of whoever hashed to it.
type memo struct {
	seeds [2]maphash.Seed
	place [memoPlaces]memoPlace
}

// memoPlace is read and written in halves: a pair of halves that do not belong
// together fits no value.
type memoPlace struct{ a, b atomic.Uint64 }

// memoKey is the hash of a value under a plan.
type memoKey struct{ a, b uint64 }

func newMemo() *memo { return &memo{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}} }

func (m *memo) key(plan int, v Value) (k memoKey) {
	k.a, k.b = m.half(0, plan, v), m.half(1, plan, v)
	return k
}

func (m *memo) half(i, plan int, v Value) uint64 {
	hi, lo := mathbits.Mul64(maphash.String(m.seeds[i], v.Key)^uint64(plan)*0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	return maphash.String(m.seeds[i], v.Value) ^ mathbits.RotateLeft64(hi^lo, 29)
}

// has reports whether a value is known to be clean. No value has the key of an
// empty place.
func (m *memo) has(k memoKey) bool {
	if k == (memoKey{}) {
		return false
	}
	p := &m.place[k.a%memoPlaces]
	return p.a.Load() == k.a && p.b.Load() == k.b
}

func (m *memo) add(k memoKey) {
	p := &m.place[k.a%memoPlaces]
	p.a.Store(k.a)
	p.b.Store(k.b)
}
