package console

import (
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/rekeyhq/rekey/fault"
)

const noSuchWebsite = "There is no such website. Choose one of the list."

// filters are the state of a list that is told newest first: exactly what its address holds.
type filters struct {
	path string
	url.Values
	faults []*fault.Error // one for each that says nothing
}

// filters reads the ones that a list has, and the place where it goes on.
func (c *call) filters(path string, names ...string) *filters {
	f := &filters{path: path, Values: url.Values{}}
	for _, name := range append(names, "after") {
		if value := tidy(c.r.URL.Query().Get(name)); value != "" {
			f.Set(name, value)
		}
	}
	return f
}

func (f *filters) refuse(field, text string) {
	f.faults = append(f.faults, fault.Refuse(field, "malformed", text, nil))
}

// days reads the days between which something was, both included, in the zone that the page tells time in. The labels are those of
// the two fields.
func (f *filters) days(c *call, fromLabel, toLabel string) (from, before time.Time) {
	read := func(name, label string) (day time.Time) {
		if text := f.Get(name); text != "" {
			var err error
			if day, err = time.ParseInLocation(time.DateOnly, text, c.zone()); err != nil {
				f.refuse(name, "“"+label+"” is written as a date such as 2026-11-24.")
			}
		}
		return day
	}
	from, before = read("from", fromLabel), read("to", toLabel)
	if !before.IsZero() {
		before = before.AddDate(0, 0, 1)
	}
	return from, before
}

// paging is what the foot of such a list offers; see _older.html.
type paging struct {
	Newest, Next, Clear string
	Filtered            bool
}

func (f *filters) paging(next string) paging {
	plain := maps.Clone(f.Values)
	plain.Del("after")
	p := paging{Clear: f.path, Filtered: len(plain) > 0}
	if f.Has("after") {
		p.Newest = withQuery(f.path, plain)
	}
	if next != "" {
		onward := maps.Clone(plain)
		onward.Set("after", next)
		p.Next = withQuery(f.path, onward)
	}
	return p
}

// summed lists what is wrong with the filters of a page, and says with which status it is answered.
func summed(faults []*fault.Error) (*summary, int) {
	if len(faults) == 0 {
		return nil, http.StatusOK
	}
	s := &summary{}
	for _, f := range faults {
		s.Items = append(s.Items, problem{f.Field, f.Text})
	}
	return s, http.StatusUnprocessableEntity
}
