package yamlfile

import (
	"strings"
	"unicode/utf8"
)

// At returns where the key or list element stands that path leads to from the
// top: At("policies", 3, "when") is the key "when" of the fourth policy. A
// path that leads nowhere gives its last part that exists.
func (d *Doc) At(path ...any) Pos {
	p, _ := d.find(path)
	return p
}

// find returns the position of a key or element and its value.
func (d *Doc) find(path []any) (Pos, *node) {
	if d.root == nil {
		return Pos{1, 1}, nil
	}
	pos, n := d.root.pos, d.root
	for _, step := range path {
		var next *node
		switch step := step.(type) {
		case string:
			if e := n.entry(step); e != nil {
				pos, next = e.pos, e.value
			}
		case int:
			if step >= 0 && step < len(n.items) {
				next = n.items[step]
				pos = next.pos
			}
		}
		if next == nil {
			return pos, nil
		}
		n = next
	}
	return pos, n
}

// Inside returns where the byte at offset of a text value stands in the file,
// whatever way the text is written: plain, quoted, literal or folded.
func (d *Doc) Inside(offset int, path ...any) Pos {
	pos, n := d.find(path)
	if n == nil || n.kind != textNode || n.pos.Line < 1 || n.pos.Line > len(d.lines) {
		return pos
	}
	c := cursor{lines: d.lines, line: n.pos.Line - 1, col: n.pos.Col - 1}
	quote := byte(0)
	if n.block {
		c.nextLine()
	} else if q := c.peek(); q == '"' || q == '\'' {
		quote = byte(q)
		c.step()
	}
	if !c.align(n.text, min(max(offset, 0), len(n.text)), quote) {
		return n.pos
	}
	return Pos{c.line + 1, c.col + 1}
}

// cursor walks the characters of a file.
type cursor struct {
	lines     []string
	line, col int // from 0; col counts characters
	byteCol   int // byte offset of col, once known
	synced    bool
}

func (c *cursor) sync() {
	if c.synced {
		return
	}
	c.synced, c.byteCol = true, 0
	for range c.col {
		_, size := utf8.DecodeRuneInString(c.lines[c.line][c.byteCol:])
		c.byteCol += size
	}
}

// peek returns the character under the cursor, '\n' at the end of a line and -1
// at the end of the file.
func (c *cursor) peek() rune {
	if c.line >= len(c.lines) {
		return -1
	}
	c.sync()
	if c.byteCol >= len(c.lines[c.line]) {
		return '\n'
	}
	r, _ := utf8.DecodeRuneInString(c.lines[c.line][c.byteCol:])
	return r
}

func (c *cursor) step() {
	if r := c.peek(); r == '\n' || r < 0 {
		c.nextLine()
		return
	}
	_, size := utf8.DecodeRuneInString(c.lines[c.line][c.byteCol:])
	c.byteCol += size
	c.col++
}

func (c *cursor) nextLine() {
	c.line++
	c.col, c.byteCol, c.synced = 0, 0, true
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' || r == '\n' }

// align moves the cursor to the character that became text[offset]. Blanks and
// line ends are folded and indented in many ways, so they match any amount of
// blanks; everything else must match one by one.
func (c *cursor) align(text string, offset int, quote byte) bool {
	for i := 0; i < offset; {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		if isBlank(r) {
			c.blank(quote)
			continue
		}
		c.skipBlank(quote)
		if !c.match(r, quote) {
			return false
		}
	}
	if offset < len(text) && !isBlank(rune(text[offset])) {
		c.skipBlank(quote)
	}
	return true
}

// blank steps over one way to write a blank. Blanks that stand as they are need
// no step, because skipBlank takes any number of them.
func (c *cursor) blank(quote byte) {
	if quote != '"' {
		return
	}
	c.skipBlank(quote)
	if c.peek() == '\\' && strings.IndexByte("nt \t", c.after()) >= 0 {
		c.escape()
	}
}

// skipBlank steps over blanks, line ends and, between double quotes, the
// backslash that joins two lines.
func (c *cursor) skipBlank(quote byte) {
	for {
		switch {
		case isBlank(c.peek()):
			c.step()
		case quote == '"' && c.peek() == '\\' && c.after() == '\n':
			c.step()
		default:
			return
		}
	}
}

// after is the byte behind the character under the cursor.
func (c *cursor) after() byte {
	if c.line >= len(c.lines) || c.byteCol+1 >= len(c.lines[c.line]) {
		return '\n'
	}
	return c.lines[c.line][c.byteCol+1]
}

// match steps over the way r is written.
func (c *cursor) match(r rune, quote byte) bool {
	switch {
	case quote == '"' && c.peek() == '\\':
		c.escape()
		return true
	case quote == '\'' && r == '\'':
		c.step()
	case c.peek() != r:
		return false
	}
	c.step()
	return true
}

// escape steps over one \ sequence of a double-quoted text.
func (c *cursor) escape() {
	c.step()
	n := 1
	if i := strings.IndexRune("xuU", c.peek()); i >= 0 {
		n = 1 + 2<<i
	}
	for range n {
		c.step()
	}
}
