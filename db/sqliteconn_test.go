package db

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAnonymous(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"SELECT 1", "SELECT 1"},
		{"a = $1 AND b = $2", "a = ? AND b = ?"},
		{"($1), ($2)", "(?), (?)"},
		{"$2, $1", "$2, $1"},
		{"$1, $1", "$1, $1"},
		{"$1 $2 $1", "$1 $2 $1"},
		{"$10", "$10"},
		{"'$1' || $1", "'$1' || $1"},
		{`"$1" = $1`, `"$1" = $1`},
		{"$1 -- $2", "$1 -- $2"},
		{"$1 /* $2 */", "$1 /* $2 */"},
		{"? + $1", "? + $1"},
	} {
		if got := anonymous(tt.in); got != tt.want {
			t.Errorf("anonymous(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// TestAnonymousKeepsTheOrder: with n parameters in order there are n question
// marks, and the text between them is as it was.
func TestAnonymousKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[a-z(), =]{1,5}`), 1, 30).Draw(t, "parts")
		var in, want strings.Builder
		for i, p := range parts {
			fmt.Fprintf(&in, "%s$%d ", p, i+1)
			fmt.Fprintf(&want, "%s? ", p)
		}
		if got := anonymous(in.String()); got != want.String() {
			t.Fatalf("anonymous(%q) = %q, want %q", in.String(), got, want.String())
		}
	})
}

func TestTableOf(t *testing.T) {
	for in, want := range map[string]string{
		"INSERT INTO a(x) VALUES ($1)": "a", "insert into a (x) VALUES ($1)": "a", "UPDATE b SET x = 1": "b",
		"DELETE FROM c": "c", "WITH x AS (SELECT 1) INSERT INTO d SELECT * FROM x": "d", "": "", "UPDATE": "",
	} {
		if got := tableOf(in); got != want {
			t.Errorf("tableOf(%q) = %q, want %q", in, got, want)
		}
	}
}
