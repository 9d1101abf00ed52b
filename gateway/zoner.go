package gateway

import "noren"

// Zoner returns what tells the zone of a request to s, for those who look at the
// shop without being a visitor. path and query are as on the request line.
func (s *Site) Zoner() (func(method, path, query string) noren.Zone, error) {
	preset, err := LookupPreset(s.Preset)
	if err != nil {
		return nil, err
	}
	zones, err := s.zoneMap(preset)
	if err != nil {
		return nil, err
	}
	return func(method, path, query string) noren.Zone { return zones.Find(method, path, query).Zone }, nil
}
