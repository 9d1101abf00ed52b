package noren_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// room is one package of the house: what it owns and which of ours it may
// import. The table is the import rule of ARCHITECTURE.md; a new package enters
// here first, with its sentence.
type room struct {
	owns string
	may  []string // "*" is all
}

var house = map[string]room{
	"noren":            {"the words: Event, payloads, Facts, Decision, Action, Money, personal data, error codes", nil},
	"yamlfile":         {"the YAML files an operator writes: strict, bounded, every fault with line and column", []string{"noren"}},
	"policy":           {"compile, evaluate, explain, shadow, back-test", []string{"noren", "yamlfile"}},
	"db":               {"SQLite or PostgreSQL: open, transactions, migrations", []string{"noren"}},
	"db/dbtest":        {"both engines for tests", []string{"noren", "db", "lab/peer"}},
	"kv":               {"short-lived shared state; memory", []string{"noren"}},
	"kv/valkey":        {"the same over Valkey or Redis", []string{"noren", "kv"}},
	"kv/kvtest":        {"one conformance suite for every kv, and a server to run it on", []string{"noren", "kv", "lab/peer"}},
	"journal":          {"append-only tamper-evident log: append, query, checkpoint, prove, verify, export", []string{"noren", "db"}},
	"vault":            {"seal, tokenise, search tokens, retention, crypto-shred", []string{"noren", "db"}},
	"orient":           {"event to facts: profiles, counters, lists, address knowledge", []string{"noren", "db", "kv"}},
	"notify":           {"mail, webhook, chat: an outbox in SQL, groups, quiet hours, acknowledgement, escalation", []string{"noren", "db", "yamlfile"}},
	"settings":         {"settings sets: versions, import, export, diff", []string{"noren", "db"}},
	"gateway":          {"reverse proxy, TLS, shop map, limits, bans, block pages, access log", []string{"noren", "db", "kv", "gateway/waf", "gateway/waf/exclusion", "gateway/grade", "gateway/h3", "yamlfile"}},
	"gateway/grade":    {"what a site's TLS is worth to visitors, as one letter with reasons and mends", []string{"noren"}},
	"gateway/h3":       {"HTTP/3 for the gateway's handler", nil},
	"gateway/pagewalk": {"walks a shop's own pages for parts and forms that go by plain http", []string{"noren"}},
	"acme":             {"certificates obtained and renewed by ACME, kept sealed in SQL", []string{"noren", "db"}},
	"gateway/waf":      {"the web application firewall; the one importer of Coraza", []string{"noren", "gateway/waf/screen", "gateway/waf/grammar", "gateway/waf/inert", "gateway/waf/exclusion"}},
	"sampleshop":       {"a small real shop for demo, tests and replays", nil},
	"lab/peer":         {"real servers of their own for labs, benches and tests", []string{"noren", "db"}},
	"lab":              {"seeded simulations and attack replays", []string{"*"}},
	"loop":             {"the one place where the steps meet", []string{"noren", "db", "journal", "orient", "policy"}},
	"bench":            {"speed and memory beside real peers, as one table", []string{"*"}},
	"e2e":              {"the whole program before real browsers and real shops", []string{"*"}},
	"cmd/noren":        {"flags, config, wiring, sub-commands", []string{"*"}},

	"staff": {"the shop's people: roles, passwords, second factors, sessions, one-time links", []string{"noren", "db"}},

	"gateway/waf/corpus":       {"what honest customers write and attacks that work, to measure the firewall with", []string{"noren"}},
	"gateway/waf/corpus/prove": {"weak programs that show of each attack that it works, and of each honest line that it does not", []string{"noren", "gateway/waf/corpus"}},

	"gateway/waf/exclusion": {"what a shop took out of the firewall for customers stopped by mistake: the model, its narrowest proposal, what it did in the past", []string{"noren", "yamlfile"}},
	"gateway/waf/rehearse":  {"an exclusion tried on the kept corpora before it is in force", []string{"noren", "gateway/waf", "gateway/waf/corpus", "gateway/waf/exclusion"}},
	"gateway/waf/screen":    {"the firewall's rules compiled into one quick pass that finds requests which none of them matches", []string{"noren", "gateway/waf/grammar", "gateway/waf/inert"}},
	"gateway/waf/grammar":   {"second opinions on values: read in the language they would attack", []string{"noren"}},
	"gateway/waf/inert":     {"what can do nothing although a firewall rule matches it", nil},

	"console":    {"pages for the people of a shop", []string{"noren", "console/ui", "journal", "policy", "gateway", "gateway/waf/exclusion", "settings", "staff", "vault", "notify", "yamlfile", "docs"}},
	"console/ui": {"the look of the console: layout, components, how times and numbers are written", []string{"noren"}},

	"docs": {"the pages of the documentation, to be read in the console", nil},

	"watch/logs":     {"follows logs of web and mail servers beside Noren and raises what they tell", []string{"noren", "db"}},
	"watch/exposure": {"what this machine shows to the world, and the firewall rules that would hide it", []string{"noren"}},
}

// owners holds every module from outside: the one package that imports it and
// why it is worth having. Test-only modules are owned by "tests".
var owners = map[string]struct{ pkg, why string }{
	"modernc.org/sqlite":                         {"db gateway/waf/corpus/prove", "SQLite without cgo: one static binary; in the proofs the database of a weak program"},
	"github.com/jackc/pgx/v5":                    {"db", "the PostgreSQL driver that is kept best"},
	"github.com/pressly/goose/v3":                {"db", "forward migrations from embedded files on both engines"},
	"github.com/redis/go-redis/v9":               {"kv/valkey", "Valkey and Redis, single and cluster"},
	"cel.dev/cel-go":                             {"policy", "typed, bounded expressions people know from Kubernetes and Google Cloud"},
	"github.com/goccy/go-yaml":                   {"yamlfile", "YAML with line and column for every fault"},
	"github.com/corazawaf/coraza/v3":             {"gateway/waf", "runs the OWASP Core Rule Set in Go"},
	"github.com/corazawaf/coraza-coreruleset/v4": {"gateway/waf", "the rules themselves, untouched"},
	"rsc.io/binaryregexp":                        {"gateway/waf", "patterns that mix bytes and characters, as Coraza reads them"},
	"github.com/oschwald/maxminddb-golang/v2":    {"orient", "reads the operator's country and network files"},
	"golang.org/x/crypto":                        {"staff", "argon2id for passwords"},
	"rsc.io/qr":                                  {"staff", "draws the QR code of a second factor, pure Go"},
	"golang.org/x/mod":                           {"journal", "the Go checksum database's Merkle tree and signed notes"},
	"github.com/corazawaf/libinjection-go":       {"gateway/waf/screen", "what the rules' @detectSQLi and @detectXSS ask"},
	"golang.org/x/net":                           {"gateway/pagewalk gateway/waf/screen gateway/waf/corpus/prove lab", "reads HTML as browsers do, in the screen its entities alone; in the lab HTTP/2 frame by frame, also such as no client would send"},
	"golang.org/x/text":                          {"gateway/waf gateway/waf/corpus gateway/waf/corpus/prove journal sampleshop", "Japanese encodings and NFKC; in the journal NFKC and case folding of what people look for"},
	"github.com/caddyserver/certmagic":           {"acme", "ACME with renewal, ARI and shared storage, proven in Caddy"},
	"github.com/mholt/acmez/v3":                  {"acme", "certmagic's own words for what an authority answered"},
	"go.uber.org/zap":                            {"acme", "how certmagic logs; turned into slog"},
	"github.com/quic-go/quic-go":                 {"gateway/h3", "QUIC and HTTP/3 in Go, kept best and used by Caddy"},
	"github.com/alecthomas/kong":                 {"cmd/noren", "sub-commands declared as types, no dependencies"},
	"github.com/invopop/jsonschema":              {"cmd/noren", "JSON Schema from the Go types"},
	"github.com/chromedp/chromedp":               {"tests bench", "drives a real Chromium; in the bench, to see when it paints"},
	"github.com/chromedp/cdproto":                {"tests bench", "the commands of its protocol that chromedp has no word for"},
	"github.com/wneessen/go-mail":                {"notify", "SMTP with TLS, sign-in and MIME, kept well"},
	"github.com/emersion/go-smtp":                {"tests", "a real mail server to send to"},
	"github.com/emersion/go-sasl":                {"tests", "how that server checks passwords"},
	"github.com/google/go-cmp":                   {"tests", "readable differences"},
	"github.com/rogpeppe/go-internal":            {"tests", "testscript: the binary's behaviour as text"},
	"pgregory.net/rapid":                         {"tests", "property tests that shrink"},
}

// forTests may be imported by every test: real engines instead of mocks.
var forTests = []string{"noren", "db", "db/dbtest", "kv", "kv/valkey", "kv/kvtest", "lab/peer", "vault", "gateway/waf/corpus"}

func TestImports(t *testing.T) {
	fset := token.NewFileSet()
	docs := map[string]bool{}
	walkGo(t, func(file string) {
		pkg := path.Dir(filepath.ToSlash(file))
		if pkg == "." {
			pkg = "noren"
		}
		r, planned := house[pkg]
		if !planned {
			t.Errorf("%s: package %s is not in the table of imports_test.go; enter it with its sentence", file, pkg)
			return
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		test := strings.HasSuffix(file, "_test.go")
		docs[pkg] = docs[pkg] || !test && f.Doc != nil
		for _, imp := range f.Imports {
			checkImport(t, file, pkg, r, test, strings.Trim(imp.Path.Value, `"`))
		}
	})
	for pkg, ok := range docs {
		if !ok {
			t.Errorf("package %s has no package comment saying what it is for", pkg)
		}
	}
}

func checkImport(t *testing.T, file, pkg string, r room, test bool, imp string) {
	t.Helper()
	if imp == "noren" || strings.HasPrefix(imp, "noren/") {
		ours := strings.TrimPrefix(imp, "noren/")
		if !test && strings.HasSuffix(ours, "test") {
			t.Errorf("%s: %s is for tests alone", file, ours)
		}
		if slices.Contains(r.may, "*") || slices.Contains(r.may, ours) || test && (ours == pkg || slices.Contains(forTests, ours)) {
			return
		}
		t.Errorf("%s: %s may not import %s (it may import: %s)", file, pkg, ours, strings.Join(r.may, " "))
		return
	}
	if !strings.Contains(strings.Split(imp, "/")[0], ".") { // standard library
		if imp == "testing" && !test && !strings.HasSuffix(pkg, "test") {
			t.Errorf("%s: testing would be part of the program", file)
		}
		return
	}
	for module, o := range owners {
		if imp == module || strings.HasPrefix(imp, module+"/") {
			if !test && !slices.Contains(strings.Fields(o.pkg), pkg) && !(strings.Fields(o.pkg)[0] == "tests" && (pkg == "e2e" || pkg == "lab")) {
				t.Errorf("%s: %s belongs to %s", file, module, o.pkg)
			}
			return
		}
	}
	t.Errorf("%s: %s is in no module of the owners table", file, imp)
}

// Every module that go.mod asks for directly has an owner and a reason, and the
// table names none that is gone.
func TestEveryModuleHasAnOwner(t *testing.T) {
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for line := range strings.SplitSeq(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) == 2 && strings.Contains(f[0], ".") && strings.HasPrefix(f[1], "v") {
			direct[f[0]] = true
		}
	}
	for m := range direct {
		if owners[m].why == "" {
			t.Errorf("%s has no owner and reason in imports_test.go", m)
		}
	}
	for m := range owners {
		if !direct[m] {
			t.Errorf("%s is owned and not used", m)
		}
	}
}

// walkGo calls f for every Go file of the checkout but testdata.
func walkGo(t *testing.T, f func(file string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(p, ".go") {
			f(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The words are words: no I/O, no third party, only two interfaces of the loop.
func TestRootIsStandardLibraryOnly(t *testing.T) {
	forbidden := []string{"os", "net", "net/http", "database/sql", "io/fs", "os/exec", "log", "log/slog"}
	files, _ := filepath.Glob("*.go")
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			p := strings.Trim(imp.Path.Value, `"`)
			if slices.Contains(forbidden, p) || strings.Contains(p, ".") || strings.HasPrefix(p, "noren") {
				t.Errorf("%s: the root package may not import %s", file, p)
			}
		}
	}
}
