package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// pictureMost bounds a picture of docs/operate/pages.
const pictureMost = 60 << 10

// fixed puts a number and times into the page that are the same in every
// picture, so that a picture changes when its page does.
const fixed = `(() => {
	const put = (e, text) => { if (e) e.textContent = text };
	const ja = document.documentElement.lang === "ja";
	put(document.querySelector(".ticket"), "7K2QX-M4D9T");
	put(document.querySelector("footer"), ja ? "2026年11月27日 14時04分09秒" : "27 November 2026, 14:04:09 (Japan)");
	document.querySelectorAll("main p").forEach(p => {
		if (p.children.length) return;
		p.textContent = p.textContent.replace(/\d+月\d+日（.）\d+時\d+分/, "11月27日（金）15時30分").replace(/\d+:\d+ on \w+ \d+ \w+/, "15:30 on Friday 27 November")
			.replace(/(8\d|90)(分| minutes)/, "90$2").replace(/あと\d分ほどです/, "あと4分ほどです").replace(/about \d minutes more/, "about 4 minutes more").replace(/(3\d|40)(秒| seconds)/, "40$2");
	});
	document.getAnimations().forEach(a => { a.pause(); a.currentTime = 600 });
	scrollTo(0, 0);
	return document.documentElement.scrollHeight;
})()`

// picture keeps what the page looks like on a phone.
func (v *visitor) picture(p sight) {
	v.t.Helper()
	dir := os.Getenv("NOREN_SHOTS")
	if dir == "" || p.name == "" {
		return
	}
	v.do(chromedp.EmulateViewport(360, 640))
	var height int64
	v.json(fixed, &height)
	v.do(chromedp.EmulateViewport(360, height))
	shot, err := chromedp.Run(v.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		v.t.Fatal(err)
	}
	small, err := palette(shot)
	if err != nil {
		v.t.Fatal(err)
	}
	if len(small) > pictureMost {
		v.t.Errorf("the picture has %d bytes", len(small))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		v.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, p.name+"."+v.lang+".png"), small, 0o644); err != nil {
		v.t.Fatal(err)
	}
}

// palette makes a picture of a page small: its few colours by number, what is
// rare by the nearest of the frequent ones.
func palette(shot []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, err
	}
	count := map[color.RGBA]int{}
	r := src.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(src.At(x, y)).(color.RGBA) }
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	var colours []color.RGBA
	for c := range count {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	var pal color.Palette
	for _, c := range colours[:min(len(colours), 64)] {
		pal = append(pal, c)
	}
	dst := image.NewPaletted(r, pal)
	nearest := map[color.RGBA]uint8{}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := at(x, y)
			i, ok := nearest[c]
			if !ok {
				i = uint8(pal.Index(c))
				nearest[c] = i
			}
			dst.SetColorIndex(x, y, i)
		}
	}
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, dst)
	return out.Bytes(), err
}

// The pages that owners look at in the docs are those that visitors meet.
func TestPicturesOfAllPages(t *testing.T) {
	const dir = "../docs/operate/pages"
	index, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"README.md"}
	for _, p := range sights() {
		for _, lang := range []string{"ja", "en"} {
			if p.name == "" {
				continue
			}
			name := p.name + "." + lang + ".png"
			want = append(want, name)
			if !strings.Contains(string(index), "("+name+")") {
				t.Errorf("docs/operate/pages/README.md does not show %s", name)
			}
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() > pictureMost {
				t.Errorf("%s: %v; make it with: make pages", name, err)
			}
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(want, f.Name()) {
			t.Errorf("docs/operate/pages/%s is of no page that visitors meet", f.Name())
		}
	}
}
