package journal_test

import (
	"bytes"
	"strings"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

func checkProof(t *testing.T, j *journal.Journal, p *journal.Proof) {
	t.Helper()
	key, err := j.VerifierKey(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	file, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.CheckProof(file, key); err != nil {
		t.Errorf("%s proof of entry %d: %v", p.Kind, p.Seq, err)
	}
}

func TestProofs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j, _ := filled(t, d)
		for _, size := range []int64{300, 600, 700, 0} {
			for _, seq := range []int64{0, 1, 255, 256, 257, 299} {
				p, err := j.Prove(t.Context(), "shop", seq, size)
				if err != nil {
					t.Fatal(err)
				}
				checkProof(t, j, &p)
			}
		}
		for _, sizes := range [][2]int64{{300, 600}, {300, 700}, {600, 0}, {700, 700}, {700, 0}} {
			p, err := j.ProveConsistency(t.Context(), "shop", sizes[0], sizes[1])
			if err != nil {
				t.Fatal(err)
			}
			checkProof(t, j, &p)
		}
		appendN(t, j, "shop", 700, 710)
		p, err := j.Prove(t.Context(), "shop", 705, 0) // not signed yet: it is now
		if err != nil || p.Size != 710 {
			t.Fatalf("proof of a new entry has size %d, %v; want 710", p.Size, err)
		}
		checkProof(t, j, &p)
		for _, bad := range [][2]int64{{710, 0}, {-1, 0}, {300, 300}, {0, 301}} {
			if _, err := j.Prove(t.Context(), "shop", bad[0], bad[1]); noren.CodeOf(err) != noren.NotFound {
				t.Errorf("Prove(%d, %d) = %v, want code not_found", bad[0], bad[1], err)
			}
		}
	})
}

func TestProofsThatDoNotHold(t *testing.T) {
	j, _ := filled(t, dbtest.Open(t, db.SQLite))
	p, err := j.Prove(t.Context(), "shop", 42, 600)
	if err != nil {
		t.Fatal(err)
	}
	c, err := j.ProveConsistency(t.Context(), "shop", 300, 600)
	if err != nil {
		t.Fatal(err)
	}
	key, err := j.VerifierKey("shop")
	if err != nil {
		t.Fatal(err)
	}
	other, err := j.VerifierKey("other")
	if err != nil {
		t.Fatal(err)
	}
	file, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.CheckProof(file, other); noren.CodeOf(err) != noren.Tampered {
		t.Errorf("under another log's key: %v, want code tampered", err)
	}
	for name, change := range map[string]func(p *journal.Proof){
		"number":        func(p *journal.Proof) { p.Seq++ },
		"leaf":          func(p *journal.Proof) { p.Leaf = bytes.Replace(p.Leaf, []byte("allow"), []byte("block"), 1) },
		"hash":          func(p *journal.Proof) { p.Hashes[2][0] ^= 1 },
		"hash too many": func(p *journal.Proof) { p.Hashes = append(p.Hashes, p.Hashes[0]) },
		"hash missing":  func(p *journal.Proof) { p.Hashes = p.Hashes[1:] },
		"size":          func(p *journal.Proof) { p.Size-- },
		"size of the note": func(p *journal.Proof) {
			p.Size--
			p.Checkpoint = strings.Replace(p.Checkpoint, "\n600\n", "\n599\n", 1)
		},
		"log":  func(p *journal.Proof) { p.Log = "other" },
		"kind": func(p *journal.Proof) { p.Kind = "faith" },
		"signature": func(p *journal.Proof) {
			p.Checkpoint = strings.Replace(p.Checkpoint, "— noren/test/shop", "— noren/test/shoq", 1)
		},
	} {
		for _, proof := range []journal.Proof{p, c} {
			if proof.Kind == journal.ProofConsistency && name == "leaf" {
				continue
			}
			proof.Hashes = append(proof.Hashes[:0:0], proof.Hashes...)
			change(&proof)
			file, err := proof.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := journal.CheckProof(file, key); err == nil {
				t.Errorf("a %s proof with another %s holds", proof.Kind, name)
			}
		}
	}
}
