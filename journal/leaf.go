package journal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

const (
	leafVersion = 1
	// maxLeaf is the most a C2SP entry bundle can hold in one entry.
	maxLeaf = 65535
	// compressOver is the size of a sealed part that is compressed first, so
	// that the largest event allowed still fits a leaf.
	compressOver = 16 << 10
	maxPlain     = 1 << 20
	maxRule      = 256
)

// record is one entry, or bare rows, on its way to the database.
type record struct {
	columns
	body   []byte // the leaf; nil for bare rows
	hash   tlog.Hash
	tokens []token
	keys   []db.Row // wrapped keys the sealer made for this record
	keyID  string   // to confirm once keys are committed
	rows   []db.Row // the caller's

	size    int
	barrier bool // no data: only marks a place in the queue
	done    chan struct{}
	settled bool
	receipt Receipt
	err     error
}

type token struct {
	Field string `json:"field"`
	Value []byte `json:"value"`
}

// columns are the parts of a leaf that the table repeats for queries.
type columns struct {
	log, id                   string
	at                        int64
	kind, site, zone, verdict string
	rule                      string
	count                     int64
}

// leaf is an entry as it is hashed: one line of JSON. The first nine fields are
// also columns and always stand first, in this order.
type leaf struct {
	V       int        `json:"v"`
	ID      string     `json:"id"`
	Kind    string     `json:"kind"`
	At      noren.Time `json:"at"`
	Site    string     `json:"site"`
	Zone    string     `json:"zone"`
	Verdict string     `json:"verdict"`
	Rule    string     `json:"rule"`
	Count   int64      `json:"count"`
	leafRest
}

// leafAction is what is public of an action: its target is sealed.
type leafAction struct {
	ID      string     `json:"id"`
	Kind    string     `json:"kind"`
	Until   noren.Time `json:"until,omitzero"`
	Expires noren.Time `json:"expires,omitzero"`
	Policy  string     `json:"policy"`
}

// prepare does all the work of an entry that needs no database: it runs in the
// caller's goroutine, so that writers share the cores.
func (j *Journal) prepare(e *noren.Entry, rows []db.Row) (*record, error) {
	if err := validEntry(e); err != nil {
		return nil, fmt.Errorf("append %s: %w", e.Event.Kind, err)
	}
	if err := validRows(rows); err != nil {
		return nil, fmt.Errorf("append %s: %w", e.Event.Kind, err)
	}
	e.Event.At = noren.At(e.Event.At.Time)
	r := &record{columns: columnsOf(e), rows: rows}
	plain, err := encodeEntry(e)
	if err != nil {
		return nil, fmt.Errorf("append %s: %w", r.id, err)
	}
	sealed, keys, err := j.o.Sealer.Seal(e.Event.Site, e.Event.Subject(), e.Event.At.Time, plain, aad(r.log, r.id))
	if err != nil {
		return nil, fmt.Errorf("append %s: seal: %w", r.id, err)
	}
	r.keys, r.keyID = keys, sealed.Key
	if r.body, err = encodeLeaf(&r.columns, e, sealed); err != nil {
		return nil, fmt.Errorf("append %s: %w", r.id, err)
	}
	r.hash = tlog.RecordHash(r.body)
	r.tokens = j.tokensOf(&e.Event)
	r.size = len(r.body) + 64*len(r.tokens) + sizeOf(rows) + sizeOf(keys) + 256
	return r, nil
}

func bareRows(rows []db.Row) (*record, error) {
	if err := validRows(rows); err != nil {
		return nil, err
	}
	return &record{rows: rows, size: sizeOf(rows) + 64}, nil
}

// maxRows bounds the rows of one record, in bytes.
const maxRows = 1 << 20

// validRows refuses rows that would spoil a group or could not be spooled.
func validRows(rows []db.Row) error {
	for _, r := range rows {
		if r.Table == nil || len(r.Values) != len(r.Table.Columns) {
			return noren.Errorf(noren.Invalid, "a row has no table or not one value per column")
		}
		for i, v := range r.Values {
			switch v.(type) {
			case nil, string, int64, []byte, bool, float64:
				continue
			}
			if _, err := frameValueOf(v); err != nil {
				return fmt.Errorf("column %s of %s: %w", r.Table.Columns[i], r.Table.Name, err)
			}
		}
	}
	if n := sizeOf(rows); n > maxRows {
		return noren.Errorf(noren.Invalid, "rows of %d bytes are over the limit of %d", n, maxRows)
	}
	return nil
}

func sizeOf(rows []db.Row) int {
	n := 0
	for _, r := range rows {
		for _, v := range r.Values {
			switch v := v.(type) {
			case []byte:
				n += len(v)
			case string:
				n += len(v)
			}
			n += 16
		}
	}
	return n
}

// validEntry refuses what could not be read back.
func validEntry(e *noren.Entry) error {
	ev := &e.Event
	if err := ev.Valid(); err != nil {
		return err
	}
	if ev.ID == "" || strings.ContainsFunc(ev.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return noren.Errorf(noren.Invalid, "event id %q is not 1 to 128 printable ASCII characters", ev.ID)
	}
	if ev.Site != "" && !noren.ValidName(ev.Site) || ev.Site == InstanceLog {
		return noren.Errorf(noren.Invalid, "site %q cannot have a log", ev.Site)
	}
	if v := e.Decision.Verdict; v != "" && !v.Valid() {
		return noren.Errorf(noren.Invalid, "unknown verdict %q", v)
	}
	if e.Count < 1 {
		return noren.Errorf(noren.Invalid, "count %d is less than 1", e.Count)
	}
	info, err := ev.Kind.Info()
	if err != nil {
		return noren.Errorf(noren.Invalid, "%w", err)
	}
	if want := info.NewPayload(); ev.Payload != nil && reflect.TypeOf(ev.Payload) != reflect.TypeOf(want) {
		return noren.Errorf(noren.Invalid, "payload is a %T, and %s needs a %T", ev.Payload, ev.Kind, want)
	}
	return nil
}

func columnsOf(e *noren.Entry) columns {
	return columns{
		log: logOf(e.Event.Site), id: e.Event.ID, at: e.Event.At.UnixMicro(),
		kind: string(e.Event.Kind), site: e.Event.Site, zone: string(e.Event.Zone),
		verdict: string(e.Decision.Verdict), rule: cleanText(e.Rule, maxRule), count: e.Count,
	}
}

// cleanText makes s fit a TEXT column of either engine: valid UTF-8, no control
// characters, bounded. The sealed part keeps the original.
func cleanText(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// aad binds a sealed part to its place, so that two entries cannot exchange
// theirs.
func aad(log, id string) []byte { return []byte("noren journal\n" + log + "\n" + id) }

// encodeEntry is the plaintext of the sealed part.
func encodeEntry(e *noren.Entry) ([]byte, error) {
	plain, err := marshal(e)
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "encode: %w", err)
	}
	if len(plain) <= compressOver {
		return plain, nil
	}
	if len(plain) > noren.MaxEventBytes {
		ev, err := marshal(&e.Event)
		if err != nil || len(ev) > noren.MaxEventBytes || len(plain) > maxPlain {
			return nil, noren.Errorf(noren.Invalid, "entry of %d bytes (event %d) is too large", len(plain), len(ev))
		}
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, werr := z.Write(plain)
	if err := z.Close(); err != nil || werr != nil {
		return nil, noren.Errorf(noren.Internal, "compress: %w", err)
	}
	return b.Bytes(), nil
}

// marshal is json.Marshal that leaves <, > and & alone: attacks are full of
// them, and six bytes for one would not fit.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func decodeEntry(plain []byte) (e noren.Entry, err error) {
	if bytes.HasPrefix(plain, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(plain))
		if err != nil {
			return e, noren.Errorf(noren.Tampered, "decompress: %w", err)
		}
		if plain, err = io.ReadAll(io.LimitReader(z, maxPlain)); err != nil {
			return e, noren.Errorf(noren.Tampered, "decompress: %w", err)
		}
	}
	if err := json.Unmarshal(plain, &e); err != nil {
		return e, fmt.Errorf("decode entry: %w", err)
	}
	return e, nil
}

// encodeLeaf writes the leaf's one line.
func encodeLeaf(c *columns, e *noren.Entry, sealed noren.Sealed) ([]byte, error) {
	l := leafRest{
		Policies: e.Decision.Policies, Fault: e.Decision.Fault, Degraded: e.Decision.Degraded,
		Fired: policyIDs(e.Decision.Reasons), Shadow: policyIDs(e.Decision.Shadow), Sealed: sealed,
	}
	for _, a := range e.Decision.Actions {
		l.Actions = append(l.Actions, leafAction{a.ID, string(a.Kind), a.Until, a.Expires, a.Policy})
	}
	rest, err := marshal(&l)
	if err != nil {
		return nil, noren.Errorf(noren.Invalid, "encode leaf: %w", err)
	}
	b := make([]byte, 0, 256+len(rest))
	b = appendPublic(b, c)
	b = append(b, rest[1:]...) // without its opening brace
	if len(b) > maxLeaf {
		return nil, noren.Errorf(noren.Invalid, "entry of %d bytes is over the limit of %d", len(b), maxLeaf)
	}
	return b, nil
}

// leafRest is the part of a leaf after the columns.
type leafRest struct {
	Policies string       `json:"policies,omitempty"`
	Fired    []string     `json:"fired,omitempty"`
	Shadow   []string     `json:"shadow,omitempty"`
	Actions  []leafAction `json:"actions,omitempty"`
	Fault    string       `json:"fault,omitempty"`
	Degraded bool         `json:"degraded,omitempty"`
	Sealed   noren.Sealed `json:"sealed"`
}

func policyIDs(rs []noren.Reason) []string {
	var ids []string
	for _, r := range rs {
		ids = append(ids, r.Policy)
	}
	return ids
}

// appendPublic writes the beginning of a leaf from its columns, up to the comma
// before the rest. Verify writes it again from the table and compares bytes,
// which is several times faster than reading the JSON.
func appendPublic(b []byte, c *columns) []byte {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, leafVersion, 10)
	b = appendText(b, `,"id":`, c.id)
	b = appendText(b, `,"kind":`, c.kind)
	b = append(b, `,"at":"`...)
	b = time.UnixMicro(c.at).UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = appendText(b, `,"site":`, c.site)
	b = appendText(b, `,"zone":`, c.zone)
	b = appendText(b, `,"verdict":`, c.verdict)
	b = appendText(b, `,"rule":`, c.rule)
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, c.count, 10)
	return append(b, ',')
}

func appendText(b []byte, key, s string) []byte {
	b = append(b, key...)
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	q, err := marshal(s)
	if err != nil { // a string cannot fail
		return append(b, `""`...)
	}
	return append(b, q...)
}

// parseLeaf reads a leaf strictly.
func parseLeaf(body []byte) (leaf, error) {
	var l leaf
	if len(body) > maxLeaf {
		return l, noren.Errorf(noren.Invalid, "leaf of %d bytes is over the limit of %d", len(body), maxLeaf)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, noren.Errorf(noren.Invalid, "leaf: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return l, noren.Errorf(noren.Invalid, "leaf: data after the end")
	}
	if l.V != leafVersion {
		return l, noren.Errorf(noren.Invalid, "leaf: version %d is not known", l.V)
	}
	return l, nil
}

// columns are what the table must hold for l.
func (l *leaf) columns() columns {
	return columns{
		log: logOf(l.Site), id: l.ID, at: l.At.UnixMicro(), kind: l.Kind, site: l.Site,
		zone: l.Zone, verdict: l.Verdict, rule: l.Rule, count: l.Count,
	}
}

// tokensOf are the search tokens of an event: who it is about, and the ticket
// that a visitor may read to the shop.
func (j *Journal) tokensOf(ev *noren.Event) []token {
	var out []token
	for _, field := range searchable {
		if v := ev.Entities[field]; v != "" {
			out = append(out, token{field, j.o.Sealer.Token(ev.Site, field, v)})
		}
	}
	if net := NetOf(ev.Address()); net != "" {
		out = append(out, token{noren.EntityNet, j.o.Sealer.Token(ev.Site, noren.EntityNet, net)})
	}
	if p, ok := ev.Payload.(*noren.Blocked); ok && p != nil && p.Ticket != "" {
		out = append(out, token{FieldTicket, j.o.Sealer.Token(ev.Site, FieldTicket, p.Ticket)})
	}
	return out
}

// NetOf is the network an address is found by: its /24 or /48, in CIDR notation;
// "" for no address.
func NetOf(a netip.Addr) string {
	bits := 48
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil || !p.IsValid() {
		return ""
	}
	return p.String()
}

// FieldTicket is the search field of the number printed on a block page; the
// other fields are named like entities.
const FieldTicket = "ticket"

var searchable = [...]string{
	noren.EntityAccount, noren.EntityAddress, noren.EntityDevice, noren.EntitySession, noren.EntityStaff,
	noren.EntityOrder, noren.EntityCard, noren.EntityMail, noren.EntityPhone,
}
