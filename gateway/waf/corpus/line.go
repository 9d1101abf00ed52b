package corpus

import (
	"fmt"
	"hash/fnv"
	"slices"

	"noren"
)

// Kind is what a field is for: it decides the field's name, and to which weak
// programs its values go in the proofs.
type Kind string

// Kinds of fields.
const (
	Name     Kind = "name"
	Kana     Kind = "kana"
	Address  Kind = "address"
	Phone    Kind = "phone"
	Mail     Kind = "mail"
	Company  Kind = "company"
	Title    Kind = "title"   // of a review, a subject
	Review   Kind = "review"  // what customers say of a product
	Message  Kind = "message" // inquiries
	Note     Kind = "note"    // to the shop, with an order
	Gift     Kind = "gift"    // what is printed on a card
	Search   Kind = "search"
	Product  Kind = "product" // names of products, options, categories
	Coupon   Kind = "coupon"
	Number   Kind = "number" // ids, quantities, prices: where programs expect digits
	Link     Kind = "link"   // where an address of a page is expected
	File     Kind = "file"
	Password Kind = "password"
	HTML     Kind = "html"     // from the editor of the admin
	Template Kind = "template" // Twig, Smarty, mail templates: admin
	Style    Kind = "style"    // CSS: admin
	Document Kind = "document" // a whole body of JSON
	Agent    Kind = "agent"    // User-Agent
)

// Place is where in a request a line travels.
type Place string

// Places.
const (
	InQuery     Place = "query"
	InForm      Place = "form"
	InJSON      Place = "json" // a string of a JSON body
	InMultipart Place = "multipart"
	InFilename  Place = "filename" // of an upload
	InCookie    Place = "cookie"
	InPath      Place = "path"
	InReferer   Place = "referer"
	InAgent     Place = "agent"
	InBody      Place = "body" // the line is the whole JSON body
	InXML       Place = "xml"  // the line is the whole XML body
	InName      Place = "name" // the line is a name and a value of a form: a[b]=c
	InRaw       Place = "raw"  // the line stands in a JSON body as it is, not as a string
)

// Places are all of them.
func Places() []Place {
	return []Place{InQuery, InForm, InJSON, InMultipart, InFilename, InCookie, InPath, InReferer, InAgent, InBody, InXML, InName, InRaw}
}

// Class of an attack.
type Class string

// Classes of attacks.
const (
	SQL         Class = "sql"
	XSS         Class = "xss"
	Shell       Class = "shell"
	Traversal   Class = "traversal"
	SSRF        Class = "ssrf"
	SSTI        Class = "template"
	NoSQL       Class = "nosql"
	LDAP        Class = "ldap"
	XPath       Class = "xpath"
	XXE         Class = "xxe"
	MailHeader  Class = "mail"
	Deserialise Class = "deserialise"
	Prototype   Class = "prototype"
	JNDI        Class = "jndi"
	GraphQL     Class = "graphql"
	PHP         Class = "php"
)

// Classes are all of them.
func Classes() []Class {
	return []Class{SQL, XSS, Shell, Traversal, SSRF, SSTI, NoSQL, LDAP, XPath, XXE, MailHeader, Deserialise, Prototype, JNDI, GraphQL, PHP}
}

// Line is one thing that somebody writes into a field.
type Line struct {
	// Text is what is written. Of a benign line it is text, to be written in
	// any Charset; of an attack the very bytes that travel, before the escaping
	// of their place.
	Text string
	Kind Kind
	Zone noren.Zone
	In   []Place
	From string // the file, or "generated"

	// Of attacks alone; Class is "" for benign lines.
	Class   Class
	Context string  // where in its program the value lands: one of package prove's
	Trick   string  // how it is dressed, and what undresses it behind the firewall
	Charset Charset // what the page is written in
	Seed    string  // which seed it was made from, as a hash
}

// Held reports whether l is in the third that is never tuned on.
func (l *Line) Held() bool {
	if l.Class != "" {
		return hash(l.Seed)%3 == 0
	}
	return hash(l.Text)%3 == 0
}

// Charsets are those l travels in.
func (l *Line) Charsets() []Charset {
	if l.Class != "" {
		return []Charset{l.Charset}
	}
	return AllCharsets()
}

// travels lists the ways of l: its places, in all charsets that a place has.
func (l *Line) travels() (out []travel) {
	for _, p := range l.In {
		for _, c := range l.Charsets() {
			if c == UTF8 || l.Class != "" || p.inPageCharset() {
				out = append(out, travel{p, c})
			}
		}
	}
	return out
}

type travel struct {
	place   Place
	charset Charset
}

// inPageCharset: the values of forms are written in the charset of their page.
// Scripts, addresses and JSON are UTF-8 whatever the page is.
func (p Place) inPageCharset() bool {
	return slices.Contains([]Place{InQuery, InForm, InMultipart, InFilename, InName}, p)
}

// SeedID names a seed in the rows of the attack corpus.
func SeedID(s string) string { return fmt.Sprintf("%08x", uint32(hash(s))) }

// Hash spreads s evenly.
func Hash(s string) uint64 { return hash(s) }

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	v := h.Sum64() // FNV's low bits alone are poor
	v ^= v >> 33
	v *= 0xff51afd7ed558ccd
	return v ^ v>>33
}
