package orient_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/orient"
)

func country(code string) map[string]any {
	return map[string]any{"country": map[string]any{"iso_code": code}}
}

func network(number uint32, name string) map[string]any {
	return map[string]any{"autonomous_system_number": number, "autonomous_system_organization": name}
}

var (
	countryFile = mmdbFile("Test-Country", map[string]map[string]any{
		"203.0.113.0/24": country("JP"), "198.51.100.0/24": country("US"), "2001:db8::/32": country("DE"), "192.0.2.0/24": {"country_code": "FR"}, "203.0.0.0/18": {"country": "JP"},
	})
	asnFile = mmdbFile("Test-ASN", map[string]map[string]any{
		"203.0.113.0/24": network(64500, "Example Telecom"), "2001:db8::/32": network(64501, "Beispielnetz"), "203.0.0.0/18": network(64500, "Example Telecom"),
	})
)

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func testAddresses(t testing.TB) *orient.Addresses {
	return must(orient.LoadAddresses(orient.AddressFiles{Country: write(t, "country.mmdb", countryFile), ASN: write(t, "asn.mmdb", asnFile)}, nil))
}

// wideAddresses know every address of the benchmarks' customers.
func wideAddresses(t testing.TB) *orient.Addresses {
	records := map[string]map[string]any{}
	for i := range 8 {
		records[netip.PrefixFrom(netip.AddrFrom4([4]byte{203, byte(i)}), 16).String()] = country("JP")
	}
	countries := mmdbFile("Test-Country", records)
	for p := range records {
		records[p] = network(64500, "Example Telecom")
	}
	return must(orient.LoadAddresses(orient.AddressFiles{Country: write(t, "country.mmdb", countries), ASN: write(t, "asn.mmdb", mmdbFile("Test-ASN", records))}, nil))
}

const googleJSON = `{"creationTime": "2026-11-20T23:00:00", "prefixes": [{"ipv6Prefix": "2001:4860:4801:10::/64"}, {"ipv4Prefix": "66.249.64.0/27"}]}`

func TestAddressKnowledge(t *testing.T) {
	a, err := orient.LoadAddresses(orient.AddressFiles{
		Country: write(t, "country.mmdb", countryFile), ASN: write(t, "asn.mmdb", asnFile),
		Private:    write(t, "private", []byte("192.0.2.128/25 # the office\n")),
		Datacentre: write(t, "dc", []byte("\ufeff; hosting\r\n198.51.100.0/24\r\n\r\n2001:db8:1::/48\r\n")),
		Tor:        write(t, "tor", []byte("198.51.100.7\n198.51.100.8\n")),
		Mobile:     write(t, "mobile", []byte("192.0.2.0/26\n198.51.100.9\n")), Residential: write(t, "homes", []byte("192.0.2.0/24\n")),
		Lists: map[string]string{"partners": write(t, "p", []byte("203.0.113.7\n")), "abuse": write(t, "a", []byte("203.0.113.0/28\n203.0.113.7\n"))},
		Bots:  map[string]string{"google": write(t, "g.json", []byte(googleJSON)), "bing": write(t, "b", []byte("157.55.39.0/24\n"))},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		addr string
		want orient.AddressInfo
	}{
		{"203.0.113.7", orient.AddressInfo{Country: "JP", ASN: 64500, ASNName: "Example Telecom", Listed: []string{"abuse", "partners"}}},
		{"203.0.113.15", orient.AddressInfo{Country: "JP", ASN: 64500, ASNName: "Example Telecom", Listed: []string{"abuse"}}},
		{"203.0.113.16", orient.AddressInfo{Country: "JP", ASN: 64500, ASNName: "Example Telecom"}},
		{"198.51.100.6", orient.AddressInfo{Country: "US", Network: "datacentre"}},
		{"198.51.100.7", orient.AddressInfo{Country: "US", Network: "tor"}},
		{"2001:db8:1:2::3", orient.AddressInfo{Country: "DE", ASN: 64501, ASNName: "Beispielnetz", Network: "datacentre"}},
		{"192.0.2.127", orient.AddressInfo{Country: "FR", Network: "residential"}},
		{"192.0.2.63", orient.AddressInfo{Country: "FR", Network: "mobile"}},
		{"198.51.100.9", orient.AddressInfo{Country: "US", Network: "datacentre"}}, // the more suspicious list is the surer one
		{"192.0.2.128", orient.AddressInfo{Country: "FR", Network: "private"}},
		{"203.0.5.5", orient.AddressInfo{Country: "JP", ASN: 64500, ASNName: "Example Telecom"}},
		{"66.249.64.31", orient.AddressInfo{Bot: "google"}},
		{"66.249.64.32", orient.AddressInfo{}},
		{"2001:4860:4801:10::1", orient.AddressInfo{Bot: "google"}},
		{"157.55.39.200", orient.AddressInfo{Bot: "bing"}},
		{"127.0.0.1", orient.AddressInfo{Network: "private"}}, {"10.1.2.3", orient.AddressInfo{Network: "private"}},
		{"172.31.255.255", orient.AddressInfo{Network: "private"}}, {"172.32.0.0", orient.AddressInfo{}},
		{"192.168.0.1", orient.AddressInfo{Network: "private"}}, {"100.64.0.1", orient.AddressInfo{Network: "private"}},
		{"::1", orient.AddressInfo{Network: "private"}}, {"fd00::1", orient.AddressInfo{Network: "private"}}, {"fe80::1", orient.AddressInfo{Network: "private"}},
		{"255.255.255.255", orient.AddressInfo{}}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", orient.AddressInfo{}},
	} {
		for range 2 { // the second time from the cache
			if diff := cmp.Diff(tt.want, a.Lookup(netip.MustParseAddr(tt.addr))); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tt.addr, diff)
			}
		}
	}
	var names []string
	for _, v := range a.Versions() {
		if len(v.Hash) != 64 || v.File == "" {
			t.Errorf("version %+v is not complete", v)
		}
		names = append(names, v.Name)
	}
	if diff := cmp.Diff([]string{"country", "asn", "private", "datacentre", "tor", "mobile", "residential", "list abuse", "list partners", "bot bing", "bot google"}, names); diff != "" {
		t.Errorf("versions (-want +got)\n%s", diff)
	}
}

func TestAddressFaultsAreReportedTogether(t *testing.T) {
	files := orient.AddressFiles{
		Country: write(t, "country.mmdb", asnFile), // the wrong one
		ASN:     write(t, "asn.mmdb", []byte("not a database")),
		Tor:     write(t, "tor.txt", []byte("198.51.100.7\n198.51.100.777\n10.0.0.1/8\n")),
		Private: filepath.Join(t.TempDir(), "missing"),
		Lists:   map[string]string{"Bad Name": write(t, "x", nil)},
		Bots:    map[string]string{"google": write(t, "g", []byte(`{"prefixes": [{"ipv4Prefix": "1.2.3.4/99"}]}`))},
	}
	_, err := orient.LoadAddresses(files, nil)
	if noren.CodeOf(err) != noren.Invalid {
		t.Fatalf("got %v, want it refused", err)
	}
	for _, want := range []string{
		`the file is of type "Test-ASN"`, "asn.mmdb: ", `tor.txt:2: "198.51.100.777" is not an address or network`,
		`tor.txt:3: "10.0.0.1/8" has bits beyond its length; write 10.0.0.0/8 or 10.0.0.1`, "missing: no such file", "list Bad Name: use lower-case", "prefixes[0] is not one",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
}

func TestReloadIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	list, tor := filepath.Join(dir, "list"), filepath.Join(dir, "tor")
	put := func(file, text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(list, "203.0.113.7\n")
	put(tor, "203.0.113.8\n")
	a := must(orient.LoadAddresses(orient.AddressFiles{Lists: map[string]string{"l": list}, Tor: tor}, nil))
	listed, exit := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	put(list, "")
	put(tor, "broken")
	if err := a.Reload(); err == nil {
		t.Error("reload of a broken file: got no error")
	}
	if got := a.Lookup(listed); len(got.Listed) != 1 {
		t.Errorf("after a failed reload: got %+v, want the old data", got)
	}
	put(tor, "")
	if err := a.Reload(); err != nil {
		t.Error(err)
	}
	if l, e := a.Lookup(listed), a.Lookup(exit); len(l.Listed) != 0 || e.Network != "" {
		t.Errorf("after a reload: got %+v and %+v, want the new data", l, e)
	}
}

func TestAddressFacts(t *testing.T) {
	o := must(orient.New(orient.Options{Addresses: testAddresses(t)}))
	needs := []string{"address.country", "address.asn", "address.asn_name", "address.network", "address.verified_bot", "address.listed", "country.logins_1h", "asn.logins_1h", "net.logins_1h"}
	for i, tt := range []struct {
		addr string
		want noren.Facts
	}{
		{"203.0.113.7", noren.Facts{needs[0]: "JP", needs[1]: int64(64500), needs[2]: "Example Telecom", needs[6]: int64(1), needs[7]: int64(1), needs[8]: int64(1)}},
		{"203.0.113.250", noren.Facts{needs[0]: "JP", needs[1]: int64(64500), needs[2]: "Example Telecom", needs[6]: int64(2), needs[7]: int64(2), needs[8]: int64(2)}},
		{"203.0.5.5", noren.Facts{needs[0]: "JP", needs[1]: int64(64500), needs[2]: "Example Telecom", needs[6]: int64(3), needs[7]: int64(3), needs[8]: int64(1)}},
		{"::ffff:203.0.113.9", noren.Facts{needs[0]: "JP", needs[1]: int64(64500), needs[2]: "Example Telecom", needs[6]: int64(4), needs[7]: int64(4), needs[8]: int64(3)}},
		{"198.51.100.1", noren.Facts{needs[0]: "US", needs[1]: int64(0), needs[2]: "", needs[6]: int64(1), needs[7]: int64(0), needs[8]: int64(1)}},
		{"2001:db8:0:1::1", noren.Facts{needs[0]: "DE", needs[1]: int64(64501), needs[2]: "Beispielnetz", needs[6]: int64(1), needs[7]: int64(1), needs[8]: int64(1)}},
		{"2001:db8:0:ffff::1", noren.Facts{needs[0]: "DE", needs[1]: int64(64501), needs[2]: "Beispielnetz", needs[6]: int64(2), needs[7]: int64(2), needs[8]: int64(2)}},
		{"2001:db8:1::1", noren.Facts{needs[0]: "DE", needs[1]: int64(64501), needs[2]: "Beispielnetz", needs[6]: int64(3), needs[7]: int64(3), needs[8]: int64(1)}},
	} {
		ev := login(string(rune('a'+i)), "hanako", 0)
		ev.Entities["address"] = tt.addr
		tt.want["address.network"], tt.want["address.verified_bot"], tt.want["address.listed"] = "", "", []string(nil)
		if diff := cmp.Diff(tt.want, facts(t, o, ev, needs...)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.addr, diff)
		}
	}
}

// names is a DNS of our own.
type names struct {
	mu      sync.Mutex
	ptr     map[string]string
	forward map[string]string
	asked   int
	down    bool
}

func (n *names) LookupAddr(_ context.Context, addr string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	if n.down {
		return nil, context.DeadlineExceeded
	}
	if name, ok := n.ptr[addr]; ok {
		return []string{name}, nil
	}
	return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a, ok := n.forward[host]; ok {
		return []netip.Addr{netip.MustParseAddr(a)}, nil
	}
	return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

func TestSearchBotsByReverseDNS(t *testing.T) {
	dns := &names{
		ptr: map[string]string{
			"66.249.66.1": "crawl-66-249-66-1.googlebot.com.", "203.0.113.1": "crawl-66-249-66-1.googlebot.com.", "203.0.113.2": "crawl.googlebot.com.evil.example.",
			"203.0.113.3": "fakegooglebot.com.", "40.77.167.1": "msnbot-40-77-167-1.search.msn.com.", "203.0.113.5": "1-2-3-4.bc.googleusercontent.com.",
		},
		forward: map[string]string{
			"crawl-66-249-66-1.googlebot.com.": "66.249.66.1", "crawl.googlebot.com.evil.example.": "203.0.113.2", "fakegooglebot.com.": "203.0.113.3",
			"msnbot-40-77-167-1.search.msn.com.": "::ffff:40.77.167.1", "1-2-3-4.bc.googleusercontent.com.": "203.0.113.5",
		},
	}
	const googlebot, bingbot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Mozilla/5.0 (compatible; bingbot/2.0)"
	a := must(orient.LoadAddresses(orient.AddressFiles{ReverseDNS: true, Resolver: dns}, nil))
	o := must(orient.New(orient.Options{Addresses: a}))
	n := 0
	visit := func(addr, agent string, after time.Duration) any {
		n++
		ev := &noren.Event{ID: string(rune(n)), Kind: noren.HTTPRequest, At: noren.At(start.Add(after)), Entities: noren.Entities{"address": addr}, Payload: &noren.Request{UserAgent: agent}}
		return fact(t, o, ev, "address.verified_bot")
	}
	for _, tt := range []struct{ addr, agent, want string }{
		{"66.249.66.1", googlebot, "google"}, {"40.77.167.1", bingbot, "bing"},
		{"203.0.113.1", googlebot, ""}, {"203.0.113.2", googlebot, ""}, {"203.0.113.3", googlebot, ""}, {"203.0.113.4", googlebot, ""}, {"203.0.113.5", googlebot, ""},
	} {
		if got := visit(tt.addr, tt.agent, 0); got != "" {
			t.Errorf("%s at first sight: got %v, want unknown", tt.addr, got)
		}
		a.Settle()
		if got := visit(tt.addr, tt.agent, time.Minute); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.addr, got, tt.want)
		}
	}
	asked := dns.asked
	visit("66.249.66.1", googlebot, 23*time.Hour)
	visit("198.51.100.1", "Mozilla/5.0 (an ordinary browser)", 0)
	if a.Settle(); dns.asked != asked {
		t.Errorf("the DNS was asked %d times more for what is known or claims nothing", dns.asked-asked)
	}
	if got := visit("66.249.66.1", googlebot, 25*time.Hour); got != "" {
		t.Errorf("a day later: got %q, want it verified anew", got)
	}
	a.Settle()
	dns.down = true
	visit("66.249.66.9", googlebot, 0)
	a.Settle()
	dns.down = false
	dns.ptr["66.249.66.9"], dns.forward["x.googlebot.com."] = "x.googlebot.com.", "66.249.66.9"
	visit("66.249.66.9", googlebot, time.Minute) // too early to ask again
	a.Settle()
	if got := visit("66.249.66.9", googlebot, 2*time.Minute); got != "" {
		t.Errorf("soon after the DNS was down: got %q", got)
	}
	visit("66.249.66.9", googlebot, 10*time.Minute)
	a.Settle()
	if got := visit("66.249.66.9", googlebot, 11*time.Minute); got != "google" {
		t.Errorf("with the DNS back: got %q, want it verified", got)
	}
}

func BenchmarkAddressLookup(b *testing.B) {
	a := wideAddresses(b)
	addrs := make([]netip.Addr, 20_000)
	for i := range addrs {
		addrs[i] = netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)})
	}
	b.ReportAllocs()
	for i := range b.N {
		a.Lookup(addrs[i*7%len(addrs)])
	}
}
