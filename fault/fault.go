// Package fault names the few kinds of error that a person can be told about.
//
// Promises:
//   - An error that is not a *fault.Error is internal: it is logged with its chain and shown to nobody.
//   - A fault carries a message key, so that each door can say it in the reader's language, and a plain English
//     sentence for doors that speak only English (the command line, logs, an API that quotes Adobe Commerce).
//   - A fault never carries a secret: its text is shown to whoever caused it.
package fault

import (
	"errors"
	"time"
)

// Kind tells a door how to answer. There are few on purpose: a new kind is a new promise in every door.
type Kind uint8

const (
	Internal        Kind = iota // anything else: logged, shown as one plain sentence
	NotFound                    // the thing named does not exist, or is not the caller's to see
	Invalid                     // a field's value breaks a rule
	Forbidden                   // known who, but not allowed
	Unauthenticated             // not known who
	Limited                     // too often; RetryAt says when again
	Expired                     // was right once: a link that is used, old, or not from here
	Conflict                    // true at the same time as something else that is already there
	Busy                        // the house is full; trying again soon helps
)

// Error is one thing that went wrong, in terms of the person who can mend it.
type Error struct {
	Kind    Kind
	Field   string         // the form field it is about, or ""
	Key     string         // message key; the catalogue holds it under "error."+Key
	Text    string         // one plain English sentence
	Args    map[string]any // values for the message's placeholders; never a secret
	RetryAt time.Time      // for Limited: the first moment at which trying again can succeed
}

// Error returns the plain English sentence.
func (e *Error) Error() string { return e.Text }

// New makes a fault that is about no particular field.
func New(kind Kind, key, text string) *Error { return &Error{Kind: kind, Key: key, Text: text} }

// Refuse makes an Invalid fault about one field. Args fill the placeholders of the translated message.
func Refuse(field, key, text string, args map[string]any) *Error {
	return &Error{Kind: Invalid, Field: field, Key: key, Text: text, Args: args}
}

// Until makes a Limited fault that ends at the given moment.
func Until(key, text string, at time.Time) *Error {
	return &Error{Kind: Limited, Key: key, Text: text, RetryAt: at}
}

// KindOf returns the kind of the first fault in err's tree, Internal when there is none.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}

// As finds the first fault in err's tree.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Is tells whether err's first fault has the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// List flattens err into its faults, in order; errors.Join gathers the refusals of one form.
// A tree that holds anything internal gives nil: it is not the reader's to mend.
func List(err error) []*Error {
	switch e := err.(type) {
	case nil:
		return nil
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		var all []*Error
		for _, one := range e.Unwrap() {
			list := List(one)
			if list == nil {
				return nil
			}
			all = append(all, list...)
		}
		return all
	case interface{ Unwrap() error }:
		return List(e.Unwrap())
	}
	return nil
}
