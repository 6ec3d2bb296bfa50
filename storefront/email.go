package storefront

import (
	"net/http"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

// emailPage shows which address the letter's link would make the account's. Opening it changes nothing.
func (c *call) emailPage() error {
	if c.isLanding() {
		return c.land()
	}
	link := c.opened(emailCookie).Latest()
	email, err := c.Recovery.PendingEmail(c.r.Context(), c.view, link, c.origin())
	if err != nil {
		return c.emailExpired(err)
	}
	p := c.page("storefront.email.title", emailPath)
	p.Intro = []string{c.L.T("storefront.email.intro", "Email", email)}
	p.Form = c.form(p, emailPost, "storefront.email.submit")
	p.Form.ShownFor = c.opened(emailCookie).ShownFor(link)
	return c.show(p)
}

// confirmEmail makes the new address the account's. It signs every browser out, this one too.
func (c *call) confirmEmail() error {
	_, link, err := c.behind(emailCookie)
	if err != nil {
		return err
	}
	if err := c.Recovery.ConfirmEmail(c.r.Context(), c.view, link, c.origin()); err != nil {
		return c.emailExpired(err)
	}
	c.opened(emailCookie).Close(c.w, link, linkLife)
	return c.done(web.Notice{Key: "storefront.notice.email_changed"}, signInPath)
}

func (c *call) emailExpired(err error) error {
	if !fault.Is(err, fault.Expired) {
		return err
	}
	p := c.page("storefront.expired.title", signInPath)
	p.Intro = []string{c.L.T("storefront.email.expired")}
	p.Links = []link{{URL: c.view.Path(signInPath), Text: c.L.T("storefront.signin.submit")}}
	return c.render(http.StatusGone, "failure", p)
}
