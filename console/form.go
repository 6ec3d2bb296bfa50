package console

import (
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/shop"
)

// form is one form and its fields, as data: a page says what it asks for, one template says how that looks.
type form struct {
	Action, Submit string
	Back           string // where Cancel leads; "" for none
	Key            string
	Who            string // user name, for password managers, where a password is typed
	Danger         bool   // it takes something away
	Hidden         []hidden
	Fields         []field
}

type hidden struct{ Name, Value string }

type field struct {
	Name         string // also its id, and what faults call it
	Label        string
	Type         string // text, password, email, date, area, file, check, accent; select when there are options
	Keys         string // what a phone offers to type with, where that is not for words
	Value        string
	Hint         string
	Fixed        bool // shown, not to be changed
	Optional     bool
	Mono         bool // of signs, not of words
	Autocomplete string
	Options      []option
	Error        string
}

// DescribedBy lists the ids of the hint and of the error.
func (f field) DescribedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.Name+"-hint")
	}
	if f.Error != "" {
		ids = append(ids, f.Name+"-error")
	}
	return strings.Join(ids, " ")
}

// Light is the lightest page that an accent must be seen on.
func (f field) Light() string { return shop.LightBackground }

// Dark is the darkest one.
func (f field) Dark() string { return shop.DarkBackground }

// OnAccent is the colour of text on the accent.
func (f field) OnAccent() string { return (&shop.View{Accent: f.Value}).OnAccent() }

// names lists the fields to read from the post.
func (f form) names() []string {
	var names []string
	for _, h := range f.Hidden {
		names = append(names, h.Name)
	}
	for _, one := range f.Fields {
		if !one.Fixed {
			names = append(names, one.Name)
		}
	}
	return names
}

// fill puts what was typed back, passwords excepted.
func (f *form) fill(get func(string) string) {
	for i := range f.Fields {
		one := &f.Fields[i]
		if one.Type == "password" || one.Type == "file" || one.Fixed {
			continue
		}
		one.Value = get(one.Name)
		for j := range one.Options {
			one.Options[j].Selected = one.Options[j].Value == one.Value
		}
	}
}

// refuse writes each reason beside its field, the first one only, and returns the summary.
func (f *form) refuse(faults []*fault.Error) *summary {
	s := &summary{}
	for _, one := range faults {
		item := problem{Text: one.Text}
		for i := range f.Fields {
			if f.Fields[i].Name == one.Field {
				item.Field = one.Field
				if f.Fields[i].Error == "" {
					f.Fields[i].Error = one.Text
				}
			}
		}
		s.Items = append(s.Items, item)
	}
	return s
}

// formPage is a page that is one form.
type formPage struct {
	page
	Intro string
	Form  form
}

func (c *call) show(p formPage) error {
	p.Form.Key = p.Key
	return c.render(http.StatusOK, "form", p)
}

// again shows a form that was refused, with the reasons; errors that cannot be mended in it go to the door.
func (c *call) again(p formPage, err error) error {
	faults, ok := mendable(err)
	if !ok {
		return err
	}
	p.Form.Key = p.Key
	p.Summary = p.Form.refuse(faults)
	return c.render(http.StatusUnprocessableEntity, "form", p)
}
