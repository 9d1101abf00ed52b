package vault

import (
	"fmt"
	"time"

	"noren"
)

// month counts calendar months in UTC from year 0.
type month int32

func monthOf(at time.Time) (month, error) {
	y, m, _ := at.UTC().Date()
	if y < 2000 || y > 2200 {
		return 0, noren.Errorf(noren.Invalid, "time %s is not in the years 2000 to 2200", at.UTC().Format(time.RFC3339))
	}
	return month(y*12 + int(m) - 1), nil
}

func parseMonth(s string) (month, error) {
	at, err := time.Parse("2006-01", s)
	if err != nil {
		return 0, noren.Errorf(noren.Tampered, "month %q is not YYYY-MM", s)
	}
	return monthOf(at)
}

func (m month) String() string { return fmt.Sprintf("%04d-%02d", m/12, m%12+1) }
