package orient

import (
	"hash/crc32"
	"slices"

	"noren"
)

// slot is an entity's place in the tables of this package: built-ins first,
// then the declared ones.
type slot uint8

// builtins are the entities every instance counts by. The order is that of the
// loader's queries: a slot's column is its name.
var builtins = []struct {
	name    string
	column  bool // indexed in orient_events; the others are linked by orient_marks
	coarse  bool // sees too many events to load its year
	derived bool // worked out here, never taken from a sender
	text    noren.Text
}{
	{noren.EntityAccount, true, false, false, noren.Text{Ja: "この会員", En: "this account"}},
	{noren.EntityDevice, true, false, false, noren.Text{Ja: "この端末", En: "this device"}},
	{noren.EntityAddress, true, false, false, noren.Text{Ja: "このIPアドレス", En: "this address"}},
	{noren.EntityNet, true, true, true, noren.Text{Ja: "このIPアドレスの近隣（/24・/48）", En: "this address's network (/24 or /48)"}},
	{noren.EntityASN, true, true, true, noren.Text{Ja: "この通信事業者", En: "this network operator"}},
	{noren.EntityCountry, true, true, true, noren.Text{Ja: "この国", En: "this country"}},
	{noren.EntityCard, true, false, false, noren.Text{Ja: "このカード", En: "this card"}},
	{noren.EntityBIN, true, true, false, noren.Text{Ja: "この番号で始まるカード", En: "cards of this beginning (BIN)"}},
	{noren.EntityItem, true, true, false, noren.Text{Ja: "この商品", En: "this item"}},
	{noren.EntitySite, true, true, true, noren.Text{Ja: "お店全体", En: "the whole shop"}},
	{noren.EntitySession, false, false, false, noren.Text{Ja: "この訪問", En: "this session"}},
	{noren.EntityStaff, false, false, false, noren.Text{Ja: "このスタッフ", En: "this member of staff"}},
	{noren.EntityMail, false, false, false, noren.Text{Ja: "このメールアドレス", En: "this mail address"}},
	{noren.EntityPhone, false, false, false, noren.Text{Ja: "この電話番号", En: "this phone number"}},
	{noren.EntityOrder, false, false, false, noren.Text{Ja: "この注文", En: "this order"}},
	{entityClient, false, false, true, noren.Text{Ja: "このIPアドレス（IPv6は/64）", En: "this address (its /64 for IPv6)"}},
}

// entityClient is what one client owns and a ban covers: an IPv4 address or an
// IPv6 /64. It carries bans alone, and facts call it address. The sign keeps
// senders and policy files from naming it.
const entityClient = "#client"

// Slots of the built-in entities with a column, in the order of builtins.
const (
	slotAccount slot = iota
	slotDevice
	slotAddress
	slotNet
	slotASN
	slotCountry
	slotCard
	slotBIN
	slotItem
	slotSite
	columns // how many slots have a column
)

// Slots of built-in entities without a column.
const (
	slotSession slot = columns
	slotClient  slot = columns + 5
)

// slotUnknown is the slot of a party in orient_links whose entity is declared
// no more.
const slotUnknown slot = 255

// maxSlots bounds built-in and declared entities together.
const maxSlots = 48

// entities names the slots of one instance. Slots are given once: those of a
// successor begin with its predecessor's.
type entities struct {
	names []string        // every slot, also of entities declared no more
	index map[string]slot // those counted by now
	codes map[int64]slot  // the same by the code of the name, which rows hold
}

// code is what rows know an entity's name by: slots change with what is
// declared.
func code(name string) int64 { return int64(crc32.ChecksumIEEE([]byte(name))) }

func newEntities(declared []string, after *entities) (*entities, error) {
	es := &entities{index: map[string]slot{}, codes: map[int64]slot{}}
	if after != nil {
		es.names = slices.Clone(after.names)
	}
	for _, b := range builtins {
		es.add(b.name)
	}
	for _, name := range declared {
		if !noren.ValidIdent(name) || name == "entity" {
			return nil, noren.Errorf(noren.Invalid, "declared entity %q: use lower-case letters, digits and _, beginning with a letter, and not the word \"entity\"", name)
		}
		if es.add(name); len(es.names) > maxSlots {
			return nil, noren.Errorf(noren.Invalid, "declared entity %q: at most %d entities can be declared (those declared since the start count)", name, maxSlots-len(builtins))
		}
	}
	return es, nil
}

func (es *entities) add(name string) {
	i := slices.Index(es.names, name)
	if i < 0 {
		i = len(es.names)
		es.names = append(es.names, name)
	}
	es.index[name], es.codes[code(name)] = slot(i), slot(i)
}

func (es *entities) text(s slot) noren.Text {
	if int(s) < len(builtins) {
		return builtins[s].text
	}
	return noren.Text{Ja: "この「" + es.names[s] + "」", En: "this " + es.names[s]}
}

// coarse entities see too many events to load their year.
func coarse(s slot) bool { return int(s) < len(builtins) && builtins[s].coarse }

func derived(s slot) bool { return int(s) < len(builtins) && builtins[s].derived }

// coarseNames lists the coarse entities for an error message.
func coarseNames() []string {
	var out []string
	for _, b := range builtins {
		if b.coarse {
			out = append(out, b.name)
		}
	}
	slices.Sort(out)
	return out
}
