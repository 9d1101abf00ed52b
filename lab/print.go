package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"noren"
)

// Print writes the report for people, in ja or en.
func (r Report) Print(w io.Writer, lang string) error {
	var b strings.Builder
	fmt.Fprintf(&b, noren.Text{Ja: "試験 %s（シード %d）\n\n", En: "lab %s (seed %d)\n\n"}.In(lang), r.Lab, r.Seed)
	got, want := noren.Text{Ja: "結果", En: "got"}.In(lang), noren.Text{Ja: "期待", En: "want"}.In(lang)
	for _, c := range r.Checks {
		mark := "ok  "
		if !c.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "%s  %s\n      %s: %s\n      %s: %s\n", mark, c.title(lang), got, c.Got, want, c.Want)
	}
	b.WriteByte('\n')
	if err := printFigures(&b, "", r.Figures); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Check) title(lang string) string {
	if t := c.Title.In(lang); t != "" {
		return t
	}
	return c.Name
}

// printFigures writes one line a figure; figures of figures by their full name.
func printFigures(b *strings.Builder, prefix string, figures map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		if inner, ok := figures[name].(map[string]any); ok && prefix == "" {
			if err := printFigures(b, name+".", inner); err != nil {
				return err
			}
			continue
		}
		v, err := json.Marshal(figures[name])
		if err != nil {
			return fmt.Errorf("print figure %s: %w", name, err)
		}
		fmt.Fprintf(b, "%s%s = %s\n", prefix, name, v)
	}
	return nil
}

// progress tells a person how far a lab is: on a terminal in place every
// second, elsewhere a line every ten.
func progress(w io.Writer, line func() string) (stop func()) {
	if w == nil || w == io.Discard {
		return func() {}
	}
	every, before, after := 10*time.Second, "", "\n"
	if isTerminal(w) {
		every, before, after = time.Second, "\r\x1b[K", ""
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				fmt.Fprint(w, before)
				return
			case <-tick.C:
				fmt.Fprint(w, before, line(), after)
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
