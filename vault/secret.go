package vault

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is key material. It never prints, neither in errors and logs nor as
// JSON.
type Secret []byte

// String never shows the key.
func (Secret) String() string { return redacted }

// GoString never shows the key.
func (Secret) GoString() string { return redacted }

// Format answers every verb, %x and %v included, without the key.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// LogValue never shows the key.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText never shows the key; JSON and XML use it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
