package journal_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/journal"
)

// sealer is a small vault: a key per subject, kept in memory, that is a row in
// vault_subject_keys as well.
type sealer struct {
	mu        sync.Mutex
	keys      map[string]cipher.AEAD // by id
	ids       map[noren.Subject]string
	fresh     map[string]bool // not confirmed
	erased    map[string]bool
	confirmed int
}

func newSealer() *sealer {
	return &sealer{keys: map[string]cipher.AEAD{}, ids: map[noren.Subject]string{}, fresh: map[string]bool{}, erased: map[string]bool{}}
}

var keyTable = &db.Table{Name: "vault_subject_keys", OrIgnore: true, Columns: []string{"id", "site", "subject", "month", "wrapped", "created_at"}}

func (s *sealer) key(sub noren.Subject) (string, cipher.AEAD, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.ids[sub]
	if !ok {
		id = fmt.Sprintf("key-%d-%x", len(s.keys), randomBytes(4))
		block, err := aes.NewCipher(randomBytes(32))
		if err != nil {
			panic(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		s.ids[sub], s.keys[id], s.fresh[id] = id, aead, true
	}
	return id, s.keys[id], s.fresh[id]
}

func (s *sealer) Seal(site string, sub noren.Subject, at time.Time, plain, aad []byte) (noren.Sealed, []db.Row, error) {
	id, aead, fresh := s.key(sub)
	nonce := randomBytes(aead.NonceSize())
	var rows []db.Row
	if fresh {
		rows = []db.Row{{Table: keyTable, Values: []any{id, site, []byte(id), at.Format("2006-01"), []byte{1}, at.UnixMicro()}}}
	}
	return noren.Sealed{Key: id, Data: aead.Seal(nonce, nonce, plain, aad)}, rows, nil
}

func (s *sealer) Confirm(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.fresh, id)
		s.confirmed++
	}
}

func (s *sealer) Open(_ context.Context, sealed noren.Sealed, aad []byte) ([]byte, error) {
	s.mu.Lock()
	aead, erased := s.keys[sealed.Key], s.erased[sealed.Key]
	s.mu.Unlock()
	if erased {
		return nil, noren.Errorf(noren.Erased, "key %s was destroyed", sealed.Key)
	}
	if aead == nil || len(sealed.Data) < aead.NonceSize() {
		return nil, noren.Errorf(noren.NotFound, "no key %s", sealed.Key)
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, sealed.Data[:n], sealed.Data[n:], aad)
	if err != nil {
		return nil, noren.Errorf(noren.Tampered, "open: %w", err)
	}
	return plain, nil
}

func (s *sealer) Token(site, field, value string) []byte {
	m := hmac.New(sha256.New, []byte("test search key"))
	fmt.Fprintf(m, "%q %q %q", site, field, value)
	return m.Sum(nil)[:16]
}

func (s *sealer) erase(sub noren.Subject) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erased[s.ids[sub]] = true
	delete(s.ids, sub)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// signingKey is one fixed key for all tests.
func signingKey() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("noren journal tests"))
	return ed25519.NewKeyFromSeed(seed[:])
}

const testOrigin = "noren/test"

// options are those of an ordinary journal over d.
func options(d *db.DB, s journal.Sealer) journal.Options {
	return journal.Options{DB: d, Sealer: s, SigningKey: signingKey(), KeyID: "k1", Origin: testOrigin, Node: "n1",
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// start opens a journal that is closed with the test.
func start(t testing.TB, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = j.Close(ctx) // a test that closes on purpose has looked at the error
	})
	return j
}

func open(t testing.TB, d *db.DB) *journal.Journal {
	t.Helper()
	return start(t, options(d, newSealer()))
}

var day = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// entry is the n-th event of a site: a sign-in with entities, facts and a
// decision as in life.
func entry(site string, n int) noren.Entry {
	at := noren.At(day.Add(time.Duration(n) * time.Millisecond))
	id := fmt.Sprintf("%s-%08d", site, n)
	return noren.Entry{
		Event: noren.Event{ID: id, Kind: noren.LoginAttempt, At: at, Site: site, Zone: noren.ZoneLogin, AttemptID: "a" + id,
			Entities: noren.Entities{
				noren.EntityAccount: fmt.Sprintf("customer%d@example.jp", n%1000), noren.EntityAddress: "203.0.113.7",
				noren.EntityDevice: fmt.Sprintf("device-%d", n%1000)},
			Payload: &noren.Login{User: fmt.Sprintf("customer%d@example.jp", n%1000)}},
		Facts: noren.Facts{"account.logins_failed_10m": int64(n % 7), "address.country": "JP", "account.share": 0.25, "address.bot": false},
		Decision: noren.Decision{EventID: id, Verdict: noren.Allow, Policies: "5c0ffee",
			Shadow: []noren.Reason{{Policy: "login-burst", Verdict: noren.StepUp, Text: noren.Text{Ja: "短時間に失敗が続いています", En: "Many failures in a short time"}}}},
		Count: 1, Rule: "login-burst",
	}
}

func appendN(t testing.TB, j *journal.Journal, site string, from, to int) []journal.Receipt {
	t.Helper()
	var wg sync.WaitGroup
	out := make([]journal.Receipt, to-from)
	errs := make(chan error, to-from)
	next := make(chan int)
	for range min(64, to-from) {
		wg.Go(func() {
			for n := range next {
				r, err := j.Append(t.Context(), entry(site, n))
				if err != nil {
					errs <- err
				}
				out[n-from] = r
			}
		})
	}
	for n := from; n < to; n++ {
		next <- n
	}
	close(next)
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	return out
}

func verify(t testing.TB, j *journal.Journal, o journal.VerifyOptions) journal.Report {
	t.Helper()
	rep, err := j.Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// wantClean fails when verification finds anything.
func wantClean(t testing.TB, j *journal.Journal) {
	t.Helper()
	rep := verify(t, j, journal.VerifyOptions{})
	for i, f := range rep.Findings {
		if i == 5 {
			break
		}
		t.Errorf("finding %s at %d of %s: %s", f.Kind, f.Seq, f.Log, f.Detail.En)
	}
}

// ids lists the events of a log in order.
func ids(t testing.TB, j *journal.Journal, log string) []string {
	t.Helper()
	var out []string
	for s, err := range j.Query(t.Context(), journal.Filter{Log: log}) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Seq != int64(len(out)) {
			t.Fatalf("log %s: number %d at place %d", log, s.Seq, len(out))
		}
		out = append(out, s.Entry.Event.ID)
	}
	return out
}
