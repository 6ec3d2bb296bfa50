package storefront

import (
	"strings"

	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/puzzle"
)

// form is one form and its fields, as data: each page says what it asks for, one template says how that looks.
type form struct {
	Action   string
	Key      string
	Submit   string
	ShownFor string // which link, or which customer, it is for
	Username string // for password managers, where a password is set for a known account
	Show     string // the label of the switch that shows passwords
	Title    string // a heading of its own, under a title that is about something else
	Danger   bool   // what it does cannot be taken back
	Hidden   []hidden
	Fields   []field
	Ticks    []tick
	Guards   puzzle.Form // what a proof of work must be for while the website is under attack, "" for none
	Puzzle   *puzzleBox  // while it is
	Keep     *keepPasskeys
}

// tick is a box to tick, never ticked beforehand.
type tick struct {
	ID, Label   string
	Hint, Error *described
}

// DescribedBy lists the ids of the hint and of the error.
func (t tick) DescribedBy() string { return field{Hint: t.Hint, Error: t.Error}.DescribedBy() }

type hidden struct{ Name, Value string }

type field struct {
	ID, Name     string // the id is also what faults call the field
	Label        string
	Type         string
	Value        string
	Autocomplete string
	InputMode    string
	Plain        bool // no capitals, no corrections
	Hint         *described
	Error        *described
	Strength     *strength
}

// described is a text that describes a field.
type described struct{ ID, Text string }

// strength is what the script needs to advise while a password is typed.
type strength struct {
	For, Label string
	Words      []string // from very weak to strong
	Min        int      // characters
	TooShort   string   // said instead of a word below Min
	NoSpaces   string   // said instead of a word when there are spaces; "" where they are allowed
}

// DescribedBy lists the ids of the hint and of the error.
func (f field) DescribedBy() string {
	var ids []string
	for _, d := range []*described{f.Hint, f.Error} {
		if d != nil {
			ids = append(ids, d.ID)
		}
	}
	return strings.Join(ids, " ")
}

// refuse puts a reason beside the field that it is about, the first one only, and tells whether there is such a field.
func (f *form) refuse(id, text string) bool {
	for i := range f.Fields {
		if f.Fields[i].ID == id {
			if f.Fields[i].Error == nil {
				f.Fields[i].Error = &described{ID: id + "-error", Text: text}
			}
			return true
		}
	}
	for i := range f.Ticks {
		if f.Ticks[i].ID == id {
			f.Ticks[i].Error = &described{ID: id + "-error", Text: text}
			return true
		}
	}
	return false
}

func (c *call) form(p page, action, submitKey string, fields ...field) form {
	f := form{Action: c.view.Path(action), Key: p.Key, ShownFor: c.mine(), Submit: c.L.T(submitKey), Fields: fields}
	passwords := 0
	for _, one := range fields {
		if one.Type == "password" {
			passwords++
		}
	}
	if passwords > 0 && c.signed.Customer.ID != 0 {
		f.Username = c.signed.Customer.Email
	}
	switch {
	case passwords == 1:
		f.Show = c.L.T("storefront.field.show")
	case passwords > 1:
		f.Show = c.L.T("storefront.field.show_all")
	}
	return f
}

func (c *call) text(id, autocomplete, value string) field {
	return field{ID: id, Name: id, Label: c.L.T("storefront.field." + id), Type: "text", Value: value, Autocomplete: autocomplete}
}

func (c *call) email(autocomplete, value string) field {
	f := c.text("email", autocomplete, value)
	f.Type, f.InputMode, f.Plain = "email", "email", true
	return f
}

// password is a field whose value is never sent back.
func (c *call) password(id, labelKey, autocomplete string) field {
	return field{ID: id, Name: id, Label: c.L.T("storefront.field." + labelKey), Type: "password", Autocomplete: autocomplete, Plain: true}
}

// newPasswords are the two fields of a new password, with the rules beforehand.
func (c *call) newPasswords(label, confirmLabel string) []field {
	first := c.password("password", label, "new-password")
	rules := c.view.PasswordRules()
	first.Hint = &described{ID: "password-hint", Text: strings.Join(rules.Sentences(c.L), " ")}
	first.Strength = &strength{For: "password", Label: c.L.T("storefront.strength.label"),
		Min: rules.Min, TooShort: c.L.T("password.rule.length", "Min", rules.Min)}
	if !rules.Spaces {
		first.Strength.NoSpaces = c.L.T("password.rule.whitespace")
	}
	for _, level := range []string{"level1", "level2", "level3", "level4"} {
		first.Strength.Words = append(first.Strength.Words, c.L.T("storefront.strength."+level))
	}
	return []field{first, c.password("password_confirmation", confirmLabel, "new-password")}
}

// sentence names the message about a password that was accepted although it is weak, or "".
func sentence(a password.Advice) string {
	switch {
	case a.Common:
		return "password.advice.common"
	case a.Breached:
		return "password.advice.breached"
	case a.Score == 0:
		return "password.advice.very_weak"
	case a.Score == 1:
		return "password.advice.weak"
	}
	return ""
}
