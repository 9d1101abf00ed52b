package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"noren"
	"noren/gateway/waf"
)

// GraphQLMap places the requests to one GraphQL address, which all have the same
// path: by the fields they call.
type GraphQLMap struct {
	Path string `yaml:"path" json:"path" jsonschema:"description=Address of the GraphQL API\\, such as /shop-api"`
	// Zones name the fields (mutations and queries) that are called.
	Zones map[noren.Zone][]string `yaml:"zones" json:"zones" jsonschema:"description=Fields by zone\\, such as login: [login]; of several the strictest zone wins"`
	// Hidden is where a request goes whose fields cannot be read.
	Hidden noren.Zone `yaml:"hidden" json:"hidden" jsonschema:"description=Zone of a request whose fields cannot be read (persisted queries\\, broken documents)"`
}

// graphqlAPI is a GraphQLMap, compiled.
type graphqlAPI struct {
	path   pattern
	fields map[string]noren.Zone
	hidden noren.Zone
	alone  []string // fields that stand alone in their request
}

// aloneZones: what is called there is limited one by one, so a request holds one
// call. Otherwise one request tries a thousand passwords under a thousand aliases.
var aloneZones = []noren.Zone{noren.ZoneLogin, noren.ZoneAdminLogin, noren.ZoneReset, noren.ZoneSignup, noren.ZoneCardAdd}

func (s *Site) graphqlAPIs(preset Preset) ([]graphqlAPI, error) {
	var out []graphqlAPI
	var errs []error
	for _, m := range append(slices.Clone(s.GraphQL), preset.GraphQL...) {
		a, err := m.compile(s.adminPrefix(preset))
		errs = append(errs, err)
		for _, g := range []GuardConfig{s.Guard, preset.Guard} {
			for _, f := range g.Payment {
				if f.Call != "" {
					a.alone = append(a.alone, f.Call)
				}
			}
		}
		out = append(out, a)
	}
	return out, errors.Join(errs...)
}

func (m *GraphQLMap) compile(admin string) (graphqlAPI, error) {
	a := graphqlAPI{fields: map[string]noren.Zone{}, hidden: m.Hidden}
	var err error
	if a.path, err = parsePattern(m.Path, noren.ZoneStorefront, admin); err != nil {
		return a, fmt.Errorf("graphql: %w", err)
	}
	for zone, fields := range m.Zones {
		if _, ok := zone.Info(); !ok {
			return a, noren.Errorf(noren.Invalid, "graphql %s: zone %q is not known", m.Path, zone)
		}
		for _, f := range fields {
			if !isName(f) {
				return a, noren.Errorf(noren.Invalid, "graphql %s: %q is not a field", m.Path, f)
			}
			a.fields[f] = noren.Stricter(a.fields[f], zone)
			if slices.Contains(aloneZones, zone) {
				a.alone = append(a.alone, f)
			}
		}
	}
	if _, ok := m.Hidden.Info(); !ok {
		return a, noren.Errorf(noren.Invalid, "graphql %s: hidden names no zone", m.Path)
	}
	return a, nil
}

func isName(s string) bool {
	return s != "" && (s[0] < '0' || s[0] > '9') && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// placeCalls finds the zone of a GraphQL request by what it calls. Its body is
// read for that before the limits are asked; it is as long as any form may be.
func (x *exchange) placeCalls() *stop {
	api := x.shop.graphqlAt(x.path)
	if api == nil || x.own() {
		return nil
	}
	if s := x.readBody(); s != nil {
		return s
	}
	var body []byte
	if x.body != nil {
		body = x.body.inspect
	}
	ops, seen, readable := graphqlOperations(x.r.Method, x.r.URL.RawQuery, x.r.Header.Get("Content-Type"), body)
	if !readable {
		x.hiddenCalls = true
		x.stricter(api.hidden, api.path.text+"#?")
		return nil
	}
	if len(ops) > 0 && api.crowded(ops) {
		return malformed("graphql_together")
	}
	x.inspected = seen
	for _, op := range ops {
		for _, c := range op {
			if z, ok := api.fields[c.name]; ok {
				x.stricter(z, api.path.text+"#"+c.name)
			}
			x.calls = append(x.calls, c)
		}
	}
	return nil
}

func (s *shop) graphqlAt(path string) *graphqlAPI {
	for i := range s.graphql {
		found := false
		pathViews(path, func(view string) { found = found || globPath(s.graphql[i].path.path, view) })
		if found {
			return &s.graphql[i]
		}
	}
	return nil
}

// stricter moves the request to a zone that is stricter than its path's.
func (x *exchange) stricter(z noren.Zone, pattern string) {
	if mustInfo(z).Strict > mustInfo(x.place.Zone).Strict {
		x.place = Place{Zone: z, Pattern: pattern, View: x.place.View}
	}
}

// crowded reports whether a call that must stand alone has company.
func (a *graphqlAPI) crowded(ops [][]call) bool {
	for _, op := range ops {
		for _, c := range op {
			if slices.Contains(a.alone, c.name) && (len(ops) > 1 || len(op) > 1) {
				return true
			}
		}
	}
	return false
}

// graphqlOperations reads what a request to a GraphQL address calls, and makes
// the body the firewall sees: a document's place takes the list of its texts. The
// rest of a document is names, numbers and signs, which carry no attack and look
// like several ("{$in" like a query to MongoDB). readable is false when some of
// it cannot be read, or names a stored query; the shop may read it nevertheless,
// and the firewall sees it as it is.
func graphqlOperations(method, rawQuery, contentType string, body []byte) (ops [][]call, seen []byte, readable bool) {
	posts, rewrite, ok := graphqlPosts(contentType, body)
	if !ok {
		return nil, nil, false
	}
	inBody := len(posts)
	for _, q := range queryPairs(rawQuery) {
		switch q.key {
		case "query":
			posts = append(posts, graphqlPost{Query: q.value, Variables: variablesOf(rawQuery)})
		case "extensions", "id", "documentid", "document_id":
			return nil, nil, false
		}
	}
	if len(posts) == 0 {
		// A page, a preflight or a health check asks for nothing.
		return nil, nil, len(body) == 0 || method == http.MethodGet
	}
	var texts [][]string
	for i, p := range posts {
		if waf.Costly(p.Query) { // the firewall sees it whole, and has a rule for it
			rewrite = nil
		}
		doc, err := parseGraphQL(p.Query, p.Variables)
		if err != nil {
			return nil, nil, false
		}
		if ops = append(ops, doc.ops...); i < inBody {
			texts = append(texts, doc.texts)
		}
	}
	if rewrite != nil {
		seen = rewrite(texts)
	}
	return ops, seen, true
}

// variablesOf reads the variables in a query string.
func variablesOf(rawQuery string) map[string]any {
	vars := map[string]any{}
	for _, text := range ends(queryPairs(rawQuery), "variables") {
		_ = json.Unmarshal([]byte(text), &vars) // what is no JSON has no variables
	}
	return vars
}

// graphqlPost is one request of a body, which may hold several.
type graphqlPost struct {
	Query     string
	Variables map[string]any
}

// rewriter puts texts in the place of the documents, in their order. nil: what
// the firewall sees is the body itself.
type rewriter func(texts [][]string) []byte

// graphqlPosts takes a body apart: JSON, a list of them (batch), a form, the
// operations of an upload (multipart), or the bare document.
func graphqlPosts(contentType string, body []byte) ([]graphqlPost, rewriter, bool) {
	if len(body) == 0 {
		return nil, nil, true
	}
	media, params, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && media == "multipart/form-data":
		values := multipartValues(body, params["boundary"])["operations"]
		if len(values) != 1 {
			return nil, nil, false
		}
		posts, inner, ok := jsonPosts([]byte(values[0]))
		return posts, func(texts [][]string) []byte {
			return bytes.Replace(body, []byte(values[0]), inner(texts), 1)
		}, ok
	case err == nil && media == "application/graphql":
		return []graphqlPost{{Query: string(body)}}, nil, true
	case err == nil && media == "application/x-www-form-urlencoded":
		values := bodyValues(contentType, body)["query"]
		if len(values) != 1 || values[0] == "" {
			return nil, nil, false
		}
		return []graphqlPost{{Query: values[0]}}, nil, true
	}
	return jsonPosts(body)
}

const maxBatch = 50

func jsonPosts(body []byte) ([]graphqlPost, rewriter, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&v) != nil || d.More() {
		return nil, nil, false
	}
	list, batch := v.([]any)
	if !batch {
		list = []any{v}
	}
	if len(list) == 0 || len(list) > maxBatch {
		return nil, nil, false
	}
	var posts []graphqlPost
	for _, e := range list {
		m, _ := e.(map[string]any)
		query, ok := m["query"].(string)
		if !ok {
			return nil, nil, false
		}
		p := graphqlPost{Query: query}
		p.Variables, _ = m["variables"].(map[string]any)
		if text, ok := m["variables"].(string); ok { // some servers read a text of JSON
			_ = json.Unmarshal([]byte(text), &p.Variables)
		}
		posts = append(posts, p)
	}
	return posts, func(texts [][]string) []byte {
		for i, e := range list {
			e.(map[string]any)["query"] = texts[i]
		}
		return encoded(v)
	}, true
}

// encoded is v as JSON, with markup as it is written.
func encoded(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil // the body itself is inspected
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// call is one field of an operation's first level, with its arguments by name:
// username, input.native.username.
type call struct {
	name string
	args url.Values
}
