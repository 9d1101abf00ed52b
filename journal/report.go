package journal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"noren"
)

// FindingKind says what is wrong.
type FindingKind string

// Kinds of findings.
const (
	FoundChanged    FindingKind = "changed"    // an entry is not the one that was appended
	FoundRemoved    FindingKind = "removed"    // an entry is missing in the middle
	FoundReordered  FindingKind = "reordered"  // an entry stands in another's place
	FoundTruncated  FindingKind = "truncated"  // the end of the log is missing
	FoundHead       FindingKind = "head"       // the stored head does not follow from the entries
	FoundTile       FindingKind = "tile"       // a stored tile does not follow from the entries
	FoundCheckpoint FindingKind = "checkpoint" // the entries are not those that a stored checkpoint signed
	FoundSignature  FindingKind = "signature"  // a checkpoint is not signed by this journal's key
	FoundRollback   FindingKind = "rollback"   // the log is older than a checkpoint kept outside
	FoundForked     FindingKind = "forked"     // the log is another than the one a checkpoint kept outside tells of
	FoundColumn     FindingKind = "column"     // a column says something else than the entry it belongs to
	FoundUnreadable FindingKind = "unreadable" // rows of the log cannot be read at all
)

// Finding is one thing that is wrong with a log.
type Finding struct {
	Kind   FindingKind `json:"kind"`
	Log    string      `json:"log"`
	Seq    int64       `json:"seq"` // -1 when it concerns no single entry
	Detail noren.Text  `json:"detail"`
}

// LogReport says what was verified of one log.
type LogReport struct {
	Log         string    `json:"log"`
	Entries     int64     `json:"entries"`
	Root        tlog.Hash `json:"root"`        // computed from the entries
	Checkpoints int64     `json:"checkpoints"` // stored checkpoints that hold
	Outside     int64     `json:"outside"`     // checkpoints from outside that hold
}

// Report is the result of a verification.
type Report struct {
	Logs     []LogReport  `json:"logs"`
	Findings []Finding    `json:"findings"`
	Omitted  int64        `json:"omitted,omitempty"` // findings beyond the first thousand of a log
	Warnings []noren.Text `json:"warnings,omitempty"`
}

// Clean reports that nothing is wrong. Warnings may still say what could not be
// excluded.
func (r *Report) Clean() bool { return len(r.Findings) == 0 }

const maxFindings = 1000

// findings collects those of one log.
type findings struct {
	log     string
	list    []Finding
	omitted int64
}

func (f *findings) add(kind FindingKind, seq int64, ja, en string, args ...any) {
	if len(f.list) >= maxFindings {
		f.omitted++
		return
	}
	f.list = append(f.list, Finding{kind, f.log, seq, noren.Text{Ja: fmt.Sprintf(ja, args...), En: fmt.Sprintf(en, args...)}})
}

func (r *Report) take(f *findings) {
	slices.SortStableFunc(f.list, func(a, b Finding) int { return cmp.Compare(a.Seq, b.Seq) })
	r.Findings = append(r.Findings, f.list...)
	r.Omitted += f.omitted
}

// unreadable notes that a log could not be verified to its end.
func (r *Report) unreadable(log string, err error) {
	f := &findings{log: log}
	f.add(FoundUnreadable, -1, "記録の行を読み取れません（%v）", "rows of the log cannot be read: %v", err)
	r.take(f)
}

// warnInside says what no check of a log against itself can exclude.
func (r *Report) warnInside(logs ...string) {
	if len(logs) == 0 {
		return
	}
	names := strings.Join(logs, ", ")
	r.Warnings = append(r.Warnings, noren.Text{
		Ja: "ログ " + names + " は外部に保管したチェックポイントと照合していないため、古い状態への巻き戻しや、署名鍵を盗んだ者による全面的な書き換えは否定できません。保管してあるチェックポイントを指定してください。",
		En: "Log " + names + ": without a checkpoint kept outside, a roll-back to an older state and a log rewritten and signed anew with the stolen key cannot be excluded. Give a checkpoint that was kept outside.",
	})
}
