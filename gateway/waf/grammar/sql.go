package grammar

import "strings"

// SQL reports whether s leaves a string, a name or a number of a query and goes on
// in SQL to the end: until a comment hides what the program wrote behind it, or
// with a string left open for the program's own quote. Words of SQL in a sentence
// do neither.
func SQL(s string) bool {
	l := newSQLLexer(s)
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(sqlQuotes, s[i]) < 0 {
			continue
		}
		if c := i + 1; c < len(s) && !isWord(s[c]) || c+4 < len(s) && sqlGoesOn.has(word(s[:min(len(s), c+10)], c)) {
			l.i = c
			if (&sqlReader{lex: l}).breaksOut() {
				return true
			}
		}
	}
	if s == "" || !isDigit(s[0]) && s[0] != '(' && s[0] != '-' && !isLetter(s[0]) {
		return false
	}
	l.i = 0
	return (&sqlReader{lex: l, number: true}).breaksOut()
}

var (
	sqlGoesOn   = wordList("or and xor not union like rlike regexp glob in is between collate order group having limit offset procedure into div mod returning except intersect where waitfor")
	sqlBinary   = wordList("or and xor like ilike rlike regexp glob in is between div mod collate escape similar match")
	sqlBoolean  = wordList("or and xor || &&")
	sqlClause   = wordList("union all distinct select from where group order by having limit offset into procedure join left right inner outer cross natural on using as case when then else values set table exists interval returning not except intersect top with delay binary waitfor exists")
	sqlOperands = wordList("end null true false unknown asc desc current_user current_timestamp nocase")
	sqlCompare  = wordList("= < > <= >= <> != ==")
	sqlStrong   = wordList("sleep benchmark pg_sleep waitfor load_file extractvalue updatexml randomblob group_concat load_extension database version dbms_pipe.receive_message utl_http.request name_const get_lock query_to_xml")
	sqlCalls    = wordList("sleep benchmark pg_sleep waitfor substr substring ascii ord char chr concat concat_ws group_concat version user database schema load_file extractvalue updatexml randomblob hex unhex mid left right length char_length if ifnull nullif iif coalesce md5 sha1 count sum min max avg cast convert elt make_set rand floor exp row_count last_insert_id lower upper like zeroblob sqlite_version load_extension current_setting query_to_xml xmltype dbms_pipe.receive_message utl_http.request utl_inaddr.get_host_address exec xp_cmdshell master..xp_cmdshell json_extract instr strcmp find_in_set lpad rpad reverse replace quote printf typeof total string_agg array_agg to_char position get_lock name_const polygon geometrycollection multipoint")
)

// sqlReader reads the tokens behind the place where a value breaks out, and keeps
// what it has seen.
type sqlReader struct {
	lex    *sqlLexer
	number bool // the value stands where a number or a name does

	operand                                                               bool // the last token was one: an operator must follow
	from                                                                  bool // a table may have a second name
	prev                                                                  sqlToken
	depth                                                                 int // of parentheses
	boolean, compare, call, strong, truth, subquery, clause, union, comma bool
}

// maxSQLTokens bounds how far one place is read.
const maxSQLTokens = 96

func (r *sqlReader) breaksOut() bool {
	t := r.lex.next()
	for t.text == ")" && t.kind == sqlSign && !r.number {
		t = r.lex.next()
	}
	if t.kind == sqlSign && t.text == ";" {
		return r.statement()
	}
	r.operand = !r.number
	if r.number && t.kind == sqlWord && !sqlClause.has(t.text) && !sqlOperands.has(t.text) && !sqlCalls.has(t.text) && len(t.text) > 30 {
		return false
	}
	if !r.number && (t.text == ">" || t.text == "<") && t.kind == sqlSign {
		return false // the end of a tag
	}
	if !r.number && t.kind == sqlWord && !sqlGoesOn.has(t.text) {
		return false
	}
	for n := range maxSQLTokens {
		if r.lex.tired() {
			return true
		}
		if r.comma && n > 12 && !r.clause && !r.call {
			return false // a list of texts
		}
		switch t.kind {
		case sqlEnd:
			return r.number && r.depth <= 0 && r.evident(false)
		case sqlComment:
			return r.evident(true)
		case sqlOpen:
			return r.operandAllowed() && r.evident(false)
		case sqlBad:
			return false
		case sqlSign:
			if t.text == ";" && r.number && r.lex.foreign() {
				return r.statement() // 12/24 or 12/25; 午前
			}
			if t.text == ";" {
				return r.evident(true) || r.statement()
			}
			if !r.sign(t) {
				return false
			}
		case sqlWord:
			if !r.word(t) {
				return false
			}
		default:
			if !r.operandAllowed() {
				return false
			}
			r.truth = r.truth || t.kind == sqlNumber && sqlBoolean.has(r.prev.text)
			r.operand = true
		}
		r.prev = t
		t = r.lex.next()
	}
	return r.evident(false)
}

func (r *sqlReader) operandAllowed() bool { return !r.operand }

func (r *sqlReader) sign(t sqlToken) bool {
	switch t.text {
	case "(":
		r.depth++
		if r.operand { // a call, IN (…), or a table's columns
			if r.prev.kind != sqlWord {
				return false
			}
			r.strong = r.strong || sqlStrong.has(r.prev.text)
			r.call = r.call || sqlCalls.has(r.prev.text) || r.boolean && len(r.prev.text) > 2
		}
		r.operand = false
	case ")":
		r.depth--
		r.operand = true
	case "*":
		r.operand = !r.operand // all columns, or times
	case ",":
		r.comma = r.comma || r.prev.text == ""
		r.operand = false
	case "-", "+", "~", "!":
		r.operand = false
	case "/", "%", "^", "&", "|", "||", "&&", "<<", ">>", "::", ":=", "=", "<", ">", "<=", ">=", "<>", "!=", "==":
		if !r.operand && t.text != "=" && t.text != ">" { // <=>, = in two parts
			return false
		}
		r.boolean = r.boolean || sqlBoolean.has(t.text)
		r.compare = r.compare || sqlCompare.has(t.text)
		r.operand = false
	default:
		return false
	}
	return true
}

func (r *sqlReader) word(t sqlToken) bool {
	w := strings.ToLower(t.text)
	switch {
	case sqlCalls[w] && r.opensParen():
		if r.operand {
			return false
		}
		r.operand, r.strong = true, r.strong || sqlStrong[w]
	case sqlBinary[w]:
		if !r.operand && w != "in" && w != "like" && !(r.prev.kind == sqlWord) {
			return false
		}
		r.boolean = r.boolean || sqlBoolean[w]
		r.compare = r.compare || r.boolean && !sqlBoolean[w] && w != "collate"
		r.operand = false
	case sqlClause[w]:
		if w == "select" && (r.prev.text == "(" || strings.EqualFold(r.prev.text, "union") || strings.EqualFold(r.prev.text, "all") || strings.EqualFold(r.prev.text, "distinct")) {
			r.subquery = r.subquery || r.prev.text == "("
			r.union = r.union || r.prev.text != "("
		}
		r.union = r.union || w == "values" && strings.EqualFold(r.prev.text, "union")
		r.subquery = r.subquery || w == "when"
		r.clause = true
		r.from = w == "from" || w == "join" || w == "as" || w == "table"
		r.operand = false
	case sqlOperands[w]:
		r.truth = r.truth || (w == "true" || w == "false" || w == "null") && sqlBoolean.has(r.prev.text)
		r.operand = true
	case r.operand:
		if !r.from && r.prev.text != ")" {
			return false // a sentence
		}
		r.from = false
	default:
		r.operand = true
	}
	return true
}

// opensParen reports whether a parenthesis follows.
func (r *sqlReader) opensParen() bool {
	at := *r.lex
	return at.next() == sqlToken{sqlSign, "("}
}

// evident tells whether what was read does something in a query. hidden: a comment
// takes away what the program wrote behind it.
func (r *sqlReader) evident(hidden bool) bool {
	switch {
	case r.union, r.subquery, r.boolean && (r.compare || r.call):
		return true
	case r.number:
		return r.call && (isDigit(r.lex.s[0]) || r.strong) || r.boolean && r.truth && strings.ContainsAny(r.lex.s[:1], "0123456789")
	case r.comma && !hidden:
		return false
	}
	return r.call || r.truth || hidden && (r.clause || r.compare || r.boolean)
}

// statement reads what follows a semicolon: does it begin another statement?
func (r *sqlReader) statement() bool {
	a, b, c := r.lex.next(), r.lex.next(), r.lex.next()
	if a.kind != sqlWord || b.kind == sqlEnd && !strings.EqualFold(a.text, "shutdown") {
		return false
	}
	second := sqlSecond[strings.ToLower(a.text)]
	switch {
	case second == "":
		return false
	case second == "*":
		return b.kind != sqlBad && c.kind != sqlBad && (b.kind != sqlWord || sqlClause.has(c.text) || c.kind == sqlSign || c.kind == sqlComment)
	}
	return b.kind == sqlWord && strings.Contains(second, " "+strings.ToLower(b.text)+" ") && c.kind != sqlBad
}

// sqlSecond are the words that may come second in a statement; *: any.
var sqlSecond = map[string]string{
	"drop":     " table database view index user schema trigger procedure function column ",
	"create":   " table database view index user function trigger procedure or temporary temp login ",
	"alter":    " table database user view role login ",
	"truncate": " table ", "insert": " into ignore ", "replace": " into ", "delete": " from ", "attach": " database ",
	"update": "*", "select": "*", "exec": "*", "execute": "*", "declare": "*", "call": "*", "pragma": "*", "copy": "*", "set": "*", "with": "*",
	"waitfor": " delay time ", "shutdown": "*", "grant": "*", "load": " data ", "rename": " table ", "merge": " into ", "handler": "*", "do": "*", "begin": "*", "commit": "*", "if": "*", "values": "*", "vacuum": " into ",
}
