package settings

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"noren"
	"noren/db"
)

// Mode says where the set is edited.
type Mode string

// Modes.
const (
	Console Mode = "console" // versions in SQL
	Files   Mode = "files"   // a directory is the truth
)

// Options are what a Store needs.
type Options struct {
	DB   *db.DB
	Mode Mode
	Dir  string // of mode files
	// Check is run before anything is stored: a set that does not compile never
	// becomes a version. Nil when the caller of Put has checked.
	Check func(Set) error
	// Now is the wall clock; time.Now when nil.
	Now func() time.Time
}

// Refused is why Put stores nothing in mode files. It carries the change as a
// patch for the directory.
type Refused struct {
	Dir   string
	Patch string // what Diff wrote
}

func (r *Refused) Error() string { return "the settings are files in " + r.Dir }

// Store keeps the versions of one instance's settings.
type Store struct{ o Options }

// Version is one stored version.
type Version struct {
	ID     string     `json:"id"`
	N      int64      `json:"n"`
	At     noren.Time `json:"at"`
	Author string     `json:"author"`
	Reason string     `json:"reason"`
	Hash   string     `json:"hash"`
}

// Open returns the store of a database.
func Open(o Options) (*Store, error) {
	if o.Mode != Console && o.Mode != Files {
		return nil, noren.Errorf(noren.Invalid, "settings mode %q is neither console nor files", o.Mode)
	}
	if o.Mode == Files && o.Dir == "" {
		return nil, noren.Errorf(noren.Invalid, "settings mode files needs a directory")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{o}, nil
}

// Mode returns where the set is edited.
func (s *Store) Mode() Mode { return s.o.Mode }

// Current returns the set in force: of the directory, or the current version.
func (s *Store) Current(ctx context.Context) (Set, error) {
	if s.o.Mode == Files {
		return ReadDir(s.o.Dir)
	}
	v, err := s.current(ctx, s.o.DB.Read())
	if err != nil {
		return nil, err
	}
	return s.Get(ctx, v.ID)
}

// CurrentHash names the set in force, for those who watch for changes.
func (s *Store) CurrentHash(ctx context.Context) (string, error) {
	if s.o.Mode == Files {
		set, err := ReadDir(s.o.Dir)
		if err != nil {
			return "", err
		}
		return set.Hash(), nil
	}
	v, err := s.current(ctx, s.o.DB.Read())
	return v.Hash, err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// current returns the version in force; code NotFound before the first.
func (s *Store) current(ctx context.Context, q querier) (Version, error) {
	row := q.QueryRowContext(ctx, `SELECT v.id, v.n, v.at, v.author, v.reason, v.hash
		FROM settings_current c JOIN settings_versions v ON v.id = c.id WHERE c.one = 1`)
	v, err := scanVersion(row)
	if errors.Is(err, sql.ErrNoRows) {
		return v, noren.WithHint(noren.Errorf(noren.NotFound, "there are no settings yet"), "`noren serve` makes the first version")
	}
	return v, err
}

func scanVersion(row interface{ Scan(...any) error }) (Version, error) {
	var v Version
	var at int64
	err := row.Scan(&v.ID, &v.N, &at, &v.Author, &v.Reason, &v.Hash)
	v.At = noren.FromMicros(at)
	return v, err
}

// Get returns the files of a version.
func (s *Store) Get(ctx context.Context, id string) (Set, error) {
	var files, hash string
	err := s.o.DB.Read().QueryRowContext(ctx, `SELECT files, hash FROM settings_versions WHERE id = $1`, id).Scan(&files, &hash)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, noren.Errorf(noren.NotFound, "no settings version %s", id)
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var set Set
	if err := json.Unmarshal([]byte(files), &set); err != nil {
		return nil, noren.Errorf(noren.Tampered, "settings version %s cannot be read: %w", id, err)
	}
	if set.Hash() != hash {
		return nil, noren.Errorf(noren.Tampered, "settings version %s does not match its hash", id)
	}
	return set, nil
}

// maxListed bounds what Versions returns.
const maxListed = 1_000

// Versions lists the newest versions first.
func (s *Store) Versions(ctx context.Context, limit int) ([]Version, error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, n, at, author, reason, hash FROM settings_versions ORDER BY n DESC LIMIT $1`, min(max(limit, 1), maxListed))
	if err != nil {
		return nil, fmt.Errorf("list settings: %w", err)
	}
	defer rows.Close()
	var out []Version
	for rows.Next() {
		v, err := scanVersion(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Init stores the first version when there is none.
func (s *Store) Init(ctx context.Context, first Set, author, reason string) error {
	if s.o.Mode == Files {
		return nil
	}
	_, err := s.current(ctx, s.o.DB.Read())
	if noren.CodeOf(err) != noren.NotFound {
		return err
	}
	_, err = s.Put(ctx, first, author, reason, "")
	if noren.CodeOf(err) == noren.Conflict { // another node was first
		return nil
	}
	return err
}

// Put stores set as the new current version and returns it. base is the hash of
// the version the author saw, "" for none: when somebody changed the settings
// since, nothing is stored and the code is Conflict. A set equal to the current
// one makes no new version. In mode files nothing is ever stored; the error
// holds *Refused with the patch. The caller has recorded the change before.
func (s *Store) Put(ctx context.Context, set Set, author, reason, base string) (Version, error) {
	if err := s.check(set, author, reason); err != nil {
		return Version{}, err
	}
	if s.o.Mode == Files {
		return Version{}, s.refuse(set)
	}
	files, err := json.Marshal(set)
	if err != nil {
		return Version{}, fmt.Errorf("store settings: %w", err)
	}
	now := noren.At(s.o.Now())
	v := Version{ID: noren.NewID(now.Time), At: now, Author: author, Reason: reason, Hash: set.Hash()}
	err = s.o.DB.Write(ctx, func(tx *db.Tx) error { return s.put(ctx, tx, &v, string(files), base) })
	if db.IsUnique(err) {
		err = noren.Say(noren.Conflict, noren.Text{
			Ja: "ちょうど同じときに、ほかの人が設定を変えました。いまの設定を見てから、もう一度変えてください。",
			En: "somebody else changed the settings at the same moment; look at them and make your change again",
		})
	}
	if err != nil {
		return Version{}, err
	}
	return v, nil
}

const maxWords = 1_000 // bytes of an author or a reason

func (s *Store) check(set Set, author, reason string) error {
	for what, words := range map[string]string{"author": author, "reason": reason} {
		if strings.TrimSpace(words) == "" || len(words) > maxWords || !utf8.ValidString(words) {
			return noren.WithText(noren.Errorf(noren.Invalid, "the %s of a change of settings is missing or longer than %d bytes", what, maxWords),
				noren.Text{Ja: "変更する人の名前か理由がないか、長すぎます。", En: "The name or the reason of the change is missing or too long."})
		}
	}
	if err := set.Valid(); err != nil {
		return err
	}
	if s.o.Check == nil {
		return nil
	}
	return s.o.Check(set)
}

// refuse says how to make the change where the settings are files.
func (s *Store) refuse(set Set) error {
	now, err := ReadDir(s.o.Dir)
	if err != nil {
		return err
	}
	return &noren.Error{
		Code: noren.Denied, Msg: "the settings are files in " + s.o.Dir, Hint: "change them there; the patch shows how (patch -p0)",
		Err: &Refused{Dir: s.o.Dir, Patch: Diff(now, set)},
	}
}

func (s *Store) put(ctx context.Context, tx *db.Tx, v *Version, files, base string) error {
	before, err := s.current(ctx, tx)
	if err != nil && noren.CodeOf(err) != noren.NotFound {
		return err
	}
	if before.Hash != base {
		err := noren.WithHint(noren.Errorf(noren.Conflict, "the settings were changed by %s at %s", before.Author, before.At.Format(time.RFC3339)),
			"export the present ones, make your change in them and import again")
		return noren.WithText(err, noren.Textf("%s さんが先に設定を変えました。いまの設定を見てから、もう一度変えてください。",
			"%s has changed the settings meanwhile. Look at them and make your change again.", before.Author))
	}
	if before.Hash == v.Hash {
		*v = before
		return nil
	}
	v.N = before.N + 1
	if _, err := tx.ExecContext(ctx, `INSERT INTO settings_versions (id, n, at, author, reason, hash, files) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		v.ID, v.N, v.At.UnixMicro(), v.Author, v.Reason, v.Hash, files); err != nil {
		return fmt.Errorf("store settings: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO settings_current (one, id) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET id = EXCLUDED.id`, v.ID); err != nil {
		return fmt.Errorf("make settings current: %w", err)
	}
	return nil
}
