package journal

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
	"noren/db"
)

// A spool file is text: each line is the CRC-32C of the JSON in eight hex
// digits, a space, and the JSON. JSON holds no line feed, so a damaged line
// costs itself only. The first line names the instance.

// maxFrame bounds a line: a leaf with its keys and rows, in base64.
const maxFrame = 4 << 20

type spoolHeader struct {
	Spool  int    `json:"noren_spool"`
	Origin string `json:"origin"`
}

// frame is a record in the spool. It holds sealed data, keyed tokens and wrapped
// keys; nothing that names a person.
type frame struct {
	Body   []byte     `json:"body,omitempty"`
	Tokens []token    `json:"tokens,omitempty"`
	Keys   []frameRow `json:"keys,omitempty"`
	Rows   []frameRow `json:"rows,omitempty"`
}

type frameRow struct {
	Table    string       `json:"table"`
	Columns  []string     `json:"columns"`
	OrIgnore bool         `json:"or_ignore,omitempty"`
	Values   []frameValue `json:"values"`
}

// frameValue is one SQL value; the zero value is NULL.
type frameValue struct {
	Int   *int64   `json:"i,omitempty"`
	Float *float64 `json:"f,omitempty"`
	Bool  *bool    `json:"b,omitempty"`
	Text  *string  `json:"s,omitempty"`
	Bytes *[]byte  `json:"x,omitempty"`
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once by the library

func appendFrame(b []byte, v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return b, noren.Errorf(noren.Invalid, "encode spool frame: %w", err)
	}
	if len(line) > maxFrame {
		return b, noren.Errorf(noren.Invalid, "spool frame of %d bytes is over the limit of %d", len(line), maxFrame)
	}
	var sum [4]byte
	crc := crc32.Checksum(line, castagnoli())
	sum[0], sum[1], sum[2], sum[3] = byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc)
	b = hex.AppendEncode(b, sum[:])
	b = append(b, ' ')
	b = append(b, line...)
	return append(b, '\n'), nil
}

// checkFrame returns the JSON of a line (without its line feed) when its sum is
// right.
func checkFrame(line []byte) ([]byte, bool) {
	if len(line) < 10 || line[8] != ' ' || len(line) > maxFrame+9 {
		return nil, false
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:8]); err != nil {
		return nil, false
	}
	crc := uint32(sum[0])<<24 | uint32(sum[1])<<16 | uint32(sum[2])<<8 | uint32(sum[3])
	return line[9:], crc == crc32.Checksum(line[9:], castagnoli())
}

func parseStrict(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return noren.Errorf(noren.Invalid, "%w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return noren.Errorf(noren.Invalid, "data after the end of the JSON value")
	}
	return nil
}

// frameOf encodes a record for the spool.
func frameOf(r *record) (f frame, err error) {
	f.Body, f.Tokens = r.body, r.tokens
	if f.Keys, err = frameRows(r.keys); err != nil {
		return f, err
	}
	f.Rows, err = frameRows(r.rows)
	return f, err
}

func frameRows(rows []db.Row) ([]frameRow, error) {
	var out []frameRow
	for _, r := range rows {
		fr := frameRow{Table: r.Table.Name, Columns: r.Table.Columns, OrIgnore: r.Table.OrIgnore}
		for _, v := range r.Values {
			fv, err := frameValueOf(v)
			if err != nil {
				return nil, err
			}
			fr.Values = append(fr.Values, fv)
		}
		out = append(out, fr)
	}
	return out, nil
}

func frameValueOf(v any) (frameValue, error) {
	v, err := driver.DefaultParameterConverter.ConvertValue(v)
	if err != nil {
		return frameValue{}, noren.Errorf(noren.Invalid, "encode spool frame: %w", err)
	}
	switch v := v.(type) {
	case nil:
		return frameValue{}, nil
	case int64:
		return frameValue{Int: &v}, nil
	case float64:
		return frameValue{Float: &v}, nil
	case bool:
		return frameValue{Bool: &v}, nil
	case string:
		return frameValue{Text: &v}, nil
	case []byte:
		return frameValue{Bytes: &v}, nil
	}
	return frameValue{}, noren.Errorf(noren.Invalid, "encode spool frame: a row holds a %T", v)
}

func (v frameValue) value() any {
	switch {
	case v.Int != nil:
		return *v.Int
	case v.Float != nil:
		return *v.Float
	case v.Bool != nil:
		return *v.Bool
	case v.Text != nil:
		return *v.Text
	case v.Bytes != nil:
		return *v.Bytes
	}
	return nil
}

// frameReader turns lines back into records. Rows of one table share one
// db.Table, so that they are inserted together.
type frameReader struct {
	tables map[string]*db.Table
}

// maxTables bounds the tables of a spool; the program has a few dozen.
const maxTables = 256

func (fr *frameReader) line(line []byte) (*record, error) {
	body, ok := checkFrame(line)
	if !ok {
		return nil, noren.Errorf(noren.Invalid, "checksum does not fit")
	}
	return fr.frame(body)
}

// frame reads what frameOf wrote. Table and column names end up in SQL, so they
// must be plain identifiers.
func (fr *frameReader) frame(b []byte) (*record, error) {
	var f frame
	if err := parseStrict(b, &f); err != nil {
		return nil, err
	}
	r := &record{body: f.Body, tokens: f.Tokens}
	var err error
	if r.keys, err = fr.dbRows(f.Keys); err != nil {
		return nil, err
	}
	if r.rows, err = fr.dbRows(f.Rows); err != nil {
		return nil, err
	}
	if f.Body == nil {
		if len(r.rows) == 0 || len(f.Tokens) > 0 || len(f.Keys) > 0 {
			return nil, noren.Errorf(noren.Invalid, "spool frame without an entry must hold rows and nothing else")
		}
		return r, nil
	}
	l, err := parseLeaf(f.Body)
	if err != nil {
		return nil, err
	}
	r.columns, r.hash, r.keyID = l.columns(), tlog.RecordHash(f.Body), l.Sealed.Key
	return r, nil
}

func (fr *frameReader) dbRows(rows []frameRow) ([]db.Row, error) {
	var out []db.Row
	for _, r := range rows {
		if len(r.Columns) != len(r.Values) {
			return nil, noren.Errorf(noren.Invalid, "spool frame holds a malformed row")
		}
		table, err := fr.table(r)
		if err != nil {
			return nil, err
		}
		row := db.Row{Table: table}
		for _, v := range r.Values {
			row.Values = append(row.Values, v.value())
		}
		out = append(out, row)
	}
	return out, nil
}

func (fr *frameReader) table(r frameRow) (*db.Table, error) {
	key := r.Table + "\n" + strings.Join(r.Columns, "\n") + "\n" + strconv.FormatBool(r.OrIgnore)
	if t := fr.tables[key]; t != nil {
		return t, nil
	}
	if len(r.Columns) == 0 || len(fr.tables) >= maxTables {
		return nil, noren.Errorf(noren.Invalid, "spool frame holds a malformed row")
	}
	for _, name := range append([]string{r.Table}, r.Columns...) {
		if !noren.ValidIdent(name) {
			return nil, noren.Errorf(noren.Invalid, "spool frame holds the malformed name %q", name)
		}
	}
	t := &db.Table{Name: r.Table, Columns: r.Columns, OrIgnore: r.OrIgnore}
	if fr.tables == nil {
		fr.tables = map[string]*db.Table{}
	}
	fr.tables[key] = t
	return t, nil
}
