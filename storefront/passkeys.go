package storefront

import (
	"encoding/json"
	"net/http"

	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/web"
)

// Fields of a form that a script fills in with what the browser's passkey says.
const (
	passkeyField = "passkey"
	keepField    = "keep_passkeys"
)

// passkeyForm is such a form. Pages show it where a script has found that the browser has passkeys.
type passkeyForm struct {
	Action, Key, Submit string
	ShownFor            string // the customer, where one is signed in
	Act                 string // "get" or "create"
	Options, Ticket     string
	None, Known         string // what is said when no passkey came of it, or the device has one already
	Intro, Or           string
	Auto                bool // also offered in the list of the address field
	Main                bool // it is what the page is for
	Hidden              []hidden
	Fields              []field
}

func (c *call) passkeyForm(p page, action, act, submit string, a signin.Ask) *passkeyForm {
	return &passkeyForm{Action: c.view.Path(action), Key: p.Key, ShownFor: c.mine(), Submit: c.L.T(submit), Act: act, Options: a.Options, Ticket: a.Ticket.Reveal(),
		None: c.L.T("storefront.passkey.none_" + act), Known: c.L.T("storefront.passkey.known"),
		Or: c.L.T("storefront.passkey.or")}
}

// answer reads what came back. The form key names the browser: a ticket is good in the one that was asked.
func (c *call) answer(form web.Values) signin.Answer {
	return signin.Answer{Ticket: form.Secret(ticketField), Response: form.Get(passkeyField), Browser: web.FormKey(c.w, c.r, c.jar.Secure)}
}

// signInPasskey is the form to sign in by passkey, or nil. No address is typed and nobody is looked up for it.
func (c *call) signInPasskey(p page, next string) (*passkeyForm, error) {
	ask, ok, err := c.SignIn.AskToSignIn(c.r.Context(), c.view, p.Key)
	if err != nil || !ok {
		return nil, err
	}
	f := c.passkeyForm(p, signInPasskeyPost, "get", "storefront.passkey.signin", ask)
	if _, ok := c.onward(next); ok {
		f.Hidden = []hidden{{"next", next}}
	}
	return f, nil
}

func (c *call) signInByPasskey() error {
	form, err := web.Form(c.r, ticketField, passkeyField, "next")
	if err != nil {
		return err
	}
	next := form.Get("next")
	opened, err := c.SignIn.SignInByPasskey(c.r.Context(), c.view, c.answer(form), c.origin())
	if fault.Is(err, fault.Unauthenticated) {
		return c.signInAgain("", next, fault.List(err))
	}
	if err != nil {
		return err
	}
	return c.enterWith(opened, next)
}

// passkeyEndpoints is where password managers find out where passkeys are made and kept (W3C, "A Well-Known URL for Relying Party
// Passkey Endpoints").
func (c *call) passkeyEndpoints() error {
	if !c.SignIn.OffersPasskeys(c.view) {
		return web.NoSuchPage()
	}
	body, err := json.Marshal(map[string]string{"enroll": c.view.Link(addPasskeyPath, nil), "manage": c.view.Link(passkeysPath, nil)})
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	_, err = c.w.Write(body)
	_ = err // the client has gone
	return nil
}

// keepPasskeys asks the owner of a link which passkeys are theirs: those that they do not know may be a stranger's way in.
type keepPasskeys struct {
	Name, Legend, Label, Hint string
	Passkeys                  []passkeyLine
}

func (c *call) keepPasskeys(all []signin.Passkey) *keepPasskeys {
	if len(all) == 0 {
		return nil
	}
	k := &keepPasskeys{Name: keepField, Legend: c.L.T("storefront.passkey.keep_legend"), Label: c.L.T("storefront.passkey.keep"),
		Hint: c.L.T("storefront.passkey.keep_hint")}
	for _, p := range all {
		k.Passkeys = append(k.Passkeys, c.passkeyLine(p))
	}
	return k
}
