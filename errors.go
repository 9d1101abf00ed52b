package noren

import (
	"errors"
	"fmt"
)

// Code says what kind of trouble an error is, for callers that branch on it
// and for the one table that maps it to HTTP.
type Code string

// Codes.
const (
	Invalid     Code = "invalid"     // what was given is wrong; giving it again will not help
	NotFound    Code = "not_found"   // no such thing, or not for this site
	Conflict    Code = "conflict"    // it exists already, or somebody changed it first
	Denied      Code = "denied"      // known, and not allowed
	Unavailable Code = "unavailable" // a dependency is away; try again
	Erased      Code = "erased"      // the subject's key was destroyed on purpose
	Tampered    Code = "tampered"    // stored data does not match its proof
	Internal    Code = "internal"    // a fault of ours; outsiders see only a ticket
)

// Error is an error with a code and, where there is one, the operator's next
// step.
type Error struct {
	Code Code
	Msg  string // the whole message, causes included
	Hint string // the next step, a full sentence; empty when Msg says it all
	Text Text   // what a page says to the person who caused it, in both languages
	Err  error  // the cause, for errors.Is; Msg already prints it
}

func (e *Error) Error() string {
	return e.Msg
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error; a %w operand becomes its cause in the usual way.
func Errorf(code Code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// CodeOf returns the code of the first Error in err's chain, Internal when it
// has none, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// WithHint adds the next step to err.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Code: CodeOf(err), Msg: err.Error(), Hint: hint, Err: err}
}

// WithText adds what a page says to the person who caused err: what is wrong and
// how to mend it, in the shopkeeper's words.
func WithText(err error, t Text) error {
	if err == nil {
		return nil
	}
	return &Error{Code: CodeOf(err), Msg: err.Error(), Hint: HintOf(err), Text: t, Err: err}
}

// Say is an Error that people read in both languages.
func Say(code Code, t Text) error { return &Error{Code: code, Msg: t.En, Text: t} }

// TextOf returns the first text for people in err's chain; false when it has none.
func TextOf(err error) (Text, bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		if e, ok := err.(*Error); ok && e.Text != (Text{}) {
			return e.Text, true
		}
	}
	return Text{}, false
}

// HintOf returns the first hint in err's tree.
func HintOf(err error) string {
	for err != nil {
		if e, ok := err.(*Error); ok && e.Hint != "" {
			return e.Hint
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				if hint := HintOf(e); hint != "" {
					return hint
				}
			}
			return ""
		}
		err = errors.Unwrap(err)
	}
	return ""
}
