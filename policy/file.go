package policy

import (
	"slices"
	"time"

	"noren"
	"noren/yamlfile"
)

// Limits on a set.
const (
	MaxPolicies = 500     // in all files
	MaxFiles    = 200     //
	MaxWhen     = 4 << 10 // bytes of one condition
	MaxReason   = 1 << 10 // bytes of one reason in one language
	MaxRows     = 50      // test rows of one policy
	MinBan      = time.Minute
	MaxBan      = 30 * 24 * time.Hour
	MaxForget   = 365 * 24 * time.Hour
	maxEntities = 32 // declared in all files
)

// File is one policy file by its name in the settings set.
type File struct {
	Name string
	Data []byte
}

// Document is one policy file.
type Document struct {
	Version int `yaml:"version" json:"version" jsonschema:"enum=1,description=Format of this file; always 1"`
	// Entities are further entity names that the conditions count by, for
	// example terminal for terminal.orders_1h. Senders name them in an event's
	// entities.
	Entities []string `yaml:"entities" json:"entities,omitempty" jsonschema:"description=Further entity names that this file counts by"`
	// Sequences are steps that belong together; sequence.NAME is how far somebody
	// has come.
	Sequences []Sequence `yaml:"sequences" json:"sequences,omitempty" jsonschema:"description=Steps that belong together; sequence.NAME says how far somebody has come"`
	Policies  []Policy   `yaml:"policies" json:"policies,omitempty"`
}

// Mode says whether a policy has an effect.
type Mode string

// Modes.
const (
	Off    Mode = "off"    // not evaluated; still checked and tested when loaded
	Shadow Mode = "shadow" // records what it would have done
	On     Mode = "on"
)

// Policy is one rule as it stands in a file.
type Policy struct {
	Name string `yaml:"name" json:"name" jsonschema:"description=Lower-case letters; digits; - and _; one of a kind in the set"`
	// Kinds are the events it is about (docs/reference/events.md).
	Kinds []noren.Kind `yaml:"kinds" json:"kinds" jsonschema:"description=Kinds of events it is about,minItems=1"`
	// Zones are the parts of the shop it is for; every zone when left out.
	Zones []noren.Zone `yaml:"zones" json:"zones,omitempty" jsonschema:"description=Zones of the shop it is for; every zone when left out"`
	Mode  Mode         `yaml:"mode" json:"mode" jsonschema:"enum=off,enum=shadow,enum=on"`
	// When is the condition, a CEL expression over facts.
	When string `yaml:"when" json:"when" jsonschema:"description=CEL expression over facts"`
	// Then is the verdict when it fires.
	Then noren.Verdict `yaml:"then" json:"then" jsonschema:"enum=limit,enum=challenge,enum=step_up,enum=review,enum=hold,enum=block"`
	// Ban also refuses the client for a while, whatever it asks for next.
	Ban *Ban `yaml:"ban" json:"ban,omitempty"`
	// Alarm also tells the shop's people at once.
	Alarm Alarm `yaml:"alarm" json:"alarm,omitempty" jsonschema:"enum=high,enum=critical,description=Also tells the people of the shop at once"`
	// Reason is what people read, in both languages.
	Reason noren.Text `yaml:"reason" json:"reason"`
	// Tests show what the condition is meant to catch and to leave alone. They
	// run whenever the file is loaded.
	Tests []Row `yaml:"tests" json:"tests" jsonschema:"minItems=2"`
}

// Ban is an action: refuse a client for a while.
type Ban struct {
	// Entity is address (IPv6: its /64), net for its /24 (IPv4) or /48 (IPv6), or
	// session. An address or net behind which many visitors shop at the moment is
	// not banned: it is asked for the check (see crowd).
	Entity string `yaml:"entity" json:"entity" jsonschema:"enum=address,enum=net,enum=session"`
	// For is how long, the first time.
	For time.Duration `yaml:"for" json:"for" jsonschema:"type=string,description=1m to 30d"`
	// UpTo makes the time double with every ban in the last Forget, up to this.
	UpTo   time.Duration `yaml:"up_to" json:"up_to,omitempty" jsonschema:"type=string,description=The time doubles with every repetition up to this"`
	Forget time.Duration `yaml:"forget" json:"forget,omitempty" jsonschema:"type=string,description=A ban is forgotten after this; 7d when left out"`
}

// Alarm says how urgent it is for people when a policy fires.
type Alarm = noren.Alarm

// Row is one test of a condition.
type Row struct {
	Name string `yaml:"name" json:"name,omitempty"`
	// Facts by name, those of the event included; what is left out is unknown.
	Facts map[string]any `yaml:"facts" json:"facts,omitempty"`
	// Fires says what the condition must answer.
	Fires *bool `yaml:"fires" json:"fires"`
}

// DeclaredEntities lists the entities that files declare, sorted, for the
// catalogue that Load needs. It reads nothing else and reports no faults: Load
// does, for all files at once.
func DeclaredEntities(files []File) []string {
	var out []string
	for _, f := range files {
		var d Document
		_, _ = yamlfile.Decode(f.Name, f.Data, &d)
		for _, e := range d.Entities {
			if entityFault(e).En == "" && !slices.Contains(out, e) && len(out) < maxEntities {
				out = append(out, e)
			}
		}
	}
	slices.Sort(out)
	return out
}

// celReserved are words that CEL does not take as the beginning of a name.
var celReserved = []string{"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in",
	"let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"}

// entityFault says why e cannot be declared; empty when it can.
func entityFault(e string) noren.Text {
	switch {
	case !noren.ValidIdent(e):
		return noren.Textf("当事者（entities）の名前は、小文字で始まる、小文字・数字・_ だけにしてください", "an entity's name is lower-case letters, digits and _, beginning with a letter")
	case e == "entity" || slices.Contains(celReserved, e):
		return noren.Textf("%s という言葉は使われています。当事者（entities）に別の名前を付けてください", "the word %s is taken; choose another name for the entity", e)
	}
	return noren.Text{}
}
