package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"noren"
)

// tamperLab alters the record as somebody with all rights on the machine would,
// in every way there is, and asks whether verification finds it.
func tamperLab() Lab {
	return Lab{
		Name:    "tamper",
		Meaning: noren.Text{Ja: "管理者権限で記録を書き換え、どの改ざんも見つかることを確かめます", En: "Alters the record with full rights; every change must be found"},
		Run:     runTamper,
	}
}

// Tampering is one way of altering a record.
type Tampering struct {
	Name string
	// Finds are the kinds of findings of which one at least is expected;
	// none means that only a checkpoint kept outside can tell.
	Finds []string
	// Outside says that the checkpoint kept outside is needed to find it.
	Outside bool
}

// Tamperings are the ways that Env.Tamper knows.
func Tamperings() []Tampering {
	return []Tampering{
		{Name: "change a byte of an entry", Finds: []string{"changed", "reordered"}},
		{Name: "change the verdict column", Finds: []string{"column"}},
		{Name: "change the time column", Finds: []string{"column"}},
		{Name: "remove an entry in the middle", Finds: []string{"removed"}},
		{Name: "swap two entries", Finds: []string{"reordered", "changed"}},
		{Name: "remove the last entries", Finds: []string{"truncated"}},
		{Name: "remove the last entries and set the head back", Finds: []string{"truncated", "checkpoint", "tile", "head"}},
		{Name: "change a tile", Finds: []string{"tile"}},
		{Name: "change the head", Finds: []string{"head"}},
		{Name: "change a stored checkpoint", Finds: []string{"signature", "checkpoint"}},
		{Name: "put an old copy of the whole database back", Finds: []string{"rollback"}, Outside: true},
		{Name: "write the whole log anew and sign it with the stolen key", Finds: []string{"forked"}, Outside: true},
	}
}

func runTamper(ctx context.Context, env Env, p Params) (Report, error) {
	rep := Report{Lab: "tamper", Seed: p.Seed, Figures: map[string]any{}}
	found := 0
	for i, way := range Tamperings() {
		dir := filepath.Join(env.Dir, fmt.Sprintf("tamper-%02d", i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return rep, err
		}
		got, err := env.Tamper(ctx, dir, way, p.Seed)
		if err != nil {
			return rep, fmt.Errorf("%s: %w", way.Name, err)
		}
		say(env, "%s: %s\n", way.Name, strings.Join(got.Found, " "))
		ok := expected(way, got)
		if ok {
			found++
		}
		rep.Checks = append(rep.Checks, Check{Name: way.Name, Want: want(way), Got: describe(got), OK: ok})
	}
	rep.Figures["ways"] = len(Tamperings())
	rep.Figures["found"] = found
	return rep, nil
}

// Tampered is what verification said.
type Tampered struct {
	Before []string // findings before anything was altered
	Inside []string // without a checkpoint from outside
	Found  []string // with it, where it is needed
	Warned bool     // without one, the report says what cannot be excluded
}

func expected(way Tampering, got Tampered) bool {
	if len(got.Before) > 0 {
		return false
	}
	if way.Outside && (len(got.Inside) > 0 || !got.Warned) {
		return false // a log without an outside witness must say that it cannot tell
	}
	for _, kind := range way.Finds {
		for _, f := range got.Found {
			if f == kind {
				return true
			}
		}
	}
	return false
}

func want(way Tampering) string {
	s := strings.Join(way.Finds, " or ")
	if way.Outside {
		s += " (by the checkpoint kept outside; without it a warning)"
	}
	return s
}

func describe(got Tampered) string {
	if len(got.Before) > 0 {
		return "findings before: " + strings.Join(got.Before, " ")
	}
	return strings.Join(got.Found, " ")
}
