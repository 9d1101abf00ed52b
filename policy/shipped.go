package policy

import (
	"embed"
	"io/fs"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Shipped returns the policies that come with Noren, named as they stand in a
// settings set. A new instance begins with them.
func Shipped() []File {
	entries, err := fs.ReadDir(shipped, "shipped")
	if err != nil {
		panic("policy: " + err.Error()) // embedded, so it is there
	}
	out := make([]File, len(entries))
	for i, e := range entries {
		data, err := shipped.ReadFile("shipped/" + e.Name())
		if err != nil {
			panic("policy: " + err.Error())
		}
		out[i] = File{Name: "policies/" + e.Name(), Data: data}
	}
	return out
}
