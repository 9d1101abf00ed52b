package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"noren"
)

// FindTicket looks through the access log in dir, newest file first, for the
// request whose page had this reference number. It returns nil when there is none;
// since is then how far back the log reaches, zero for an empty one. What cannot be
// read is passed over and reported beside the answer.
func FindTicket(ctx context.Context, dir, ticket string) (found *Line, since noren.Time, err error) {
	if !noren.ValidTicket(ticket) {
		return nil, since, noren.Errorf(noren.Invalid, "%q is no reference number", ticket)
	}
	names, err := (&AccessLog{opts: AccessOptions{Dir: dir}}).rotated()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, since, nil
	}
	if err != nil {
		return nil, since, fmt.Errorf("access log: %w", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, unfinished) })
	var errs []error
	for _, n := range append([]string{currentFile}, reversed(names)...) {
		if ctx.Err() != nil {
			return nil, since, ctx.Err()
		}
		l, first, err := findLine(filepath.Join(dir, n), ticket)
		if l != nil {
			return l, since, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // compressed or dropped meanwhile
			errs = append(errs, fmt.Errorf("access log %s: %w", n, err))
		}
		if !first.IsZero() {
			since = first
		}
	}
	return nil, since, errors.Join(errs...)
}

func reversed(names []string) []string {
	slices.Reverse(names)
	return names
}

// findLine looks through one file; first is the time of its first line.
func findLine(file, ticket string) (found *Line, first noren.Time, err error) {
	needle := []byte(`"ticket":"` + ticket + `"`)
	err = eachLine(file, func(line []byte) error {
		fits := bytes.Contains(line, needle) // most lines are told apart without decoding
		if !fits && !first.IsZero() {
			return nil
		}
		var l Line
		if json.Unmarshal(line, &l) != nil {
			return nil // torn
		}
		if first.IsZero() {
			first = l.At
		}
		if l.Ticket != ticket {
			return nil // a visitor wrote it into the address
		}
		found = &l
		return io.EOF
	})
	if errors.Is(err, io.EOF) && found != nil {
		err = nil
	}
	return found, first, err
}
