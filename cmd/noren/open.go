package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"noren"
)

// withInstance opens the instance of the configuration for one command, beside
// a running server if there is one, and closes it afterwards.
func (e *env) withInstance(f func(ctx context.Context, in *instance) error) error {
	return e.withWants(wants{getenv: e.getenv}, f)
}

// withReader is withInstance for a command that only reads: it needs no spool,
// so that it works on a full disk, when it is needed most.
func (e *env) withReader(f func(ctx context.Context, in *instance) error) error {
	return e.withWants(wants{getenv: e.getenv, reads: true}, f)
}

// withUrgent is withInstance for a command that must work although the settings
// in force, or the data they ask for, cannot be used now.
func (e *env) withUrgent(f func(ctx context.Context, in *instance) error) error {
	return e.withWants(wants{getenv: e.getenv, urgent: true}, f)
}

func (e *env) withWants(w wants, f func(ctx context.Context, in *instance) error) error {
	path, err := findConfig(e.config)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	in, err := openInstance(e.ctx, cfg, w, e.log)
	if err != nil {
		return err
	}
	ferr := f(e.ctx, in)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), 10*time.Second)
	defer cancel()
	if err := in.Close(ctx); err != nil && ferr == nil {
		return err
	}
	return ferr
}

// printJSON writes v as one indented JSON value.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// readInput reads a file, or standard input for "-", up to most bytes.
func (e *env) readInput(name string, most int64) ([]byte, error) {
	r, err := e.openInput(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(b)) > most {
		return nil, noren.Errorf(noren.Invalid, "%s is larger than %d bytes", name, most)
	}
	return b, nil
}

func (e *env) openInput(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(e.io.in), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, noren.Errorf(noren.NotFound, "%w", err)
	}
	return f, nil
}

// isTerminal reports whether w is a terminal, where progress may be drawn.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress draws "what done/total" on a terminal, at most ten times a second.
func (e *env) progress(what string) func(done, total int64) {
	if !isTerminal(e.io.err) {
		return nil
	}
	var last time.Time
	return func(done, total int64) {
		if now := time.Now(); now.Sub(last) >= 100*time.Millisecond || done == total {
			last = now
			fmt.Fprintf(e.io.err, "\r%s %d/%d", what, done, total)
			if done == total {
				fmt.Fprintln(e.io.err)
			}
		}
	}
}
