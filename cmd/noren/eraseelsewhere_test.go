package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"noren"
	"noren/db/dbtest"
	"noren/kv/kvtest"
)

// The facts that the test asks for: three of a person, and two of the address
// that everybody shares.
var erasureFacts = []string{"account.logins_24h", "account.first_seen_days", "session.logins_24h", "address.login_accounts_24h", "address.logins_24h"}

// servesNode opens an instance of a configuration file, which commands use too.
func servesNode(t *testing.T, name, dir, url, shared string) (n node, in *testInstance) {
	t.Helper()
	n.config = filepath.Join(dir, name+".yaml")
	text := fmt.Sprintf("version: 1\ndata: %s\nlisten: {http: \"127.0.0.1:0\"}\ndatabase: {url: %q}\nroot_key: file:%s\nerasures: %s\n", filepath.Join(dir, name), url, filepath.Join(dir, "root.key"), filepath.Join(dir, "erasures"))
	if shared != "" {
		text += "shared: " + shared + "\n"
	}
	text += "sites:\n  - name: shop\n    hosts: [shop.test]\n    upstream: " + startShop(t, "shop") + "\n"
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadConfig(n.config)
	if err != nil {
		t.Fatal(err)
	}
	return n, open(t, instanceWants{cfg: cfg})
}

func signIn(account string) noren.Event {
	ev := signInOf(account, "203.0.113.50")
	ev.Entities[noren.EntitySession] = "of " + account
	return ev
}

// knows are the facts of a sign-in that is taken back, without itself.
func (ti *testInstance) knows(t *testing.T, account string) noren.Facts {
	t.Helper()
	ev := signIn(account)
	ev.ID, ev.At = noren.NewID(time.Now()), noren.At(time.Now())
	obs, err := ti.facts().Observe(t.Context(), &ev, erasureFacts)
	if err != nil || obs.Degraded {
		t.Fatalf("observe: %v, degraded %t", err, obs.Degraded)
	}
	ti.facts().Cancel(&ev)
	if err := ti.facts().Tell(t.Context()); err != nil {
		t.Fatal(err)
	}
	return obs.Facts
}

// Servers counted people's sign-ins when a command of its own process erases one
// of them: soon no server knows them any more, and everybody else's numbers
// stand. It does not matter that shared state still holds the person's events.
func TestServersForgetWhomACommandErased(t *testing.T) {
	dbtest.EachURL(t, func(t *testing.T, url string) {
		shared, nodes := "", 1
		if strings.HasPrefix(url, "postgres") {
			shared, nodes = kvtest.Valkey(t), 2
		}
		dir := t.TempDir()
		var command node
		servers := make([]*testInstance, nodes)
		for i := range servers {
			command, servers[i] = servesNode(t, fmt.Sprint("node", i), dir, url, shared)
		}
		for i := range 6 {
			servers[i%nodes].decide(t, signIn(erasedAccount))
		}
		servers[0].decide(t, signIn(stayingAccount))
		for _, in := range servers {
			in.flush(t)
		}
		asks := func(logins, seen, session, accounts, all int64) noren.Facts {
			return noren.Facts{erasureFacts[0]: logins, erasureFacts[1]: seen, erasureFacts[2]: session, erasureFacts[3]: accounts, erasureFacts[4]: all}
		}
		is := func(in *testInstance, account string, want noren.Facts) func() bool {
			return func() bool { return maps.Equal(in.knows(t, account), want) }
		}
		for i, in := range servers {
			if got, want := in.knows(t, erasedAccount), asks(7, 0, 7, 2, 8); !maps.Equal(got, want) {
				t.Fatalf("node %d knows %v before, want %v", i, got, want)
			}
		}
		command.noren(t, "keys", "erase", "account:"+erasedAccount, "--reason", "本人の請求")
		for i, in := range servers {
			await(t, fmt.Sprintf("node %d knows the person no more", i), is(in, erasedAccount, asks(1, -1, 1, 2, 8)))
			if got, want := in.knows(t, stayingAccount), asks(2, 0, 2, 1, 8); !maps.Equal(got, want) {
				t.Errorf("of somebody else node %d knows %v, want %v", i, got, want)
			}
			if got, want := in.knows(t, erasedAccount), asks(1, -1, 1, 2, 8); !maps.Equal(got, want) {
				t.Errorf("afterwards node %d knows %v of the person, want %v", i, got, want)
			}
		}
	})
}
