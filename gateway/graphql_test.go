package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"noren"
	"noren/kv"
)

func TestParseGraphQL(t *testing.T) {
	vars := map[string]any{"u": "hanako", "in": map[string]any{"native": map[string]any{"username": "taro"}}}
	tests := []struct {
		name, doc string
		want      string // fields of each operation; "error" when it cannot be read
	}{
		{"short form", `{ search(input: {term: "tea"}) { items { login { x } } } }`, "search(input.term=tea)"},
		{"named, with variables", `mutation L($u: String!, $p: [Int!]! = [1]) @live { login(username: $u, password: "x") { __typename } }`, "login(password=x username=hanako)"},
		{"an alias", `mutation { a: login(username: "b") { id } }`, "login(username=b)"},
		{"several aliases", `mutation { a: login b: login }`, "login login"},
		{"a nested variable", `mutation { authenticate(input: $in) }`, "authenticate(input.native.username=taro)"},
		{"a default", `mutation ($v: String = "jiro") { login(username: $v) }`, "login(username=jiro)"},
		{"a default object", `mutation ($v: In = {native: {username: "jiro"}}) { authenticate(input: $v) }`, "authenticate(input.native.username=jiro)"},
		{"a fragment", `mutation { ...F } fragment F on Mutation { login(username: "x") }`, "login(username=x)"},
		{"a fragment in a fragment, twice around", `mutation { ...A ...A } fragment A on Mutation { x ...B } fragment B on Mutation { login ...A }`, "x login"},
		{"a fragment in place", `mutation { ... on Mutation { ... @include(if: true) { login } } }`, "login"},
		{"a fragment below", `mutation { login { ...U } } fragment U on User { id identifier }`, "login"},
		{"two operations", `query A { search } mutation B { login }`, "search | login"},
		{"comments and commas", "# login\n{,search # }\r,}\uFEFF", "search"},
		{"escapes", `mutation { login(username: "\u0061\"\\\u{1F375}\uD83C\uDF75") }`, `login(username=a"\🍵🍵)`},
		{"a block", `mutation { login(username: """a"b\"""c""") }`, `login(username=a"b"""c)`},
		{"lists, numbers, words", `{ search(a: [1, -2.5e3, RED, null], b: true) }`, "search(a=1,-2.5e3,RED,null b=true)"},
		{"a directive with arguments", `{ search @x(a: {b: "c"}) { y } }`, "search"},
		{"nothing", ``, "error"},
		{"only a fragment", `fragment F on Q { x }`, "error"},
		{"a type", `type Query { login: X }`, "error"},
		{"no end", `{ login`, "error"},
		{"no fragment", `{ ...F }`, "error"},
		{"a fragment twice", `{ ...F } fragment F on Q { a } fragment F on Q { login }`, "error"},
		{"an open text", "{ login(a: \"x\n\") }", "error"},
		{"an odd escape", `{ login(a: "\q") }`, "error"},
		{"no JSON", `\x00`, "error"},
		{"deep", strings.Repeat("{a", 60) + strings.Repeat("}", 60), "error"},
		{"deep lists", `{a(b:` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `)}`, "error"},
		{"long", "{" + strings.Repeat("a ", 30_000) + "}", "error"},
		{"many fields", "{" + strings.Repeat("a ", 300) + "}", "error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := parseGraphQL(tt.doc, vars)
			got := written(doc.ops)
			if err != nil {
				got = "error"
			}
			if got != tt.want {
				t.Errorf("%s, want %s (%v)", got, tt.want, err)
			}
		})
	}
}

func written(ops [][]call) string {
	var all []string
	for _, op := range ops {
		var calls []string
		for _, c := range op {
			s := c.name
			if len(c.args) > 0 {
				var args []string
				for _, k := range sortedKeys(c.args) {
					args = append(args, k+"="+strings.Join(c.args[k], ","))
				}
				s += "(" + strings.Join(args, " ") + ")"
			}
			calls = append(calls, s)
		}
		all = append(all, strings.Join(calls, " "))
	}
	return strings.Join(all, " | ")
}

func sortedKeys(v url.Values) []string {
	var keys []string
	for _, part := range strings.Split(v.Encode(), "&") {
		k, _, _ := strings.Cut(part, "=")
		if k, _ = url.QueryUnescape(k); len(keys) == 0 || keys[len(keys)-1] != k {
			keys = append(keys, k)
		}
	}
	return keys
}

// vendure is a gateway before something that answers like Vendure's GraphQL.
func vendure(t *testing.T, reached *atomic.Int64, limits bool) *standing {
	return stand(t, func(o *Options) {
		o.KV = nil
		if limits {
			o.KV = kv.NewMemory(10_000)
		}
		o.Settings.Sites[0].Preset = "vendure"
		o.Settings.Sites[0].Upstream = shopServer(t, func(w http.ResponseWriter, r *http.Request) {
			reached.Add(1)
			b, _ := io.ReadAll(r.Body)
			if strings.Contains(string(b), "right") {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
			}
			w.Header().Set("Content-Type", "application/json")
			if strings.Contains(string(b), "good-card") {
				fmt.Fprintf(w, `{"data":{"addPaymentToOrder":{"code":"X","state":"PaymentSettled"},"encoding":%q}}`, r.Header.Get("Accept-Encoding"))
				return
			}
			io.WriteString(w, `{"data":{}}`)
		})
	})
}

func posted(query string, vars map[string]any) string {
	b, _ := json.Marshal(map[string]any{"query": query, "variables": vars})
	return string(b)
}

func TestGraphQLZones(t *testing.T) {
	const json, form = "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded"
	login := `mutation { login(username: "a", password: "b") { __typename } }`
	upload := "--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" + posted("mutation C($f: Upload!) { createAssets(input: [{file: $f}]) { __typename } }", nil) + "\r\n--B--\r\n"
	tests := []struct {
		name, target, contentType, body string
		zone                            noren.Zone
		status                          int
	}{
		{"browsing", "/shop-api", json, posted("{ products { items { name } } }", nil), noren.ZoneStorefront, 200},
		{"search", "/shop-api", json, posted(`{ search(input: {term: "tea"}) { totalItems } }`, nil), noren.ZoneSearch, 200},
		{"introspection", "/shop-api", json, posted("{ __schema { types { name } } }", nil), noren.ZoneSearch, 403},
		{"introspection by the shop's people", "/admin-api", json, posted("{ __schema { types { name } } }", nil), noren.ZoneAdmin, 200},
		{"cart", "/shop-api", json, posted(`mutation { addItemToOrder(productVariantId: 1, quantity: 1) { __typename } }`, nil), noren.ZoneCart, 200},
		{"two steps of a checkout", "/shop-api", json, posted(`mutation { setOrderShippingAddress(input: {}) { __typename } setOrderShippingMethod(id: 1) { __typename } }`, nil), noren.ZoneCheckout, 200},
		{"the strictest of two", "/shop-api", json, posted(`mutation { addItemToOrder(id: 1) { id } transitionOrderToState(state: "x") { id } }`, nil), noren.ZoneCheckout, 200},
		{"sign-in", "/shop-api", json, posted(login, nil), noren.ZoneLogin, 200},
		{"sign-in behind a fragment", "/shop-api", json, posted(`mutation { ...F } fragment F on Mutation { x: login(username: "a", password: "b") { id } }`, nil), noren.ZoneLogin, 200},
		{"sign-in in a form", "/shop-api", form, "query=" + url.QueryEscape(login), noren.ZoneLogin, 200},
		{"sign-in in another view of the path", "/%73hop-api/", json, posted(login, nil), noren.ZoneLogin, 200},
		{"a batch", "/shop-api", json, `[` + posted("{ products { items { id } } }", nil) + `]`, noren.ZoneStorefront, 200},
		{"a stored query", "/shop-api", json, `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}`, noren.ZoneLogin, 200},
		{"a broken document", "/shop-api", json, posted("mutation { login(", nil), noren.ZoneLogin, 200},
		{"no JSON", "/shop-api", json, `{"query":`, noren.ZoneLogin, 400},
		{"a thousand aliases", "/shop-api", json, posted("mutation { a: login(username: \"a\", password: \"1\") { id } b: login(username: \"a\", password: \"2\") { id } }", nil), "", 400},
		{"a thousand in a batch", "/shop-api", json, `[` + posted(login, nil) + `,` + posted(login, nil) + `]`, "", 400},
		{"sign-in with company", "/shop-api", json, posted(`mutation { login(username: "a", password: "b") { id } addItemToOrder(id: 1) { id } }`, nil), "", 400},
		{"payment with company", "/shop-api", json, posted(`mutation { addPaymentToOrder(input: {method: "x"}) { id } b: addPaymentToOrder(input: {method: "x"}) { id } }`, nil), "", 400},
		{"the admin", "/admin-api", json, posted("{ products { items { id } } }", nil), noren.ZoneAdmin, 200},
		{"an upload", "/admin-api", "Content-Type: multipart/form-data; boundary=B", upload, noren.ZoneAdmin, 200},
		{"the admin's sign-in", "/admin-api", json, posted(login, nil), noren.ZoneAdminLogin, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var reached atomic.Int64
			s := vendure(t, &reached, false)
			res, body := s.do("POST", tt.target, tt.body, tt.contentType)
			if res.StatusCode != tt.status || (reached.Load() == 1) != (tt.status == 200) {
				t.Fatalf("status %d, want %d; reached the shop %d times: %.300s", res.StatusCode, tt.status, reached.Load(), body)
			}
			ev := append(s.loop.of(noren.HTTPRequest), s.loop.of(noren.HTTPBlocked)...)
			if len(ev) != 1 || tt.zone != "" && ev[0].Zone != tt.zone {
				t.Errorf("events %+v, want zone %s", ev, tt.zone)
			}
		})
	}
}

func TestGraphQLSignInsAreAttemptAndOutcome(t *testing.T) {
	var reached atomic.Int64
	s := vendure(t, &reached, false)
	q := `mutation Login($u: String!, $p: String!) { login(username: $u, password: $p) { ... on ErrorResult { errorCode } } }`
	for password, success := range map[string]bool{"right": true, "wrong": false} {
		tries := len(s.loop.of(noren.LoginAttempt))
		s.do("POST", "/shop-api", posted(q, map[string]any{"u": "Hanako@example.jp", "p": password}), "Content-Type: application/json")
		attempts, outcomes := s.loop.of(noren.LoginAttempt)[tries:], s.loop.of(noren.LoginOutcome)[tries:]
		if len(attempts) != 1 || len(outcomes) != 1 {
			t.Fatalf("%d attempts, %d outcomes", len(attempts), len(outcomes))
		}
		if attempts[0].Entities[noren.EntityAccount] != "hanako@example.jp" || attempts[0].Zone != noren.ZoneLogin {
			t.Errorf("attempt %+v", attempts[0])
		}
		if diff := cmp.Diff(&noren.LoginResult{User: "Hanako@example.jp", Success: success}, outcomes[0].Payload); diff != "" {
			t.Error(diff)
		}
	}
	for _, browsing := range []string{`{ products { items { id } } }`, `mutation { addItemToOrder(id: 1) { id } }`} {
		s.do("POST", "/shop-api", posted(browsing, nil), "Content-Type: application/json")
	}
	if n := len(s.loop.of(noren.PaymentAttempt)) + len(s.loop.of(noren.LoginAttempt)); n != 2 {
		t.Errorf("browsing made attempts: %d", n)
	}
	for i, card := range []string{"bad-card", "good-card"} {
		_, body := s.do("POST", "/shop-api", posted(`mutation { addPaymentToOrder(input: {method: "`+card+`", metadata: {}}) { id } }`, nil), "Content-Type: application/json", "Accept-Encoding: gzip")
		if !strings.HasPrefix(body, `{"data"`) || strings.Contains(body, "gzip") {
			t.Errorf("the visitor got %q", body)
		}
		ev, out := s.loop.of(noren.PaymentAttempt), s.loop.of(noren.PaymentOutcome)
		if len(ev) != i+1 || ev[i].Payload.(*noren.Payment).Method != card || len(out) != i+1 || out[i].Payload.(*noren.PaymentResult).Success != (card == "good-card") {
			t.Errorf("payment: %+v, %+v", ev, out)
		}
	}
}

// Guessing over GraphQL meets the same limit as a form; browsing beside it does not.
func TestGraphQLBruteForceIsLimited(t *testing.T) {
	var reached atomic.Int64
	s := vendure(t, &reached, true)
	for i := range 60 {
		s.do("POST", "/shop-api", posted(fmt.Sprintf(`mutation { login(username: "a", password: "%d") { id } }`, i), nil), "Content-Type: application/json")
	}
	if n := reached.Load(); n > 21 {
		t.Errorf("%d of 60 guesses reached the shop", n)
	}
	if res, _ := s.do("POST", "/shop-api", posted("{ products { items { id } } }", nil), "Content-Type: application/json"); res.StatusCode != 200 {
		t.Errorf("browsing: %d", res.StatusCode)
	}
}

// The firewall reads the texts of a document and its variables, not the document:
// "{$in" is no query to MongoDB.
func TestGraphQLIsInspected(t *testing.T) {
	attack := "1' UNION SELECT password FROM members-- -"
	quoted, _ := json.Marshal(attack)
	for name, tt := range map[string]struct {
		body        string
		contentType string
		status      int
	}{
		"a variable called in":       {posted(`query F($in: SearchInput!, $or: Int, $type: Int) { search(input: $in) { totalItems } }`, map[string]any{"in": map[string]any{"term": "急須（赤）"}}), "application/json", 200},
		"an upload":                  {"--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" + posted(`mutation C($in: X!) { createAssets(input: $in) { id } }`, nil) + "\r\n--B--\r\n", "multipart/form-data; boundary=B", 200},
		"an attack in a variable":    {posted(`query F($in: SearchInput!) { search(input: $in) { totalItems } }`, map[string]any{"in": map[string]any{"term": attack}}), "application/json", 403},
		"an attack in the document":  {posted(`{ search(input: {term: `+string(quoted)+`}) { totalItems } }`, nil), "application/json", 403},
		"an attack below":            {posted(`{ products { items(filter: `+string(quoted)+`) { id } } }`, nil), "application/json", 403},
		"an attack in a block":       {posted(`{ search(input: {term: """`+attack+`"""}) { totalItems } }`, nil), "application/json", 403},
		"an attack, escaped":         {posted(`{ search(input: {term: "1\u0027 UNION SELECT password FROM members-- -"}) { totalItems } }`, nil), "application/json", 403},
		"an attack in a default":     {posted(`query F($t: String = `+string(quoted)+`) { search(input: {term: $t}) { totalItems } }`, nil), "application/json", 403},
		"an attack beside":           {`{"query":"{ products { id } }","x":` + string(quoted) + `}`, "application/json", 403},
		"an attack in a batch":       {`[{"query":"{ products { id } }"},{"query":"{ a }","variables":{"x":` + string(quoted) + `}}]`, "application/json", 403},
		"an attack in a broken one":  {posted("{ search(input: {term: "+string(quoted), nil), "application/json", 403},
		"an attack beside an upload": {"--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" + posted(`mutation C($in: X!) { createAssets(input: $in) { id } }`, map[string]any{"in": attack}) + "\r\n--B--\r\n", "multipart/form-data; boundary=B", 403},
	} {
		t.Run(name, func(t *testing.T) {
			var reached atomic.Int64
			s := vendure(t, &reached, false)
			if res, _ := s.do("POST", "/shop-api", tt.body, "Content-Type: "+tt.contentType); res.StatusCode != tt.status {
				t.Errorf("status %d, want %d", res.StatusCode, tt.status)
			}
		})
	}
}

func TestGraphQLMapIsChecked(t *testing.T) {
	for want, m := range map[string]GraphQLMap{
		"names no zone":   {Path: "/graphql"},
		"is not known":    {Path: "/graphql", Hidden: noren.ZoneLogin, Zones: map[noren.Zone][]string{"nowhere": {"x"}}},
		"is not a field":  {Path: "/graphql", Hidden: noren.ZoneLogin, Zones: map[noren.Zone][]string{noren.ZoneLogin: {"a b"}}},
		"pattern \"graph": {Path: "graphql", Hidden: noren.ZoneLogin},
	} {
		s := Site{Name: "s", Hosts: []string{"x.example"}, Upstream: "http://a:1", GraphQL: []GraphQLMap{m}}
		if err := s.Valid(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// FuzzGraphQL: no document panics, takes long or yields more than it holds; one
// that a real operation is put in front of still shows that operation.
func FuzzGraphQL(f *testing.F) {
	f.Add(`mutation L($u: String = "a") { x: login(username: $u) @d { ...F } } fragment F on U { id }`, `{"u":"b"}`)
	f.Add(`{ a(b: [1, {c: """d"""}]) { e } }`, `[]`)
	f.Add(`mutation { ... on M { login(a: "\uD83C\uDF75") } }`, `null`)
	f.Fuzz(func(t *testing.T, doc, vars string) {
		var v map[string]any
		_ = json.Unmarshal([]byte(vars), &v)
		read, err := parseGraphQL(doc, v)
		if err != nil {
			return
		}
		for _, op := range read.ops {
			if len(op) > maxGraphQLCalls {
				t.Fatalf("%d calls", len(op))
			}
			for _, c := range op {
				if !isName(c.name) || !strings.Contains(doc, c.name) {
					t.Fatalf("call %q is not in the document", c.name)
				}
			}
		}
		more, err := parseGraphQL(`mutation { login(username: "x") { id } } `+doc, v)
		if err == nil && written(more.ops[:1]) != "login(username=x)" {
			t.Fatalf("the first operation reads %s", written(more.ops[:1]))
		}
		_, _, _ = graphqlOperations("POST", doc, vars, []byte(doc))
	})
}
