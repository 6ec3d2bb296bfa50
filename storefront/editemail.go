package storefront

import (
	"github.com/rekeyhq/rekey/web"
)

func (c *call) editEmailPage() error { return c.show(c.editEmailForm("")) }

func (c *call) editEmailForm(typed string) page {
	p := c.page("storefront.edit_email.title", editEmailPath)
	p.Intro = []string{c.L.T("storefront.edit_email.intro", "Email", c.signed.Customer.Email)}
	p.Form = c.form(p, editEmailPost, "storefront.edit_email.submit", c.email("email", typed),
		c.password("current_password", "current_password", "current-password"))
	p.Links = []link{{URL: c.view.Path(account), Text: c.L.T("storefront.edit.back")}}
	return p
}

// editEmail begins the change of address: it waits until the letter at the new one is answered, and says the same for an
// address that is another account's.
func (c *call) editEmail() error {
	form, err := web.Form(c.r, "email", "current_password")
	if err != nil {
		return err
	}
	typed := form.Get("email")
	err = c.Recovery.ChangeEmail(c.r.Context(), c.view, c.signed.Customer, typed, form.Secret("current_password"), c.origin())
	if err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.editEmailForm(typed), faults)
		}
		return err
	}
	return c.done(web.Notice{Key: "storefront.notice.email_requested", More: "storefront.notice.registration_requested_more",
		Args: map[string]string{"Email": typed}}, account)
}
