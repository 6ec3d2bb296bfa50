package storefront

import (
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

// registrationLife is how long this browser is known as the one that registered; the letter's link does not live longer.
const registrationLife = 24 * time.Hour

func (c *call) createPage() error {
	c.comes()
	switch _, err := c.who(); {
	case err == nil:
		web.SeeOther(c.w, c.view.Path(account))
		return nil
	case !fault.Is(err, fault.Unauthenticated):
		return err
	}
	return c.show(c.createForm("", "", ""))
}

func (c *call) createForm(firstname, lastname, email string) page {
	p := c.page("storefront.create.title", createPath)
	fields := []field{
		c.text("firstname", "given-name", firstname),
		c.text("lastname", "family-name", lastname),
		c.email("username", email),
	}
	p.Form = c.form(p, createPost, "storefront.create.submit", append(fields, c.newPasswords("password", "confirm_password")...)...)
	p.Form.Guards = puzzle.Account
	p.Links = []link{{Before: c.L.T("storefront.create.have"), URL: c.view.Path(signInPath), Text: c.L.T("storefront.create.signin")}}
	return p
}

// create answers alike for a new and for a known address, unless the store chose to sign new customers in at once.
func (c *call) create() error {
	form, err := c.guarded("firstname", "lastname", "email", "password", "password_confirmation")
	if err != nil {
		return err
	}
	if err := c.admit(form, puzzle.Account); err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.createForm(form.Get("firstname"), form.Get("lastname"), form.Get("email")), faults)
		}
		return err
	}
	receipt, err := c.Customers.Register(c.r.Context(), c.view, customer.Registration{
		Firstname: form.Get("firstname"), Lastname: form.Get("lastname"), Email: form.Get("email"),
		Password: form.Secret("password"), Confirm: form.Secret("password_confirmation"), Browser: c.registers(),
	}, c.origin())
	if err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.createForm(form.Get("firstname"), form.Get("lastname"), form.Get("email")), faults)
		}
		return err
	}
	if receipt.Created {
		return c.welcome(receipt.Customer)
	}
	c.jar.Set(c.w, registrationCookie, receipt.Browser, registrationLife)
	return c.done(web.Notice{
		Key: "storefront.notice.registration_requested", More: "storefront.notice.registration_requested_more",
		Args: map[string]string{"Email": form.Get("email")},
	}, signInPath)
}

// registers is what this browser is known by while its registration waits. A form that is sent twice, by a password manager and by the
// person, says the same twice, also while the first is under way: the letter that follows is the first one's.
func (c *call) registers() secret.Text {
	if known := c.jar.Get(c.r, registrationCookie); secret.WellFormed(known) {
		return known
	}
	return c.Customers.Key.Derive("registration-browser", []byte(web.FormKey(c.w, c.r, c.jar.Secure)))
}

// welcome signs a customer in whose account was made in this very request.
func (c *call) welcome(who customer.Customer) error {
	if err := c.leave(); err != nil {
		return err
	}
	opened, err := c.SignIn.Begin(c.r.Context(), c.view, who, c.origin())
	if err != nil {
		return err
	}
	c.begin(opened)
	if c.goBack() {
		return nil
	}
	return c.done(web.Notice{Key: "storefront.notice.registered"}, account)
}

func (c *call) confirmPage() error {
	if c.isLanding() {
		return c.land()
	}
	p, err := c.confirmForm(c.opened(confirmationCookie).Latest())
	if err != nil {
		return c.orExpired(err, "registration")
	}
	return c.show(p)
}

// confirmForm asks the browser that registered for one click, and any other for the password that was chosen: whoever can
// read the mail must not finish what somebody else began.
func (c *call) confirmForm(opened secret.Text) (page, error) {
	pending, err := c.Customers.PendingRegistration(c.r.Context(), c.view, opened, c.jar.Get(c.r, registrationCookie))
	if err != nil {
		return page{}, err
	}
	p := c.page("storefront.confirm.title", confirmPath)
	var fields []field
	key := "storefront.confirm.button"
	if pending.NeedsPassword {
		key = "storefront.confirm.password"
		fields = []field{c.password("password", "password", "current-password")}
		p.Links = []link{{URL: c.view.Path(createPath), Text: c.L.T("storefront.confirm.forgot")}}
	}
	p.Intro = []string{c.L.T(key, "Name", pending.Firstname, "Email", pending.Email)}
	p.Form = c.form(p, confirmPost, "storefront.confirm.submit", fields...)
	p.Form.ShownFor = c.opened(confirmationCookie).ShownFor(opened)
	if pending.NeedsPassword {
		p.Form.Username = pending.Email
	}
	return p, nil
}

func (c *call) confirm() error {
	form, link, err := c.behind(confirmationCookie, "password")
	if err != nil {
		return err
	}
	who, err := c.Customers.FinishRegistration(c.r.Context(), c.view, link, c.jar.Get(c.r, registrationCookie), form.Secret("password"), c.origin())
	if err == nil {
		c.opened(confirmationCookie).Close(c.w, link, linkLife)
		c.jar.Drop(c.w, registrationCookie)
		return c.welcome(who)
	}
	faults, ok := mendable(err)
	if !ok {
		return c.orExpired(err, "registration")
	}
	p, err := c.confirmForm(link)
	if err != nil {
		return c.orExpired(err, "registration")
	}
	return c.again(p, faults)
}
