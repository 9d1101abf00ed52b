package screen

import (
	"hash/maphash"
	"sync/atomic"
)

// Bounds of the memo: about 2 MB.
const (
	memoPlaces = 4096
	memoBytes  = 400
)

// remembered are the variables whose values come again with every request of a
// browser and say nothing about who sends it. Values of fields and cookies,
// paths and headers beyond commonHeaders are never kept.
var remembered = map[string]bool{
	"REQUEST_HEADERS": true, "REQUEST_HEADERS_NAMES": true, "ARGS_NAMES": true, "ARGS_GET_NAMES": true,
	"REQUEST_COOKIES_NAMES": true, "REQUEST_METHOD": true, "REQUEST_PROTOCOL": true,
}

// commonHeaders are those that every browser sends with the same few values.
var commonHeaders = map[string]bool{
	"user-agent": true, "accept": true, "accept-language": true, "accept-encoding": true, "connection": true, "host": true,
	"cache-control": true, "pragma": true, "priority": true, "te": true, "dnt": true, "upgrade-insecure-requests": true,
	"content-type": true, "content-length": true, "origin": true, "sec-fetch-site": true, "sec-fetch-mode": true,
	"sec-fetch-dest": true, "sec-fetch-user": true, "sec-ch-ua": true, "sec-ch-ua-mobile": true, "sec-ch-ua-platform": true,
	"sec-gpc": true, "x-requested-with": true,
}

// memo remembers values that no rule of a plan looks at twice: whether a value
// is clean depends on the plan, the key and the value alone. It is a table in
// which a newcomer takes the place of whoever hashed to it.
type memo struct {
	seed  maphash.Seed
	place [memoPlaces]atomic.Pointer[memoEntry]
}

type memoEntry struct {
	plan *plan
	v    Value
}

func newMemo() *memo { return &memo{seed: maphash.MakeSeed()} }

// find returns the place of a value and whether it is known to be clean.
func (m *memo) find(p *plan, v Value) (place *atomic.Pointer[memoEntry], clean bool) {
	place = &m.place[maphash.String(m.seed, v.Value)%memoPlaces]
	e := place.Load()
	return place, e != nil && e.plan == p && e.v == v
}
