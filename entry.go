package noren

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Entry is one line of the journal: an event, the facts computed for it and the
// decision. Event, facts and the actions' targets are sealed with the subject's
// key; the rest is public.
type Entry struct {
	Event    Event    `json:"event"`
	Facts    Facts    `json:"facts,omitempty"`
	Decision Decision `json:"decision"`
	// Count is how many events the entry stands for: 1 for a single event;
	// more for the counted rest of a minute, whose Event has no payload and at
	// most the client's address.
	Count int64 `json:"count"`
	// Rule is the public rule id the entry is grouped by: a cause, a WAF rule
	// or a policy; "" for none.
	Rule string `json:"rule,omitempty"`
	// Part says what an entry is that is not one event's own: PartCounted or
	// PartLate. Such entries are not decided again.
	Part Part `json:"part,omitempty"`
}

// Part says what an entry is besides one event's own.
type Part string

// Parts.
const (
	PartCounted Part = "counted" // stands for Count events of a minute
	PartLate    Part = "late"    // tells that the answer left before the entry of AttemptID was durable
)

// Sealed is personal data under a subject's key. Destroying the key erases it
// and leaves every proof over the sealed bytes valid.
type Sealed struct {
	Key  string `json:"key"`
	Data []byte `json:"data"`
}

// MarshalJSON writes facts so that reading them back gives the same Go types:
// an int64 never gets a point, a float64 always has one or an exponent.
func (f Facts) MarshalJSON() ([]byte, error) {
	names := make([]string, 0, len(f))
	for n := range f {
		names = append(names, n)
	}
	slices.Sort(names)
	b := []byte{'{'}
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, n)
		b = append(b, ':')
		var err error
		if b, err = appendFact(b, f[n]); err != nil {
			return nil, fmt.Errorf("fact %s: %w", n, err)
		}
	}
	return append(b, '}'), nil
}

func appendFact(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		s, err := json.Marshal(v) // refuses NaN and infinities
		if err != nil {
			return nil, Errorf(Invalid, "%w", err)
		}
		b = append(b, s...)
		if !bytes.ContainsAny(s, ".eE") {
			b = append(b, ".0"...)
		}
		return b, nil
	case string, []string:
		s, err := json.Marshal(v)
		return append(b, s...), err
	}
	return nil, Errorf(Invalid, "%T is not a fact's type", v)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (f *Facts) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var raw map[string]any
	if err := d.Decode(&raw); err != nil {
		return Errorf(Invalid, "facts: %w", err)
	}
	out := make(Facts, len(raw))
	for n, v := range raw {
		val, err := factFromJSON(v)
		if err != nil {
			return fmt.Errorf("fact %s: %w", n, err)
		}
		out[n] = val
	}
	*f = out
	return nil
}

func factFromJSON(v any) (any, error) {
	switch v := v.(type) {
	case bool, string:
		return v, nil
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return v.Float64()
		}
		return v.Int64()
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, Errorf(Invalid, "a list may hold texts only")
			}
			out[i] = s
		}
		return out, nil
	case nil:
		return []string(nil), nil
	}
	return nil, Errorf(Invalid, "%T is not a fact's type", v)
}
