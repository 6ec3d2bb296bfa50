package storefront

import (
	"net/http"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// accountPage shows what the store knows of the customer and where the customer is signed in.
type accountPage struct {
	page
	Name, Address                string
	PasswordSince, PasswordExact string
	EditName, EditPassword       string
	EditEmail                    string
	Pending                      *pendingEmail
	Data, Delete                 string
	SessionsAction               string
	Sessions                     []sessionLine
	Others                       bool // there are sessions besides this one
	DisconnectAction             string
	Apps                         []appLine
	List                         *passkeySection
}

// pendingEmail is an address that waits to become the account's.
type pendingEmail struct{ Said, Action, Change string }

type sessionLine struct {
	ID, Browser, Place             string
	Since                          string // for this browser
	Active, ActiveExact, ActiveISO string
	EndLabel                       string
	Current                        bool
}

func (c *call) accountPage() error {
	who := c.signed.Customer
	var sessions []signin.Session
	var change customer.EmailChange
	err := c.SignIn.DB.Read(c.r.Context(), func(tx *db.Tx) (err error) {
		if sessions, err = signin.List(c.r.Context(), tx, who.ID, c.signed.Session.ID); err != nil {
			return err
		}
		change, err = customer.PendingEmailChange(c.r.Context(), tx, who.ID)
		return err
	})
	if err != nil {
		return err
	}
	p := accountPage{
		page: c.page("storefront.account.title", account),
		Name: who.Name(), Address: who.Email, PasswordSince: c.L.T("storefront.account.password_unchanged"),
		EditName: c.view.Path(editPath) + "#your-name", EditPassword: c.view.Path(editPath), EditEmail: c.view.Path(editEmailPath),
		SessionsAction: c.view.Path(sessionsPost), Others: len(sessions) > 1,
		Data: c.view.Path(dataPath), Delete: c.view.Path(deletePath),
	}
	if !change.To.IsZero() {
		p.Pending = &pendingEmail{Action: c.view.Path(cancelEmailPost), Change: change.ID.String(),
			Said: c.L.T("storefront.pending.email", "Email", change.To.String(), "Date", c.when(change.ExpiresAt))}
	}
	p.Wide, p.SignOut = true, c.view.Path(signOutPath)
	if at := who.PasswordChangedAt; !at.IsZero() {
		p.PasswordSince = c.L.T("storefront.account.password_changed", "Date", c.L.ShortDate(at, c.view.Location()))
		p.PasswordExact = c.L.Date(at, c.view.Location())
	}
	for _, s := range sessions {
		p.Sessions = append(p.Sessions, c.sessionLine(s))
	}
	p.DisconnectAction = c.view.Path(disconnectPost)
	if p.Apps, err = c.connectedApps(); err != nil {
		return err
	}
	if p.List, err = c.passkeySection(); err != nil {
		return err
	}
	p.WantsPasskeys = p.List != nil
	return c.render(http.StatusOK, "account", p)
}

func (c *call) sessionLine(s signin.Session) sessionLine {
	line := sessionLine{
		ID: s.ID.String(), Browser: c.browser(s.Browser), Place: s.Place, Current: s.Current,
		Since:       c.L.T("storefront.sessions.since", "Date", c.L.Date(s.CreatedAt, c.view.Location())),
		Active:      c.L.T("storefront.sessions.active", "Ago", c.L.Ago(s.LastSeenAt, web.Now(c.r))),
		ActiveExact: c.L.Date(s.LastSeenAt, c.view.Location()),
		ActiveISO:   s.LastSeenAt.UTC().Format(time.RFC3339),
	}
	line.EndLabel = c.L.T("storefront.sessions.end_this", "Browser", line.Browser, "Place", line.Place)
	return line
}

// browser says "Chrome on Android" in the language of the view; the audit keeps it in English.
func (c *call) browser(kept string) string {
	if kept == "" {
		return c.L.T("storefront.sessions.unknown")
	}
	return c.L.Browser(kept)
}

func (c *call) endSessions() error {
	form, err := web.Form(c.r, "end")
	if err != nil {
		return err
	}
	return c.endOther(form.Get("end"))
}

// others stands for every session but this one, where a session is named.
const others = "others"

// endOther signs out one other browser, or all the others, once whoever sits here has shown who they are.
func (c *call) endOther(which string) error {
	ended := web.Notice{Key: "storefront.notice.session_ended"}
	var err error
	if which == others {
		ended.Key = "storefront.notice.sessions_ended"
		_, err = c.SignIn.EndOthers(c.r.Context(), c.signed, c.origin())
	} else {
		id, none := db.ParseID(which)
		if none != nil {
			return web.NoSuchPage()
		}
		if err = c.SignIn.End(c.r.Context(), c.signed, id, c.origin()); fault.Is(err, fault.NotFound) {
			err = nil // signed out already is what was asked for
		}
	}
	switch {
	case fault.Is(err, fault.Forbidden):
		return c.first(nextEnd + which)
	case err != nil:
		return err
	}
	return c.done(ended, account)
}

// editPage holds two forms: the password first, because that is what people and password managers come for.
type editPage struct {
	page
	Password, Name form
	ByPasskey      string // where a passkey is shown instead of the present password; "" for nowhere
	Back           string
}

func (c *call) editPage() error {
	who := c.signed.Customer
	return c.render(http.StatusOK, "edit", c.editForms(who.Firstname, who.Lastname))
}

func (c *call) editForms(firstname, lastname string) editPage {
	p := editPage{page: c.page("storefront.edit.title", editPath), Back: c.view.Path(account)}
	p.Wide, p.SignOut = true, c.view.Path(signOutPath)
	var fields []field
	if !c.signed.ByPasskey { // which was shown a moment ago, and stands for the present password
		fields = append(fields, c.password("current_password", "current_password", "current-password"))
		if c.SignIn.OffersPasskeys(c.view) {
			p.ByPasskey, p.WantsPasskeys = c.proofURL("edit"), true
		}
	}
	p.Password = c.form(p.page, editPost, "storefront.edit.password_submit", append(fields, c.newPasswords("new_password", "confirm_new_password")...)...)
	p.Name = c.form(p.page, editPost, "storefront.edit.name_submit",
		c.text("firstname", "given-name", firstname), c.text("lastname", "family-name", lastname))
	return p
}

// edit saves what its form sent: the password when one is there, else the name. Adobe Commerce's themes send both in one
// form, with the passwords empty when only the name changes.
func (c *call) edit() error {
	form, err := web.Form(c.r, "current_password", "password", "password_confirmation", "firstname", "lastname")
	if err != nil {
		return err
	}
	who := c.signed.Customer
	firstname, lastname := who.Firstname, who.Lastname
	naming := form.Has("firstname") || form.Has("lastname")
	if naming {
		firstname, lastname = form.Get("firstname"), form.Get("lastname")
	}
	if form.Get("current_password") == "" && form.Get("password") == "" && naming {
		if _, err := c.Customers.Update(c.r.Context(), who, customer.Changes{Firstname: &firstname, Lastname: &lastname}, c.origin()); err != nil {
			return c.editAgain(err, firstname, lastname)
		}
		return c.done(web.Notice{Key: "storefront.notice.saved"}, account)
	}
	advice, err := c.Recovery.Change(c.r.Context(), c.view, c.signed, recovery.Change{
		Current: form.Secret("current_password"), Password: form.Secret("password"), Confirm: form.Secret("password_confirmation"),
	}, c.origin())
	if err != nil {
		return c.editAgain(err, firstname, lastname)
	}
	return c.done(web.Notice{Key: "storefront.notice.password_changed", More: sentence(advice)}, account)
}

func (c *call) editAgain(err error, firstname, lastname string) error {
	faults, ok := mendable(err)
	if !ok {
		return err
	}
	p := c.editForms(firstname, lastname)
	p.Summary = c.refuse(faults, &p.Password, &p.Name)
	return c.render(http.StatusUnprocessableEntity, "edit", p)
}
