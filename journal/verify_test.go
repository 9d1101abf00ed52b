package journal_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/journal"
)

// sqlDo runs statements as an intruder with the database's password would.
func sqlDo(t *testing.T, d *db.DB, statements ...string) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		for _, s := range statements {
			res, err := tx.ExecContext(t.Context(), s)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return fmt.Errorf("%s: changed nothing (%v)", s, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func blob(t *testing.T, d *db.DB, query string) []byte {
	t.Helper()
	var b []byte
	if err := d.Read().QueryRowContext(t.Context(), query).Scan(&b); err != nil {
		t.Fatal(err)
	}
	return b
}

// flip changes one byte of a value that update stores as $1.
func flip(t *testing.T, d *db.DB, query, update string, at int) {
	t.Helper()
	b := blob(t, d, query)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	set(t, d, update, b)
}

func set(t *testing.T, d *db.DB, update string, args ...any) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(t.Context(), update, args...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// tampering is one thing an intruder does to a log of 700 entries with stored
// checkpoints at 300, 600 and 700.
type tampering struct {
	name string
	do   func(t *testing.T, d *db.DB)
	want journal.FindingKind
	seq  int64 // -1: any
}

const bodyOf42 = `SELECT body FROM journal_entries WHERE log = 'shop' AND seq = 42`
const setBody42 = `UPDATE journal_entries SET body = $1 WHERE log = 'shop' AND seq = 42`

func tamperings() []tampering {
	column := func(name, set string) tampering {
		return tampering{"column " + name, func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_entries SET `+set+` WHERE log = 'shop' AND seq = 42`)
		}, journal.FoundColumn, 42}
	}
	return []tampering{
		column("id", `id = 'x'`), column("at", `at = at + 1`), column("kind", `kind = 'order.placed'`), column("site", `site = 'other'`),
		column("zone", `zone = ''`), column("verdict", `verdict = 'block'`), column("rule", `rule = 'x'`), column("count", `count = 2`),
		{"body, first byte", func(t *testing.T, d *db.DB) { flip(t, d, bodyOf42, setBody42, 0) }, journal.FoundChanged, 42},
		{"body, last byte", func(t *testing.T, d *db.DB) { flip(t, d, bodyOf42, setBody42, -1) }, journal.FoundChanged, 42},
		{"body, a byte of the sealed part", func(t *testing.T, d *db.DB) { flip(t, d, bodyOf42, setBody42, -20) }, journal.FoundChanged, 42},
		{"body and its column", func(t *testing.T, d *db.DB) {
			b := bytes.Replace(blob(t, d, bodyOf42), []byte(`"verdict":"allow"`), []byte(`"verdict":"block"`), 1)
			set(t, d, `UPDATE journal_entries SET body = $1, verdict = 'block' WHERE log = 'shop' AND seq = 42`, b)
		}, journal.FoundChanged, 42},
		{"delete one", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `DELETE FROM journal_entries WHERE log = 'shop' AND seq = 42`)
		}, journal.FoundRemoved, 42},
		{"delete a whole tile of entries", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `DELETE FROM journal_entries WHERE log = 'shop' AND seq >= 200 AND seq < 520`)
		}, journal.FoundRemoved, 200},
		{"move to another log", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_entries SET log = 'other' WHERE log = 'shop' AND seq = 42`)
		}, journal.FoundRemoved, 42},
		{"swap two", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_entries SET seq = 100000 WHERE log = 'shop' AND seq = 42`,
				`UPDATE journal_entries SET seq = 42 WHERE log = 'shop' AND seq = 43`, `UPDATE journal_entries SET seq = 43 WHERE log = 'shop' AND seq = 100000`)
		}, journal.FoundReordered, 42},
		{"swap two bodies", func(t *testing.T, d *db.DB) {
			a, b := blob(t, d, bodyOf42), blob(t, d, strings.Replace(bodyOf42, "42", "500", 1))
			set(t, d, setBody42, b)
			set(t, d, strings.Replace(setBody42, "42", "500", 1), a)
		}, journal.FoundReordered, 500},
		{"number an entry below zero", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_entries SET seq = -1 WHERE log = 'shop' AND seq = 42`)
		}, journal.FoundRemoved, 42},
		{"number an entry far ahead", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_entries SET seq = 1000000000000 WHERE log = 'shop' AND seq = 42`)
		}, journal.FoundRemoved, 42},
		{"cut the end off", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `DELETE FROM journal_entries WHERE log = 'shop' AND seq >= 650`)
		}, journal.FoundTruncated, 650},
		{"cut the end off and rewrite the head", func(t *testing.T, d *db.DB) { truncate(t, d, 650) }, journal.FoundTruncated, 650},
		{"head smaller than the log", func(t *testing.T, d *db.DB) { rewriteHead(t, d, 650) }, journal.FoundHead, -1},
		{"head's root", func(t *testing.T, d *db.DB) {
			flip(t, d, `SELECT root FROM journal_logs WHERE log = 'shop'`, `UPDATE journal_logs SET root = $1 WHERE log = 'shop'`, 5)
		}, journal.FoundHead, -1},
		{"head's edge", func(t *testing.T, d *db.DB) {
			flip(t, d, `SELECT edge FROM journal_logs WHERE log = 'shop'`, `UPDATE journal_logs SET edge = $1 WHERE log = 'shop'`, 5)
		}, journal.FoundHead, -1},
		{"head's root and edge", func(t *testing.T, d *db.DB) { rewriteHeadWrong(t, d) }, journal.FoundHead, -1},
		{"head's size", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_logs SET size = 1000000000000 WHERE log = 'shop'`)
		}, journal.FoundHead, -1},
		{"no head", func(t *testing.T, d *db.DB) { sqlDo(t, d, `DELETE FROM journal_logs WHERE log = 'shop'`) }, journal.FoundHead, -1},
		{"a byte of a leaf tile", func(t *testing.T, d *db.DB) {
			flip(t, d, `SELECT data FROM journal_tiles WHERE log = 'shop' AND level = 0 AND n = 1`, `UPDATE journal_tiles SET data = $1 WHERE log = 'shop' AND level = 0 AND n = 1`, 33)
		}, journal.FoundTile, 257},
		{"a byte of the last leaf tile", func(t *testing.T, d *db.DB) {
			flip(t, d, `SELECT data FROM journal_tiles WHERE log = 'shop' AND level = 0 AND n = 2`, `UPDATE journal_tiles SET data = $1 WHERE log = 'shop' AND level = 0 AND n = 2`, -1)
		}, journal.FoundTile, 699},
		{"a byte of an upper tile", func(t *testing.T, d *db.DB) {
			flip(t, d, `SELECT data FROM journal_tiles WHERE log = 'shop' AND level = 1 AND n = 0`, `UPDATE journal_tiles SET data = $1 WHERE log = 'shop' AND level = 1 AND n = 0`, 0)
		}, journal.FoundTile, -1},
		{"a tile removed", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `DELETE FROM journal_tiles WHERE log = 'shop' AND level = 0 AND n = 1`)
		}, journal.FoundTile, 256},
		{"an upper tile removed", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `DELETE FROM journal_tiles WHERE log = 'shop' AND level = 1`)
		}, journal.FoundTile, -1},
		{"an entry and its tile", func(t *testing.T, d *db.DB) { changeWithTile(t, d, 42) }, journal.FoundHead, -1},
		{"an entry, all tiles and the head", func(t *testing.T, d *db.DB) { rewriteFrom(t, d, 42) }, journal.FoundCheckpoint, -1},
		{"a byte of a checkpoint's text", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_checkpoints SET note = REPLACE(note, 'noren/test', 'noren/tesT') WHERE log = 'shop' AND size = 300`)
		}, journal.FoundSignature, -1},
		{"a checkpoint's size", func(t *testing.T, d *db.DB) {
			sqlDo(t, d, `UPDATE journal_checkpoints SET size = 299 WHERE log = 'shop' AND size = 300`)
		}, journal.FoundCheckpoint, -1},
		{"a checkpoint signed by another key", func(t *testing.T, d *db.DB) {
			o := options(d, newSealer())
			_, o.SigningKey, _ = ed25519.GenerateKey(nil)
			sqlDo(t, d, `DELETE FROM journal_checkpoints WHERE log = 'shop' AND size = 700`)
			if _, err := start(t, o).Checkpoint(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
		}, journal.FoundSignature, -1},
	}
}

// filled makes a log of 700 entries with three checkpoints, and another log.
func filled(t *testing.T, d *db.DB) (j *journal.Journal, outside []byte) {
	t.Helper()
	j = open(t, d)
	appendN(t, j, "other", 0, 20)
	for _, part := range [][2]int{{0, 300}, {300, 600}, {600, 700}} {
		appendN(t, j, "shop", part[0], part[1])
		msg, err := j.Checkpoint(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		outside = msg
	}
	return j, outside
}

func TestVerifyFindsTampering(t *testing.T) {
	for _, engine := range []db.Engine{db.SQLite, db.Postgres} {
		for _, tt := range tamperings() {
			t.Run(string(engine)+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				d := dbtest.Open(t, engine)
				j, _ := filled(t, d)
				wantClean(t, j)
				tt.do(t, d)
				rep := verify(t, j, journal.VerifyOptions{})
				wantFinding(t, rep, tt.want, tt.seq)
			})
		}
	}
}

// TestVerifyMissesAWholeLog: a log that is gone with everything known of it is
// missed by who knows that it was there; rows of a wrong type end no
// verification of the others.
func TestVerifyMissesAWholeLog(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j, _ := filled(t, d)
	for _, table := range []string{"entries", "logs", "checkpoints", "tiles", "tokens"} {
		sqlDo(t, d, `DELETE FROM journal_`+table+` WHERE log = 'shop'`)
	}
	wantFinding(t, verify(t, j, journal.VerifyOptions{Known: []string{"shop", "other"}}), journal.FoundHead, -1)

	d = dbtest.Open(t, db.SQLite)
	j, _ = filled(t, d)
	sqlDo(t, d, `UPDATE journal_entries SET seq = 'abc' WHERE log = 'shop' AND seq = 5`)
	rep := verify(t, j, journal.VerifyOptions{})
	wantFinding(t, rep, journal.FoundUnreadable, -1)
	if !slices.ContainsFunc(rep.Logs, func(l journal.LogReport) bool { return l.Log == "other" && l.Entries > 0 }) {
		t.Errorf("the other log was not verified: %+v", rep.Logs)
	}
}

func wantFinding(t *testing.T, rep journal.Report, kind journal.FindingKind, seq int64) {
	t.Helper()
	for _, f := range rep.Findings {
		if f.Log == "shop" && f.Kind == kind && (seq < 0 || f.Seq == seq) {
			if f.Detail.Ja == "" || f.Detail.En == "" || strings.Contains(f.Detail.Ja+f.Detail.En, "%!") {
				t.Errorf("finding %s is told as %+v", kind, f.Detail)
			}
			return
		}
	}
	t.Errorf("no finding %s at %d; found:", kind, seq)
	for _, f := range rep.Findings {
		t.Errorf("  %s: %s at %d: %s", f.Log, f.Kind, f.Seq, f.Detail.En)
	}
}

// TestVerifyAgainstOutside holds what only a checkpoint kept outside can show.
func TestVerifyAgainstOutside(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, d *db.DB)
		want journal.FindingKind
	}{
		{"rolled back with everything", func(t *testing.T, d *db.DB) {
			truncate(t, d, 300)
			sqlDo(t, d, `DELETE FROM journal_checkpoints WHERE log = 'shop' AND size > 300`)
		}, journal.FoundRollback},
		{"rewritten and signed again with the real key", func(t *testing.T, d *db.DB) {
			rewriteFrom(t, d, 42)
			sqlDo(t, d, `DELETE FROM journal_checkpoints WHERE log = 'shop'`)
			if _, err := open(t, d).Checkpoint(t.Context(), "shop"); err != nil {
				t.Fatal(err)
			}
		}, journal.FoundForked},
		{"deleted whole", func(t *testing.T, d *db.DB) {
			for _, table := range []string{"entries", "tiles", "tokens", "checkpoints", "logs"} {
				sqlDo(t, d, `DELETE FROM journal_`+table+` WHERE log = 'shop'`)
			}
		}, journal.FoundRollback},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				j, outside := filled(t, d)
				rep := verify(t, j, journal.VerifyOptions{Log: "shop", Checkpoint: outside})
				if !rep.Clean() || len(rep.Warnings) != 0 || rep.Logs[0].Outside != 1 {
					t.Fatalf("before: %+v", rep)
				}
				appendN(t, j, "shop", 700, 720) // a log that grew still extends it
				if rep := verify(t, j, journal.VerifyOptions{Checkpoint: outside}); !rep.Clean() {
					t.Fatalf("after growing: %+v", rep.Findings)
				}
				if err := j.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				truncate(t, d, 700)
				tt.do(t, d)
				j = open(t, d)
				inside := verify(t, j, journal.VerifyOptions{})
				if !inside.Clean() || len(inside.Warnings) != 1 {
					t.Errorf("without a checkpoint from outside: findings %v, warnings %d; want none and the warning that this cannot be excluded", inside.Findings, len(inside.Warnings))
				}
				wantFinding(t, verify(t, j, journal.VerifyOptions{Checkpoint: outside}), tt.want, -1)
			})
		})
	}
}

// TestVerifyRollbackOfWholeCopy puts an older copy of the file in place of the
// database, which is whole in itself.
func TestVerifyRollbackOfWholeCopy(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/noren.db"
	d := dbtest.OpenURL(t, db.Options{URL: "sqlite:" + file})
	j := open(t, d)
	appendN(t, j, "shop", 0, 100)
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/copy.db"+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	appendN(t, j, "shop", 100, 200)
	outside, err := j.Checkpoint(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	old := open(t, dbtest.OpenURL(t, db.Options{URL: "sqlite:" + dir + "/copy.db"}))
	if rep := verify(t, old, journal.VerifyOptions{}); !rep.Clean() || rep.Logs[0].Entries != 100 {
		t.Errorf("the copy is whole in itself: %+v", rep)
	}
	wantFinding(t, verify(t, old, journal.VerifyOptions{Checkpoint: outside}), journal.FoundRollback, -1)
}

func TestVerifyRefusesForeignCheckpoint(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	j, outside := filled(t, d)
	o := options(dbtest.Open(t, db.SQLite), newSealer())
	o.Origin = "noren/elsewhere"
	elsewhere := start(t, o)
	if _, err := elsewhere.Verify(t.Context(), journal.VerifyOptions{Checkpoint: outside}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("Verify with another instance's checkpoint = %v, want code invalid", err)
	}
	forged := bytes.Replace(outside, []byte("\n700\n"), []byte("\n699\n"), 1)
	wantFinding(t, verify(t, j, journal.VerifyOptions{Checkpoint: forged}), journal.FoundSignature, -1)
	if _, err := j.Verify(t.Context(), journal.VerifyOptions{Checkpoint: []byte("garbage")}); noren.CodeOf(err) != noren.Invalid {
		t.Errorf("Verify with garbage = %v, want code invalid", err)
	}
}

func TestVerifyBesideAppends(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		j := open(t, d)
		appendN(t, j, "shop", 0, 500)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := 500; ctx.Err() == nil; n++ {
				_ = j.Post(ctx, entry("shop", n)) // fails only when the test is over
				if n%50 == 0 {
					_, _ = j.Checkpoint(ctx, "shop")
				}
			}
		}()
		for range 10 {
			wantClean(t, j)
		}
		stop()
		<-done
	})
}

func TestErasedSubjectLeavesVerifyGreen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newSealer()
		j := start(t, options(d, s))
		appendN(t, j, "shop", 0, 2100) // customer 7 is in three spans
		who := noren.Subject{Kind: noren.EntityAccount, ID: "customer7@example.jp"}
		err := d.Write(t.Context(), func(tx *db.Tx) error { return j.Erase(t.Context(), tx, "shop", who) })
		if err != nil {
			t.Fatal(err)
		}
		s.erase(who)
		wantClean(t, j)
		got, err := j.Get(t.Context(), "shop", "shop-00001007")
		if err != nil {
			t.Fatal(err)
		}
		ev := got.Entry.Event
		if !got.Erased || len(ev.Entities) != 0 || ev.Payload != nil || len(got.Entry.Facts) != 0 || ev.Kind != noren.LoginAttempt || got.Entry.Decision.Shadow[0].Policy != "login-burst" {
			t.Errorf("erased entry = %+v, want its public part only", got.Entry)
		}
		for _, f := range []journal.Filter{{Site: "shop", Field: noren.EntityAccount, Value: who.ID}, {Site: "shop", Field: noren.EntityDevice, Value: "device-7"}} {
			for s := range j.Query(t.Context(), f) {
				t.Errorf("search by %s still leads to entry %d", f.Field, s.Seq)
			}
		}
		p, err := j.Prove(t.Context(), "shop", got.Seq, 0)
		if err != nil {
			t.Fatal(err)
		}
		checkProof(t, j, &p)
	})
}

// What follows is the intruder's toolbox.

func leavesOf(t *testing.T, d *db.DB, size int64) []tlog.Hash {
	t.Helper()
	rows, err := d.Read().QueryContext(t.Context(), `SELECT body FROM journal_entries WHERE log = 'shop' AND seq >= 0 AND seq < $1 ORDER BY seq`, size)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []tlog.Hash
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			t.Fatal(err)
		}
		out = append(out, tlog.RecordHash(b))
	}
	return out
}

// stored are all hashes of a tree, in tlog's order.
func storedHashes(t *testing.T, leaves []tlog.Hash) tlog.HashReaderFunc {
	t.Helper()
	var all []tlog.Hash
	read := tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(idx))
		for i, x := range idx {
			out[i] = all[x]
		}
		return out, nil
	})
	for n, h := range leaves {
		more, err := tlog.StoredHashesForRecordHash(int64(n), h, read)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, more...)
	}
	return read
}

// rewriteHead makes a head of the first size entries, with its tiles.
func rewriteHead(t *testing.T, d *db.DB, size int64) {
	t.Helper()
	read := storedHashes(t, leavesOf(t, d, size))
	root, err := tlog.TreeHash(size, read)
	if err != nil {
		t.Fatal(err)
	}
	var edge []byte
	for at, level := int64(0), 62; level >= 0; level-- {
		if size&(1<<level) != 0 {
			h, err := read([]int64{tlog.StoredHashIndex(level, at>>level)})
			if err != nil {
				t.Fatal(err)
			}
			edge = append(edge, h[0][:]...)
			at += 1 << level
		}
	}
	set(t, d, `UPDATE journal_logs SET size = $1, root = $2, edge = $3 WHERE log = 'shop'`, size, root[:], edge)
	set(t, d, `DELETE FROM journal_tiles WHERE log = 'shop'`)
	for _, tile := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(tile, read)
		if err != nil {
			t.Fatal(err)
		}
		set(t, d, `INSERT INTO journal_tiles (log, level, n, data) VALUES ('shop', $1, $2, $3)`, tile.L, tile.N, data)
	}
}

// truncate cuts the log to size as if it had never been longer.
func truncate(t *testing.T, d *db.DB, size int64) {
	t.Helper()
	set(t, d, `DELETE FROM journal_entries WHERE log = 'shop' AND seq >= $1`, size)
	set(t, d, `DELETE FROM journal_tokens WHERE log = 'shop' AND seq >= $1`, size)
	rewriteHead(t, d, size)
}

// rewriteFrom changes an entry and everything computed from it.
func rewriteFrom(t *testing.T, d *db.DB, seq int64) {
	t.Helper()
	query := fmt.Sprintf(`SELECT body FROM journal_entries WHERE log = 'shop' AND seq = %d`, seq)
	b := bytes.Replace(blob(t, d, query), []byte(`"verdict":"allow"`), []byte(`"verdict":"block"`), 1)
	set(t, d, `UPDATE journal_entries SET body = $1, verdict = 'block' WHERE log = 'shop' AND seq = $2`, b, seq)
	rewriteHead(t, d, int64(len(leavesOf(t, d, 1<<40))))
}

func changeWithTile(t *testing.T, d *db.DB, seq int64) {
	t.Helper()
	root := blob(t, d, `SELECT root FROM journal_logs WHERE log = 'shop'`)
	edge := blob(t, d, `SELECT edge FROM journal_logs WHERE log = 'shop'`)
	rewriteFrom(t, d, seq)
	set(t, d, `UPDATE journal_logs SET root = $1, edge = $2 WHERE log = 'shop'`, root, edge)
}

// rewriteHeadWrong makes a head that is well formed and of other entries.
func rewriteHeadWrong(t *testing.T, d *db.DB) {
	t.Helper()
	leaves := leavesOf(t, d, 700)
	slices.Reverse(leaves)
	read := storedHashes(t, leaves)
	root, err := tlog.TreeHash(700, read)
	if err != nil {
		t.Fatal(err)
	}
	var edge []byte
	for _, i := range []int64{tlog.StoredHashIndex(9, 0), tlog.StoredHashIndex(7, 4), tlog.StoredHashIndex(5, 20), tlog.StoredHashIndex(4, 42), tlog.StoredHashIndex(3, 86), tlog.StoredHashIndex(2, 174)} {
		h, err := read([]int64{i})
		if err != nil {
			t.Fatal(err)
		}
		edge = append(edge, h[0][:]...)
	}
	set(t, d, `UPDATE journal_logs SET root = $1, edge = $2 WHERE log = 'shop'`, root[:], edge)
}
