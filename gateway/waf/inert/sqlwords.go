package inert

import (
	"regexp"
	"strings"
)

// What may stand behind an operand, in the databases of shops.
var (
	operators = set(`and or xor not like ilike rlike regexp sounds similar in is between div mod collate escape union except minus intersect
		order group having limit offset fetch for lock procedure into where window as asc desc nulls using on join inner left right cross natural full outer
		from set values value returning when then else end partition within over filter at isnull notnull match against glob overlaps contains
		and_ operator memberof member cast year month day hour minute second week quarter first last only rows row top percent with ties distinct all any some
		straight_join use force ignore index key default interval binary exists null true false unknown separator range groups preceding following current
		connect start prior pivot unpivot tablesample sample option returning do nothing conflict duplicate`)
	// statements begin one. In T-SQL no semicolon need stand before it.
	statements = set(`select insert update delete drop create alter truncate exec execute declare waitfor if begin shutdown merge replace use with while print
		raiserror goto call do load handler rename grant revoke set backup restore dbcc bulk openrowset attach detach pragma vacuum reindex copy explain analyze
		analyse describe desc show kill lock unlock commit rollback savepoint return throw go xp_cmdshell table values prepare deallocate reset flush purge comment
		notify listen refresh perform end else`)
	// acting are those of them that no sentence has by chance in such a place. What
	// they do is not followed.
	acting = set(`insert update delete drop create alter truncate exec execute declare waitfor shutdown merge raiserror load handler rename grant revoke
		backup restore dbcc bulk openrowset attach detach pragma vacuum reindex lock unlock commit rollback savepoint xp_cmdshell prepare deallocate flush purge`)
	// wanting are those behind which an operand comes.
	wanting = set(`and or xor not like ilike rlike regexp in is between div mod where having by on when then else case select distinct all any some
		limit offset set values using escape union except minus intersect exists interval binary return if while from join into table update`)
	// defining open a part of a statement in which names are defined.
	defining = set(`select with from as join into update table declare create insert`)
	// naming stand before a name that is given.
	naming = set(`as with recursive`)
)

// name is a word: a keyword, or what something is called.
func (r *sqlReader) name() (dead bool) {
	text := word(r.s)
	if text == "" { // a byte that begins no word
		r.s = r.s[1:]
		return false
	}
	r.s = r.s[len(text):]
	before, last := r.behind, r.last
	lower := strings.ToLower(text)
	r.behind, r.last = 'w', lower
	if hasWide(text) {
		return r.foreign(last, text)
	}
	r.meat = true
	if strings.HasPrefix(r.s, "(") && r.state != hasOperand { // a function
		r.state = either
		r.opens(lower)
		return false
	}
	switch r.state {
	case statement:
		r.opens(lower)
		r.state, r.alive = either, acting(lower)
		return !statements(lower)
	case wantsOperand:
		r.opens(lower)
		if !wanting(lower) {
			r.state = hasOperand
		}
		if statements(lower) || operators(lower) {
			r.state = either
		}
		return false
	case either:
		r.opens(lower)
		return false
	}
	return r.second(before, lower)
}

func (r *sqlReader) opens(w string) { r.open = r.open || defining(w) }

// second is a word behind an operand: an operator, a new statement, or a name
// for what came before it.
func (r *sqlReader) second(before byte, w string) (dead bool) {
	r.behind = 'k'
	switch {
	case operators(w):
		r.opens(w)
		if r.state = either; wanting(w) {
			r.state = wantsOperand
		}
	case statements(w):
		r.opens(w)
		r.bare, r.meat, r.alive = true, false, acting(w)
		r.state = either
	case r.open:
		r.behind = 'w'
	default:
		return true
	}
	return false
}

// foreign is a name outside ASCII. No shop's table is called 商品名をここに; a
// statement may call something so itself, and must do it where names are given.
func (r *sqlReader) foreign(last, text string) (dead bool) {
	if !r.open || r.state == statement {
		return true
	}
	if r.state == hasOperand || naming(last) {
		r.defined = append(r.defined, text)
	} else {
		r.used = append(r.used, text)
	}
	r.state = hasOperand
	r.alive = len(r.used)+len(r.defined) > maxNames
	return false
}

// maxNames bounds the names that are followed; no sentence has so many behind a
// SELECT.
const maxNames = 100

// sign is everything else.
func (r *sqlReader) sign() (dead bool) {
	c := r.s[0]
	n := len(doubleSign.FindString(r.s))
	r.s = r.s[max(n, 1):]
	r.behind, r.last = 'o', ""
	if r.state == statement && c != '(' && c != ';' {
		return true
	}
	switch c {
	case '(':
		r.meat = true
		r.state = wantsOperand
	case ')':
		r.state, r.behind = hasOperand, ')'
	case ';':
		r.state = statement
	case '{':
		return r.state == hasOperand || !isODBC(strings.ToLower(word(r.s)))
	case '}', '[', ']', '\\':
		// ODBC's ends, T-SQL's names, arrays, MySQL's \N: not followed.
	case '*':
		if r.state = wantsOperand; r.open { // SELECT * may be followed by what follows a column
			r.state = hasOperand
		}
	case '&', '^', '%', '/', '=', '>', '<', ',', '#':
		// These stand between two operands.
		dead = r.state == wantsOperand
		r.state = wantsOperand
	default:
		r.state = wantsOperand
	}
	return dead
}

// doubleSign are operators of more than one sign.
var doubleSign = regexp.MustCompile(`^(?:<=>|->>|#>>|<=|>=|<>|!=|==|\|\||&&|<<|>>|:=|::|->|#>|@>|<@|!~|~\*|=>|\|/|@@|&<|&>)`)

// isODBC: {d '2026-11-28'}, {x 1}. MySQL takes any name there.
func isODBC(w string) bool { return w != "" && !hasWide(w) && len(w) <= 12 && w != "print" }
