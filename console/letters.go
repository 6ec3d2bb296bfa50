package console

import (
	"net/http"
	"net/url"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
)

const letterRows = 50

// letterRow is a letter as lists show it: everything about it, nothing of what it says.
type letterRow struct {
	mail.Letter
	URL, Name, StateWord, Tone, Website string
}

type lettersPage struct {
	page
	States, Kinds []option
	Filtered      bool
	Rows          []letterRow
	Newest, Next  string
	Clear         string
}

// letters is the list of letters, newest first.
func (c *call) letters() error {
	q := c.r.URL.Query()
	state, kind, after := tidy(q.Get("state")), tidy(q.Get("kind")), tidy(q.Get("after"))
	var found []mail.Letter
	var next string
	err := c.read(func(tx *db.Tx) (err error) {
		found, next, err = mail.List(c.r.Context(), tx, mail.Query{State: mail.State(state), Kind: kind, WebsiteIDs: c.permit.Websites(),
			After: after, Limit: letterRows})
		return err
	})
	if err != nil {
		return err
	}
	address := func(after string) string {
		v := url.Values{}
		for _, one := range [][2]string{{"state", state}, {"kind", kind}, {"after", after}} {
			if one[1] != "" {
				v.Set(one[0], one[1])
			}
		}
		return withQuery(lettersPath, v)
	}
	p := lettersPage{page: c.page("Letters", crumb{Text: "Customers"}), States: options(state, letterStates()...),
		Kinds: options(kind, letterKinds...), Filtered: state != "" || kind != "", Clear: lettersPath}
	for _, l := range found {
		p.Rows = append(p.Rows, c.letterRow(l))
	}
	if after != "" {
		p.Newest = address("")
	}
	if next != "" {
		p.Next = address(next)
	}
	return c.render(http.StatusOK, "letters", p)
}

func (c *call) letterRow(l mail.Letter) letterRow {
	r := letterRow{Letter: l, URL: lettersPath + "/" + l.ID.String(), Name: letterName(l.Kind), Website: c.websiteName(l.WebsiteID)}
	r.StateWord, r.Tone = letterState(l.State)
	l.Data = nil // what the composer needs is nobody else's
	r.Letter = l
	return r
}

type letterPage struct {
	page
	Letter      letterRow
	View        string
	CustomerURL string
	Story       []step
}

// letter shows one letter with its history, without what it says.
func (c *call) letter() error {
	unknown := fault.New(fault.NotFound, "not_found", "There is no such letter.")
	id, err := db.ParseID(c.r.PathValue("id"))
	if err != nil {
		return unknown
	}
	var l mail.Letter
	err = c.read(func(tx *db.Tx) (err error) {
		l, err = mail.Get(c.r.Context(), tx, id)
		return err
	})
	if fault.Is(err, fault.NotFound) || err == nil && (l.Lane != mail.Post || !c.permit.Covers(l.WebsiteID)) {
		return unknown
	}
	if err != nil {
		return err
	}
	p := letterPage{page: c.page(letterName(l.Kind), crumb{Text: "Customers"}, crumb{"Letters", lettersPath}), Letter: c.letterRow(l)}
	if v, ok := c.snap.View(l.ViewID); ok {
		p.View = v.Name
	}
	if l.CustomerID != 0 && c.may(admin.ViewCustomers) {
		p.CustomerURL = customerURL(l.CustomerID, "", "")
	}
	for _, e := range l.Events {
		if e.State == mail.Sending {
			continue
		}
		one := step{At: e.At, Times: 1, Words: e.Words}
		one.Text, one.Tone = letterStep("Letter", e.State, e.Server, e.Words)
		if e.Server != "" {
			one.Words = quoted(e.Words)
		}
		p.Story = append(p.Story, one)
	}
	return c.render(http.StatusOK, "letter", p)
}
