package console

import (
	"io/fs"
	"testing"

	"noren/console/ui"
)

// Pages are made when they are first asked for; here all are.
func TestEveryPageCanBeMade(t *testing.T) {
	assets, err := ui.OpenAssets()
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := ui.Load(files, assets)
	if err != nil {
		t.Fatal(err)
	}
	if err := pages.Check(); err != nil {
		t.Error(err)
	}
}
