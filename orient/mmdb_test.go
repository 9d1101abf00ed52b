package orient_test

import (
	"net/netip"
	"sort"
)

// mmdbFile writes a MaxMind DB (format 2.0) of the given records: enough of the
// format for tests, so that they need no data of others.
func mmdbFile(kind string, records map[string]map[string]any) []byte {
	w := &mmdbWriter{nodes: [][2]int{{}}}
	prefixes := make([]string, 0, len(records))
	for p := range records {
		prefixes = append(prefixes, p)
	}
	sort.Strings(prefixes)
	for _, p := range prefixes {
		w.insert(netip.MustParsePrefix(p), records[p])
	}
	return w.bytes(kind)
}

// mmdbWriter holds a binary trie; a child is a node (positive), a record
// (negative: -1-offset) or nothing (0).
type mmdbWriter struct {
	nodes [][2]int
	data  []byte
}

func (w *mmdbWriter) insert(p netip.Prefix, record map[string]any) {
	addr, bits := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() { // IPv4 lies at ::/96 in the tree
		four := p.Addr().As4()
		addr = [16]byte{12: four[0], 13: four[1], 14: four[2], 15: four[3]}
		bits += 96
	}
	offset := len(w.data)
	w.data = appendMMDB(w.data, record)
	node := 0
	for i := range bits {
		bit := int(addr[i/8]>>(7-i%8)) & 1
		if i == bits-1 {
			w.nodes[node][bit] = -1 - offset
			return
		}
		if w.nodes[node][bit] <= 0 {
			w.nodes = append(w.nodes, [2]int{})
			w.nodes[node][bit] = len(w.nodes) - 1
		}
		node = w.nodes[node][bit]
	}
}

func (w *mmdbWriter) bytes(kind string) []byte {
	var out []byte
	for _, n := range w.nodes {
		for _, child := range n {
			v := child
			switch {
			case child == 0:
				v = len(w.nodes)
			case child < 0:
				v = len(w.nodes) + 16 - 1 - child
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(out, make([]byte, 16)...)
	out = append(out, w.data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return appendMMDB(out, map[string]any{
		"node_count": uint32(len(w.nodes)), "record_size": uint16(24), "ip_version": uint16(6), "database_type": kind,
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1_790_000_000),
		"languages": []any{}, "description": map[string]any{"en": "a test's"},
	})
}

func appendMMDB(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(appendMMDBType(b, 2, len(v)), v...)
	case uint16:
		return append(appendMMDBType(b, 5, 2), byte(v>>8), byte(v))
	case uint32:
		return append(appendMMDBType(b, 6, 4), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	case uint64:
		b = appendMMDBType(b, 9, 8)
		for i := 7; i >= 0; i-- {
			b = append(b, byte(v>>(8*i)))
		}
		return b
	case []any:
		b = appendMMDBType(b, 11, len(v))
		for _, e := range v {
			b = appendMMDB(b, e)
		}
		return b
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		b = appendMMDBType(b, 7, len(v))
		for _, k := range keys {
			b = appendMMDB(appendMMDB(b, k), v[k])
		}
		return b
	}
	panic("a type tests do not write")
}

func appendMMDBType(b []byte, kind, size int) []byte {
	var extra []byte
	if size >= 29 {
		size, extra = 29, []byte{byte(size - 29)} // under 285 is enough here
	}
	if kind > 7 {
		return append(append(b, byte(size), byte(kind-7)), extra...)
	}
	return append(append(b, byte(kind<<5|size)), extra...)
}
