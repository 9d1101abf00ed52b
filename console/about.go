package console

import (
	"net/netip"
	"strconv"
	"strings"

	"noren"
	"noren/console/ui"
)

// About is what is known of an address, as far as the operator's data tell.
type About struct {
	Country string // ISO 3166-1 alpha-2
	ASN     uint32
	Name    string // of the network's operator
	Class   string // private, tor, datacentre, mobile or residential
	Bot     string // the search engine it was verified to be
}

// Line is it in a few words: where, whose network, what kind.
func (a About) Line(w ui.Words) string {
	var out []string
	if a.Country != "" {
		out = append(out, a.Country)
	}
	switch {
	case a.Name != "":
		out = append(out, a.Name)
	case a.ASN != 0:
		out = append(out, "AS"+strconv.FormatUint(uint64(a.ASN), 10))
	}
	if c, ok := networkClasses()[a.Class]; ok {
		out = append(out, c.In(w.Lang))
	}
	if a.Bot != "" {
		out = append(out, a.Bot)
	}
	return strings.Join(out, w.T("・", ", "))
}

func networkClasses() map[string]noren.Text {
	return map[string]noren.Text{
		"private":     {Ja: "社内のアドレス", En: "private address"},
		"tor":         {Ja: "Tor（身元を隠す通信網）", En: "Tor"},
		"datacentre":  {Ja: "データセンター", En: "data centre"},
		"mobile":      {Ja: "携帯電話の回線", En: "mobile carrier"},
		"residential": {Ja: "家庭の回線", En: "home connection"},
	}
}

// about asks what is known of an address; nothing where nobody tells.
func (c *Console) about(a netip.Addr) About {
	if c.o.About == nil || !a.IsValid() {
		return About{}
	}
	return c.o.About(a)
}
