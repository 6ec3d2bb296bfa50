package storefront

import (
	"net/http"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

func (c *call) forgotPage() error {
	p := c.forgotForm("")
	var err error
	if p.Passkey, err = c.signInPasskey(p, "edit"); err != nil {
		return err
	}
	if p.Passkey != nil {
		p.Passkey.Intro = c.L.T("storefront.passkey.forgot") // a new password needs no old one then
	}
	return c.show(p)
}

func (c *call) forgotForm(typed string) page {
	p := c.page("storefront.forgot.title", forgotPath)
	p.Intro = []string{c.L.T("storefront.forgot.intro")}
	p.Form = c.form(p, forgotPost, "storefront.forgot.submit", c.email(c.autocomplete("username"), typed))
	p.Form.Guards = puzzle.Reset
	if c.asked(resetCookie) {
		p.Links = []link{{URL: c.view.Path(resetCodePath), Text: c.L.T("storefront.code.enter")}}
	}
	p.Links = append(p.Links, link{URL: c.view.Path(signInPath), Text: c.L.T("storefront.back")})
	return p
}

// resetRequested is the notice that answers everyone; the page that shows it leads on to the code.
const resetRequested = "storefront.notice.reset_requested"

// forgot gives everyone the same answer: it hands the address on as typed, and nobody here knows whose it is.
func (c *call) forgot() error {
	form, err := c.guarded("email")
	if err != nil {
		return err
	}
	typed := form.Get("email")
	if err := c.admit(form, puzzle.Reset); err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.forgotForm(typed), faults)
		}
		return err
	}
	browser := c.asks(resetCookie, shop.LinkExpirationPeriod)
	if err := c.Recovery.RequestIn(c.r.Context(), c.view, browser, typed, c.origin()); err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.forgotForm(typed), faults)
		}
		return err
	}
	return c.done(web.Notice{
		Key: resetRequested, More: "storefront.notice.reset_requested_more",
		Args: map[string]string{"Email": typed},
	}, signInPath)
}

func (c *call) newPasswordPage() error {
	if c.isLanding() {
		return c.land()
	}
	link := c.opened(linkCookie).Latest()
	pending, err := c.Recovery.Check(c.r.Context(), c.view, link, c.origin())
	if err != nil {
		return c.orExpired(err, "reset")
	}
	if c.r.Method == http.MethodGet {
		if err := c.Recovery.Opened(c.r.Context(), pending, c.origin()); err != nil {
			return err
		}
	}
	return c.show(c.newPasswordForm(link, pending))
}

// newPasswordForm names the account masked, and not for password managers either: whoever has only the link must not learn with what
// name to sign in afterwards.
func (c *call) newPasswordForm(link secret.Text, pending recovery.Pending) page {
	p := c.page("storefront.reset.title", newPasswordPath)
	p.Intro = []string{c.L.T("storefront.reset.intro", "Store", c.view.StoreName(), "Account", pending.Account())}
	p.Form = c.form(p, newPasswordPost, "storefront.reset.submit", c.newPasswords("new_password", "confirm_new_password")...)
	p.Form.ShownFor = c.opened(linkCookie).ShownFor(link)
	p.Form.Keep = c.keepPasskeys(pending.Passkeys)
	return p
}

// newPassword spends the link. A refused password keeps it, and the form comes back.
func (c *call) newPassword() error {
	form, link, err := c.behind(linkCookie, "password", "password_confirmation", keepField)
	if err != nil {
		return err
	}
	advice, err := c.Recovery.Complete(c.r.Context(), c.view, recovery.Reset{
		Link: link, Password: form.Secret("password"), Confirm: form.Secret("password_confirmation"),
		KeepPasskeys: form.Has(keepField),
	}, c.origin())
	if err != nil {
		if faults, ok := mendable(err); ok {
			pending, err := c.Recovery.Check(c.r.Context(), c.view, link, c.origin())
			if err != nil {
				return c.orExpired(err, "reset")
			}
			return c.again(c.newPasswordForm(link, pending), faults)
		}
		return c.orExpired(err, "reset")
	}
	c.opened(linkCookie).Close(c.w, link, linkLife)
	c.jar.Drop(c.w, resetCookie)
	c.jar.Drop(c.w, sessionCookie) // its session has ended with all the others
	return c.done(web.Notice{Key: "storefront.notice.password_updated", More: sentence(advice)}, signInPath)
}

// orExpired shows the one page for links that are old, used, unknown or not from here, and hands other errors on. The page of
// a recovery link is already the form that asks for a new one.
func (c *call) orExpired(err error, what string) error {
	if !fault.Is(err, fault.Expired) {
		return err
	}
	if what == "registration" {
		p := c.page("storefront.expired.title", signInPath)
		p.Intro = []string{c.L.T("storefront.expired.registration")}
		p.Links = []link{
			{URL: c.view.Path(signInPath), Text: c.L.T("storefront.signin.submit")},
			{URL: c.view.Path(createPath), Text: c.L.T("storefront.signin.create")},
		}
		return c.render(http.StatusGone, "failure", p)
	}
	p := c.forgotForm("")
	p.Title = c.L.T("storefront.expired.title")
	p.Intro = []string{c.L.T("storefront.expired.reset")}
	p.Form.Title = c.L.T("storefront.forgot.title")
	return c.showForm(http.StatusGone, p)
}
