package sampleshop

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"text/template"
)

//go:embed art/art.tmpl
var artText string

// shape is how a kind of product is drawn. MAIN and ACCENT stand for the
// product's colours in the parts behind and before the body.
type shape struct {
	body          string // one SVG path
	behind, front string
	foot, width   int // where its shadow lies
}

var shapes = map[string]shape{
	"pouch": {
		body: "M118 92H282L292 318Q292 326 284 326H116Q108 326 108 318Z", foot: 326, width: 104,
		front: `<path d="M114 118H286" stroke="#000" stroke-opacity=".18" stroke-width="2"/><path d="M118 92H282L284 112H116Z" fill="#fff" opacity=".18"/>` +
			`<rect x="162" y="146" width="76" height="140" rx="3" fill="#fbf8f0"/><path d="M172 156H228V276H172Z" fill="none" stroke="ACCENT" stroke-width="1.5"/><text x="200" y="236" text-anchor="middle" font-family="'Noto Serif CJK JP','Hiragino Mincho ProN',serif" font-size="52" fill="MAIN">茶</text>`,
	},
	"caddy": {
		body: "M128 150H272V312Q272 330 200 330T128 312Z", foot: 324, width: 86,
		front: `<path d="M122 92Q122 78 200 78T278 92V158Q278 172 200 172T122 158Z" fill="MAIN"/><path d="M122 92Q122 78 200 78T278 92V158Q278 172 200 172T122 158Z" fill="url(#shade)"/><ellipse cx="200" cy="92" rx="78" ry="13" fill="#fff" opacity=".16"/><path d="M122 158Q122 172 200 172T278 158" fill="none" stroke="#000" stroke-opacity=".35" stroke-width="2"/>`,
	},
	"kyusu": {
		body: "M108 220Q108 150 200 150T292 220Q292 312 200 312T108 220Z", foot: 314, width: 104,
		behind: `<path d="M278 214L352 172Q366 168 366 182L364 194 288 246Z" fill="MAIN"/><path d="M278 214L352 172Q366 168 366 182L364 194 288 246Z" fill="#000" opacity=".18"/><path d="M120 250Q84 244 70 190L88 182Q104 206 130 212Z" fill="MAIN"/>`,
		front:  `<ellipse cx="200" cy="158" rx="64" ry="15" fill="ACCENT"/><path d="M140 154Q146 128 200 128T260 154Q240 166 200 166T140 154Z" fill="MAIN"/><path d="M140 154Q146 128 200 128T260 154Q240 166 200 166T140 154Z" fill="url(#shade)"/><ellipse cx="200" cy="122" rx="15" ry="12" fill="MAIN"/><ellipse cx="196" cy="118" rx="6" ry="4" fill="#fff" opacity=".28"/>`,
	},
	"houhin": {
		body: "M104 190H296Q292 306 200 306T104 190Z", foot: 308, width: 84,
		behind: `<path d="M112 212Q72 204 62 186L76 176Q92 188 120 190Z" fill="MAIN"/>`,
		front:  `<ellipse cx="200" cy="190" rx="96" ry="18" fill="ACCENT"/><ellipse cx="200" cy="192" rx="84" ry="13" fill="#000" opacity=".28"/>`,
	},
	"dobin": {
		body: "M96 232Q96 166 200 166T304 232Q304 320 200 320T96 232Z", foot: 322, width: 112,
		behind: `<path d="M116 196Q122 70 200 70T284 196" fill="none" stroke="ACCENT" stroke-width="13" stroke-linecap="round"/><path d="M106 260Q70 250 56 202L74 192Q92 220 122 226Z" fill="MAIN"/>`,
		front:  `<path d="M138 172Q146 146 200 146T262 172Q240 184 200 184T138 172Z" fill="MAIN"/><path d="M138 172Q146 146 200 146T262 172Q240 184 200 184T138 172Z" fill="url(#shade)"/><ellipse cx="200" cy="142" rx="13" ry="10" fill="ACCENT"/>`,
	},
	"chawan": {
		body: "M92 166H308Q308 300 236 318H164Q92 300 92 166Z", foot: 330, width: 88,
		behind: `<path d="M160 316H240L234 334H166Z" fill="ACCENT"/>`,
		front:  `<ellipse cx="200" cy="166" rx="108" ry="22" fill="ACCENT"/><ellipse cx="200" cy="169" rx="98" ry="17" fill="#000" opacity=".34"/><ellipse cx="200" cy="175" rx="78" ry="10" fill="#6f8f3e"/>`,
	},
	"yunomi": {
		body: "M138 126H262L256 306Q254 318 200 318T144 306Z", foot: 318, width: 74,
		front: `<ellipse cx="200" cy="126" rx="62" ry="13" fill="#fbfaf5"/><ellipse cx="200" cy="129" rx="54" ry="9" fill="#a3ab52"/>`,
	},
	"meoto": {
		body: "M96 128H206L202 304Q200 316 151 316T100 304Z", foot: 318, width: 128,
		front: `<ellipse cx="151" cy="128" rx="55" ry="12" fill="#faf8f2"/><ellipse cx="151" cy="131" rx="47" ry="8" fill="#a3ab52"/><path d="M222 166H318L314 306Q312 316 270 316T226 306Z" fill="ACCENT"/><path d="M222 166H318L314 306Q312 316 270 316T226 306Z" fill="#fff" opacity=".12"/><ellipse cx="270" cy="166" rx="48" ry="11" fill="#faf8f2"/><ellipse cx="270" cy="169" rx="40" ry="7" fill="#a3ab52"/>`,
	},
	"mug": {
		body: "M112 132H258V298Q258 318 185 318T112 298Z", foot: 318, width: 96,
		behind: `<path d="M252 168Q322 160 318 220T250 274" fill="none" stroke="MAIN" stroke-width="17"/><path d="M252 168Q322 160 318 220T250 274" fill="none" stroke="#000" stroke-opacity=".12" stroke-width="17"/>`,
		front:  `<ellipse cx="185" cy="132" rx="73" ry="15" fill="#fbf7ec"/><ellipse cx="185" cy="135" rx="64" ry="11" fill="#5a3a24"/>`,
	},
	"plate": {
		body: "M56 210A144 144 0 1 0 344 210A144 144 0 1 0 56 210Z", foot: 352, width: 120,
		front: `<circle cx="200" cy="210" r="104" fill="#fff" opacity=".07"/><path d="M96 158Q140 92 210 84" fill="none" stroke="#fff" stroke-opacity=".35" stroke-width="6" stroke-linecap="round"/>`,
	},
	"bowl": {
		body: "M88 184H312Q304 312 232 318H168Q96 312 88 184Z", foot: 330, width: 92,
		behind: `<path d="M158 316H242L236 334H164Z" fill="MAIN"/>`,
		front:  `<ellipse cx="200" cy="184" rx="112" ry="24" fill="ACCENT"/><ellipse cx="200" cy="188" rx="102" ry="18" fill="#000" opacity=".22"/>`,
	},
	"donabe": {
		body: "M80 220H320Q314 316 236 320H164Q86 316 80 220Z", foot: 324, width: 118,
		behind: `<rect x="54" y="226" width="292" height="22" rx="11" fill="ACCENT"/>`,
		front:  `<path d="M74 216Q90 148 200 148T326 216Z" fill="MAIN"/><path d="M74 216Q90 148 200 148T326 216Z" fill="url(#shade)"/><path d="M74 212H326V224H74Z" fill="ACCENT"/><rect x="174" y="120" width="52" height="30" rx="9" fill="ACCENT"/>`,
	},
	"tokkuri": {
		body: "M132 96H188L184 152Q226 176 222 246 220 318 160 318T98 246Q94 176 136 152Z", foot: 320, width: 126,
		front: `<ellipse cx="160" cy="96" rx="28" ry="8" fill="#241611"/><path d="M240 250H320Q316 316 280 316T240 250Z" fill="MAIN"/><path d="M240 250H320Q316 316 280 316T240 250Z" fill="url(#shade)"/><ellipse cx="280" cy="250" rx="40" ry="10" fill="#241611"/>`,
	},
	"vase": {
		body: "M182 96H218L216 168Q262 202 256 266 250 322 200 322T144 266Q138 202 184 168Z", foot: 322, width: 70,
		behind: `<path d="M200 110Q196 60 236 30M204 96Q226 70 262 72" fill="none" stroke="#5b6b3a" stroke-width="4"/><path d="M236 30Q258 18 268 36 250 50 236 30M262 72Q282 60 292 76 276 90 262 72" fill="#6f8f4e"/><circle cx="222" cy="52" r="12" fill="#c4566a"/><circle cx="222" cy="52" r="4" fill="#f3d27a"/>`,
		front:  `<ellipse cx="200" cy="96" rx="18" ry="5" fill="#000" opacity=".45"/>`,
	},
	"chasen": {
		body: "M168 214H232L228 322Q228 328 200 328T172 322Z", foot: 328, width: 58,
		behind: `<g fill="none" stroke="MAIN" stroke-width="5"><path d="M172 216Q118 150 150 88"/><path d="M180 216Q142 150 166 80"/><path d="M190 216Q174 150 184 76"/><path d="M200 216V74"/><path d="M210 216Q226 150 216 76"/><path d="M220 216Q258 150 234 80"/><path d="M228 216Q282 150 250 88"/></g>`,
		front:  `<path d="M166 212H234V222H166Z" fill="#3a3330"/><path d="M170 262H230" stroke="ACCENT" stroke-width="3"/>`,
	},
	"chashaku": {
		body: "M112 302L276 116Q292 88 300 96T284 128L122 312Z", foot: 318, width: 104,
		front: `<path d="M190 214L198 222" stroke="ACCENT" stroke-width="5"/><ellipse cx="296" cy="104" rx="9" ry="13" transform="rotate(40 296 104)" fill="#6f8f3e"/>`,
	},
	"cloth": {
		body: "M84 106H316V300Q300 312 284 300 268 312 252 300 236 312 220 300 204 312 188 300 172 312 156 300 140 312 124 300 108 312 84 300Z", foot: 322, width: 118,
		behind: `<rect x="64" y="94" width="272" height="14" rx="7" fill="#7a5230"/>`,
		front:  `<path d="M162 108V262M238 108V262" stroke="#000" stroke-opacity=".3" stroke-width="2.5"/><text x="200" y="262" text-anchor="middle" font-family="'Noto Serif CJK JP','Hiragino Mincho ProN',serif" font-size="50" fill="ACCENT">暖</text>`,
	},
	"tray": {
		body: "M48 226A152 74 0 1 0 352 226A152 74 0 1 0 48 226Z", foot: 306, width: 134,
		front: `<ellipse cx="200" cy="222" rx="134" ry="60" fill="#000" opacity=".14"/><ellipse cx="200" cy="226" rx="130" ry="56" fill="none" stroke="ACCENT" stroke-width="3"/>`,
	},
	"gift": {
		body: "M78 138H322V316H78Z", foot: 320, width: 128,
		front: `<path d="M68 112H332V148H68Z" fill="MAIN"/><path d="M68 112H332V148H68Z" fill="#fff" opacity=".14"/><path d="M182 112H218V316H182Z" fill="ACCENT"/><path d="M200 112Q130 92 138 62 168 46 200 112 232 46 262 62 270 92 200 112Z" fill="ACCENT"/><path d="M200 112Q130 92 138 62 168 46 200 112 232 46 262 62 270 92 200 112Z" fill="none" stroke="#000" stroke-opacity=".2" stroke-width="2"/>`,
	},
}

var colour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// look is what products.tsv says about a product's picture.
type look struct{ shape, main, accent, ground, pattern string }

// draw makes a product's picture.
func draw(t *template.Template, l look) ([]byte, error) {
	s, ok := shapes[l.shape]
	if !ok {
		return nil, fmt.Errorf("no shape is called %q", l.shape)
	}
	for _, c := range []string{l.main, l.accent, l.ground} {
		if !colour.MatchString(c) {
			return nil, fmt.Errorf("%q is not a colour like #2f5d46", c)
		}
	}
	paint := strings.NewReplacer("MAIN", l.main, "ACCENT", l.accent)
	petals := make([]int, 16)
	for i := range petals {
		petals[i] = i * 360 / len(petals)
	}
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, "picture", map[string]any{
		"Body": s.body, "Behind": paint.Replace(s.behind), "Front": paint.Replace(s.front), "Foot": s.foot, "Width": s.width,
		"Main": l.main, "Accent": l.accent, "Ground": l.ground, "Pattern": l.pattern, "Petals": petals,
	})
	return b.Bytes(), err
}
