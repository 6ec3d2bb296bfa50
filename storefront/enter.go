package storefront

import (
	"strings"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// Fields of the sign-in form: Adobe Commerce's names.
const (
	usernameField = "login[username]"
	passwordField = "login[password]"
)

// afterSignIn are the pages that a visitor may have been on the way to. The form names one; no address is taken from it.
var afterSignIn = map[string]string{"edit": editPath, "passkeys": passkeysPath, "addpasskey": addPasskeyPath, "data": dataPath, "delete": deletePath}

func (c *call) signInPage() error {
	next := c.r.URL.Query().Get("next")
	c.comes()
	switch _, err := c.who(); {
	case err == nil && !strings.HasPrefix(next, nextConnect): // an app may ask for the password anew
		if !c.goBack() {
			web.SeeOther(c.w, c.view.Path(account))
		}
		return nil
	case err != nil && !fault.Is(err, fault.Unauthenticated):
		return err
	}
	p, err := c.signInForm("", next)
	if err != nil {
		return err
	}
	return c.show(p)
}

func (c *call) signInForm(typed, next string) (page, error) {
	p := c.page("storefront.signin.title", signInPath)
	var err error
	if p.Passkey, err = c.signInPasskey(p, next); err != nil {
		return p, err
	}
	usernames := "username"
	if p.Passkey != nil {
		p.Passkey.Auto = true
		usernames = "username webauthn" // passkeys stand in the list of addresses
	}
	email := c.email(c.autocomplete(usernames), typed)
	email.Name = usernameField
	password := c.password("password", "password", c.autocomplete("current-password"))
	password.Name = passwordField
	p.Form = c.form(p, signInPost, "storefront.signin.submit", email, password)
	p.Form.Guards = puzzle.SignIn
	c.carrying(&p.Form, next)
	if id, waits := strings.CutPrefix(next, nextConnect); waits {
		if asked, err := c.Connect.Pending(c.r.Context(), c.view, secret.NewText(id)); err == nil { // otherwise the next page says why
			p.Intro = []string{c.L.T("storefront.signin.for_app", "App", asked.Client.Name)}
		}
	}
	p.Links = []link{{URL: c.view.Path(forgotPath), Text: c.L.T("storefront.signin.forgot")}}
	if c.asked(resetCookie) && (p.Notice == nil || p.Notice.Link == nil) {
		p.Links = append(p.Links, link{URL: c.view.Path(resetCodePath), Text: c.L.T("storefront.code.enter")})
	}
	if c.view.Bool(shop.SignInByLetter) {
		p.Links = append(p.Links, link{URL: c.toward(byLetterPath, next), Text: c.L.T("storefront.by_letter.offer")})
	}
	p.Links = append(p.Links, link{Before: c.L.T("storefront.signin.new"), URL: c.view.Path(createPath), Text: c.L.T("storefront.signin.create")})
	return p, nil
}

// signInAgain shows the form that was refused, with the reasons.
func (c *call) signInAgain(typed, next string, faults []*fault.Error) error {
	p, err := c.signInForm(typed, next)
	if err != nil {
		return err
	}
	return c.again(p, faults)
}

// autocomplete follows the store's setting for the pages that ask for an existing account.
func (c *call) autocomplete(token string) string {
	if !c.view.Bool(shop.AutocompleteOnStorefront) {
		return "off"
	}
	return token
}

func (c *call) signIn() error {
	form, err := c.guarded(usernameField, passwordField, "next")
	if err != nil {
		return err
	}
	typed, password, next := form.Get(usernameField), form.Secret(passwordField), form.Get("next")
	if err := c.admit(form, puzzle.SignIn); err != nil {
		if faults, ok := mendable(err); ok {
			return c.signInAgain(typed, next, faults)
		}
		return err
	}
	var missing []*fault.Error
	if typed == "" {
		missing = append(missing, fault.Refuse("email", "email.required", "Please enter your email address.", nil))
	}
	if password.IsEmpty() {
		missing = append(missing, fault.Refuse("password", "password.required", "Please enter a password.", nil))
	}
	if len(missing) > 0 {
		return c.signInAgain(typed, next, missing)
	}
	opened, err := c.SignIn.SignIn(c.r.Context(), c.view, typed, password, c.origin())
	if err != nil {
		if faults, ok := mendable(err); ok {
			return c.signInAgain(typed, next, faults)
		}
		if f, ok := fault.As(err); ok && f.Kind == fault.Forbidden { // said to nobody who does not know the password
			return c.signInAgain(typed, next, []*fault.Error{f})
		}
		return err
	}
	return c.enterWith(opened, next)
}

// enterWith goes on with a session that was just opened, to the page that the visitor was on the way to.
func (c *call) enterWith(opened signin.Opened, next string) error {
	if err := c.leave(); err != nil {
		return err
	}
	c.begin(opened)
	to, ok := c.onward(next)
	if !ok && c.goBack() {
		return nil
	}
	if !ok {
		to = c.view.Path(account)
	}
	web.SeeOther(c.w, to)
	return nil
}

// leave ends the session that this browser has, if any: a new one begins under a new secret, and an old one must not live
// on unseen.
func (c *call) leave() error {
	cookie := c.jar.Get(c.r, sessionCookie)
	if cookie.IsEmpty() {
		return nil
	}
	return c.SignIn.SignOut(c.r.Context(), c.view, cookie, c.origin())
}

// signOutPage asks first: themes link here with GET, and so may a foreign page.
func (c *call) signOutPage() error {
	p := c.page("storefront.signout.title", signOutPath)
	p.Intro = []string{c.L.T("storefront.signout.intro", "Store", c.view.StoreName())}
	p.Form = c.form(p, signOutPath, "storefront.signout.submit")
	p.Links = []link{{URL: c.view.Path(account), Text: c.L.T("storefront.signout.stay")}}
	return c.show(p)
}

func (c *call) signOut() error {
	if err := c.leave(); err != nil {
		return err
	}
	c.jar.Drop(c.w, sessionCookie)
	c.w.Header().Set("Clear-Site-Data", `"cache"`) // what the back button would show
	return c.done(web.Notice{Key: "storefront.notice.signed_out"}, signInPath)
}
