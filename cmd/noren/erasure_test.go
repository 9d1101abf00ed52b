package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/gateway"
	"noren/journal"
)

// The person who is erased, by strings that stand nowhere else, and a bystander
// who stays.
const (
	erasedAccount = "hanako-zq7" // a user name: mail addresses are masked in the access log anyway
	erasedMail    = "post-zq7@example.jp"
	erasedAddress = "2001:db8:5eed:beef::77"
	erasedAgent   = "ZQ7-Browser/9.1"
	erasedName    = "消去花子"
	erasedPhone   = "090-0077-7700"

	stayingAccount = "taro-keep@example.jp"
	stayingAddress = "203.0.113.200"
)

// erasedMarkers are what may stand nowhere afterwards, in no spelling.
func erasedMarkers() []string {
	plain := []string{erasedAccount, erasedMail, erasedAddress, erasedAgent, erasedName, erasedPhone}
	raw := netip.MustParseAddr(erasedAddress).As16()
	all := append([]string{string(raw[:]), hex.EncodeToString(raw[:])}, plain...)
	for _, p := range plain {
		all = append(all, hex.EncodeToString([]byte(p)))
	}
	return all
}

// Erasing a person leaves every proof valid and nothing of theirs readable in
// database, spool, export, access log or a restored backup.
func TestErasingAPerson(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		e := newErasure(t, url)
		e.live(t)
		before := e.witness(t)
		e.backUp(t)

		e.eraseWhileSpooled(t)
		e.check(t, before)
		e.searchEverything(t)

		e.restore(t)
		if !strings.Contains(e.in.log.String(), "erasures re-applied") {
			t.Errorf("the restored backup was opened without a word about erasures:\n%s", e.in.log)
		}
		e.check(t, before)
		e.searchEverything(t)
	})
}

// erasure is one run of the test.
type erasure struct {
	cfg      *Config
	shop     string
	away     atomic.Bool // journal entries cannot be inserted
	in       *testInstance
	export   string
	outside  string
	backup   string // SQLite: file; PostgreSQL: schema
	personal []string
}

func newErasure(t *testing.T, url string) *erasure {
	dir := t.TempDir()
	e := &erasure{shop: startShop(t, "shop"), export: filepath.Join(dir, "export"), outside: filepath.Join(dir, "outside")}
	if strings.HasPrefix(url, "sqlite:") { // inside the data directory, as in life
		url = ""
	}
	e.cfg = configFor(dir, url, siteFor("shop", "shop.test", e.shop))
	e.cfg.Journal.CheckpointTo = []string{e.outside}
	e.open(t)
	return e
}

func (e *erasure) open(t *testing.T) {
	t.Helper()
	faults := func(p db.FaultPoint) db.Fault {
		return db.Fault{Fail: e.away.Load() && p.Table == "journal_entries"}
	}
	e.in = open(t, instanceWants{cfg: e.cfg, initial: labSettings(), faults: faults})
}

func (e *erasure) sqlite() bool { return e.in.db.Engine() == db.SQLite }

// live makes the person and the bystander visit, sign in, order, pay and be
// banned, by a policy and by hand.
func (e *erasure) live(t *testing.T) {
	e.visit(t)
	for range 6 { // the policy of the lab bans at the fifth
		e.in.decide(t, paymentOf("", erasedAddress))
	}
	e.in.decide(t, orderOf(erasedAccount, erasedAddress))
	e.in.decide(t, orderOf(stayingAccount, stayingAddress))
	e.in.decide(t, signInOf(erasedAccount, erasedAddress))
	prefix, err := gateway.ParsePrefix(erasedAddress)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.in.lists.Set(t.Context(), gateway.Entry{Site: "shop", List: gateway.ListBan, Prefix: prefix, Author: "test", Reason: noren.Text{Ja: "試験"}}); err != nil {
		t.Fatal(err)
	}
	if rec := e.in.ask(t, "shop.test", erasedAddress, "/", "User-Agent", erasedAgent); rec.Code != http.StatusForbidden {
		t.Errorf("a banned address is answered %d", rec.Code)
	}
	e.in.flush(t)
}

// visit leaves lines in the access log and stopped requests in the journal.
func (e *erasure) visit(t *testing.T) {
	for _, target := range []string{"/", "/.env", "/?q=1%27+or+1%3D1--+-", "/list?user=" + erasedAccount} {
		e.in.ask(t, "shop.test", erasedAddress, target, "User-Agent", erasedAgent, "Referer", "http://shop.test/from?user="+erasedAccount)
	}
	// Somebody else's line that names the account.
	e.in.ask(t, "shop.test", stayingAddress, "/profile/"+erasedAccount)
	e.in.ask(t, "shop.test", stayingAddress, "/keep")
}

func paymentOf(account, address string) noren.Event {
	ev := noren.Event{Kind: noren.PaymentAttempt, Zone: noren.ZoneCheckout, Site: "shop", Entities: noren.Entities{noren.EntityAddress: address},
		Payload: &noren.Payment{Amount: noren.Yen(980), Method: "card"}}
	if account != "" {
		ev.Entities[noren.EntityAccount] = account
	}
	return ev
}

func orderOf(account, address string) noren.Event {
	who := &noren.Party{Name: "受取人"}
	if account == erasedAccount {
		who = &noren.Party{Name: erasedName, Phone: erasedPhone, Mail: erasedMail}
	}
	return noren.Event{Kind: noren.OrderPlaced, Zone: noren.ZoneCheckout, Site: "shop",
		Entities: noren.Entities{noren.EntityAccount: account, noren.EntityAddress: address, noren.EntityMail: who.Mail},
		Payload:  &noren.Order{Number: "1001", Total: noren.Yen(12800), Method: "card", Receiver: who, Buyer: who, Note: "宛名 " + who.Name}}
}

func signInOf(account, address string) noren.Event {
	return noren.Event{Kind: noren.LoginOutcome, Zone: noren.ZoneLogin, Site: "shop",
		Entities: noren.Entities{noren.EntityAccount: account, noren.EntityAddress: address},
		Payload:  &noren.LoginResult{User: account, Success: true}}
}

// testament is what was proved before the erasure.
type testament struct {
	proof []byte
	key   string
	note  []byte
}

// witness notes whose entries are whose, exports the log and proves an entry of
// the person.
func (e *erasure) witness(t *testing.T) testament {
	t.Helper()
	ctx := t.Context()
	e.notePersonal(t)
	if len(e.personal) < 8 {
		t.Fatalf("%d entries of the person on record, want at least 8\n%s", len(e.personal), e.in.log)
	}
	var w testament
	var err error
	if w.note, err = e.in.journal.Checkpoint(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	s, err := e.in.journal.Get(ctx, "shop", e.personal[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := e.in.journal.Prove(ctx, "shop", s.Seq, 0)
	if err != nil {
		t.Fatal(err)
	}
	if w.proof, err = p.JSON(); err != nil {
		t.Fatal(err)
	}
	if w.key, err = e.in.journal.VerifierKey("shop"); err != nil {
		t.Fatal(err)
	}
	if err := e.in.journal.Export(ctx, "shop", e.export); err != nil {
		t.Fatal(err)
	}
	return w
}

// notePersonal collects the ids of the entries in which the person can be read.
func (e *erasure) notePersonal(t *testing.T) {
	t.Helper()
	known := map[string]bool{}
	for _, id := range e.personal {
		known[id] = true
	}
	for s, err := range e.in.journal.Query(t.Context(), journal.Filter{Log: "shop"}) {
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(s.Entry)
		if err != nil {
			t.Fatal(err)
		}
		if contains(b, erasedMarkers()...) != "" && !known[s.Entry.Event.ID] {
			e.personal = append(e.personal, s.Entry.Event.ID)
		}
	}
}

// backUp copies the database as it is now.
func (e *erasure) backUp(t *testing.T) {
	t.Helper()
	if !e.sqlite() {
		e.backup = copyTables(t, e.in.db)
		return
	}
	e.in.close(t)
	e.backup = filepath.Join(t.TempDir(), "backup.db")
	if err := copyFile(filepath.Join(e.cfg.Data, "noren.db"), e.backup); err != nil {
		t.Fatal(err)
	}
	e.open(t)
}

// eraseWhileSpooled erases the person while entries of theirs wait in the spool,
// and lets these reach the database afterwards.
func (e *erasure) eraseWhileSpooled(t *testing.T) {
	t.Helper()
	e.away.Store(true)
	for range 3 {
		ev := orderOf(erasedAccount, erasedAddress)
		ev.ID = noren.NewID(time.Now())
		e.in.decide(t, ev)
		e.personal = append(e.personal, ev.ID)
	}
	await(t, "entries go to the spool", func() bool { n, _ := e.in.journal.Spooled(); return n >= 3 })
	e.searchFiles(t, filepath.Join(e.cfg.Data, "spool"), true)
	for _, s := range []noren.Subject{{Kind: noren.EntityAccount, ID: erasedAccount}, {Kind: noren.EntityAddress, ID: erasedAddress}} {
		done, err := e.in.erase(t.Context(), "shop", s, "本人の請求")
		if err != nil {
			t.Fatalf("erase %s: %v\n%s", s.Kind, err, e.in.log)
		}
		if done.Keys == 0 || done.LogLines == 0 {
			t.Errorf("erase %s: %d keys destroyed, %d lines removed; want some of both", s.Kind, done.Keys, done.LogLines)
		}
	}
	e.away.Store(false)
	e.in.flush(t)
}

// check looks at the record through the program: whole, proved, and silent
// about the person.
func (e *erasure) check(t *testing.T, w testament) {
	t.Helper()
	ctx := t.Context()
	rep, err := e.in.journal.Verify(ctx, journal.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rep.Findings {
		if f.Kind != journal.FoundRollback || !e.restored() { // a restored backup is one, and said to be
			t.Errorf("verify: %s at %d: %s", f.Kind, f.Seq, f.Detail.En)
		}
	}
	if _, err := journal.CheckProof(w.proof, w.key); err != nil {
		t.Errorf("a proof of before does not hold any more: %v", err)
	}
	if rep, err := journal.VerifyDir(ctx, e.export, w.key, w.note); err != nil || !rep.Clean() {
		t.Errorf("verify the export: %v %+v", err, rep.Findings)
	}
	e.checkUnreadable(t)
	for _, entry := range e.in.lists.List("shop") {
		if entry.Prefix.Contains(netip.MustParseAddr(erasedAddress)) {
			t.Errorf("still on the %s list: %s", entry.List, entry.Prefix)
		}
	}
}

func (e *erasure) restored() bool { return strings.Contains(e.in.log.String(), "erasures re-applied") }

func (e *erasure) checkUnreadable(t *testing.T) {
	t.Helper()
	erased, staying := 0, 0
	gone := map[string]bool{}
	for _, id := range e.personal {
		gone[id] = true
	}
	for s, err := range e.in.journal.Query(t.Context(), journal.Filter{Log: "shop"}) {
		if err != nil {
			t.Error(err)
			continue
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if m := contains(b, erasedMarkers()...); m != "" {
			t.Errorf("entry %d (%s) still tells %q", s.Seq, s.Entry.Event.Kind, m)
		}
		if gone[s.Entry.Event.ID] && s.Erased {
			erased++
		}
		if s.Entry.Event.Entities[noren.EntityAccount] == stayingAccount && !s.Erased {
			staying++
		}
	}
	want := len(e.personal)
	if e.restored() {
		want -= 3 // those of after the backup are lost with the database
	}
	if erased != want || staying == 0 {
		t.Errorf("%d entries are erased, want %d; %d of the bystander are readable", erased, want, staying)
	}
}

// searchEverything closes the instance, so that nothing waits in memory, and
// looks into every file and table.
func (e *erasure) searchEverything(t *testing.T) {
	t.Helper()
	sqlite := e.sqlite()
	if !sqlite {
		searchTables(t, e.in.db)
	}
	e.in.close(t)
	e.searchFiles(t, e.cfg.Data, sqlite)
	e.searchFiles(t, e.export, true)
	e.searchFiles(t, e.outside, true)
	if lines := e.accessLines(t); !strings.Contains(lines, stayingAddress) {
		t.Error("the bystander's lines are gone from the access log too")
	}
}

// searchFiles looks into the raw bytes below dir, compressed logs unpacked.
func (e *erasure) searchFiles(t *testing.T, dir string, some bool) {
	t.Helper()
	n := 0
	eachFile(t, dir, func(path string, b []byte) {
		n += len(b)
		if m := contains(unpacked(t, path, b), erasedMarkers()...); m != "" {
			t.Errorf("%s holds %q", path, m)
		}
	})
	if some && n == 0 {
		t.Errorf("%s holds nothing at all", dir)
	}
}

func unpacked(t *testing.T, path string, b []byte) []byte {
	t.Helper()
	if !strings.HasSuffix(path, ".gz") {
		return b
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	plain, err := io.ReadAll(z)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return plain
}

func (e *erasure) accessLines(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	eachFile(t, e.cfg.Access.Dir, func(path string, b []byte) { all.Write(unpacked(t, path, b)) })
	return all.String()
}

// restore puts the backup back; the erasures file is the newest, as the manual
// says.
func (e *erasure) restore(t *testing.T) {
	t.Helper()
	if strings.HasPrefix(e.cfg.Database.URL, "sqlite:") {
		file := filepath.Join(e.cfg.Data, "noren.db")
		for _, suffix := range []string{"", "-wal", "-shm"} {
			os.Remove(file + suffix)
		}
		if err := copyFile(e.backup, file); err != nil {
			t.Fatal(err)
		}
	} else {
		putTablesBack(t, e.cfg.Database.URL, e.backup)
	}
	e.open(t)
}

// tables lists the tables of a PostgreSQL schema.
func tables(t *testing.T, d *db.DB) []string {
	t.Helper()
	rows, err := d.Read().QueryContext(t.Context(), `SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		out = append(out, name)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		t.Fatalf("%d tables: %v", len(out), err)
	}
	return out
}

// searchTables looks into every row as text; PostgreSQL shows bytes in hex.
func searchTables(t *testing.T, d *db.DB) {
	t.Helper()
	total := 0
	for _, table := range tables(t, d) {
		rows, err := d.Read().QueryContext(t.Context(), fmt.Sprintf(`SELECT t::text FROM %s AS t`, table))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			total++
			if m := contains([]byte(row), erasedMarkers()...); m != "" {
				t.Errorf("table %s holds %q", table, m)
			}
		}
		if err := errorsOf(rows); err != nil {
			t.Fatal(err)
		}
	}
	if total == 0 {
		t.Error("the tables are empty")
	}
}

func errorsOf(rows *sql.Rows) error {
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// copyTables copies every table into a schema beside, and returns its name.
func copyTables(t *testing.T, d *db.DB) string {
	t.Helper()
	const name = "erasure_backup"
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		if _, err := tx.Exec(`DROP SCHEMA IF EXISTS ` + name + ` CASCADE`); err != nil {
			return err
		}
		if _, err := tx.Exec(`CREATE SCHEMA ` + name); err != nil {
			return err
		}
		for _, table := range tables(t, d) {
			if _, err := tx.Exec(fmt.Sprintf(`CREATE TABLE %s.%s AS TABLE %s`, name, table, table)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// putTablesBack replaces the rows of every table by those of the copy.
func putTablesBack(t *testing.T, url, schema string) {
	t.Helper()
	ctx := context.Background()
	d := dbtest.OpenURL(t, db.Options{URL: url})
	err := d.Write(ctx, func(tx *db.Tx) error {
		// As pg_restore does: no triggers, so the order of the tables does not matter.
		if _, err := tx.ExecContext(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
			return err
		}
		for _, table := range tables(t, d) {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO %s SELECT * FROM %s.%s`, table, schema, table)); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		_, err := tx.ExecContext(ctx, `DROP SCHEMA `+schema+` CASCADE`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
