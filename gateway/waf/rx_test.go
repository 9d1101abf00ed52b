package waf

import (
	"strings"
	"testing"
	"time"
)

// What takes longer than its budget is refused and says so; what the screen
// finds clean needs none.
func TestBudgetRefusesWhatItCannotFinish(t *testing.T) {
	w, err := New(Options{Budget: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	res, err := w.Inspect(t.Context(), request("POST", "/contact", "q=1%27+OR+sleep(5)--"))
	if err != nil || !res.Blocked || len(res.Hits) != 1 || res.Hits[0].Rule != budgetRule {
		t.Errorf("an attack without time: %+v, %v; want refused by rule %d", res, err, budgetRule)
	}
	if res, err := w.Inspect(t.Context(), request("GET", "/products/list?name=%E8%B5%A4", "")); err != nil || marked(res) {
		t.Errorf("a visitor: %+v, %v", res, err)
	}
}

// An attack is found behind any length of text in any kind of field, well within
// the budget, and without the text an ordinary reader would see nothing.
func TestAttackAfterMuchText(t *testing.T) {
	const attack = "<script>alert(1)</script>"
	for _, size := range []int{8 << 10, 64 << 10, 512 << 10} {
		for name, words := range map[string]string{
			"letters":  "お茶をありがとうございました。とてもおいしかったです。",
			"markup":   "a < b and c > d; e = 'f' ",
			"commands": "cat and dog; select one from the list, union of all ",
		} {
			text := strings.Repeat(words, size/len(words)+1)
			for _, r := range everywhere("benign_more.tsv", []string{text + attack}) {
				if len(r.Body) == 0 { // addresses and headers are bounded before
					continue
				}
				if res, err := engine(t).Inspect(t.Context(), r); err != nil || !res.Blocked {
					t.Errorf("%s, %d KiB, %s %q: %+v, %v", name, size>>10, r.URI, r.Header["Content-Type"], res, err)
				}
			}
		}
	}
}

// The budget is for what the screen found something in. A clean request that is
// compared, and every request while there is no screen, has all the time it needs:
// a customer's long letter is no attack.
func TestBudgetIsForWhatTheScreenMarked(t *testing.T) {
	letter := request("POST", "/contact", "note="+strings.Repeat("%E3%81%8A%E8%8C%B6+and+tea.+", 2000))
	for name, o := range map[string]Options{
		"compared":         {Budget: time.Nanosecond, Compare: 1},
		"without a screen": {Budget: time.Nanosecond, NoScreen: true},
	} {
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if res, err := w.Inspect(t.Context(), letter); err != nil || marked(res) {
			t.Errorf("%s: a letter: %+v, %v", name, res, err)
		}
		if s := w.Screening(); s.Disagreed > 0 || s.On == o.NoScreen || s.Compared == 0 && !o.NoScreen {
			t.Errorf("%s: %+v", name, s)
		}
		if res, err := w.Inspect(t.Context(), request("GET", "/?q=<script>alert(1)</script>", "")); err != nil || !res.Blocked {
			t.Errorf("%s: an attack: %+v, %v", name, res, err)
		}
	}
}
