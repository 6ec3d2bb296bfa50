package console

import (
	"bytes"
	"image/png"
	"net/http"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/web"
)

const (
	codePath    = loginPath + "/code"
	accountPath = Root + "/account"
	factorPath  = accountPath + "/second-factor"
	pictureSize = 240 // pixels of the picture that an authenticator app reads
)

// accountPage is what administrators manage of their own: the password and the second factor.
type accountPage struct {
	page
	Password form
	Factor   form // to set one up, or to take it away
	Has      bool
	Left     int64 // recovery codes

	NewPasskey form
	Passkeys   []passkeyLine
	Able       bool // browsers make passkeys at this address
}

func (c *call) accountForm() (accountPage, error) {
	p := accountPage{page: c.page("My Account"), Has: c.who.HasCode()}
	mine := field{Name: "current_password", Label: "Your Password", Type: "password", Autocomplete: "current-password", Hint: "The password that you signed in with."}
	p.Password = form{Action: accountPath + "/password", Submit: "Change Password", Key: p.Key, Who: c.who.Username, Fields: []field{
		{Name: "current_password", Label: "Current Password", Type: "password", Autocomplete: "current-password"},
		{Name: "password", Label: "New Password", Type: "password", Autocomplete: "new-password",
			Hint: c.sentences(c.snap.AdminPasswordRules()) + " Your other sessions and tokens end."},
		{Name: "password_confirmation", Label: "Confirm New Password", Type: "password", Autocomplete: "new-password"},
	}}
	// Two forms on one page: the ids of the second are its own.
	mine.Name = "factor_password"
	p.Factor = form{Action: factorPath, Submit: "Set Up", Key: p.Key, Who: c.who.Username, Fields: []field{mine}}
	if p.Has {
		p.Factor.Action, p.Factor.Submit = factorPath+"/remove", "Remove Second Factor"
	}
	_, p.Able = c.party()
	mine.Name, mine.Hint = "passkey_password", "The password that you signed in with; the browser asks for your device next."
	p.NewPasskey = form{Action: passkeysPath + "/begin", Submit: "Add a Passkey", Key: p.Key, Who: c.who.Username, Fields: []field{mine}}
	err := c.read(func(tx *db.Tx) (err error) {
		if p.Left, err = admin.CodesLeft(c.r.Context(), tx, c.who.ID); err != nil {
			return err
		}
		p.Passkeys, err = c.passkeyLines(tx)
		return err
	})
	return p, err
}

func (c *call) account() error {
	p, err := c.accountForm()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "account", p)
}

// accountAgain shows the page with what was refused in one of its forms.
func (c *call) accountAgain(err error, of func(*accountPage) *form) error {
	faults, ok := mendable(err)
	if !ok {
		return err
	}
	p, err := c.accountForm()
	if err != nil {
		return err
	}
	for _, f := range faults {
		if f.Field == "current_password" {
			f.Field = of(&p).Fields[0].Name // one page, three forms: each has a password's field of its own
		}
	}
	p.Summary = of(&p).refuse(faults)
	return c.render(http.StatusUnprocessableEntity, "account", p)
}

// changeOwnPassword replaces the password of whoever knows it; this browser stays signed in.
func (c *call) changeOwnPassword() error {
	v, err := web.Form(c.r, "current_password", "password", "password_confirmation")
	if err != nil {
		return err
	}
	opened, err := c.Admins.ChangePassword(c.r.Context(), c.who, v.Secret("current_password"), v.Secret("password"), v.Secret("password_confirmation"), c.origin())
	if err != nil {
		return c.accountAgain(err, func(p *accountPage) *form { return &p.Password })
	}
	c.jar.Set(c.w, sessionCookie, opened.Secret, opened.Life)
	return c.done(accountPath, web.Notice{Key: "password.changed"})
}

// enrol begins to set up a second factor.
func (c *call) enrol() error {
	v, err := web.Form(c.r, "factor_password")
	if err != nil {
		return err
	}
	if err := c.Admins.Enrol(c.r.Context(), c.who, v.Secret("factor_password"), c.origin()); err != nil {
		return c.accountAgain(err, func(p *accountPage) *form { return &p.Factor })
	}
	web.SeeOther(c.w, factorPath)
	return nil
}

// enrolData is the page that an authenticator app is held against.
type enrolData struct {
	page
	Picture, Secret string
	Form            form
	Codes           []string // recovery codes, once the factor is set up
	Back            string
}

func (c *call) enrolForm() (enrolData, error) {
	e, err := c.Admins.Pending(c.r.Context(), c.who)
	p := enrolData{page: c.page("Set Up Second Factor", crumb{"My Account", accountPath}), Picture: factorPath + "/picture", Secret: e.Secret.Reveal(), Back: accountPath}
	p.Form = form{Action: factorPath + "/confirm", Submit: "Confirm", Back: accountPath, Key: p.Key, Fields: []field{
		{Name: "code", Label: "Code", Type: "text", Autocomplete: "one-time-code", Mono: true, Hint: "The six digits that the app shows now."}}}
	return p, err
}

func (c *call) enrolPage() error {
	p, err := c.enrolForm()
	if fault.Is(err, fault.NotFound) { // set up already, or never begun
		web.SeeOther(c.w, accountPath)
		return nil
	}
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "factor", p)
}

// enrolPicture is the QR code (ISO/IEC 18004) of the factor that waits. It comes from an address of its own, because no page may
// hold a picture inline.
func (c *call) enrolPicture() error {
	e, err := c.Admins.Pending(c.r.Context(), c.who)
	if err != nil {
		return err
	}
	code, err := qr.Encode(e.URL.Reveal(), qr.M, qr.Auto)
	if err == nil {
		code, err = barcode.Scale(code, pictureSize, pictureSize)
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, code); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "image/png")
	c.w.Header().Set("Cache-Control", "no-store")
	_, err = c.w.Write(b.Bytes())
	_ = err // the browser has gone
	return nil
}

// confirmFactor sets the second factor up and shows the recovery codes, this once.
func (c *call) confirmFactor() error {
	v, err := web.Form(c.r, "code")
	if err != nil {
		return err
	}
	codes, opened, err := c.Admins.Confirm(c.r.Context(), c.who, v.Get("code"), c.origin())
	if faults, ok := mendable(err); ok {
		p, err := c.enrolForm()
		if err != nil {
			return err
		}
		p.Summary = p.Form.refuse(faults)
		return c.render(http.StatusUnprocessableEntity, "factor", p)
	}
	if err != nil {
		return err
	}
	c.jar.Set(c.w, sessionCookie, opened.Secret, opened.Life)
	p := enrolData{page: c.page("Recovery Codes", crumb{"My Account", accountPath}), Codes: reveal(codes), Back: accountPath}
	return c.render(http.StatusOK, "factor", p)
}

func reveal(codes []secret.Text) []string {
	var all []string
	for _, one := range codes {
		all = append(all, one.Reveal())
	}
	return all
}

func (c *call) removeFactor() error {
	v, err := web.Form(c.r, "factor_password")
	if err != nil {
		return err
	}
	if err := c.Admins.RemoveFactor(c.r.Context(), c.who, v.Secret("factor_password"), c.origin()); err != nil {
		return c.accountAgain(err, func(p *accountPage) *form { return &p.Factor })
	}
	return c.done(accountPath, web.Notice{Key: "factor.removed"})
}

// resetFactors takes the second factor of a colleague away, who has lost it.
func (c *call) resetFactors() error {
	who, err := c.colleague()
	if err != nil {
		return err
	}
	if err := c.Admins.ResetFactors(c.r.Context(), c.permit, who.Username, c.origin()); err != nil {
		return err
	}
	return c.done(adminsPath, web.Notice{Key: "factor.reset"})
}
