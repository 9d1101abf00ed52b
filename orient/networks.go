package orient

import (
	"net/netip"

	"noren"
)

// ReadNetworks reads a file of networks, one per line, as addresses.lists has
// them.
func ReadNetworks(file string) ([]netip.Prefix, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "read networks: %w", err)
	}
	return parseList(file, data)
}
