package main

import (
	"net/netip"
	"reflect"

	"github.com/invopop/jsonschema"

	"noren"
	"noren/gateway"
)

type configCmd struct {
	Schema configSchemaCmd `cmd:"" help:"Print the JSON Schema of noren.yaml, for editors."`
}

type configSchemaCmd struct{}

func (configSchemaCmd) Run(e *env) error { return printJSON(e.io.out, configSchema()) }

// configSchema describes noren.yaml.
func configSchema() *jsonschema.Schema {
	r := newReflector()
	s := r.Reflect(&Config{})
	s.Title = "noren.yaml"
	for _, def := range s.Definitions {
		joinUpstream(def)
	}
	describeText(s.Definitions["Text"])
	return s
}

// describeText: either language suffices in the file.
func describeText(text *jsonschema.Schema) {
	text.Required = nil
	for key, in := range map[string]string{"ja": "In Japanese", "en": "In English"} {
		one, _ := text.Properties.Get(key)
		one.Description = in
	}
}

// joinUpstream makes one key of upstream and its list, as the file has it.
func joinUpstream(site *jsonschema.Schema) {
	if site.Properties == nil {
		return
	}
	list, ok := site.Properties.Get("upstreams")
	if !ok {
		return
	}
	site.Properties.Delete("upstreams")
	one, _ := site.Properties.Get("upstream")
	text := *one
	backend := list.Items
	list.Items = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, backend}}
	text.Description = ""
	site.Properties.Set("upstream", &jsonschema.Schema{Description: one.Description, AnyOf: []*jsonschema.Schema{&text, list}})
}

func newReflector() *jsonschema.Reflector {
	return &jsonschema.Reflector{
		ExpandedStruct: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[noren.Time]():
				return &jsonschema.Schema{Type: "string", Format: "date-time"}
			case reflect.TypeFor[netip.Prefix]():
				return &jsonschema.Schema{Type: "string"}
			case reflect.TypeFor[gateway.Rate]():
				return &jsonschema.Schema{Type: "string", Pattern: `^[0-9]+/[0-9]+[smhd]$`}
			}
			return nil
		},
	}
}

// eventSchema describes an event: one alternative per kind, each with its own
// payload. Unknown fields are errors, as they are when events are read.
func eventSchema() *jsonschema.Schema {
	all := &jsonschema.Schema{
		Version: jsonschema.Version, Title: "Noren event",
		Description: "One line of `noren replay --in`. Unknown fields are errors.",
	}
	for _, k := range noren.Kinds() {
		all.OneOf = append(all.OneOf, kindSchema(k))
	}
	return all
}

func kindSchema(k noren.KindInfo) *jsonschema.Schema {
	r := newReflector()
	r.DoNotReference = true
	event := r.Reflect(&eventShape{})
	event.Version, event.ID = "", ""
	event.Title, event.Description = string(k.Kind), k.Meaning.En
	event.Properties.Set("kind", &jsonschema.Schema{Const: string(k.Kind)})
	payload := r.Reflect(k.NewPayload())
	payload.Version, payload.ID = "", ""
	event.Properties.Set("payload", payload)
	return event
}

// eventShape is noren.Event without its payload, whose shape depends on the kind.
type eventShape struct {
	ID         string            `json:"id,omitempty" jsonschema:"maxLength=128,description=Made from the line number when left out"`
	Kind       string            `json:"kind"`
	At         noren.Time        `json:"at"`
	OccurredAt *noren.Time       `json:"occurred_at,omitempty"`
	Site       string            `json:"site,omitempty" jsonschema:"maxLength=128"`
	Zone       string            `json:"zone,omitempty"`
	AttemptID  string            `json:"attempt_id,omitempty" jsonschema:"maxLength=128,description=Id of the attempt that this outcome belongs to"`
	Entities   map[string]string `json:"entities,omitempty" jsonschema:"description=The parties: account\\, device\\, address\\, session\\, card … and any that a policy file declares"`
}
