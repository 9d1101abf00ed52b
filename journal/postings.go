package journal

import (
	"encoding/binary"
	"slices"

	"noren"
)

// The numbers of a group's entries are kept by spans of entries. Numbers only
// grow, so a span that is full never changes, whatever times its entries have.
const (
	postingSpan = 16384
	// postingMost is how many numbers of one group a span keeps. Of a group that
	// has more, every sixteenth entry or so is one: reading on finds them as fast.
	postingMost = postingSpan / 16
)

func postingSpanOf(seq int64) int64 { return seq / postingSpan }

// posting is a row of journal_spans.
type posting struct {
	span    int64
	entries int64
	seqs    []int64 // rising; nil when dense
}

func (p *posting) dense() bool { return p.entries > postingMost }

// merge adds numbers that are not in p yet.
func (p *posting) merge(seqs []int64) {
	p.entries += int64(len(seqs))
	if p.dense() {
		p.seqs = nil
		return
	}
	p.seqs = append(p.seqs, seqs...)
	slices.Sort(p.seqs)
}

func (p *posting) encode() []byte {
	b := make([]byte, 0, 2*len(p.seqs))
	last := p.span * postingSpan
	for _, s := range p.seqs {
		b = binary.AppendUvarint(b, uint64(s-last))
		last = s
	}
	return b
}

// decode reads the numbers of a row. They come from the database, where anybody
// may have written, so they are held to the span and to their count.
func (p *posting) decode(b []byte) error {
	p.seqs = nil
	if p.dense() {
		return nil
	}
	last, end := p.span*postingSpan, (p.span+1)*postingSpan
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 || d >= postingSpan || last+int64(d) >= end || len(p.seqs) > 0 && d == 0 {
			return errPosting(p.span)
		}
		last += int64(d)
		p.seqs = append(p.seqs, last)
		b = b[n:]
	}
	if int64(len(p.seqs)) != p.entries {
		return errPosting(p.span)
	}
	return nil
}

func errPosting(span int64) error {
	return noren.WithHint(noren.Errorf(noren.Tampered, "the roll-up of entries %d on is damaged", span*postingSpan), "Run: noren journal rollup --rebuild")
}
