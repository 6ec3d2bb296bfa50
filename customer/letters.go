package customer

import (
	"context"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

// Letters that this package composes.
const (
	RegistrationLetter = "registration" // becomes "confirm" or "already_registered" when it is written
	WelcomeLetter      = "welcome"
	DeletedLetter      = "account_deleted"
)

// Composers returns who writes this package's letters.
func (s *Service) Composers() map[string]mail.Composer {
	return map[string]mail.Composer{RegistrationLetter: s.composeRegistration, DeletedLetter: s.composeDeleted}
}

// Reader is whom an email is written to. It has a name only where the owner of a proven address reads: for anybody else a name is
// what somebody typed who wants them to read it.
type Reader struct {
	to        mail.Address
	firstname string
}

// Reader is the customer, at the stored address, whatever was typed.
func (c Customer) Reader() Reader {
	if !c.Proven() {
		return Stranger(c.Email)
	}
	return Reader{mail.Address{Name: c.Name(), Email: c.Email}, c.Firstname}
}

// ReaderAt is whoever reads at an address that an email about the customer goes to: the customer, if it is the account's own.
func (c Customer) ReaderAt(a Address) Reader {
	if a.canonical == c.canonical {
		return c.Reader()
	}
	return Stranger(a.typed)
}

// Stranger is whoever reads at an address of which nobody knows whose it is.
func Stranger(email string) Reader { return Reader{to: mail.Address{Email: email}} }

// Compose begins a letter of the given kind in a store view's language: letterhead, greeting, and the sentences that the
// catalogue has under "letter."+kind. The caller adds what only it knows.
func Compose(v *shop.View, kind string, to Reader) mail.Content {
	l := v.Lang()
	store := v.StoreName()
	c := mail.Content{
		Head: mail.Letterhead{
			Lang: l.Tag(), StoreName: store, LogoText: v.LogoText, Accent: v.Accent,
			SenderName: v.SenderName, SenderEmail: v.SenderEmail, SupportEmail: v.SupportEmail, SupportPhone: v.SupportPhone,
			BaseURL: v.Link("", nil), LinkHint: l.T("letter.copy_link"),
		},
		To:         to.to,
		Title:      l.T("letter."+kind+".subject", "Store", store),
		Subject:    l.T("letter."+kind+".subject", "Store", store),
		Preheader:  l.T("letter."+kind+".preheader", "Store", store),
		Greeting:   l.T("letter.greeting_plain"),
		Paragraphs: []string{l.T("letter."+kind+".body1", "Store", store)},
		Why:        l.T("letter."+kind+".why", "Store", store),
	}
	if c.Head.SenderName == "" {
		c.Head.SenderName = store
	}
	if to.firstname != "" {
		c.Greeting = l.T("letter.greeting", "Name", to.firstname)
	}
	switch {
	case v.SupportEmail != "" && v.SupportPhone != "":
		c.Head.Footer = []string{l.T("letter.contact_phone", "Email", v.SupportEmail, "Phone", v.SupportPhone)}
	case v.SupportEmail != "":
		c.Head.Footer = []string{l.T("letter.contact", "Email", v.SupportEmail)}
	}
	return c
}

// View is the store view that speaks to a customer: the one that the account was made in, or its website's first that has an
// address.
func (c Customer) View(snap *shop.Snapshot) (*shop.View, bool) {
	if v, ok := snap.View(c.ViewID); ok && v.BaseURL != "" {
		return v, true
	}
	for _, v := range snap.ViewsOf(c.WebsiteID) {
		if v.BaseURL != "" {
			return v, true
		}
	}
	return nil, false
}

// ViewOf is the store view that a letter is written in. Errors: mail.NotNeeded where it is gone.
func ViewOf(ctx context.Context, sh *shop.Shop, letter mail.Letter) (*shop.View, error) {
	snap, err := sh.Load(ctx)
	if err != nil {
		return nil, err
	}
	v, ok := snap.View(letter.ViewID)
	if !ok {
		return nil, mail.NotNeeded("its store view is gone")
	}
	return v, nil
}

func (s *Service) composeRegistration(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := ViewOf(ctx, s.Shop, letter)
	if err != nil {
		return mail.Content{}, err
	}
	if _, again := letter.Data["address"]; again {
		return s.composeAgain(ctx, v, letter)
	}
	id, err := db.ParseID(letter.Data["registration"])
	if err != nil {
		return mail.Content{}, err
	}
	var r registration
	var known bool
	var owner Customer
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		if r, err = findRegistration(ctx, tx, "id", id); err != nil {
			return err
		}
		owner, err = FindByAddress(ctx, tx, r.websiteID, r.address)
		known = err == nil && owner.Proven()
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return mail.Content{}, mail.NotNeeded("the registration was finished or has expired")
	}
	if err != nil {
		return mail.Content{}, err
	}
	if owner.ID != 0 && !owner.Active {
		return mail.Content{}, mail.NotNeeded("the account is disabled")
	}
	l := v.Lang()
	if known {
		c := Compose(v, "already_registered", owner.Reader())
		c.Button = &mail.Button{Label: l.T("letter.already_registered.button"), URL: secret.NewText(v.Link("/customer/account/login", nil))}
		c.After = []string{l.T("letter.already_registered.forgot") + " " + v.Link("/customer/account/forgotpassword", nil)}
		c.NotYou = l.T("letter.already_registered.ignore")
		return c, nil
	}
	if err := s.AdmitStranger(ctx, v, letter); err != nil {
		return mail.Content{}, err
	}
	c := Compose(v, "confirm", Stranger(r.address.String()))
	c.Button = &mail.Button{Label: l.T("letter.confirm.button"), URL: linkTo(v, "/customer/account/confirm", s.Key.Again(registrationPurpose, id[:], r.digest))}
	c.After = []string{l.T("letter.valid_until", "Date", l.Date(letter.ExpiresAt, v.Location()))}
	c.NotYou = l.T("letter.confirm.ignore")
	return c, nil
}

// ComposeWelcome writes the letter of a new account.
func (s *Service) ComposeWelcome(ctx context.Context, letter mail.Letter) (mail.Content, error) {
	v, err := ViewOf(ctx, s.Shop, letter)
	if err != nil {
		return mail.Content{}, err
	}
	var who Customer
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		who, err = Find(ctx, tx, letter.CustomerID)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return mail.Content{}, mail.NotNeeded("the account is gone")
	}
	if err != nil {
		return mail.Content{}, err
	}
	if letter.Data[asked] != "" && !who.Proven() {
		if err := s.AdmitStranger(ctx, v, letter); err != nil {
			return mail.Content{}, err
		}
	}
	l := v.Lang()
	c := Compose(v, "welcome", who.Reader())
	c.Button = &mail.Button{Label: l.T("letter.welcome.button"), URL: secret.NewText(v.Link("/customer/account/login", nil))}
	if !who.HasPassword() || !who.Confirmed() { // choosing a password by letter proves the address as well
		c.Button = &mail.Button{Label: l.T("letter.forgot.button"), URL: secret.NewText(v.Link("/customer/account/forgotpassword", nil))}
		c.Paragraphs = []string{l.T("letter.welcome.without_password", "Store", v.StoreName())}
	}
	if v.SupportEmail != "" {
		c.NotYou = l.T("letter.welcome.not_you", "Email", v.SupportEmail)
	}
	return c, nil
}
