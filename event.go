package noren

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// Time is an instant with microseconds, the finest both database engines keep.
// In JSON it is RFC 3339 in UTC.
type Time struct{ time.Time }

// At returns t cut to microseconds, in UTC.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Microsecond)} }

// FromMicros is the inverse of Time.UnixMicro.
func FromMicros(us int64) Time { return Time{time.UnixMicro(us).UTC()} }

// Entity names: what counters count by. A policy file may declare more.
const (
	EntityAccount = "account" // the shop's customer: mail or user name
	EntityDevice  = "device"  // first-party device cookie
	EntityAddress = "address" // IP address
	EntitySession = "session" // the shop's session, keyed hash
	EntityStaff   = "staff"   // person of the shop
	EntityCard    = "card"    // PSP token or fingerprint
	EntityBIN     = "bin"     // first six to eight digits of a card
	EntityMail    = "mail"
	EntityPhone   = "phone"
	EntityItem    = "item"
	EntityOrder   = "order"
	EntityJA4     = "ja4" // the TLS client's fingerprint: a program, not a person
	// Derived by orient, never given by a sender:
	EntityNet     = "net"     // the address's /24 or /48
	EntityASN     = "asn"     // the network's operator
	EntityCountry = "country" // ISO 3166-1 alpha-2
	EntitySite    = "site"    // the whole shop
)

// Limits on what an event may carry. Longer input is an error, not a cut:
// the sensor that reads the outside world decides what to cut.
const (
	MaxEventBytes  = 48 << 10 // one event as JSON; fits a log entry of 64 KiB once sealed
	MaxEntities    = 32
	MaxEntityValue = 512
)

// Entities are the parties of an event, by entity name.
type Entities map[string]string

// Event is something that happened, with everything known when it did.
type Event struct {
	ID   string `json:"id,omitempty"`
	Kind Kind   `json:"kind"`
	// At is when Noren received the event; it never goes back within a process
	// and is the only time a decision knows.
	At Time `json:"at"`
	// OccurredAt is what a sender claims; bounded, for imports of history only.
	OccurredAt Time   `json:"occurred_at,omitzero"`
	Site       string `json:"site,omitempty"`
	Zone       Zone   `json:"zone,omitempty"`
	// AttemptID joins an outcome to its attempt.
	AttemptID string   `json:"attempt_id,omitempty"`
	Entities  Entities `json:"entities,omitempty"`
	Payload   Payload  `json:"payload,omitempty"`
}

// Address is the event's IP address; the zero Addr when it has none.
func (e *Event) Address() netip.Addr {
	a, err := netip.ParseAddr(e.Entities[EntityAddress])
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// Subject is whose event this is: the account if known, else the device, else
// the address. Personal data is sealed with the subject's key.
func (e *Event) Subject() Subject {
	for _, kind := range []string{EntityAccount, EntityDevice, EntityAddress} {
		if v := e.Entities[kind]; v != "" {
			return Subject{Kind: kind, ID: v}
		}
	}
	return Subject{}
}

// Subject is a person, as far as the shop can tell. The zero Subject is the
// site itself.
type Subject struct {
	Kind string `json:"kind"` // account, device or address
	ID   string `json:"id"`
}

func (s Subject) String() string {
	if s == (Subject{}) {
		return "site"
	}
	return s.Kind + ":" + s.ID
}

// ParseSubject reads "account:hanako@example.jp".
func ParseSubject(s string) (Subject, error) {
	kind, id, ok := strings.Cut(s, ":")
	if !ok || id == "" {
		return Subject{}, Errorf(Invalid, "subject %q is not KIND:ID, for example account:hanako@example.jp", s)
	}
	switch kind {
	case EntityAccount, EntityDevice, EntityAddress:
		return Subject{Kind: kind, ID: id}, nil
	}
	return Subject{}, Errorf(Invalid, "subject kind %q is not account, device or address", kind)
}

// wireEvent is Event with its payload still to be read.
type wireEvent struct {
	ID         string          `json:"id"`
	Kind       Kind            `json:"kind"`
	At         Time            `json:"at"`
	OccurredAt Time            `json:"occurred_at"`
	Site       string          `json:"site"`
	Zone       Zone            `json:"zone"`
	AttemptID  string          `json:"attempt_id"`
	Entities   Entities        `json:"entities"`
	Payload    json.RawMessage `json:"payload"`
}

// UnmarshalJSON reads an event strictly: an unknown field, kind or zone, a
// payload of another kind or a value over its limit is an error.
func (e *Event) UnmarshalJSON(b []byte) error {
	if len(b) > MaxEventBytes {
		return Errorf(Invalid, "event of %d bytes is over the limit of %d", len(b), MaxEventBytes)
	}
	if !utf8.Valid(b) {
		return Errorf(Invalid, "event is not valid UTF-8")
	}
	var w wireEvent
	if err := strictJSON(b, &w); err != nil {
		return err
	}
	info, err := w.Kind.Info()
	if err != nil {
		return Errorf(Invalid, "%w", err)
	}
	ev := Event{ID: w.ID, Kind: w.Kind, At: At(w.At.Time), Site: w.Site, Zone: w.Zone, AttemptID: w.AttemptID, Entities: w.Entities}
	if !w.OccurredAt.IsZero() {
		ev.OccurredAt = At(w.OccurredAt.Time)
	}
	ev.Payload = info.NewPayload()
	if len(w.Payload) > 0 && !bytes.Equal(w.Payload, []byte("null")) {
		if err := strictJSON(w.Payload, ev.Payload); err != nil {
			return fmt.Errorf("payload of %s: %w", w.Kind, err)
		}
	}
	if err := ev.Valid(); err != nil {
		return err
	}
	*e = ev
	return nil
}

func strictJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return Errorf(Invalid, "%w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Errorf(Invalid, "data after the end of the JSON value")
	}
	return nil
}

// Valid reports the first thing that is wrong with an event from outside.
func (e *Event) Valid() error {
	if _, err := e.Kind.Info(); err != nil {
		return Errorf(Invalid, "%w", err)
	}
	if e.At.IsZero() || e.At.Year() < 2000 || e.At.Year() > 2200 {
		return Errorf(Invalid, "at %q is missing or not in the years 2000 to 2200", e.At.Format(time.RFC3339))
	}
	if e.Zone != "" {
		if _, ok := e.Zone.Info(); !ok {
			return Errorf(Invalid, "unknown zone %q", e.Zone)
		}
	}
	for _, f := range []struct{ name, v string }{{"id", e.ID}, {"site", e.Site}, {"attempt_id", e.AttemptID}} {
		if len(f.v) > 128 {
			return Errorf(Invalid, "%s is longer than 128 bytes", f.name)
		}
	}
	if err := e.Entities.valid(); err != nil {
		return err
	}
	return validPayload(e.Payload)
}

func (es Entities) valid() error {
	if len(es) > MaxEntities {
		return Errorf(Invalid, "%d entities are over the limit of %d", len(es), MaxEntities)
	}
	for name, v := range es {
		if !ValidIdent(name) {
			return Errorf(Invalid, "entity name %q is not lower-case letters, digits and _", name)
		}
		if len(v) > MaxEntityValue {
			return Errorf(Invalid, "entity %s is longer than %d bytes", name, MaxEntityValue)
		}
		if looksLikeCard(name, v) {
			return Errorf(Invalid, "entity %s holds a card number; send the PSP's token or fingerprint instead", name)
		}
	}
	if a := es[EntityAddress]; a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			return Errorf(Invalid, "entity address %q is not an IP address", a)
		}
	}
	return nil
}

// looksLikeCard refuses card numbers where a token belongs. Order, item and
// phone numbers and random ids may look like one by chance and are left alone.
func looksLikeCard(name, v string) bool {
	switch name {
	case EntityOrder, EntityItem, EntityPhone, EntityDevice, EntitySession, EntityAddress:
		return false
	}
	return MaskCards(v) != v
}

func validPayload(p Payload) error {
	switch p := p.(type) {
	case *Order:
		if err := p.Total.Valid(); err != nil {
			return fmt.Errorf("total: %w", err)
		}
	case *Payment:
		return validPayment(p.Amount, p.Last4)
	case *PaymentResult:
		return validPayment(p.Amount, "")
	}
	return nil
}

func validPayment(amount Money, last4 string) error {
	if err := amount.Valid(); err != nil {
		return fmt.Errorf("amount: %w", err)
	}
	if len(last4) > 4 {
		return Errorf(Invalid, "last4 has more than four characters")
	}
	return nil
}

// ValidIdent reports whether s can name an entity or a part of a fact's name: a
// lower-case letter, then lower-case letters, digits and _, 64 at most.
func ValidIdent(s string) bool { return validName(s, "_") }

// ValidName reports whether s can name a site or a policy: like ValidIdent,
// with hyphens.
func ValidName(s string) bool { return validName(s, "_-") }

func validName(s, also string) bool {
	if s == "" || len(s) > 64 || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(also, c) < 0 {
			return false
		}
	}
	return true
}
