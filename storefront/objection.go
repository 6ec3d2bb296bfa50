package storefront

import (
	"net/http"
	"time"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

// objectionForm is "It wasn't me": what the letter was about, what pressing does or has done, and what to do next.
type objectionForm struct {
	page
	ListTitle string
	List      []string
	After     []string // below the form, or below the list
	NextTitle string
}

// objectionPage shows it. Opening it changes nothing, however often and by whom; once the button was pressed it says what was done.
func (c *call) objectionPage() error {
	if c.isLanding() {
		return c.land()
	}
	link := c.opened(objectionCookie).Latest()
	ob, err := c.Recovery.Objection(c.r.Context(), c.view, link, c.origin())
	switch {
	case err != nil:
		return c.orTooOld(err)
	case !ob.MadeAt.IsZero():
		return c.render(http.StatusOK, "objection", c.objected(ob))
	case ob.Does.None():
		return c.render(http.StatusOK, "failure", c.nothingLeft("storefront.objection.over.title", "storefront.objection.over.intro", "storefront.objection.over.next"))
	}
	return c.render(http.StatusOK, "objection", c.objection(link, ob))
}

// object is the button. The page that follows is the same address, which says what was done.
func (c *call) object() error {
	form, link, err := c.behind(objectionCookie, "sure", "stop")
	if err != nil {
		return err
	}
	ob, err := c.Recovery.Object(c.r.Context(), c.view, link, recovery.Pressed{Sure: form.Has("sure"), Stop: form.Has("stop")}, c.origin())
	if faults, ok := mendable(err); ok {
		if ob, err = c.Recovery.Objection(c.r.Context(), c.view, link, c.origin()); err != nil {
			return c.orTooOld(err)
		}
		p := c.objection(link, ob)
		p.Summary = c.refuse(faults, &p.Form)
		return c.render(http.StatusUnprocessableEntity, "objection", p)
	}
	if err != nil {
		return c.orTooOld(err)
	}
	if ob.Does.End {
		c.jar.Drop(c.w, sessionCookie) // its session has ended with all the others
	}
	c.opened(objectionCookie).Add(c.w, link, linkLife) // the page tells of this one, whatever was opened since
	web.SeeOther(c.w, c.view.Path(objectionPath))
	return nil
}

func (c *call) objection(link secret.Text, ob recovery.Objection) objectionForm {
	p := objectionForm{page: c.page("storefront.objection.title", objectionPath), ListTitle: c.L.T("storefront.objection.will")}
	p.Intro = []string{c.L.T("storefront.objection."+ob.Letter, "Date", c.when(ob.SentAt), "Store", c.view.StoreName())}
	p.sentTo(ob)
	does := ob.Does
	does.Stop, does.Passkey = false, false // only when its box is ticked
	p.List = c.measures("storefront.objection.will_do.", does, "Span", c.L.Span(ob.Hold))
	if ob.Does.End && !ob.Does.Stop {
		p.List = append(p.List, c.L.T("storefront.objection.will_do.stays"))
	}
	p.Form = c.form(p.page, objectionPost, "storefront.objection.submit")
	p.Form.ShownFor = c.opened(objectionCookie).ShownFor(link)
	sure := "sure"
	if ob.Does.Maker {
		sure = "sure_made"
	}
	for _, one := range []struct {
		asked   bool
		id, key string
	}{{ob.Does.Stop, "stop", "stop"}, {ob.Does.Passkey, "stop", "passkey"}, {ob.Sure, "sure", sure}} {
		if one.asked {
			p.Form.Ticks = append(p.Form.Ticks, tick{ID: one.id, Label: c.L.T("storefront.objection." + one.key),
				Hint: &described{ID: one.id + "-hint", Text: c.L.T("storefront.objection." + one.key + "_hint")}})
		}
	}
	p.After = []string{c.L.T("storefront.objection.nothing")}
	return p
}

// sentTo names the mailbox, masked, so that whoever has several accounts sees which one this is about.
func (p *objectionForm) sentTo(ob recovery.Objection) {
	if ob.Mailbox != "" {
		p.Intro = append(p.Intro, p.L.T("storefront.objection.sent_to", "Email", ob.Mailbox))
	}
}

func (c *call) objected(ob recovery.Objection) objectionForm {
	p := objectionForm{page: c.page("storefront.objection.done.title", objectionPath), NextTitle: c.L.T("storefront.objection.next.title")}
	p.Intro = []string{c.L.T("storefront.objection.done.intro", "Date", c.when(ob.MadeAt))}
	p.sentTo(ob)
	p.List = c.measures("storefront.objection.done.", ob.Does, "Date", c.when(ob.Does.Until))
	next := "former"
	switch {
	case ob.Does.Cancel:
		next = "cancel"
	case ob.Does.Maker:
		next = "maker"
		p.Links = []link{{URL: c.view.Path(forgotPath), Text: c.L.T("storefront.signin.forgot")}}
	case ob.Does.Mail:
		next = "mail"
	case ob.Letter == recovery.ForgotLetter || ob.Letter == recovery.StoreLetter || ob.Letter == recovery.SignInLetter:
		next = "sign_in"
		p.Links = []link{{URL: c.view.Path(signInPath), Text: c.L.T("storefront.signin.submit")}}
	}
	p.After = []string{c.L.T("storefront.objection.next."+next, "Email", c.view.Contact())}
	if ob.Does.HoldResets {
		p.After = append(p.After, c.L.T("storefront.objection.next.held"))
	}
	return p
}

// measures says each of them as a sentence; the holds need a moment or a length of time.
func (c *call) measures(keys string, m recovery.Measures, args ...any) (said []string) {
	for _, one := range []struct {
		done bool
		key  string
	}{
		{m.Cancel, "cancel"}, {m.Maker, "maker"}, {m.End, "links"}, {m.End, "signed_out"}, {m.Stop, "stop"}, {m.Passkey, "passkey"}, {m.Mail, "mail"},
		{m.HoldResets, "hold_resets"}, {m.HoldChanges, "hold_changes"},
		{m.HoldChanges && c.SignIn.OffersPasskeys(c.view), "hold_passkeys"}, {true, "told"},
	} {
		if one.done {
			said = append(said, c.L.T(keys+one.key, args...))
		}
	}
	return said
}

func (c *call) when(t time.Time) string { return c.L.Date(t, c.view.Location()) }

// orTooOld shows the one page for links that are old, unknown or not from here, and hands other errors on.
func (c *call) orTooOld(err error) error {
	if !fault.Is(err, fault.Expired) {
		return err
	}
	return c.render(http.StatusGone, "failure", c.nothingLeft("storefront.expired.title", "storefront.objection.over.expired"))
}

// nothingLeft is a page without a button: what there is to say, and the ways on.
func (c *call) nothingLeft(title string, sentences ...string) page {
	p := c.page(title, signInPath)
	for _, key := range sentences {
		p.Intro = append(p.Intro, c.L.T(key))
	}
	p.Links = []link{
		{URL: c.view.Path(forgotPath), Text: c.L.T("storefront.signin.forgot")},
		{URL: c.view.Path(signInPath), Text: c.L.T("storefront.signin.submit")},
	}
	return p
}
