package orient

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"

	"noren"
)

// AddressFiles name what the operator knows of addresses. Every file is
// optional; what is not given is unknown.
type AddressFiles struct {
	Country string // MMDB with country.iso_code, country_code or country
	ASN     string // MMDB with autonomous_system_number and _organization
	// Networks, one per line. Loopback, private and carrier-grade NAT networks
	// are private without a file.
	Private, Datacentre, Tor, Mobile, Residential string
	// Lists by the name that address.listed gives.
	Lists map[string]string
	// Bots are the published ranges of search engines by name: google, bing …
	Bots map[string]string
	// ReverseDNS verifies visitors that call themselves a search engine's by
	// forward-confirmed reverse DNS.
	ReverseDNS bool
	// Resolver is asked then; net.DefaultResolver when nil.
	Resolver Resolver
}

// Addresses is what is known of addresses. The files are replaced as a unit by
// Reload; a decision sees the old ones or the new ones, never both.
type Addresses struct {
	files AddressFiles
	log   *slog.Logger
	data  atomic.Pointer[addressData]
	bots  *botVerifier
}

// addressData is one version of the data. It never changes, but for its cache.
type addressData struct {
	country, asn *mmdb
	ranges       ranges
	private      listSet
	datacentre   listSet
	tor          listSet
	mobile       listSet
	residential  listSet
	named        map[int]string // lists by bit
	bots         map[int]string
	versions     []DataVersion
	seed         maphash.Seed
	cache        [addressCache]atomic.Pointer[cachedAddress]
}

const addressCache = 4096 // power of two

type cachedAddress struct {
	addr netip.Addr
	info AddressInfo
}

// AddressInfo is what is known of one address; zero values are unknown.
type AddressInfo struct {
	Country string // ISO 3166-1 alpha-2
	ASN     uint32
	ASNName string
	Network string   // private, tor, datacentre, mobile or residential
	Listed  []string // names of lists; not to be changed
	Bot     string   // by published ranges
}

// DataVersion names one file of address knowledge and the hash of its content.
type DataVersion struct {
	Name string `json:"name"`
	File string `json:"file"`
	Hash string `json:"hash"` // SHA-256, hexadecimal
}

// NoAddresses knows private networks only.
func NoAddresses() *Addresses {
	a := &Addresses{log: slog.New(slog.DiscardHandler)}
	data, err := a.load()
	if err != nil {
		panic("orient: no address files cannot be wrong: " + err.Error())
	}
	a.data.Store(data)
	return a
}

// LoadAddresses reads files; all faults are reported at once.
func LoadAddresses(files AddressFiles, log *slog.Logger) (*Addresses, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Addresses{files: files, log: log}
	if files.ReverseDNS {
		a.bots = newBotVerifier(files.Resolver, log)
	}
	return a, a.Reload()
}

// Reload reads the files again. When one of them is wrong all old data stays.
func (a *Addresses) Reload() error {
	data, err := a.load()
	if err != nil {
		return err
	}
	a.data.Store(data)
	return nil
}

// Versions names the data in use, for a replay to say why a fact differs.
func (a *Addresses) Versions() []DataVersion { return slices.Clone(a.data.Load().versions) }

// addressLoading is one load under way.
type addressLoading struct {
	data   *addressData
	lists  [][]netip.Prefix
	faults []error
}

func (a *Addresses) load() (*addressData, error) {
	l := &addressLoading{data: &addressData{named: map[int]string{}, bots: map[int]string{}, seed: maphash.MakeSeed()}}
	f := &a.files
	l.data.country = l.mmdb("country", f.Country, hasCountry)
	l.data.asn = l.mmdb("asn", f.ASN, hasASN)
	l.data.private = 1 << l.add(builtinPrivate())
	l.data.private |= l.network("private", f.Private)
	l.data.datacentre = l.network("datacentre", f.Datacentre)
	l.data.tor = l.network("tor", f.Tor)
	l.data.mobile = l.network("mobile", f.Mobile)
	l.data.residential = l.network("residential", f.Residential)
	for _, name := range slices.Sorted(maps.Keys(f.Lists)) {
		if bit, ok := l.list("list "+name, name, f.Lists[name], parseList); ok {
			l.data.named[bit] = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Bots)) {
		if bit, ok := l.list("bot "+name, name, f.Bots[name], parseRanges); ok {
			l.data.bots[bit] = name
		}
	}
	if len(l.faults) > 0 {
		return nil, noren.Errorf(noren.Invalid, "%w", errors.Join(l.faults...))
	}
	l.data.ranges = newRanges(l.lists)
	return l.data, nil
}

// read returns a file's content and notes its hash.
func (l *addressLoading) read(name, file string) ([]byte, bool) {
	data, err := readBounded(file)
	if err != nil {
		l.faults = append(l.faults, noren.Errorf(noren.Invalid, "addresses: %s: %w", name, err))
		return nil, false
	}
	sum := sha256.Sum256(data)
	l.data.versions = append(l.data.versions, DataVersion{name, file, hex.EncodeToString(sum[:])})
	return data, true
}

// maxDataBytes bounds a file; the largest public MMDB of countries has 10 MiB.
const maxDataBytes = 512 << 20

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDataBytes+1))
	if err == nil && len(data) > maxDataBytes {
		err = noren.Errorf(noren.Invalid, "%s is over the limit of %d bytes", file, maxDataBytes)
	}
	return data, err
}

func (l *addressLoading) mmdb(name, file string, has func(*mmdb) bool) *mmdb {
	if file == "" {
		return nil
	}
	data, ok := l.read(name, file)
	if !ok {
		return nil
	}
	m, err := openMMDB(data, has)
	if err != nil {
		l.faults = append(l.faults, noren.Errorf(noren.Invalid, "addresses: %s: %s: %w", name, file, err))
		return nil
	}
	return m
}

func (l *addressLoading) add(networks []netip.Prefix) int {
	l.lists = append(l.lists, networks)
	return len(l.lists) - 1
}

func (l *addressLoading) network(name, file string) listSet {
	if bit, ok := l.list(name, name, file, parseList); ok {
		return 1 << bit
	}
	return 0
}

func (l *addressLoading) list(what, name, file string, parse func(string, []byte) ([]netip.Prefix, error)) (bit int, ok bool) {
	if file == "" {
		return 0, false
	}
	if !noren.ValidName(name) {
		l.faults = append(l.faults, noren.Errorf(noren.Invalid, "addresses: %s: use lower-case letters, digits, - and _ for the name", what))
		return 0, false
	}
	if len(l.lists) == maxLists {
		l.faults = append(l.faults, noren.Errorf(noren.Invalid, "addresses: %s: more than %d lists", what, maxLists))
		return 0, false
	}
	data, ok := l.read(what, file)
	if !ok {
		return 0, false
	}
	networks, err := parse(file, data)
	if err != nil {
		l.faults = append(l.faults, noren.Errorf(noren.Invalid, "addresses: %s: %w", what, err))
		return 0, false
	}
	return l.add(networks), true
}

// Lookup returns what is known of addr.
func (a *Addresses) Lookup(addr netip.Addr) AddressInfo {
	if !addr.IsValid() {
		return AddressInfo{}
	}
	return *a.lookup(addr)
}

func (a *Addresses) lookup(addr netip.Addr) *AddressInfo {
	d := a.data.Load()
	place := &d.cache[maphash.Comparable(d.seed, addr)%addressCache]
	if c := place.Load(); c != nil && c.addr == addr {
		return &c.info
	}
	c := &cachedAddress{addr: addr, info: d.lookup(addr)}
	place.Store(c)
	return &c.info
}

func (d *addressData) lookup(addr netip.Addr) (info AddressInfo) {
	info.Country = d.country.countryOf(addr)
	info.ASN, info.ASNName = d.asn.asnOf(addr)
	lists := d.ranges.lookup(addr)
	switch {
	case lists&d.private != 0:
		info.Network = "private"
	case lists&d.tor != 0:
		info.Network = "tor"
	case lists&d.datacentre != 0:
		info.Network = "datacentre"
	case lists&d.mobile != 0:
		info.Network = "mobile"
	case lists&d.residential != 0:
		info.Network = "residential"
	}
	for bit := range maxLists {
		if lists&(1<<bit) == 0 {
			continue
		}
		if name, ok := d.named[bit]; ok {
			info.Listed = append(info.Listed, name)
		}
		if name, ok := d.bots[bit]; ok && info.Bot == "" {
			info.Bot = name
		}
	}
	return info
}

// facts writes the facts of the address that are asked for.
func (i *AddressInfo) facts(into noren.Facts, names []string, bot string) {
	for _, name := range names {
		switch name {
		case factCountry:
			into[name] = i.Country
		case factASN:
			into[name] = int64(i.ASN)
		case factASNName:
			into[name] = i.ASNName
		case factNetwork:
			into[name] = i.Network
		case factVerifiedBot:
			into[name] = bot
		case factListed:
			into[name] = i.Listed
		}
	}
}

// Fact is one of the facts that files tell about an address, nil for another.
func (i *AddressInfo) Fact(name string) any {
	into := noren.Facts{}
	if name != factVerifiedBot {
		i.facts(into, []string{name}, "")
	}
	return into[name]
}
