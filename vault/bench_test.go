package vault_test

import (
	"strconv"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

func benchVault(b *testing.B, keys int) *vault.Vault {
	b.Helper()
	v, err := vault.Open(b.Context(), vault.Options{DB: dbtest.Open(b, db.SQLite), Root: vault.NewRootKey(), CacheKeys: keys})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return v
}

func device(i int) noren.Subject {
	return noren.Subject{Kind: noren.EntityDevice, ID: strconv.Itoa(i)}
}

// BenchmarkSeal seals 1 KiB with 20,000 cached keys, each used in turn.
func BenchmarkSeal(b *testing.B) {
	v := benchVault(b, 0)
	plain, aad := make([]byte, 1<<10), make([]byte, 40)
	subjects := make([]noren.Subject, vault.DefaultCacheKeys)
	for i := range subjects {
		subjects[i] = device(i)
		if _, _, err := v.Seal("shop", subjects[i], march, plain, aad); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; b.Loop(); i++ {
		if _, _, err := v.Seal("shop", subjects[i%len(subjects)], march, plain, aad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealOneSubject(b *testing.B) {
	v := benchVault(b, 0)
	plain, aad := make([]byte, 1<<10), make([]byte, 40)
	for b.Loop() {
		if _, _, err := v.Seal("shop", hanako, march, plain, aad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealParallel(b *testing.B) {
	v := benchVault(b, 0)
	plain, aad := make([]byte, 1<<10), make([]byte, 40)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := v.Seal("shop", device(i%1000), march, plain, aad); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkSealNewSubject makes a key each time.
func BenchmarkSealNewSubject(b *testing.B) {
	v := benchVault(b, 1000)
	plain, aad := make([]byte, 1<<10), make([]byte, 40)
	for i := 0; b.Loop(); i++ {
		if _, _, err := v.Seal("shop", device(i), march, plain, aad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkToken(b *testing.B) {
	v := benchVault(b, 0)
	for b.Loop() {
		v.Token("shop", noren.EntityAccount, "hanako@example.jp")
	}
}

func benchOpen(b *testing.B, cacheKeys int) {
	b.ReportAllocs()
	d := dbtest.Open(b, db.SQLite)
	v, err := vault.Open(b.Context(), vault.Options{DB: d, Root: vault.NewRootKey(), CacheKeys: cacheKeys})
	if err != nil {
		b.Fatal(err)
	}
	plain := make([]byte, 1<<10)
	var sealed []noren.Sealed
	var rows []db.Row
	for i := range 2000 {
		s, r, err := v.Seal("shop", device(i), march, plain, nil)
		if err != nil {
			b.Fatal(err)
		}
		sealed, rows = append(sealed, s), append(rows, r...)
	}
	if err := d.Write(b.Context(), func(tx *db.Tx) error { return tx.Insert(b.Context(), rows) }); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := v.Open(b.Context(), sealed[i%len(sealed)], nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenCached(b *testing.B) { benchOpen(b, 0) }

// BenchmarkOpenFromDatabase reads each key from SQLite.
func BenchmarkOpenFromDatabase(b *testing.B) { benchOpen(b, 1) }
