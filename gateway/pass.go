package gateway

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A visitor who was asked to pass the check gets a puzzle and, for its
// solution, a pass. Both are texts with a signature and nothing is stored: a
// restart or another node asks nobody again.
const (
	// puzzleFor is how long a puzzle may be solved.
	puzzleFor = 10 * time.Minute
	// proofs is how many numbers solve a puzzle: several small searches take
	// nearly the same time on every try, one large search does not.
	proofs = 4
	// puzzleBits makes each search 32,768 hashes on average: a third of a second
	// for all on a phone. attackBits is for a site under attack.
	puzzleBits = 15
	attackBits = 16
	// waitAtLeast is the way without a script: waiting instead of computing.
	waitAtLeast = 8 * time.Second
	// Passes last so long.
	passFor     = 12 * time.Hour
	waitPassFor = 2 * time.Hour
)

// clerk signs puzzles and passes. keys are the secrets for cookies, the first
// signs and all are accepted, so that a rotation asks nobody again.
type clerk struct{ keys [][]byte }

// bearer is whom a token is for: it is worth nothing to others.
type bearer struct {
	site  string
	agent string     // User-Agent
	addr  netip.Addr // only for puzzles: phones change their address
}

type tokenKind byte

const (
	puzzleToken tokenKind = 1
	passToken   tokenKind = 2
	turnToken   tokenKind = 3 // a place in the line of the busy mode
	deviceToken tokenKind = 4
)

// Levels of a turnToken.
const (
	inLine byte = 0
	inside byte = 1
)

// token is what is signed.
type token struct {
	kind  tokenKind
	level byte      // bits of a puzzle; inLine or inside of a turn
	from  time.Time // of a turn: when it comes
	until time.Time
	id    [10]byte
}

// tokenBytes is kind, level, from, until, id.
const tokenBytes = 1 + 1 + 8 + 8 + 10

func (t *token) name() string { return base64.RawURLEncoding.EncodeToString(t.id[:]) }

// puzzle makes a puzzle of a difficulty.
func (c clerk) puzzle(b bearer, level int, now time.Time) string {
	t := token{kind: puzzleToken, level: byte(level), from: now, until: now.Add(puzzleFor)}
	rand.Read(t.id[:])
	return c.sign(&t, b)
}

// turn makes a place in the line.
func (c clerk) turn(at time.Time) *token {
	t := &token{kind: turnToken, level: inLine, from: at, until: at.Add(turnFor)}
	rand.Read(t.id[:])
	return t
}

// pass makes the pass that a puzzle earned. It has the puzzle's id: solving one
// twice gives the same pass twice.
func (c clerk) pass(puzzle *token, b bearer, last time.Duration, now time.Time) string {
	return c.sign(&token{kind: passToken, from: now, until: now.Add(last), id: puzzle.id}, b)
}

func (c clerk) sign(t *token, b bearer) string {
	raw := make([]byte, 0, tokenBytes+macBytes)
	raw = append(raw, byte(t.kind), t.level)
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.from.Unix()))
	raw = binary.BigEndian.AppendUint64(raw, uint64(t.until.Unix()))
	raw = append(raw, t.id[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, macOf(c.keys[0], raw, t.kind, b)...))
}

const macBytes = 16

func macOf(key, raw []byte, kind tokenKind, b bearer) []byte {
	mac := hmac.New(sha256.New, key)
	parts := []string{"noren visitor 1", b.site, b.agent, ""}
	if kind == puzzleToken {
		parts[3] = clientNet(b.addr).String()
	}
	for _, p := range parts {
		mac.Write(binary.AppendUvarint(nil, uint64(len(p))))
		mac.Write([]byte(p))
	}
	mac.Write(raw)
	return mac.Sum(nil)[:macBytes]
}

// open returns the token of a text that one of the keys signed for this bearer
// and whose time is not over.
func (c clerk) open(text string, kind tokenKind, b bearer, now time.Time) (*token, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if strings.ContainsAny(text, "\r\n") { // which the decoder passes over
		return nil, false
	}
	if err != nil || len(raw) != tokenBytes+macBytes || tokenKind(raw[0]) != kind {
		return nil, false
	}
	raw, mac := raw[:tokenBytes], raw[tokenBytes:]
	ok := false
	for _, key := range c.keys {
		ok = ok || subtle.ConstantTimeCompare(mac, macOf(key, raw, kind, b)) == 1
	}
	if !ok {
		return nil, false
	}
	t := &token{kind: kind, level: raw[1], id: [10]byte(raw[18:])}
	t.from = time.Unix(int64(binary.BigEndian.Uint64(raw[2:])), 0)
	t.until = time.Unix(int64(binary.BigEndian.Uint64(raw[10:])), 0)
	return t, now.Before(t.until)
}

// solved reports whether proof holds the numbers n0,n1,… for which
// SHA-256(puzzle, dots up to a block of 64 bytes, i "." ni) begins with so many
// zero bits.
func solved(puzzle string, level byte, proof string) bool {
	numbers := strings.Split(proof, ",")
	if len(numbers) != proofs {
		return false
	}
	for i, n := range numbers {
		if len(n) > 16 || !solvedPart(puzzle, level, i, n) {
			return false
		}
	}
	return true
}

func solvedPart(puzzle string, level byte, i int, n string) bool {
	pad := strings.Repeat(".", max(0, sha256.BlockSize-len(puzzle)))
	sum := sha256.Sum256([]byte(puzzle + pad + strconv.Itoa(i) + "." + n))
	return bits.LeadingZeros64(binary.BigEndian.Uint64(sum[:])) >= int(level)
}
