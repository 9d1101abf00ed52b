package staff

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"noren"
	"noren/db"
)

// Person is somebody of the shop.
type Person struct {
	ID         string     `json:"id"`
	Name       string     `json:"name" personal:"name of a person of the shop"`
	Mail       string     `json:"mail" personal:"mail address of a person of the shop"`
	Roles      Grants     `json:"roles"`
	CreatedAt  noren.Time `json:"created_at"`
	SignedInAt noren.Time `json:"signed_in_at,omitzero"`
	RemovedAt  noren.Time `json:"removed_at,omitzero"`
	// RecoveryLeft is how many recovery codes are unused.
	RecoveryLeft int `json:"recovery_left"`
}

// Bounds of what a person is called.
const (
	maxName = 100 // characters
	maxMail = 254 // RFC 5321, 4.5.3.1.3
)

// People lists everybody who works here, by name.
func (s *Staff) People(ctx context.Context) ([]Person, error) {
	return s.readPeople(ctx, `removed_at IS NULL`)
}

// Person returns somebody by id, those who were removed too: the record names
// them still.
func (s *Staff) Person(ctx context.Context, id string) (*Person, error) {
	return s.one(ctx, "no person has the id "+shown(id), `id = $1`, id)
}

// ByMail returns who works here under a mail address.
func (s *Staff) ByMail(ctx context.Context, mail string) (*Person, error) {
	return s.one(ctx, "nobody here has this mail address", `mail = $1 AND removed_at IS NULL`, s.mailToken(mail))
}

func (s *Staff) one(ctx context.Context, missing, where string, args ...any) (*Person, error) {
	people, err := s.readPeople(ctx, where, args...)
	if err != nil {
		return nil, err
	}
	if len(people) == 0 {
		return nil, noren.WithHint(noren.Errorf(noren.NotFound, "%s", missing), "noren staff list shows who is here")
	}
	return &people[0], nil
}

// HasOwner reports whether there is an owner of all sites.
func (s *Staff) HasOwner(ctx context.Context) (bool, error) {
	n, err := owners(ctx, s.o.DB.Read())
	return n > 0, failed("count owners", err)
}

// SetRole gives a person a role at a site (AllSites for everywhere); the role ""
// takes theirs away there. It holds from their next request on. The last owner of
// all sites stays one.
func (s *Staff) SetRole(ctx context.Context, by By, id, site string, role Role) error {
	if role != "" {
		if err := (Grants{site: role}).valid(); err != nil {
			return err
		}
	}
	p, err := s.working(ctx, id)
	if err != nil {
		return err
	}
	after := maps.Clone(p.Roles)
	if after[site] = role; role == "" {
		delete(after, site)
	}
	switch {
	case maps.Equal(after, p.Roles):
		return nil
	case len(after) == 0:
		return noren.WithText(noren.WithHint(noren.Errorf(noren.Invalid, "%s would have no role anywhere", p.Name), "remove the person instead"),
			noren.Text{Ja: "役割が一つもなくなります。担当を外れる場合は、下の「外す」を使ってください。", En: "They would have no role anywhere. To let them go, remove them below."})
	}
	if err := s.ownerStays(ctx, p, after); err != nil {
		return err
	}
	return s.change(ctx, by, actRole, id+" "+Grants{site: role}.String(), []Grants{{site: role}}, keepingAnOwner(ctx, func(tx *db.Tx) error {
		if err := setRole(ctx, tx, id, site, role); err != nil {
			return err
		}
		return withdrawLinksOf(ctx, tx, id, s.o.Now()) // who may no longer invite has invited nobody
	}))
}

// Remove takes somebody out: their sessions end, what they could sign in with is
// deleted, their name stays for the record until its term ends.
func (s *Staff) Remove(ctx context.Context, by By, id string) error {
	p, err := s.working(ctx, id)
	if err != nil {
		return err
	}
	if err := s.ownerStays(ctx, p, nil); err != nil {
		return err
	}
	return s.change(ctx, by, actRemove, id, []Grants{p.Roles}, keepingAnOwner(ctx, func(tx *db.Tx) error {
		return removePerson(ctx, tx, id, s.o.Now())
	}))
}

// working is a person who was not removed.
func (s *Staff) working(ctx context.Context, id string) (*Person, error) {
	p, err := s.Person(ctx, id)
	if err == nil && !p.RemovedAt.IsZero() {
		return nil, noren.Errorf(noren.NotFound, "%s was removed", p.Name)
	}
	return p, err
}

// ownerStays refuses to take the last owner away, before anything is recorded.
func (s *Staff) ownerStays(ctx context.Context, p *Person, after Grants) error {
	if p.Roles[AllSites] != Owner || after[AllSites] == Owner {
		return nil
	}
	n, err := owners(ctx, s.o.DB.Read())
	if err == nil && n <= 1 {
		return errLastOwner()
	}
	return failed("count owners", err)
}

// keepingAnOwner is f, undone if it takes the last owner away. It looks after
// every change before this one.
func keepingAnOwner(ctx context.Context, f func(tx *db.Tx) error) func(tx *db.Tx) error {
	return func(tx *db.Tx) error {
		before, err := owners(ctx, tx)
		if err != nil {
			return err
		}
		if err := f(tx); err != nil {
			return err
		}
		after, err := owners(ctx, tx)
		if err == nil && before > 0 && after == 0 {
			return errLastOwner()
		}
		return err
	}
}

func errLastOwner() error {
	return noren.WithText(noren.WithHint(noren.Errorf(noren.Conflict, "this is the last owner of all sites; somebody must remain who can let people in"),
		"make somebody else an owner first"),
		noren.Text{Ja: "お店には必ず一人、オーナーが要ります。先にほかの人をオーナーにしてください。", En: "A shop always needs an owner. Make somebody else one first."})
}

// String lists roles as site=role, * for all sites.
func (g Grants) String() string {
	var out []string
	for _, site := range slices.Sorted(maps.Keys(g)) {
		name, role := site, string(g[site])
		if name == AllSites {
			name = "*"
		}
		if role == "" {
			role = "none"
		}
		out = append(out, name+"="+role)
	}
	return strings.Join(out, " ")
}

// sealedPerson is what of a row is sealed.
type sealedPerson struct {
	Name string `json:"name"`
	Mail string `json:"mail"`
}

func (s *Staff) readPeople(ctx context.Context, where string, args ...any) ([]Person, error) {
	rows, err := s.o.DB.Read().QueryContext(ctx, `SELECT id, sealed, created_at, signed_in_at, removed_at,
		(SELECT count(*) FROM staff_recovery r WHERE r.person = p.id AND r.used_at IS NULL) FROM staff_people p WHERE `+where, args...)
	if err != nil {
		return nil, failed("read people", err)
	}
	defer rows.Close()
	var people []Person
	for rows.Next() {
		var p Person
		var sealed []byte
		var created int64
		var signedIn, removed sql.NullInt64
		if err := rows.Scan(&p.ID, &sealed, &created, &signedIn, &removed, &p.RecoveryLeft); err != nil {
			return nil, failed("read people", err)
		}
		p.CreatedAt, p.SignedInAt, p.RemovedAt = noren.FromMicros(created), timeOf(signedIn), timeOf(removed)
		var names sealedPerson
		if err := s.open(ctx, "person", p.ID, sealed, &names); err != nil {
			return nil, err
		}
		p.Name, p.Mail = names.Name, names.Mail
		people = append(people, p)
	}
	if err := rows.Err(); err != nil {
		return nil, failed("read people", err)
	}
	return s.withRoles(ctx, people)
}

func (s *Staff) withRoles(ctx context.Context, people []Person) ([]Person, error) {
	for i := range people {
		var err error
		if people[i].Roles, err = grantsOf(ctx, s.o.DB.Read(), people[i].ID); err != nil {
			return nil, failed("read roles", err)
		}
	}
	slices.SortFunc(people, func(a, b Person) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return people, nil
}

// mailToken finds a mail address; capital letters are the same.
func (s *Staff) mailToken(mail string) []byte {
	return s.o.Token("staff.mail", cut(strings.ToLower(strings.TrimSpace(mail)), maxMail+1))
}

func validName(name string) error {
	if n := utf8.RuneCountInString(name); !utf8.ValidString(name) || n < 1 || n > maxName || strings.ContainsFunc(name, unreadable) {
		return noren.WithText(noren.Errorf(noren.Invalid, "a name has 1 to %d characters", maxName),
			noren.Text{Ja: "お名前は1文字から100文字で入れてください。", En: "A name has 1 to 100 characters."})
	}
	return nil
}

// unreadable are characters of no name: they would make it look like another's.
func unreadable(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

func validMail(mail string) error {
	local, domain, ok := strings.Cut(mail, "@")
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`<>,;:"\()[]`, r) }
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") || len(mail) > maxMail || !utf8.ValidString(mail) || strings.ContainsFunc(mail, bad) {
		return noren.WithText(noren.Errorf(noren.Invalid, "%s is not a mail address", shown(mail)),
			noren.Text{Ja: "メールアドレスの形になっていません。", En: "This is not a mail address."})
	}
	return nil
}

// shown is a value from outside, fit for a message.
func shown(v string) string { return fmt.Sprintf("%q", cut(v, 80)) }

// cut keeps at most n bytes, and no half character.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
