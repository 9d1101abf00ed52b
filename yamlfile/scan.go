package yamlfile

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"noren"
)

// clean refuses what is not text and brings line ends to one form, because the
// lexer loses count of lines at a carriage return.
func clean(name string, data []byte) (string, *Fault) {
	if len(data) > MaxBytes {
		return "", faultOf(name, Pos{}, noren.Textf("ファイルが %d バイトあります。読めるのは %d バイトまでです", "the file has %d bytes; at most %d are read", len(data), MaxBytes))
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	line, col := 1, 1
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd") {
			return "", faultOf(name, Pos{line, col}, noren.Textf("文字コードが UTF-8 ではありません。UTF-8 で保存してください", "not valid UTF-8; save the file as UTF-8"))
		}
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029' || r == '\ufeff' {
			return "", faultOf(name, Pos{line, col}, noren.Textf("見えない制御文字（U+%04X）は使えません", "control character U+%04X is not allowed", r))
		}
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return text, nil
}

func splitLines(text string) []string { return strings.Split(text, "\n") }

// Limits on the shape of the tokens. The parser recurses and keeps the path of
// every node as a string, so that deep nesting costs it the square of the input.
const (
	maxIndent  = 100   // columns before a line's first word, or before a block "-" or "?"
	maxMarkers = 1_000 // anchors, aliases and tags
)

// tokenize splits text into tokens and refuses what would be expensive to parse.
func tokenize(name, text string) (token.Tokens, *Fault) {
	tokens := lexer.Tokenize(text)
	if len(tokens) > maxTokens {
		return nil, faultOf(name, Pos{}, noren.Textf("言葉と記号が %d 個あります。読めるのは %d 個までです", "the file has %d words and signs; at most %d are read", len(tokens), maxTokens))
	}
	s := shape{siblings: make([]int, maxIndent+2)}
	for _, t := range tokens {
		if msg := s.next(t); msg != (noren.Text{}) {
			return nil, faultOf(name, posOf(t), msg)
		}
	}
	return tokens, nil
}

// shape follows the tokens of a file and holds what it has seen.
type shape struct {
	flow     int   // open [ and {
	line     int   // of the last token
	colon    bool  // the last token was ":"
	markers  int   // anchors, aliases, tags
	siblings []int // by column: block lines beginning there, since one began further left
}

// next takes one token and returns what is wrong with it.
func (s *shape) next(t *token.Token) noren.Text {
	first := t.Position.Line != s.line
	s.line = t.Position.Line
	colon := s.colon
	s.colon = t.Type == token.MappingValueType
	switch t.Type {
	case token.CommentType:
		return noren.Text{}
	case token.SequenceStartType, token.MappingStartType:
		if s.flow++; s.flow > MaxDepth {
			return tooDeep
		}
	case token.SequenceEndType, token.MappingEndType:
		s.flow = max(s.flow-1, 0)
	case token.AnchorType, token.AliasType, token.TagType:
		if s.markers++; s.markers > maxMarkers {
			return noren.Textf("目印（&・*・!）が %d 個を超えています", "more than %d anchors, aliases and tags", maxMarkers)
		}
	case token.DirectiveType:
		return noren.Text{Ja: "% で始まる行（指示）は使えません", En: "directives (a line beginning with %) are not supported"}
	case token.MappingValueType:
		if colon {
			return noren.Text{Ja: "「:」が続けて二つあります", En: "two colons in a row"}
		}
	}
	if s.flow > 0 {
		return noren.Text{}
	}
	return s.block(t, first)
}

var tooDeep = noren.Text{Ja: "字下げ（入れ子）が深すぎます", En: "nested too deeply"}

func (s *shape) block(t *token.Token, first bool) noren.Text {
	opens := t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType
	if !first && !opens {
		return noren.Text{}
	}
	col := t.Position.Column
	if col > maxIndent {
		return tooDeep
	}
	if !first || col < 0 {
		return noren.Text{}
	}
	clear(s.siblings[col+1:])
	if t.Type == token.SequenceEntryType {
		return noren.Text{}
	}
	if s.siblings[col]++; s.siblings[col] > maxSiblings {
		return noren.Textf("一つの並びにキーが %d 個を超えています", "more than %d keys in one map", maxSiblings)
	}
	return noren.Text{}
}
