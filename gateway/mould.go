package gateway

import (
	"bytes"
	"html/template"
	"strings"
	"sync"

	"noren"
)

// mould is a page whose words are set, with holes for what differs from one
// visitor to the next. Under a flood a page is sent a thousand times a second,
// and a mould is filled in a fraction of the time a template takes.
type mould struct {
	parts []string
	holes []hole // after each part but the last
}

// hole is what differs.
type hole int

const (
	holeTicket hole = iota
	holeWhen
	holePuzzle
	holeBack
	holes
)

// fillings are the values of the holes.
type fillings [holes]string

// newPlugs stand in the holes while a mould is made: letters and digits, which no
// context of a template changes and which nobody knows beforehand.
func newPlugs() (p fillings) {
	for i := range p {
		p[i] = "hole" + strings.ReplaceAll(noren.NewTicket(), "-", "") + string(rune('a'+i))
	}
	return p
}

// cast makes a mould of a page in which the plugs stand.
func cast(page string, plugs *fillings) *mould {
	m := &mould{}
	for {
		at, next := len(page), hole(-1)
		for i, plug := range plugs {
			if n := strings.Index(page, plug); n >= 0 && n < at {
				at, next = n, hole(i)
			}
		}
		m.parts = append(m.parts, page[:at])
		if next < 0 {
			return m
		}
		m.holes = append(m.holes, next)
		page = page[at+len(plugs[next]):]
	}
}

// fill returns the page. Its holes are in text and in quoted attributes, where
// the same escapes suffice.
func (m *mould) fill(f *fillings) []byte {
	var safe fillings
	size := 0
	for i := range f {
		safe[i] = template.HTMLEscapeString(f[i])
	}
	for i, part := range m.parts {
		if size += len(part); i < len(m.holes) {
			size += len(safe[m.holes[i]])
		}
	}
	out := make([]byte, 0, size)
	for i, part := range m.parts {
		if out = append(out, part...); i < len(m.holes) {
			out = append(out, safe[m.holes[i]]...)
		}
	}
	return out
}

// maxMoulds bounds what is kept of one template. Views differ by site, language,
// cause and time to wait; when there are more, it begins anew.
const maxMoulds = 256

// moulds are those of one template by their view: everything that is said but
// the fillings.
type moulds[View comparable] struct {
	template *template.Template
	plug     func(*View, *fillings) // sets what stands in the holes
	plugs    fillings

	mu   sync.Mutex
	kept map[View]*mould
}

func newMoulds[View comparable](t *template.Template, plug func(*View, *fillings)) *moulds[View] {
	return &moulds[View]{template: t, plug: plug, plugs: newPlugs(), kept: map[View]*mould{}}
}

// page is a view with its fillings. A view that comes but once is not kept.
func (m *moulds[View]) page(v View, f *fillings, once bool) ([]byte, error) {
	if once {
		m.plug(&v, f)
		var b bytes.Buffer
		err := m.template.Execute(&b, v)
		return b.Bytes(), err
	}
	if kept := m.find(v); kept != nil {
		return kept.fill(f), nil
	}
	plugged := v
	m.plug(&plugged, &m.plugs)
	var b strings.Builder
	if err := m.template.Execute(&b, plugged); err != nil {
		return nil, err
	}
	made := cast(b.String(), &m.plugs)
	m.keep(v, made)
	return made.fill(f), nil
}

func (m *moulds[View]) find(v View) *mould {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[v]
}

func (m *moulds[View]) keep(v View, made *mould) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) >= maxMoulds {
		clear(m.kept)
	}
	m.kept[v] = made
}
