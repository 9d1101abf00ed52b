package orient

import (
	"strings"
	"testing"

	"noren/db"
	"noren/db/dbtest"
)

// Nothing an event waits for may read a whole table.
func TestQueriesUseIndexes(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	queries := map[string]string{
		"linked": linkedQuery("1, 4"), "first linked": firstLinkedQuery, "pending hour": pendingHourQuery,
		"rolled": rolledQuery, "attempt": attemptQuery, "links of": linksOfQuery,
	}
	for s := range columns {
		name := builtins[s].name
		queries["marks of "+name] = marksQuery(name, "1, 4")
		queries["hours of "+name] = hoursQuery(name, "1, 4")
		queries["first of "+name] = firstQuery(name)
		queries["newest of "+name] = newestQuery(name)
	}
	for name, q := range queries {
		args := make([]any, strings.Count(q, "$"))
		for i := range args {
			args[i] = 1
		}
		rows, err := d.Read().Query(`EXPLAIN QUERY PLAN `+q, args...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		text := strings.Join(plan, "; ")
		if strings.Contains(text, "SCAN") || len(plan) == 0 {
			t.Errorf("%s reads a whole table: %s", name, text)
		}
		if sorts := strings.Contains(text, "TEMP B-TREE FOR ORDER BY"); sorts && name != "attempt" {
			t.Errorf("%s sorts what an index has in order: %s", name, text)
		}
	}
}
