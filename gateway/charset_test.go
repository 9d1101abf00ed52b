package gateway

import (
	"slices"
	"strings"
	"testing"

	"noren"
)

func TestCharsetsOfAZone(t *testing.T) {
	s := &shop{Site: Site{Charsets: map[noren.Zone][]string{noren.ZoneContact: {"euc-jp"}}}, encodings: []string{"shift_jis"}}
	for zone, want := range map[noren.Zone][]string{noren.ZoneContact: {"euc-jp"}, noren.ZoneCheckout: {"shift_jis"}, noren.ZoneCallback: knownCharsets} {
		if got := s.charsets(zone); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", zone, got, want)
		}
	}
	wrong := Site{Encodings: []string{"utf-7"}, Charsets: map[noren.Zone][]string{"nowhere": {"utf-8"}, noren.ZoneCart: {"big5"}}}
	if faults := wrong.charsetFaults(); len(faults) != 3 || !strings.Contains(faults[2].Error(), "nowhere") {
		t.Errorf("faults: %v", faults)
	}
}
