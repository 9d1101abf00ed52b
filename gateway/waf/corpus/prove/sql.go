package prove

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// sqlPrograms build statements from strings, as no program should. The value
// must give another statement than a harmless one, and SQLite must take it. The
// lexer also reads what MySQL and PostgreSQL have of their own and writes it in
// SQLite's words.
func sqlPrograms() map[string]program {
	shapes := map[string]string{
		"string":     "SELECT id, name FROM products WHERE name = '%s' AND hidden = 0",
		"double":     `SELECT id, name FROM products WHERE name = "%s" AND hidden = 0`,
		"like":       "SELECT id, name FROM products WHERE hidden = 0 AND name LIKE '%%%s%%' ORDER BY id",
		"bracket":    "SELECT id FROM products WHERE (name = '%s' OR price = 1) AND hidden = 0",
		"number":     "SELECT id, name FROM products WHERE id = %s AND hidden = 0",
		"in":         "SELECT id, name FROM products WHERE id IN (%s) AND hidden = 0",
		"order":      "SELECT id, name FROM products ORDER BY %s",
		"limit":      "SELECT id, name FROM products LIMIT %s",
		"identifier": "SELECT id, name FROM products ORDER BY `%s` DESC",
		"insert":     "INSERT INTO reviews (product_id, body) VALUES (1, '%s')",
		"update":     "UPDATE members SET name = '%s' WHERE id = 1",
		"login":      "SELECT id FROM members WHERE email = '%s' AND password = 'x'",
	}
	out := map[string]program{}
	for name, shape := range shapes {
		out[name] = func(value string) (string, error) { return sqlProgram(shape, value) }
	}
	return out
}

func sqlProgram(shape, value string) (string, error) {
	if strings.ContainsRune(value, 0) {
		return "", invalid("a zero byte ends the statement")
	}
	var errs []string
	for _, mysql := range []bool{false, true} {
		how, err := changesSQL(shape, value, mysql)
		if err == nil {
			return how, nil
		}
		errs = append(errs, err.Error())
	}
	return "", invalid("%s", strings.Join(slices.Compact(errs), "; "))
}

func changesSQL(shape, value string, mysql bool) (string, error) {
	got, err := lexSQL(fmt.Sprintf(shape, value), mysql)
	if err != nil {
		return "", err
	}
	for _, harmless := range []string{"1", "name", "price DESC"} {
		if want, err := lexSQL(fmt.Sprintf(shape, harmless), mysql); err == nil && sameShape(want, got) {
			return "", invalid("the statement is the same")
		}
	}
	if accident(shape, got, mysql) {
		return "", errAccident
	}
	statements := splitSQL(got)
	for _, s := range statements {
		if err := takes(s); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d statement(s): %s", len(statements), clip(statements[len(statements)-1])), nil
}

// errAccident: the value computes with strings of its own alone, as the text
// "the '&' of the logo" does in 'the ' & ' of the logo'. It is how honest people
// write, so it counts neither as an attack nor against a benign line.
var errAccident = errors.New("it only computes with its own strings")

// accident takes signs between strings out and compares what is left.
func accident(shape string, got []sqlToken, mysql bool) bool {
	want, err := lexSQL(fmt.Sprintf(shape, "1"), mysql)
	if err != nil {
		return false
	}
	var left []sqlToken
	for i := 0; i < len(got); i++ {
		left = append(left, got[i])
		for got[i].kind == 's' && i+2 < len(got) && got[i+1].kind == 'o' && strings.Contains("&-+*/%||<>~^", got[i+1].text) && got[i+2].kind == 's' {
			i += 2
		}
	}
	return sameShape(want, left)
}

// sameShape: the same words and signs, with other strings and numbers.
func sameShape(a, b []sqlToken) bool {
	return slices.EqualFunc(a, b, func(x, y sqlToken) bool {
		return x.kind == y.kind && (x.kind == 's' || x.kind == 'n' || strings.EqualFold(x.text, y.text))
	})
}

// splitSQL writes the statements out for SQLite.
func splitSQL(tokens []sqlToken) (out []string) {
	var words []string
	end := func() {
		if len(words) > 0 {
			out = append(out, strings.Join(words, " "))
		}
		words = nil
	}
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if t.kind == 'o' && t.text == ";" {
			end()
			continue
		}
		if strings.EqualFold(t.text, "INTO") && i+2 < len(tokens) && strings.HasSuffix(strings.ToUpper(tokens[i+1].text), "FILE") {
			i += 2 // SQLite writes no files
			continue
		}
		words = append(words, t.text)
	}
	end()
	return out
}

// takes asks SQLite whether it would run a statement.
func takes(statement string) error {
	d, err := weakDatabase()
	if err != nil {
		return err
	}
	rows, err := d.Query("EXPLAIN " + statement)
	if err != nil {
		return err
	}
	defer rows.Close()
	return rows.Err()
}

// weakDatabase is a shop's, with a few of MySQL's and PostgreSQL's functions.
var weakDatabase = sync.OnceValues(func() (*sql.DB, error) {
	for _, f := range strings.Fields("sleep benchmark version user database schema current_database system_user session_user load_file extractvalue updatexml pg_sleep ascii mid md5 sha1 ord elt if make_set chr uuid row_count found_rows connection_id conv bin exp gtid_subset pg_read_file getpgusername to_char regexp rlike xmltype length_b space reverse lpad lcase ucase") {
		err := sqlite.RegisterScalarFunction(f, -1, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) { return int64(1), nil })
		if err != nil {
			return nil, err
		}
	}
	d, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	d.SetMaxOpenConns(1)
	for _, s := range []string{
		"CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT, price INTEGER, hidden INTEGER)",
		"CREATE TABLE members (id INTEGER PRIMARY KEY, email TEXT, password TEXT, name TEXT, card TEXT)",
		"CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password TEXT, name TEXT)",
		"CREATE TABLE dtb_customer (id INTEGER PRIMARY KEY, email TEXT, password TEXT, name01 TEXT, secret_key TEXT)",
		"CREATE TABLE dtb_member (id INTEGER PRIMARY KEY, login_id TEXT, password TEXT)",
		"CREATE TABLE wp_users (id INTEGER PRIMARY KEY, user_login TEXT, user_pass TEXT)",
		"CREATE TABLE reviews (product_id INTEGER, body TEXT)",
		"CREATE TABLE dual (dummy TEXT)",
		"ATTACH ':memory:' AS information_schema",
		"CREATE TABLE information_schema.tables (table_name TEXT, table_schema TEXT)",
		"CREATE TABLE information_schema.columns (column_name TEXT, table_name TEXT)",
		"ATTACH ':memory:' AS mysql",
		"CREATE TABLE mysql.user (user TEXT, password TEXT, host TEXT)",
	} {
		if _, err := d.Exec(s); err != nil {
			return nil, err
		}
	}
	return d, nil
})
