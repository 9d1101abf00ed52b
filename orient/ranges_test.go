package orient

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRangesAgreeWithASearchThroughAllNetworks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		network := rapid.Custom(func(t *rapid.T) netip.Prefix {
			last := byte(rapid.IntRange(0, 15).Draw(t, "last") * 16)
			if rapid.Bool().Draw(t, "v4") {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{rapid.SampledFrom([]byte{0, 10, 255}).Draw(t, "first"), 255, 255, last}), rapid.SampledFrom([]int{0, 1, 8, 24, 26, 28, 32}).Draw(t, "bits"))
				return p.Masked()
			}
			p := netip.PrefixFrom(netip.AddrFrom16([16]byte{rapid.SampledFrom([]byte{0, 32, 255}).Draw(t, "first"), 255, 15: last}), rapid.SampledFrom([]int{0, 1, 64, 122, 124, 128}).Draw(t, "bits"))
			return p.Masked()
		})
		lists := rapid.SliceOfN(rapid.SliceOfN(network, 0, 6), 1, 5).Draw(t, "lists")
		r := newRanges(lists)
		for _, l := range lists {
			for _, p := range l {
				for _, a := range []netip.Addr{p.Addr(), lastOf(p), p.Addr().Prev(), lastOf(p).Next()} {
					if !a.IsValid() {
						continue
					}
					var want listSet
					for i, l := range lists {
						for _, q := range l {
							if q.Contains(a) {
								want |= 1 << i
							}
						}
					}
					if got := r.lookup(a); got != want {
						t.Fatalf("%s: got lists %b, want %b", a, got, want)
					}
				}
			}
		}
	})
}

func BenchmarkRanges(b *testing.B) {
	var list []netip.Prefix
	for i := range 100_000 {
		list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 0}), 25))
	}
	r := newRanges([][]netip.Prefix{list})
	addrs := make([]netip.Addr, 4096)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{byte(i % 2), byte(i * 7), byte(i * 13), byte(i)})
	}
	b.ResetTimer()
	for i := range b.N {
		r.lookup(addrs[i%len(addrs)])
	}
}

func FuzzParseList(f *testing.F) {
	for _, s := range []string{"192.0.2.0/24\n", "# c\n\n2001:db8::/32 ; x\r\n", "::ffff:1.2.3.0/120", "1.2.3.4/33", "\ufeff10.0.0.0/8", "fe80::1%eth0", `{"prefixes":[{"ipv4Prefix":"1.2.3.0/24"}]}`, "{", "{}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string, []byte) ([]netip.Prefix, error){parseList, parseRanges} {
			got, err := parse("list", []byte(text))
			if err != nil {
				if !strings.HasPrefix(err.Error(), "list:") {
					t.Errorf("error %q does not name the file", err)
				}
				continue
			}
			var again strings.Builder
			for _, p := range got {
				if p != p.Masked() || p.Addr().Is4In6() || p.Addr().Zone() != "" {
					t.Errorf("%s is not in the one form", p)
				}
				fmt.Fprintln(&again, p)
			}
			back, err := parseList("list", []byte(again.String()))
			if err != nil || len(back) != len(got) {
				t.Errorf("what was read does not read back: %v", err)
			}
		}
	})
}

func FuzzDecodeItem(f *testing.F) {
	f.Add(encodeItem(itemMark, groupLogin, mark{at: 1, id: 2, amount: 3, quantity: 4, ok: true, parties: [dims]key{1, 2, 3, 4}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, g, m, ok := decodeItem(b)
		if ok && string(encodeItem(kind, g, m)) != string(b) {
			t.Errorf("%x does not read back", b)
		}
	})
}

func TestMultisetAgreesWithAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s multiset
		want := map[key]int{}
		for range rapid.IntRange(0, 200).Draw(t, "steps") {
			k := key(rapid.IntRange(0, 20).Draw(t, "key"))
			if rapid.IntRange(0, 2).Draw(t, "op") > 0 {
				s.add(k)
				want[k]++
			} else if want[k] > 0 {
				s.remove(k)
				if want[k]--; want[k] == 0 {
					delete(want, k)
				}
			}
			delete(want, 0) // nobody is not counted
			if int(s.len()) != len(want) {
				t.Fatalf("got %d different keys, want %d", s.len(), len(want))
			}
		}
	})
}
