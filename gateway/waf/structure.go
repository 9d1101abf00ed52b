package waf

import (
	"bytes"
	"encoding/json"
	"mime"
	"strings"

	"noren/gateway/waf/grammar"
)

// structure gives the rules what Coraza leaves out when it takes a body apart and
// what a program behind acts on all the same: keys of a JSON document that are
// operators of a database and hold nothing ({"$nin": []}), and the document type
// and inclusions of an XML one.
func structure(r *Request) (out []arg) {
	if len(r.Body) == 0 || len(r.Header["Content-Type"]) == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(r.Header["Content-Type"][0])
	switch {
	case err != nil:
	case isJSON(media) && bytes.IndexByte(r.Body, '{') >= 0 && (bytes.IndexByte(r.Body, '$') >= 0 || bytes.Contains(r.Body, []byte(`\u0024`))):
		walkJSON(r.Body, func(name, value string, key bool) {
			if key && strings.HasPrefix(value, "$") && len(out) < maxOperators {
				out = append(out, arg{name, ""})
			}
		})
	case media == "text/xml" || media == "application/xml" || strings.HasSuffix(media, "+xml"):
		for _, sign := range xmlSigns {
			if at := bytes.Index(r.Body, sign); at >= 0 {
				out = append(out, arg{"xml", string(r.Body[max(0, at-64):min(len(r.Body), at+maxDoctype)])})
			}
		}
	}
	return out
}

// Bounds of what structure adds.
const (
	maxOperators = 16
	maxDoctype   = 4 << 10
)

var xmlSigns = [][]byte{[]byte("<!DOCTYPE"), []byte("<!ENTITY"), []byte("/XInclude"), []byte("<?xml-stylesheet"), []byte("java.beans.XMLDecoder"), []byte("<dynamic-proxy")}

// Costly reports whether a GraphQL document asks for the interface or is made to
// cost, for the caller who shows the firewall less than the document otherwise.
func Costly(document string) bool { return grammar.GraphQL(document) }

func isJSON(media string) bool {
	return media == "application/json" || strings.HasSuffix(media, "+json")
}

// eachString calls f for every text of a JSON document, keys too.
func eachString(body []byte, f func(name, value string)) {
	walkJSON(body, func(name, value string, _ bool) { f(name, value) })
}

// walkJSON calls f for every text of a JSON document under the key it belongs to.
func walkJSON(body []byte, f func(name, value string, key bool)) {
	d := json.NewDecoder(bytes.NewReader(body))
	name := "json"
	var objects []bool // of the containers that are open: is it an object
	key := false       // the next text is a key
	for {
		tok, err := d.Token()
		if err != nil {
			return
		}
		inObject := func() bool { return len(objects) > 0 && objects[len(objects)-1] }
		switch t := tok.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				objects = append(objects, t == '{')
			} else if len(objects) > 0 {
				objects = objects[:len(objects)-1]
			}
			key = inObject()
			continue
		case string:
			if key {
				name = "json." + t
			}
			f(name, t, key)
		}
		key = inObject() && !key
	}
}
