package screen

// kinds says which kinds of bytes a string has. A transformation changes no
// string without a byte of its triggers, and need not be run on it.
type kinds uint32

const (
	kindUpper kinds = 1 << iota
	kindHigh
	kindPercent
	kindPlus
	kindAmpersand
	kindBackslash
	kindNull
	kindSpace
	kindSlash
	kindStar
	kindQuote // " ' ^
	kindBreak // , ; (
	kindSign  // < - #
	kindDot
	kindColon
	kindAny kinds = 1 << 31 // of every string
)

// triggers of the transformations; of those that are not here every string may
// be changed.
var triggers = map[string]kinds{
	"none":               0,
	"lowercase":          kindUpper | kindHigh,
	"urldecodeuni":       kindPercent | kindPlus,
	"urldecode":          kindPercent | kindPlus,
	"htmlentitydecode":   kindAmpersand,
	"jsdecode":           kindBackslash,
	"cssdecode":          kindBackslash,
	"utf8tounicode":      kindHigh,
	"removenulls":        kindNull,
	"replacenulls":       kindNull,
	"removewhitespace":   kindSpace | kindHigh,
	"compresswhitespace": kindSpace | kindHigh,
	"cmdline":            kindQuote | kindBackslash | kindSpace | kindBreak | kindSlash | kindUpper,
	"replacecomments":    kindStar,
	"removecommentschar": kindSlash | kindStar | kindSign,
	"normalizepath":      kindSlash | kindDot,
	"normalisepath":      kindSlash | kindDot,
	"normalizepathwin":   kindSlash | kindDot | kindBackslash | kindColon | kindSpace,
	"normalisepathwin":   kindSlash | kindDot | kindBackslash | kindColon | kindSpace,
	"trim":               kindSpace,
	"trimleft":           kindSpace,
	"trimright":          kindSpace,
}

func triggersOf(name string) kinds {
	if t, ok := triggers[name]; ok {
		return t
	}
	return kindAny
}

// kindOf is the kind of a byte.
var kindOf = func() (k [256]kinds) {
	for b := range 256 {
		switch c := byte(b); {
		case c >= 'A' && c <= 'Z':
			k[b] = kindUpper
		case c >= 0x80:
			k[b] = kindHigh
		case c == ' ' || c >= '\t' && c <= '\r':
			k[b] = kindSpace
		}
	}
	for text, kind := range map[string]kinds{
		"%": kindPercent, "+": kindPlus, "&": kindAmpersand, `\`: kindBackslash, "\x00": kindNull, "/": kindSlash, "*": kindStar,
		`"'^`: kindQuote, ",;(": kindBreak, "<-#": kindSign, ".": kindDot, ":": kindColon,
	} {
		for i := range len(text) {
			k[text[i]] = kind
		}
	}
	return k
}()
