package vault_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"
)

func TestRecoverySheet(t *testing.T) {
	n := open(t, dbtest.Open(t, db.SQLite), vault.NewRootKey())
	for lang, words := range map[string][]string{
		"ja": {"復旧用紙", "失くすとどうなるか", "復旧のしかた"},
		"en": {"recovery sheet", "IF IT IS LOST", "HOW TO RESTORE"},
	} {
		sheet := n.RecoverySheet(lang)
		words = append(words, n.Instance(), "2026-03-15", n.root.ID(), "sqlite:/var/lib/noren/noren.db", n.file)
		for _, w := range words {
			if !strings.Contains(sheet, w) {
				t.Errorf("%s: the sheet does not say %q", lang, w)
			}
		}
		typed := keyLines(sheet)
		got, err := vault.ParseRootKey(typed)
		if err != nil || got.ID() != n.root.ID() {
			t.Errorf("%s: the key typed from the sheet (%d characters) is not the root key: %v", lang, len(typed), err)
		}
	}
	if n.RecoverySheet("fr") != n.RecoverySheet("ja") {
		t.Error("an unknown language is not Japanese")
	}
}

// keyLines is what a person types from the sheet: the lines of four groups of
// four characters.
func keyLines(sheet string) string {
	var typed strings.Builder
	for line := range strings.Lines(sheet) {
		groups := strings.Fields(line)
		if len(groups) == 4 && len(groups[0]) == 4 && len(groups[1]) == 4 && len(groups[2]) == 4 && len(groups[3]) == 4 {
			typed.WriteString(line)
		}
	}
	return typed.String()
}

// keyService stands for a key management service.
type keyService struct{ *vault.RootKey }

func (k keyService) ID() string { return "kms-1" }

func TestRecoverySheetOfAKeyService(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	root := vault.NewRootKey()
	v, err := vault.Open(t.Context(), vault.Options{DB: d, Root: keyService{root}})
	if err != nil {
		t.Fatal(err)
	}
	sheet := v.RecoverySheet("en")
	if !strings.Contains(sheet, "kms-1") || !strings.Contains(sheet, "key management service") || keyLines(sheet) != "" {
		t.Errorf("got\n%s", sheet)
	}
	noSecret(t, sheet, root.Text())
}

// awayService is a key service that cannot be reached.
type awayService struct{ keyService }

func (awayService) Wrap(context.Context, []byte, []byte) ([]byte, error) {
	return nil, errors.New("key service is away")
}

func TestOpenWithoutTheKeyService(t *testing.T) {
	d := dbtest.Open(t, db.SQLite)
	_, err := vault.Open(t.Context(), vault.Options{DB: d, Root: awayService{keyService{vault.NewRootKey()}}})
	if err == nil || !strings.Contains(err.Error(), "key service is away") {
		t.Errorf("got %v, want the service's error", err)
	}
}

func TestAlarmUntilTheSheetIsConfirmed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := open(t, d, vault.NewRootKey())
		check := func(alarm bool) {
			t.Helper()
			text, ok, err := n.Alarm(t.Context())
			if err != nil || ok != alarm || alarm && (text.Ja == "" || text.En == "") {
				t.Errorf("got alarm %v (%v) and %v, want %v", ok, text, err, alarm)
			}
			at, backedUp, err := n.BackedUp(t.Context())
			if err != nil || backedUp == alarm || backedUp && at != noren.At(march) {
				t.Errorf("got backed up %v at %s and %v", backedUp, at, err)
			}
		}
		check(true)
		if err := n.ConfirmBackup(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(false)
		n.reopen()
		check(false)
		if err := n.RewrapRoot(t.Context(), vault.NewRootKey()); err != nil {
			t.Fatal(err)
		}
		check(true)
	})
}
