package logs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"time"

	"noren"
)

// Summary counts what a whole log came to.
type Summary struct {
	Lines   int64            `json:"lines"`
	Bad     int64            `json:"bad"`
	LeftOut map[string]int64 `json:"left_out,omitempty"`
	FirstAt time.Time        `json:"first_at,omitzero"`
	LastAt  time.Time        `json:"last_at,omitzero"`
	// Badly are the first bad lines' numbers.
	Badly []int64 `json:"bad_lines,omitempty"`
}

const badlyMost = 5

// Read reads a whole log in its own time and hands the events of each line to
// each; nothing is raised. Times never go back: a server may write a request
// down when it ends and tell when it began.
func Read(r io.Reader, l Log, shop Shop, own Own, each func([]noren.Event) error) (Summary, error) {
	s := Summary{LeftOut: map[string]int64{}}
	parse, err := newParser(&l)
	if err != nil {
		return s, err
	}
	in := &interpreter{site: l.Site, shop: shop, own: own, always: true}
	lines := &lineReader{r: bufio.NewReaderSize(r, MaxLine)}
	var last time.Time
	for {
		raw, err := lines.next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil && !errors.Is(err, errLong) {
			return s, err
		}
		s.Lines++
		if len(raw) == 0 && err == nil {
			continue
		}
		var line Line
		if err == nil {
			line, err = parse(string(raw), time.Now())
		}
		if !s.note(err) {
			continue
		}
		if in.now = line.Time; in.now.Before(last) {
			in.now = last
		}
		if last = in.now; s.FirstAt.IsZero() {
			s.FirstAt = in.now
		}
		s.LastAt = in.now
		got := in.read(&line, idMaker("", l.Site, l.Path, s.Lines, line.Time, raw))
		if got.left != "" {
			s.LeftOut[got.left]++
		}
		for i := range got.events {
			got.events[i].At = noren.At(in.now)
		}
		if err := each(got.events); err != nil {
			return s, err
		}
	}
}

// Own reports whether an address is this machine's.
type Own = func(netip.Addr) bool

func (s *Summary) note(err error) (good bool) {
	switch {
	case errors.Is(err, errSkip):
		s.LeftOut[leftOther]++
	case err != nil:
		s.Bad++
		if len(s.Badly) < badlyMost {
			s.Badly = append(s.Badly, s.Lines)
		}
	}
	return err == nil
}

// lineReader gives out lines up to the size of its buffer.
type lineReader struct{ r *bufio.Reader }

func (l *lineReader) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	long := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	switch {
	case long && (err == nil || errors.Is(err, io.EOF)):
		return nil, errLong
	case errors.Is(err, io.EOF) && len(line) > 0:
		err = nil
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// Sample says how the last lines of a log fit, for a check before anything is
// read.
type Sample struct {
	Lines, Bad, Own, Proxies, ViaNoren int
	LastAt                             time.Time
}

const sampleBytes = 256 << 10

// Look reads the end of a log.
func Look(l Log, shop Shop, own Own) (Sample, error) {
	var s Sample
	parse, err := newParser(&l)
	if err != nil {
		return s, err
	}
	t, info, err := openFile(l.Path)
	if err != nil {
		return s, readHint(err, l.Path)
	}
	defer t.close()
	t.seek(max(info.Size()-sampleBytes, 0))
	t.skip = t.at > 0
	for {
		raw, err := t.next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil && !errors.Is(err, errLong) {
			return s, err
		}
		if err != nil || len(raw) == 0 {
			continue
		}
		s.look(parse, string(raw), shop, own)
	}
}

func (s *Sample) look(parse parser, raw string, shop Shop, own Own) {
	line, err := parse(raw, time.Now())
	s.Lines++
	switch {
	case errors.Is(err, errSkip):
		return
	case err != nil:
		s.Bad++
		return
	case own(line.Address):
		s.Own++
	case shop.Trusts(line.Address):
		s.Proxies++
	case line.Web != nil && line.Web.ViaNoren:
		s.ViaNoren++
	}
	s.LastAt = line.Time
}
