package console

import (
	"net/http"
	"slices"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/shop"
)

const letterRows = 50

// letterRow is a letter as lists show it: everything about it, nothing of what it says.
type letterRow struct {
	mail.Letter
	URL, Name, StateWord, Tone, Website string
}

type lettersPage struct {
	page
	paging
	States, Kinds, Websites []option
	Recipient, From, To     string
	Rows                    []letterRow
	Again                   bool // the reader may send emails again
}

// letters is the list of letters, newest first.
func (c *call) letters() error {
	f := c.filters(lettersPath, "recipient", "website", "state", "kind", "from", "to")
	var found []mail.Letter
	var next string
	err := c.read(func(tx *db.Tx) error {
		q, err := c.letterQuery(tx, f)
		if err != nil || len(f.faults) > 0 {
			return err
		}
		found, next, err = mail.List(c.r.Context(), tx, q)
		return err
	})
	if fault.Is(err, fault.Invalid) {
		f.faults = fault.List(err)
	} else if err != nil {
		return err
	}
	p := lettersPage{page: c.page("Letters", crumb{Text: "Customers"}), paging: f.paging(next), States: options(f.Get("state"), letterStates()...),
		Kinds: options(f.Get("kind"), letterKinds...), Recipient: f.Get("recipient"), From: f.Get("from"), To: f.Get("to"),
		Again: c.may(admin.ResendEmails)}
	if all := c.websites(); len(all) > 1 {
		p.Websites = websiteOptions(all, f.Get("website"))
	}
	for _, l := range found {
		p.Rows = append(p.Rows, c.letterRow(l))
	}
	var status int
	p.Summary, status = summed(f.faults)
	return c.render(status, "letters", p)
}

// letterQuery turns the filters into a search, within the administrator's websites.
func (c *call) letterQuery(tx *db.Tx, f *filters) (q mail.Query, err error) {
	q = mail.Query{State: mail.State(f.Get("state")), Kind: f.Get("kind"), WebsiteIDs: c.permit.Websites(), After: f.Get("after"), Limit: letterRows}
	within := c.websites()
	if code := f.Get("website"); code != "" {
		if w, ok := c.websiteByCode(code); ok {
			within, q.WebsiteIDs = []*shop.Website{w}, []int64{w.ID}
		} else {
			f.refuse("website", noSuchWebsite)
		}
	}
	if q.State != "" && !slices.Contains(mail.States(), q.State) {
		f.refuse("state", "There is no such state. Choose one of the list.")
	}
	q.From, q.Before = f.days(c, "From", "To")
	if text := f.Get("recipient"); text != "" {
		q.To, err = c.addressee(tx, customer.ParseSought(text), within)
	}
	return q, err
}

// addressee is who was sought: an address with the letters that were asked for by it, and with the customers whose it is, or the
// beginning of one.
func (c *call) addressee(tx *db.Tx, s customer.Sought, within []*shop.Website) (*mail.Addressee, error) {
	to := &mail.Addressee{Prefix: s.Text}
	if s.ID != 0 {
		one, err := customer.Reach(c.r.Context(), tx, c.permit.Covers, s.ID)
		if fault.Is(err, fault.NotFound) {
			return to, nil
		}
		to.CustomerIDs, to.AddressKeys = []int64{one.ID}, [][]byte{one.Address().Key(one.WebsiteID)}
		return to, err
	}
	if s.Address.IsZero() {
		return to, nil
	}
	for _, w := range within {
		to.AddressKeys = append(to.AddressKeys, s.Address.Key(w.ID))
		one, err := customer.FindByAddress(c.r.Context(), tx, w.ID, s.Address)
		if err == nil {
			to.CustomerIDs = append(to.CustomerIDs, one.ID)
		} else if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	return to, nil
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
	Again       string // the button's words, "" without one
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
	if l.Again() && c.may(admin.ResendEmails) {
		p.Again = "Try Now"
		if !l.SettledAt.IsZero() {
			p.Again = "Send Again"
		}
	}
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
	slices.Reverse(p.Story) // newest first, as lists are
	return c.render(http.StatusOK, "letter", p)
}
