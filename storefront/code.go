package storefront

import (
	"net/url"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/web"
)

// asks gives the secret by which this browser is known as the one that asks for a letter, and keeps it there for as long as
// the letter's code works. It is set for everybody alike, whatever address was typed.
func (c *call) asks(cookie, period string) secret.Text {
	browser := c.jar.Get(c.r, cookie)
	if !secret.WellFormed(browser) {
		browser = secret.Random()
	}
	c.jar.Set(c.w, cookie, browser, c.view.Duration(period))
	return browser
}

// asked tells whether this browser has asked for a letter lately.
func (c *call) asked(cookie string) bool { return secret.WellFormed(c.jar.Get(c.r, cookie)) }

// code is the field of a code. What was typed is never sent back: the answer to every wrong code is the same.
func (c *call) code() field {
	f := c.text("code", "one-time-code", "")
	f.InputMode, f.Plain = "text", true
	f.Hint = &described{ID: "code-hint", Text: c.L.T("storefront.code.hint")}
	return f
}

func codeRequired() []*fault.Error {
	return []*fault.Error{fault.Refuse("code", "code.required", "Please enter the code.", nil)}
}

func (c *call) resetCodePage() error { return c.show(c.resetCodeForm()) }

func (c *call) resetCodeForm() page {
	p := c.page("storefront.code.title", resetCodePath)
	p.Intro = []string{c.L.T("storefront.code.intro")}
	p.Form = c.form(p, resetCodePost, "storefront.code.submit", c.code())
	p.Links = []link{
		{URL: c.view.Path(forgotPath), Text: c.L.T("storefront.code.again")},
		{URL: c.view.Path(signInPath), Text: c.L.T("storefront.back")},
	}
	return p
}

// resetCode does for the code what landing does for the link: its secret goes into the cookie, and the page of the new password
// follows. It spends nothing.
func (c *call) resetCode() error {
	form, err := web.Form(c.r, "code")
	if err != nil {
		return err
	}
	typed := form.Secret("code")
	if typed.IsEmpty() {
		return c.again(c.resetCodeForm(), codeRequired())
	}
	opened, err := c.Recovery.OpenByCode(c.r.Context(), c.view, c.jar.Get(c.r, resetCookie), typed, c.origin())
	if err != nil {
		if faults, ok := mendable(err); ok {
			return c.again(c.resetCodeForm(), faults)
		}
		return err
	}
	c.opened(linkCookie).Add(c.w, opened, linkLife)
	web.SeeOther(c.w, c.view.Path(newPasswordPath))
	return nil
}

// offered hides the pages of signing in by letter where the store does not offer it.
func (c *call) offered(handle func() error) error {
	if !c.view.Bool(shop.SignInByLetter) {
		return web.NoSuchPage()
	}
	return handle()
}

// toward is a page of signing in, with the page that the visitor was on the way to.
func (c *call) toward(path, next string) string {
	if _, ok := c.onward(next); !ok {
		return c.view.Path(path)
	}
	return c.view.Path(path) + "?next=" + url.QueryEscape(next)
}

// carrying lets a form carry the page that the visitor was on the way to.
func (c *call) carrying(f *form, next string) {
	if _, ok := c.onward(next); ok {
		f.Hidden = []hidden{{"next", next}}
	}
}

func (c *call) byLetterPage() error {
	return c.offered(func() error { return c.show(c.byLetterForm("", c.r.URL.Query().Get("next"))) })
}

func (c *call) byLetterForm(typed, next string) page {
	p := c.page("storefront.by_letter.title", byLetterPath)
	p.Intro = []string{c.L.T("storefront.by_letter.intro")}
	p.Form = c.form(p, byLetterPost, "storefront.by_letter.submit", c.email(c.autocomplete("username"), typed))
	p.Form.Guards = puzzle.Reset // a letter like any other
	c.carrying(&p.Form, next)
	p.Links = []link{{URL: c.toward(signInPath, next), Text: c.L.T("storefront.by_letter.password")}}
	if c.asked(signInCookie) {
		p.Links = append([]link{{URL: c.toward(signInCodePath, next), Text: c.L.T("storefront.code.enter")}}, p.Links...)
	}
	return p
}

// byLetter gives everyone the same answer, as forgot does.
func (c *call) byLetter() error {
	return c.offered(func() error {
		form, err := c.guarded("email", "next")
		if err != nil {
			return err
		}
		typed, next := form.Get("email"), form.Get("next")
		if err := c.admit(form, puzzle.Reset); err != nil {
			if faults, ok := mendable(err); ok {
				return c.again(c.byLetterForm(typed, next), faults)
			}
			return err
		}
		browser := c.asks(signInCookie, shop.SignInCodePeriod)
		if err := c.Recovery.RequestSignIn(c.r.Context(), c.view, browser, typed, c.origin()); err != nil {
			if faults, ok := mendable(err); ok {
				return c.again(c.byLetterForm(typed, next), faults)
			}
			return err
		}
		c.jar.Tell(c.w, web.Notice{Key: "storefront.notice.signin_code_requested", More: "storefront.notice.signin_code_requested_more",
			Args: map[string]string{"Email": typed}})
		web.SeeOther(c.w, c.toward(signInCodePath, next))
		return nil
	})
}

func (c *call) signInCodePage() error {
	return c.offered(func() error { return c.show(c.signInCodeForm(c.r.URL.Query().Get("next"))) })
}

func (c *call) signInCodeForm(next string) page {
	p := c.page("storefront.code.title", signInCodePath)
	p.Intro = []string{c.L.T("storefront.code.intro")}
	p.Form = c.form(p, signInCodePost, "storefront.signin.submit", c.code())
	c.carrying(&p.Form, next)
	p.Links = []link{
		{URL: c.toward(byLetterPath, next), Text: c.L.T("storefront.code.again")},
		{URL: c.toward(signInPath, next), Text: c.L.T("storefront.by_letter.password")},
	}
	return p
}

// signInCode signs in whoever types the code where it was asked for.
func (c *call) signInCode() error {
	return c.offered(func() error {
		form, err := web.Form(c.r, "code", "next")
		if err != nil {
			return err
		}
		typed, next := form.Secret("code"), form.Get("next")
		if typed.IsEmpty() {
			return c.again(c.signInCodeForm(next), codeRequired())
		}
		opened, err := c.Recovery.SignInByCode(c.r.Context(), c.view, c.jar.Get(c.r, signInCookie), typed, c.origin())
		if err != nil {
			if faults, ok := mendable(err); ok {
				return c.again(c.signInCodeForm(next), faults)
			}
			return err
		}
		c.jar.Drop(c.w, signInCookie)
		if opened.TookOver {
			c.jar.Tell(c.w, web.Notice{Key: "storefront.notice.address_proven"})
		}
		return c.enterWith(opened, next)
	})
}
