package console

import (
	"net"
	"net/http"
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/web"
)

const (
	passkeysPath = accountPath + "/passkeys"
	codeByKey    = codePath + "/passkey"
)

// passkeyForm is a form that a script fills in with what the browser's passkey says.
type passkeyForm struct {
	form
	Act, Options, None, Known string
}

// party is who asks for passkeys at the console: the host that the browser names. A false name finds no passkey, because each is
// looked for under the host that it was made at; beyond this machine browsers have passkeys over https only, so that what a proxy
// forgets to say of that does not matter.
func (c *call) party() (passkey.Party, bool) {
	host, scheme := c.r.Host, "https"
	if name, _, err := net.SplitHostPort(host); err == nil && strings.HasSuffix(name, "localhost") || strings.HasSuffix(host, "localhost") {
		if !web.HTTPS(c.r) {
			scheme = "http"
		}
	}
	return passkey.At(scheme+"://"+host, "Rekey")
}

// passkeyLine is one passkey of the administrator's.
type passkeyLine struct {
	admin.Passkey
	Remove string
}

func (c *call) passkeyLines(tx *db.Tx) ([]passkeyLine, error) {
	all, err := admin.Passkeys(c.r.Context(), tx, c.who.ID)
	var lines []passkeyLine
	for _, p := range all {
		lines = append(lines, passkeyLine{p, passkeysPath + "/" + p.ID.String() + "/remove"})
	}
	return lines, err
}

// beginPasskey takes the password, before a new passkey is made.
func (c *call) beginPasskey() error {
	v, err := web.Form(c.r, "passkey_password")
	if err != nil {
		return err
	}
	if err := c.Admins.EnrolPasskey(c.r.Context(), c.who, v.Secret("passkey_password"), c.origin()); err != nil {
		return c.accountAgain(err, func(p *accountPage) *form { return &p.NewPasskey })
	}
	web.SeeOther(c.w, passkeysPath+"/new")
	return nil
}

type newPasskeyData struct {
	page
	Passkey passkeyForm
}

func (c *call) newPasskeyForm(name string) (newPasskeyData, error) {
	p := newPasskeyData{page: c.page("Add a Passkey", crumb{"My Account", accountPath})}
	p.Scripts = true
	party, ok := c.party()
	if !ok {
		return p, fault.New(fault.NotFound, "not_found", "Browsers make no passkeys at this address. Reach the console by a host name, over https.")
	}
	options, err := c.Admins.PendingPasskey(c.r.Context(), c.who, party)
	p.Passkey = passkeyForm{Act: "create", Options: options, None: "No passkey was created. You can try again.", Known: "This device has a passkey for your account already.",
		form: form{Action: passkeysPath, Submit: "Create Passkey", Back: accountPath, Key: p.Key, Fields: []field{
			{Name: "name", Label: "Name", Type: "text", Value: name, Autocomplete: "off", Hint: "So that you recognise it later, for example the name of the device."}}}}
	return p, err
}

func (c *call) newPasskeyPage() error {
	p, err := c.newPasskeyForm(c.origin().Browser())
	if fault.Is(err, fault.NotFound) { // made already, or never begun
		return c.done(accountPath, web.Notice{Key: "passkey.begin", Bad: true})
	}
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "passkey", p)
}

// addPasskey keeps the passkey, and shows recovery codes to whoever had no second factor before.
func (c *call) addPasskey() error {
	v, err := web.Form(c.r, "name", "passkey")
	if err != nil {
		return err
	}
	party, ok := c.party()
	if !ok {
		return web.NoSuchPage()
	}
	codes, opened, err := c.Admins.ConfirmPasskey(c.r.Context(), c.who, party, v.Get("passkey"), v.Get("name"), c.origin())
	if faults, ok := mendable(err); ok {
		p, err := c.newPasskeyForm(v.Get("name"))
		if err != nil {
			return err
		}
		p.Summary = p.Passkey.refuse(faults)
		return c.render(http.StatusUnprocessableEntity, "passkey", p)
	}
	if err != nil {
		return err
	}
	c.jar.Set(c.w, sessionCookie, opened.Secret, opened.Life)
	if len(codes) == 0 {
		return c.done(accountPath, web.Notice{Key: "passkey.added"})
	}
	p := enrolData{page: c.page("Recovery Codes", crumb{"My Account", accountPath}), Codes: reveal(codes), Back: accountPath}
	return c.render(http.StatusOK, "factor", p)
}

// removePasskeyForm asks for the password once more.
func (c *call) removePasskeyForm() (formPage, db.ID, error) {
	id, err := db.ParseID(c.r.PathValue("id"))
	if err != nil {
		return formPage{}, id, web.NoSuchPage()
	}
	var k admin.Passkey
	err = c.read(func(tx *db.Tx) (err error) {
		k, err = admin.FindPasskey(c.r.Context(), tx, c.who.ID, id)
		return err
	})
	p := formPage{page: c.page("Remove the Passkey?", crumb{"My Account", accountPath}), Intro: "“" + k.Name + "” will no longer be your second factor."}
	p.Form = form{Action: passkeysPath + "/" + id.String() + "/remove", Submit: "Remove Passkey", Danger: true, Back: accountPath, Who: c.who.Username, Fields: []field{
		{Name: "current_password", Label: "Your Password", Type: "password", Autocomplete: "current-password"}}}
	return p, id, err
}

func (c *call) removePasskeyPage() error {
	p, _, err := c.removePasskeyForm()
	if err != nil {
		return err
	}
	return c.show(p)
}

func (c *call) removePasskey() error {
	v, err := web.Form(c.r, "current_password")
	if err != nil {
		return err
	}
	p, id, err := c.removePasskeyForm()
	if err != nil {
		return err
	}
	if err := c.Admins.RemovePasskey(c.r.Context(), c.who, id, v.Secret("current_password"), c.origin()); err != nil {
		return c.again(p, err)
	}
	return c.done(accountPath, web.Notice{Key: "passkey.removed"})
}

// secondByPasskey is the form for a passkey beside the one for a code, or nil for whoever has none that is good here.
func (c *call) secondByPasskey(key, next string) (*passkeyForm, error) {
	party, ok := c.party()
	if !ok {
		return nil, nil
	}
	options, ok, err := c.Admins.AskSecondFactor(c.r.Context(), c.jar.Get(c.r, sessionCookie), party)
	if err != nil || !ok {
		return nil, err
	}
	f := &passkeyForm{Act: "get", Options: options, None: "No passkey was used. Try again, or enter a code.",
		form: form{Action: codeByKey, Submit: "Use a Passkey", Key: key}}
	if next != "" {
		f.Hidden = []hidden{{"next", next}}
	}
	return f, nil
}

// givePasskey ends the sign-in.
func (c *call) givePasskey() error {
	v, err := web.Form(c.r, "passkey", "next")
	if err != nil {
		return err
	}
	party, ok := c.party()
	if !ok {
		return web.NoSuchPage()
	}
	opened, err := c.Admins.SecondFactorByPasskey(c.r.Context(), c.jar.Get(c.r, sessionCookie), party, v.Get("passkey"), c.origin())
	return c.seconded(opened, err, "", ownPage(v.Get("next")))
}
