package vault_test

import (
	"bytes"
	"testing"
	"time"

	"noren"
	"noren/db"
	"noren/db/dbtest"
	"noren/vault"

	"pgregory.net/rapid"
)

// Whatever bytes come, Open neither panics nor takes them for something sealed.
func FuzzOpen(f *testing.F) {
	d := dbtest.Open(f, db.SQLite)
	v, err := vault.Open(f.Context(), vault.Options{DB: d, Root: vault.NewRootKey()})
	if err != nil {
		f.Fatal(err)
	}
	real, _, err := v.Seal("shop", hanako, march, []byte("x"), []byte("aad"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(real.Key, []byte{}, []byte("aad"))
	f.Add(real.Key, real.Data[:len(real.Data)-1], []byte("aad"))
	f.Add("", real.Data, []byte(nil))
	f.Fuzz(func(t *testing.T, key string, data, aad []byte) {
		if bytes.Equal(data, real.Data) && string(aad) == "aad" {
			return
		}
		for _, k := range []string{key, real.Key} {
			plain, err := v.Open(t.Context(), noren.Sealed{Key: k, Data: data}, aad)
			if err == nil || plain != nil {
				t.Fatalf("opened %x as %q", data, plain)
			}
			if c := noren.CodeOf(err); c != noren.Tampered && c != noren.Erased {
				t.Fatalf("got %v", err)
			}
		}
	})
}

// Whatever order of sealing, storing, erasing, rotating and restarting: stored
// texts open unless their subject was erased after they were sealed.
func TestAnyOrderOfOperations(t *testing.T) {
	type text struct {
		s      noren.Sealed
		rows   []db.Row
		who    int
		plain  string
		stored bool
		erased bool
	}
	d := dbtest.Open(t, db.SQLite)
	root := vault.NewRootKey()
	subjects := []noren.Subject{hanako, taro, {Kind: noren.EntityDevice, ID: "d1"}}
	rapid.Check(t, func(rt *rapid.T) {
		nodes := []*node{open(t, d, root), open(t, d, root)}
		var texts []*text
		rt.Repeat(map[string]func(*rapid.T){
			"seal": func(rt *rapid.T) {
				n := nodes[rapid.IntRange(0, 1).Draw(rt, "node")]
				x := &text{who: rapid.IntRange(0, 2).Draw(rt, "who"), plain: rapid.String().Draw(rt, "plain")}
				x.s, x.rows = n.seal(subjects[x.who], march.AddDate(0, rapid.IntRange(0, 2).Draw(rt, "month"), 0), x.plain)
				texts = append(texts, x)
			},
			"store": func(rt *rapid.T) {
				if len(texts) == 0 {
					return
				}
				x := rapid.SampledFrom(texts).Draw(rt, "text")
				nodes[0].insert(x.rows)
				x.stored = true
				if rapid.Bool().Draw(rt, "confirm") {
					nodes[0].Confirm(x.s.Key)
					nodes[1].Confirm(x.s.Key)
				}
			},
			"erase": func(rt *rapid.T) {
				w := rapid.IntRange(0, 2).Draw(rt, "who")
				nodes[rapid.IntRange(0, 1).Draw(rt, "node")].erase(subjects[w])
				for _, x := range texts {
					x.erased = x.erased || x.who == w
				}
				for _, n := range nodes {
					n.clock.forward(10 * time.Second)
				}
			},
			"rotate": func(rt *rapid.T) {
				nodes[rapid.IntRange(0, 1).Draw(rt, "node")].rotate(vault.PurposeSeal)
				for _, n := range nodes {
					n.clock.forward(10 * time.Second)
				}
			},
			"restart": func(rt *rapid.T) { nodes[rapid.IntRange(0, 1).Draw(rt, "node")].reopen() },
			"": func(rt *rapid.T) {
				for _, x := range texts {
					for _, n := range nodes {
						got, err := n.Vault.Open(t.Context(), x.s, []byte("aad"))
						switch {
						case x.erased && noren.CodeOf(err) != noren.Erased:
							rt.Fatalf("an erased text: got %q and %v", got, err)
						case !x.erased && x.stored && (err != nil || string(got) != x.plain):
							rt.Fatalf("a stored text: got %q and %v, want %q", got, err, x.plain)
						}
					}
				}
			},
		})
	})
}
