package orient

import (
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"

	"noren"
)

// mmdb is a MaxMind DB file in memory; nil is one without records. The file is
// read whole, not mapped: an operator may overwrite it in place.
type mmdb struct{ reader *maxminddb.Reader }

// openMMDB opens data and checks that it is of the kind wanted: giving the file
// of networks as the file of countries is an easy mistake.
func openMMDB(data []byte, has func(*mmdb) bool) (*mmdb, error) {
	r, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "%w", err)
	}
	m := &mmdb{r}
	if !has(m) {
		return nil, noren.Errorf(noren.Invalid, "none of the first %d records has what is looked for; the file is of type %q", mmdbSample, r.Metadata.DatabaseType)
	}
	return m, nil
}

const mmdbSample = 1000

// sample tries f on the first records.
func (m *mmdb) sample(f func(maxminddb.Result) bool) bool {
	n := 0
	for r := range m.reader.Networks() {
		if f(r) {
			return true
		}
		if n++; n == mmdbSample {
			break
		}
	}
	return false
}

func hasCountry(m *mmdb) bool {
	return m.sample(func(r maxminddb.Result) bool { return readCountry(r) != "" })
}

func hasASN(m *mmdb) bool {
	return m.sample(func(r maxminddb.Result) bool { n, _ := readASN(r); return n != 0 })
}

func (m *mmdb) countryOf(a netip.Addr) string {
	if m == nil {
		return ""
	}
	return readCountry(m.reader.Lookup(a))
}

func (m *mmdb) asnOf(a netip.Addr) (uint32, string) {
	if m == nil {
		return 0, ""
	}
	return readASN(m.reader.Lookup(a))
}

// readCountry reads the country as MaxMind and DB-IP write it, else as the
// smaller databases do. A record that cannot be read is unknown.
func readCountry(r maxminddb.Result) string {
	for _, path := range [][]any{{"country", "iso_code"}, {"country_code"}, {"country"}} {
		var s string
		if err := r.DecodePath(&s, path...); err == nil && isCountry(s) {
			return s
		}
	}
	return ""
}

func isCountry(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

func readASN(r maxminddb.Result) (uint32, string) {
	var rec struct {
		Number uint32 `maxminddb:"autonomous_system_number"`
		Name   string `maxminddb:"autonomous_system_organization"`
	}
	if err := r.Decode(&rec); err != nil {
		return 0, ""
	}
	return rec.Number, rec.Name
}
