package gateway

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"noren"
	"noren/yamlfile"
)

//go:embed presets.yaml
var presetsYAML []byte

// Preset is what is known of a shop program.
type Preset struct {
	Title       noren.Text              `yaml:"title"`
	AdminPrefix string                  `yaml:"admin_prefix"`
	Session     []string                `yaml:"session"`   // names of the shop's session cookies, * at the end allowed
	Encodings   []string                `yaml:"encodings"` // of form values; empty is UTF-8 only
	Zones       map[noren.Zone][]string `yaml:"zones"`
	Guard       GuardConfig             `yaml:"guard"`
	GraphQL     []GraphQLMap            `yaml:"graphql"`
	Cards       PresetCards             `yaml:"cards"`
}

type presetFile struct {
	Version   int               `yaml:"version"`
	Forbidden []string          `yaml:"forbidden"`
	Presets   map[string]Preset `yaml:"presets"`
	// Programs are what noren detect knows shops by.
	Programs map[string]Program `yaml:"programs"`
}

// readPresets decodes the shipped presets once. What it returns is shared and
// must not be changed.
var readPresets = sync.OnceValues(func() (presetFile, error) {
	var f presetFile
	if _, err := yamlfile.Decode("presets.yaml", presetsYAML, &f); err != nil {
		return presetFile{}, fmt.Errorf("shipped presets: %w", err)
	}
	return f, nil
})

// PresetNames lists the shipped presets.
func PresetNames() []string {
	f, err := readPresets()
	if err != nil {
		return nil // a test holds that the shipped file decodes
	}
	return slices.Sorted(maps.Keys(f.Presets))
}

// LookupPreset returns the preset called name; "" is generic.
func LookupPreset(name string) (Preset, error) {
	f, err := readPresets()
	if err != nil {
		return Preset{}, err
	}
	if name == "" {
		name = "generic"
	}
	p, ok := f.Presets[name]
	if !ok {
		return Preset{}, noren.Errorf(noren.Invalid, "unknown preset %q; presets are %s", name, strings.Join(PresetNames(), ", "))
	}
	return p, nil
}

// forbidden are the patterns no shop may serve.
func forbidden() map[noren.Zone][]string {
	f, err := readPresets()
	if err != nil {
		return nil // LookupPreset has reported it
	}
	return map[noren.Zone][]string{noren.ZoneForbidden: f.Forbidden}
}
