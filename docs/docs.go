// Package docs holds the pages of the documentation, so that the console can show
// them where somebody sets something up.
package docs

import "embed"

// Pages are the Markdown files by directory and name, such as operate/access.md.
//
//go:embed concepts/*.md operate/*.md reference/*.md start/*.md
var Pages embed.FS
