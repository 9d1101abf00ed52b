package db_test

import (
	"testing"
	"time"

	"noren/db"
	"noren/db/dbtest"
)

func TestFaults(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var op string
		var fault db.Fault
		d := dbtest.OpenURL(t, db.Options{URL: url, Faults: func(p db.FaultPoint) (none db.Fault) {
			if p.Op == op {
				return fault
			}
			return none
		}})
		for name, tt := range map[string]struct {
			op        string
			fault     db.Fault
			wantErr   bool
			persisted bool
		}{
			"statement fails":             {"exec", db.Fault{Fail: true}, true, false},
			"statement done, answer lost": {"exec", db.Fault{FailPersisted: true}, true, false},
			"commit fails":                {"commit", db.Fault{Fail: true}, true, false},
			"commit done, answer lost":    {"commit", db.Fault{FailPersisted: true}, true, true},
			"slow commit":                 {"commit", db.Fault{Delay: 30 * time.Millisecond}, false, true},
			"slow commit that fails":      {"commit", db.Fault{Delay: time.Millisecond, Fail: true}, true, false},
			"slow commit, answer lost":    {"commit", db.Fault{Delay: time.Millisecond, FailPersisted: true}, true, true},
			"no fault":                    {"", db.Fault{Fail: true}, false, true},
		} {
			t.Run(name, func(t *testing.T) {
				before := count(t, d)
				op, fault = tt.op, tt.fault
				began := time.Now()
				err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec(`INSERT INTO vault_state (name, value) VALUES ($1, '')`, name)
					return err
				})
				if (err != nil) != tt.wantErr || tt.wantErr && !db.IsUnavailable(err) {
					t.Errorf("got %v, want an outage: %t", err, tt.wantErr)
				}
				if time.Since(began) < tt.fault.Delay {
					t.Error("it was not delayed")
				}
				if got := count(t, d) == before+1; got != tt.persisted {
					t.Errorf("persisted: got %t, want %t", got, tt.persisted)
				}
				op = ""
				if err := d.Write(t.Context(), func(tx *db.Tx) error { put(t, tx, "after "+name); return nil }); err != nil {
					t.Errorf("after the fault: %v", err)
				}
			})
		}
	})
}

func TestFaultPoints(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		var points []db.FaultPoint
		d := dbtest.OpenURL(t, db.Options{URL: url, Faults: func(p db.FaultPoint) (f db.Fault) {
			points = append(points, p)
			return f
		}})
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			var s string
			tx.QueryRow(`SELECT value FROM vault_state`).Scan(&s)
			put(t, tx, "a")
			stmt, err := tx.Prepare(`UPDATE vault_state SET value = $1`)
			if err != nil {
				return err
			}
			if _, err := stmt.Exec("b"); err != nil {
				return err
			}
			return tx.QueryRow(`DELETE FROM vault_state WHERE name = $1 RETURNING value`, "a").Scan(&s)
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(points) != 4 {
			t.Fatalf("got %+v, want three statements and a commit, nothing of the migration", points)
		}
		for i, p := range points {
			if p.N != int64(i+1) || i < 3 && (p.Op != "exec" || p.Table != "vault_state") || i == 3 && p.Op != "commit" {
				t.Errorf("point %d: got %+v", i, p)
			}
		}
	})
}
