package console

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

// signInPage shows the form, or goes on when this browser is signed in already.
func (c *call) signInPage() error {
	next := ownPage(c.r.URL.Query().Get("next"))
	err := c.enter()
	if fault.Is(err, fault.Unauthenticated) {
		return c.render(http.StatusOK, "login", c.signInForm(next, ""))
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", firstOf(next, customersPath))
	c.w.WriteHeader(http.StatusFound)
	return nil
}

// signInData is a page for who is not signed in: one form.
type signInData struct {
	page
	Intro   string
	Form    form
	Passkey *passkeyForm
	Link    *crumb // below the form
}

func (c *call) signInForm(next, username string) signInData {
	p := c.page("Sign In")
	f := form{Action: loginPath, Submit: "Sign In", Key: p.Key, Fields: []field{
		{Name: "username", Label: "Username", Type: "text", Value: username, Autocomplete: "username", Mono: true},
		{Name: "password", Label: "Password", Type: "password", Autocomplete: "current-password"},
	}}
	if next != "" {
		f.Hidden = []hidden{{"next", next}}
	}
	return signInData{page: p, Form: f, Link: &crumb{"Forgot Your Password?", forgotPath}}
}

// signIn checks name and password. The answer is one for every reason.
func (c *call) signIn() error {
	v, err := web.Form(c.r, "username", "password", "next")
	if err != nil {
		return err
	}
	next := ownPage(v.Get("next"))
	opened, err := c.Admins.SignIn(c.r.Context(), v.Get("username"), v.Secret("password"), c.origin())
	if err != nil {
		return c.signInRefused(next, v.Get("username"), err)
	}
	c.jar.Set(c.w, sessionCookie, opened.Secret, opened.Life)
	if opened.Half {
		to := codePath
		if next != "" {
			to += "?" + url.Values{"next": {next}}.Encode()
		}
		web.SeeOther(c.w, to)
		return nil
	}
	web.SeeOther(c.w, firstOf(next, customersPath))
	return nil
}

func (c *call) codeForm(next string) (signInData, error) {
	p := c.page("Second Factor")
	f := form{Action: codePath, Submit: "Sign In", Key: p.Key, Fields: []field{{Name: "code", Label: "Code", Type: "text", Autocomplete: "one-time-code", Mono: true,
		Hint: "The six digits that your authenticator app shows now, or one of your recovery codes."}}}
	if next != "" {
		f.Hidden = []hidden{{"next", next}}
	}
	byPasskey, err := c.secondByPasskey(p.Key, next)
	p.Scripts = byPasskey != nil
	return signInData{page: p, Form: f, Passkey: byPasskey}, err
}

// codePage asks for the second factor. Whoever has not given a password finds out when they send it.
func (c *call) codePage() error {
	p, err := c.codeForm(ownPage(c.r.URL.Query().Get("next")))
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "login", p)
}

// giveCode ends the sign-in. The answer is one for every reason.
func (c *call) giveCode() error {
	v, err := web.Form(c.r, "code", "next")
	if err != nil {
		return err
	}
	next := ownPage(v.Get("next"))
	opened, err := c.Admins.SecondFactor(c.r.Context(), c.jar.Get(c.r, sessionCookie), v.Get("code"), c.origin())
	return c.seconded(opened, err, "code", next)
}

// seconded goes on after the second factor, or shows its form again; field is the one that was wrong.
func (c *call) seconded(opened admin.Opened, err error, field, next string) error {
	f, refused := fault.As(err)
	switch {
	case refused && f.Key == "admin.session_ended":
		return c.toSignIn()
	case refused && f.Kind == fault.Unauthenticated:
		data, err := c.codeForm(next)
		if err != nil {
			return err
		}
		data.Summary = &summary{Items: []problem{{Field: field, Text: f.Text}}}
		return c.render(http.StatusUnprocessableEntity, "login", data)
	case err != nil:
		return err
	}
	c.jar.Set(c.w, sessionCookie, opened.Secret, opened.Life)
	web.SeeOther(c.w, firstOf(next, customersPath))
	return nil
}

func (c *call) signInRefused(next, username string, err error) error {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Unauthenticated && f.Kind != fault.Limited {
		return err
	}
	data := c.signInForm(next, username)
	status, text := http.StatusUnprocessableEntity, f.Text
	if f.Kind == fault.Limited {
		status = http.StatusTooManyRequests
		wait := max(f.RetryAt.Sub(c.now()).Seconds(), 1)
		c.w.Header().Set("Retry-After", strconv.Itoa(int(wait)+1))
		text += " The next is possible " + c.minute(f.RetryAt) + "."
	}
	data.Summary = &summary{Items: []problem{{Field: "username", Text: text}}}
	return c.render(status, "login", data)
}

// signOut ends the session on every node before it answers.
func (c *call) signOut() error {
	if cookie := c.jar.Get(c.r, sessionCookie); secret.WellFormed(cookie) {
		if err := c.Admins.SignOut(c.r.Context(), cookie, c.origin()); err != nil {
			return err
		}
	}
	c.jar.Drop(c.w, sessionCookie)
	return c.done(loginPath, web.Notice{Key: "signed_out"})
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
