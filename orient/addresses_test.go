package orient_test

import (
	"testing"

	"noren/orient"
)

func testAddresses(t testing.TB) *orient.Addresses { return orient.NoAddresses() }
