package journal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"noren"
	"noren/db"
)

func TestTilePath(t *testing.T) {
	for _, tt := range []struct {
		n     int64
		width int
		want  string
	}{
		{0, 256, "000"}, {0, 1, "000.p/1"}, {7, 255, "007.p/255"}, {999, 256, "999"}, {1000, 256, "x001/000"},
		{1234067, 256, "x001/x234/067"}, {1234067, 12, "x001/x234/067.p/12"}, {123456789012, 256, "x123/x456/x789/012"},
	} {
		got := tilePath(tt.n, tt.width)
		if got != tt.want {
			t.Errorf("tilePath(%d, %d) = %s, want %s", tt.n, tt.width, got, tt.want)
		}
		lib := tlog.Tile{H: 8, L: 0, N: tt.n, W: tt.width}.Path() // tile/8/0/…, with the height that C2SP leaves out
		if want := strings.TrimPrefix(lib, "tile/8/0/"); got != want {
			t.Errorf("tilePath(%d, %d) = %s, the library says %s", tt.n, tt.width, got, want)
		}
	}
}

// TestTreeIsRFC6962 compares the right edge and its tiles with the library's
// tree after every append, in groups of any size.
func TestTreeIsRFC6962(t *testing.T) {
	var all []tlog.Hash
	read := tlog.HashReaderFunc(func(idx []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(idx))
		for i, x := range idx {
			out[i] = all[x]
		}
		return out, nil
	})
	var tr tree
	var edge tileEdge
	got := map[tlog.Tile][]byte{}
	for size := int64(0); size < 70_000; {
		before := edge.clone()
		edge.full = func(f tile) { got[tlog.Tile{H: 8, L: f.level, N: f.n, W: 256}] = f.data }
		start := size
		for range 1 + size%700 {
			h := tlog.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(size)))
			more, err := tlog.StoredHashesForRecordHash(size, h, read)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, more...)
			tr.add(h, edge.node)
			size++
		}
		want, err := tlog.TreeHash(size, read)
		if err != nil || tr.root() != want {
			t.Fatalf("root of %d entries = %v, want %v (%v)", size, tr.root(), want, err)
		}
		back, err := parseTree(size, tr.edgeBytes())
		if err != nil || back.root() != want {
			t.Fatalf("edge of %d entries does not come back: %v", size, err)
		}
		for _, p := range edge.open {
			if !tr.fits(p.level, p.data) {
				t.Fatalf("unfinished tile of level %d does not fit a tree of %d", p.level, size)
			}
			if len(p.data) > 0 {
				bad := bytes.Clone(p.data)
				bad[size%int64(len(bad))] ^= 1
				if tr.fits(p.level, bad) {
					t.Fatalf("a changed tile of level %d fits a tree of %d", p.level, size)
				}
			}
		}
		for _, p := range edge.changed(&before) {
			got[tlog.Tile{H: 8, L: p.level, N: p.n, W: len(p.data) / tlog.HashSize}] = p.data
		}
		for _, tl := range tlog.NewTiles(8, start, size) {
			data, err := tlog.ReadTileData(tl, read)
			if err != nil || !bytes.Equal(got[tl], data) {
				t.Fatalf("tile %v after %d entries differs (%v)", tl, size, err)
			}
		}
	}
}

func TestParseTreeRefuses(t *testing.T) {
	for _, size := range []int64{-1, 3} {
		if _, err := parseTree(size, make([]byte, 32)); noren.CodeOf(err) != noren.Tampered {
			t.Errorf("parseTree(%d) = %v, want code tampered", size, err)
		}
	}
}

// TestPublicPartIsItsJSON: the bytes written for the columns are what the JSON
// encoder would write, so that comparing prefixes is comparing values.
func TestPublicPartIsItsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := columns{
			id: rapid.String().Draw(t, "id"), kind: rapid.String().Draw(t, "kind"), site: rapid.String().Draw(t, "site"),
			zone: rapid.String().Draw(t, "zone"), verdict: rapid.String().Draw(t, "verdict"), rule: cleanText(rapid.String().Draw(t, "rule"), maxRule),
			count: rapid.Int64().Draw(t, "count"),
			at:    rapid.Int64Range(946684800_000000, 7258118400_000000).Draw(t, "at"),
		}
		c.log = logOf(c.site)
		body := append(appendPublic(nil, &c), `"sealed":{"key":"k","data":"AA=="}}`...)
		l, err := parseLeaf(body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := l.columns(); got != c {
			t.Fatalf("columns came back as %+v, want %+v", got, c)
		}
	})
}

func TestInnerAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "::ffff:127.0.0.1": true, "64:ff9b::7f00:1": true, "0.0.0.0": true, "0.1.2.3": true, "::": true,
		"169.254.169.254": true, "fe80::1%eth0": true, "fd00:ec2::254": true, "100.100.100.200": true, "168.63.129.16": true, "224.0.0.1": true, "ff02::1": true,
		"64:ff9b::a9fe:a9fe": true, "203.0.113.5": false, "192.168.1.5": false, "10.0.0.1": false, "2001:db8::1": false, "64:ff9b::cb00:7105": false,
	} {
		if got := noren.InnerAddr(netip.MustParseAddr(addr)); got != want {
			t.Errorf("InnerAddr(%s) = %t, want %t", addr, got, want)
		}
	}
}

func testRecord() *record {
	body := append(appendPublic(nil, &columns{id: "e1", kind: "order.placed", site: "shop", at: 1772355600000000, count: 1}), `"sealed":{"key":"k1","data":"AA=="}}`...)
	table := &db.Table{Name: "nodes", Columns: []string{"id", "n", "x", "f", "b", "z"}, OrIgnore: true}
	rows := []db.Row{{Table: table, Values: []any{"a\nb\x00", int64(-1), []byte{}, 1.5, true, nil}}}
	return &record{body: body, tokens: []token{{"account", []byte{1, 2}}}, keys: rows, rows: rows}
}

func encoded(tb testing.TB, r *record) []byte {
	tb.Helper()
	f, err := frameOf(r)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := appendFrame(nil, f)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzSpoolFrame: no input panics, and what is accepted comes back the same
// when it is written and read again.
func FuzzSpoolFrame(f *testing.F) {
	line := encoded(f, testRecord())
	f.Add(bytes.TrimSuffix(line[9:], []byte("\n")))
	f.Add([]byte(`{"rows":[{"table":"nodes","columns":["id"],"values":[{"s":"a"}]}]}`))
	f.Add([]byte(`{"rows":[{"table":"nodes; DROP TABLE nodes","columns":["id"],"values":[{}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var fr frameReader
		r, err := fr.frame(b)
		if err != nil {
			return
		}
		for _, row := range append(r.keys, r.rows...) {
			if !noren.ValidIdent(row.Table.Name) || len(row.Values) != len(row.Table.Columns) {
				t.Fatalf("accepted a row of %q with %d values", row.Table.Name, len(row.Values))
			}
		}
		again, err := fr.line(bytes.TrimSuffix(encoded(t, r), []byte("\n")))
		if err != nil || !bytes.Equal(encoded(t, again), encoded(t, r)) {
			t.Fatalf("does not come back the same: %v", err)
		}
	})
}

// FuzzSpoolLine: a line comes back, and one changed byte is noticed (but for the
// case of a digit of the checksum).
func FuzzSpoolLine(f *testing.F) {
	f.Add("entry", 3, byte(1))
	f.Add("entry", 12, byte(0x20))
	f.Fuzz(func(t *testing.T, payload string, at int, x byte) {
		line, err := appendFrame(nil, payload)
		if err != nil {
			return // over the bound
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		if _, ok := checkFrame(line); !ok || bytes.IndexByte(line, '\n') >= 0 {
			t.Fatalf("line %q does not come back", line)
		}
		if at < 0 || at >= len(line) || x == 0 {
			return
		}
		line[at] ^= x
		if _, ok := checkFrame(line); ok && (at >= 8 || x != 0x20) {
			t.Fatalf("byte %d changed by %#x passes: %q", at, x, line)
		}
	})
}

func testKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(make([]byte, 32)) }

func testKeys(tb testing.TB) (string, note.Verifiers) {
	tb.Helper()
	text, err := note.NewEd25519VerifierKey("noren/x/shop", testKey().Public().(ed25519.PublicKey))
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		tb.Fatal(err)
	}
	return text, keys
}

func testNote(tb testing.TB, size int64, root tlog.Hash) []byte {
	tb.Helper()
	c := checkpoint{origin: "noren/x/shop", size: size, root: root}
	msg, err := note.Sign(&note.Note{Text: c.text()}, noteSigner{c.origin, testKey()})
	if err != nil {
		tb.Fatal(err)
	}
	return msg
}

// FuzzCheckpoint: no input panics; what is accepted is exactly what would be
// written, and signed notes are accepted only with our own signature.
func FuzzCheckpoint(f *testing.F) {
	_, keys := testKeys(f)
	f.Add(testNote(f, 12, tlog.Hash{1}))
	f.Add([]byte("noren/x/shop\n012\n" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n\n— noren/x/shop AAAA\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, err := parseUnsigned(msg)
		if err == nil && !bytes.HasPrefix(msg, []byte(c.text()+"\n")) {
			t.Fatalf("read as %q", c.text())
		}
		signed, serr := parseSigned(msg, keys)
		if serr != nil {
			return
		}
		if err != nil || signed.size != c.size || signed.root != c.root || !bytes.Contains(msg, testNote(t, c.size, c.root)[len(c.text())+1:]) {
			t.Fatalf("accepted a note that we did not sign: %q", msg)
		}
	})
}

// FuzzProof: no input panics, and no proof holds but those of the one leaf.
func FuzzProof(f *testing.F) {
	key, _ := testKeys(f)
	leafBytes := []byte("leaf")
	root := tlog.RecordHash(leafBytes)
	p := Proof{V: 1, Kind: ProofInclusion, Log: "shop", Leaf: leafBytes, Size: 1, Hashes: []tlog.Hash{}, Checkpoint: string(testNote(f, 1, root))}
	file, err := p.JSON()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := CheckProof(file, key); err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte(`{"v":1,"kind":"consistency","log":"shop","seq":0,"size":1,"hashes":[],"before":"x","checkpoint":"y"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := CheckProof(b, key)
		if err == nil && got.Kind == ProofInclusion && !bytes.Equal(got.Leaf, leafBytes) {
			t.Fatalf("a proof of %q holds", got.Leaf)
		}
	})
}

// FuzzBundle: no input panics, and what is read whole is what was written.
func FuzzBundle(f *testing.F) {
	f.Add([]byte{0, 1, 'a', 0, 0, 0, 2, 'b', 'c'})
	f.Add([]byte{0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		leaves, err := parseBundle(b, tileWidth)
		var again []byte
		for _, l := range leaves {
			again = binary.BigEndian.AppendUint16(again, uint16(len(l)))
			again = append(again, l...)
		}
		if !bytes.HasPrefix(b, again) || err == nil && len(again) != len(b) || len(leaves) > tileWidth {
			t.Fatalf("%d leaves of %x: %v", len(leaves), b, err)
		}
	})
}

// FuzzLeaf: no input panics, and the columns of an accepted leaf are found in
// its bytes or in its JSON.
func FuzzLeaf(f *testing.F) {
	f.Add(testRecord().body)
	f.Add([]byte(`{"v":1,"id":"a","kind":"k","at":"2026-03-01T09:00:00Z","site":"","zone":"","verdict":"","rule":"","count":1,"sealed":{"key":"","data":""}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLeaf(b)
		if err != nil {
			return
		}
		e := l.entry()
		if e.Event.ID != l.ID || e.Count != l.Count {
			t.Fatalf("entry %+v of leaf %+v", e, l)
		}
	})
}

func TestQueueBounds(t *testing.T) {
	q := newQueue()
	big := func() *record { return &record{size: queueBytes / 2, done: make(chan struct{})} }
	first, second := big(), big()
	for _, r := range []*record{first, second} {
		if err := q.put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	third := big()
	put := make(chan error, 1)
	go func() { put <- q.put(t.Context(), third) }()
	select {
	case err := <-put:
		t.Fatalf("a record beyond the bound was taken: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	group := q.take(groupRecords)
	if len(group) != 1 {
		t.Fatalf("a group of %d records of %d bytes", len(group), first.size)
	}
	q.settle(group)
	if err := <-put; err != nil {
		t.Fatal(err)
	}
	q.close()
	if err := q.put(t.Context(), big()); noren.CodeOf(err) != noren.Unavailable {
		t.Errorf("put after close = %v, want code unavailable", err)
	}
}
