package noren

import "fmt"

// Money is an amount in the currency's minor unit (yen for JPY, cents for USD).
type Money struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"` // ISO 4217, upper case
}

// Yen is n yen.
func Yen(n int64) Money { return Money{Minor: n, Currency: "JPY"} }

func (m Money) String() string { return fmt.Sprintf("%d %s", m.Minor, m.Currency) }

// Valid reports what is wrong with m: a currency that is not three capital
// letters, or an amount outside ±10^15.
func (m Money) Valid() error {
	if len(m.Currency) != 3 {
		return Errorf(Invalid, "currency %q is not an ISO 4217 code", m.Currency)
	}
	for _, c := range m.Currency {
		if c < 'A' || c > 'Z' {
			return Errorf(Invalid, "currency %q is not an ISO 4217 code", m.Currency)
		}
	}
	if m.Minor > 1e15 || m.Minor < -1e15 {
		return Errorf(Invalid, "amount %d is out of range", m.Minor)
	}
	return nil
}
