package screen

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Groups are those of package regexp, in a short value and in a long one.
func TestGroupsAreThoseOfTheLeftmostMatch(t *testing.T) {
	for _, arg := range []string{`(?i)charset\s*=\s*([^;\s]+)`, `^([a-z]+)://([^/]+)`, `x(y)?z`, `\bunion\b(.{0,40}?)\bselect\b`} {
		p, err := NewPatterns().Pattern(arg)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile("(?sm)" + arg)
		for _, core := range []string{"", "Charset = utf-8;", "http://shop.example/", "xz xyz", "union all select 1", "お茶 union select 茶"} {
			for _, pad := range []int{0, 100, 200 << 10} {
				v := strings.Repeat("お茶 and tea\n", pad/15) + core + strings.Repeat(" 以上", pad/7)
				if diff := cmp.Diff(re.FindStringSubmatch(v), p.Groups(v)); diff != "" {
					t.Errorf("%s in %q with %d bytes around:\n%s", arg, core, pad, diff)
				}
				if got := p.Match(v); got != re.MatchString(v) {
					t.Errorf("%s in %q with %d bytes around: %v", arg, core, pad, got)
				}
			}
		}
	}
}

// A pattern of bytes gives bytes back.
func TestGroupsOfBytes(t *testing.T) {
	p, err := NewPatterns().Pattern(`\xbc([^\xbe]*)\xbe`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"\xbca\xe3\xbe", "a\xe3"}, p.Groups("x\xbca\xe3\xbey")); diff != "" {
		t.Error(diff)
	}
}
