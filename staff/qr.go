package staff

import (
	"fmt"
	"strings"

	"rsc.io/qr"

	"noren"
)

// QRCode is a code for a camera.
type QRCode struct {
	Size  int // modules on a side, without the quiet zone
	black func(x, y int) bool
}

// QR draws text as a QR code of medium error correction.
func QR(text string) (QRCode, error) {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return QRCode{}, noren.Errorf(noren.Invalid, "draw a QR code: %w", err)
	}
	return QRCode{c.Size, c.Black}, nil
}

// Black reports whether a module is dark.
func (q QRCode) Black(x, y int) bool { return q.black(x, y) }

// quiet is the white border that readers need (ISO/IEC 18004: four modules).
const quiet = 4

// SVG is the code as a picture without script or style, dark on white whatever
// the page looks like. title is read out by screen readers.
func (q QRCode) SVG(title string) string {
	var b strings.Builder
	side := q.Size + 2*quiet
	title = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(title)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" shape-rendering="crispEdges">`, side, side, title)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, side, side)
	for y := range q.Size {
		for x := 0; x < q.Size; x++ {
			from := x
			for x < q.Size && q.black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.String()
}
