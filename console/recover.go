package console

import (
	"net/http"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/web"
)

const (
	forgotPath      = admin.ForgotPath
	newPasswordPath = admin.NewPasswordPath
	linkCookie      = "link"
	linkLife        = 30 * time.Minute // to fill the form in; the link itself lives on
)

// forgotForm asks for a name. Whose it is nobody here knows.
func (c *call) forgotForm(typed string) signInData {
	p := signInData{page: c.page("Forgot Your Password?"), Intro: "We send a link to a new password to the email address of your account.", Link: &crumb{"Back to Sign In", loginPath}}
	p.Form = form{Action: forgotPath, Submit: "Reset My Password", Key: p.Key, Fields: []field{
		{Name: "username", Label: "Username or Email", Type: "text", Value: typed, Autocomplete: "username", Mono: true}}}
	return p
}

func (c *call) forgotPage() error { return c.render(http.StatusOK, "login", c.forgotForm("")) }

// forgot gives every name the same answer.
func (c *call) forgot() error {
	v, err := web.Form(c.r, "username")
	if err != nil {
		return err
	}
	if err := c.Admins.RequestReset(c.r.Context(), v.Get("username"), c.origin()); err != nil {
		if faults, ok := mendable(err); ok {
			p := c.forgotForm(v.Get("username"))
			p.Summary = p.Form.refuse(faults)
			return c.render(http.StatusUnprocessableEntity, "login", p)
		}
		return err
	}
	return c.done(loginPath, web.Notice{Key: "reset.asked"})
}

// landing moves a letter's secret from the address bar into a cookie and leads to the clean address. Opening a link spends nothing.
func (c *call) landing(cookie, clean string) (opened web.Opened, landed bool) {
	opened = c.jar.Opened(c.r, cookie)
	link, landed := web.Landed(c.r)
	if landed {
		opened.Add(c.w, link, linkLife)
		web.SeeOther(c.w, clean)
	}
	return opened, landed
}

// newPasswordPage shows the form of the link that was opened last.
func (c *call) newPasswordPage() error {
	opened, landed := c.landing(linkCookie, newPasswordPath)
	if landed {
		return nil
	}
	pending, err := c.Admins.CheckReset(c.r.Context(), opened.Latest(), c.origin())
	if err != nil {
		return c.orExpired(err)
	}
	return c.render(http.StatusOK, "login", c.newPasswordForm(pending, opened.ShownFor(opened.Latest())))
}

func (c *call) newPasswordForm(pending admin.PendingReset, shownFor string) signInData {
	p := signInData{page: c.page("Set a New Password"), Intro: "For " + pending.Username() + ". Every browser and program that is signed in as you is signed out."}
	p.Form = form{Action: newPasswordPath, Submit: "Reset Password", Key: p.Key, Who: pending.Username(), Hidden: []hidden{{web.ShownForField, shownFor}}, Fields: []field{
		{Name: "password", Label: "New Password", Type: "password", Autocomplete: "new-password", Hint: c.sentences(pending.Rules)},
		{Name: "password_confirmation", Label: "Confirm New Password", Type: "password", Autocomplete: "new-password"},
	}}
	return p
}

// newPassword spends the link. A refused password keeps it, and the form comes back. Nobody is signed in by it: the sign-in that
// follows asks for the second factor as ever.
func (c *call) newPassword() error {
	v, err := web.Form(c.r, "password", "password_confirmation", web.ShownForField)
	if err != nil {
		return err
	}
	opened := c.jar.Opened(c.r, linkCookie)
	link, err := opened.Of(v)
	if err != nil {
		return err
	}
	err = c.Admins.CompleteReset(c.r.Context(), link, v.Secret("password"), v.Secret("password_confirmation"), c.origin())
	if faults, ok := mendable(err); ok {
		pending, err := c.Admins.CheckReset(c.r.Context(), link, c.origin())
		if err != nil {
			return c.orExpired(err)
		}
		p := c.newPasswordForm(pending, opened.ShownFor(link))
		p.Summary = p.Form.refuse(faults)
		return c.render(http.StatusUnprocessableEntity, "login", p)
	}
	if err != nil {
		return c.orExpired(err)
	}
	opened.Close(c.w, link, linkLife)
	c.jar.Drop(c.w, sessionCookie) // its session has ended with all the others
	return c.done(loginPath, web.Notice{Key: "reset.completed"})
}

// orExpired shows the one page for links that are old, used or unknown, which asks for a new one.
func (c *call) orExpired(err error) error {
	if !fault.Is(err, fault.Expired) {
		return err
	}
	p := c.forgotForm("")
	p.Title, p.Intro = "This link no longer works", "It was used already, is too old, or is not complete. Ask for a new one here."
	return c.render(http.StatusGone, "login", p)
}
