package ui

import "html/template"

// icons are drawn on a grid of 24, with lines of the text's colour.
var icons = map[string]template.HTML{
	"today":     `<path d="M3 10.5 12 3l9 7.5V21h-6v-6H9v6H3z"/>`,
	"events":    `<path d="M4 6h16M4 12h16M4 18h10"/>`,
	"stopped":   `<circle cx="12" cy="12" r="9"/><path d="m5.6 5.6 12.8 12.8"/>`,
	"policies":  `<path d="M4 7h10M18 7h2M4 17h2M10 17h10"/><circle cx="16" cy="7" r="2"/><circle cx="8" cy="17" r="2"/>`,
	"site":      `<path d="M4 9h16l-1.5-5h-13z"/><path d="M5 9v11h14V9M10 20v-6h4v6"/>`,
	"place":     `<path d="M12 21s7-6.3 7-11.5a7 7 0 0 0-14 0C5 14.700 12 21 12 21z"/><circle cx="12" cy="9.5" r="2.5"/>`,
	"guide":     `<path d="M5 21V4M5 5h12l-2 3.500L17 12H5"/>`,
	"copy":      `<rect x="8" y="8" width="12" height="12" rx="2"/><path d="M16 8V5a1 1 0 0 0-1-1H5a1 1 0 0 0-1 1v10a1 1 0 0 0 1 1h3"/>`,
	"proof":     `<path d="M12 3 4 6v6c0 5 3.4 8 8 9 4.6-1 8-4 8-9V6z"/><path d="m8.5 12 2.5 2.5 4.5-5"/>`,
	"emergency": `<path d="M12 3 2 20h20z"/><path d="M12 9v5M12 17.2v.3"/>`,
	"measures":  `<rect x="4" y="3" width="16" height="18" rx="2"/><path d="m8 9 1.5 1.5L12 8M8 15l1.5 1.5L12 14M14.5 9.5H16M14.5 15.5H16"/>`,
	"people":    `<circle cx="9" cy="8" r="3.5"/><path d="M2.5 20c.6-4 3-6 6.5-6s5.9 2 6.5 6M16 5a3.5 3.5 0 0 1 0 6.6M18 14.4c2 .8 3.2 2.7 3.5 5.6"/>`,
	"menu":      `<path d="M4 6h16M4 12h16M4 18h16"/>`,
	"me":        `<circle cx="12" cy="8" r="4"/><path d="M4 21c.8-4.5 3.6-7 8-7s7.2 2.5 8 7"/>`,
	"ok":        `<circle cx="12" cy="12" r="9"/><path d="m8 12.5 2.8 2.8L16.5 9.5"/>`,
	"check":     `<circle cx="12" cy="12" r="9"/><path d="M12 7v6M12 16.5v.4"/>`,
	"alert":     `<path d="M12 3 2 20h20z"/><path d="M12 9v5M12 17v.4"/>`,
	"help":      `<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1 1-1.1 2M12 17v.3"/>`,
	"search":    `<circle cx="11" cy="11" r="6.5"/><path d="m16 16 5 5"/>`,
	"undo":      `<path d="M4 9h10a6 6 0 0 1 0 12h-4"/><path d="M8 5 4 9l4 4"/>`,
	"download":  `<path d="M12 4v11M7 11l5 5 5-5M4 20h16"/>`,
	"eye":       `<path d="M2 12c2.5-4.5 5.8-7 10-7s7.5 2.5 10 7c-2.5 4.5-5.8 7-10 7s-7.5-2.5-10-7z"/><circle cx="12" cy="12" r="3"/>`,
	"notify":    `<path d="M6 17V11a6 6 0 0 1 12 0v6l2 2H4zM10 21.5h4"/>`,
}

// icon draws one beside words that say the same; screen readers pass over it.
func icon(name string) template.HTML {
	return `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">` + icons[name] + `</svg>`
}
