package customer

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/limit"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/password"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
)

const (
	// registrationLetters is how many such letters one address gets in an hour, whoever asks.
	registrationLetters  = 5
	registrationInterval = time.Minute
	// confirmTries is how many passwords may be tried against one pending registration in an hour.
	confirmTries = 10
)

var letterRule = limit.Rule{Name: "registration letter", Max: registrationLetters, Window: time.Hour, MinInterval: registrationInterval}

// Registration is the form of a new account.
type Registration struct {
	Firstname, Lastname, Email string
	Password, Confirm          secret.Text
	Answer                     string // shop.RegistrationNeutral or Immediate; "" takes the storefront's setting
	WithoutPassword            bool   // an empty password is accepted: the owner chooses one by letter
	Proven                     bool   // by the store's hand only: it knows whose the address is
	Said                       Changes
	Browser                    secret.Text // what this browser is known by already; empty: it gets a secret
}

// person is what the password must not be made of.
func (r Registration) person() password.Person {
	return password.Person{Email: r.Email, Names: []string{r.Firstname, r.Lastname}}
}

// Receipt is the answer to a registration. In the neutral way it is the same for everyone.
type Receipt struct {
	Browser  secret.Text // goes into a cookie: this browser may finish the registration without the password
	Created  bool        // the account exists now: the immediate way
	Customer Customer    // when Created and confirmed
	Advice   password.Advice
}

// Register begins a new account. By default the answer does not tell whether the address has one already: the account is
// looked up when the letter is written, which either finishes the registration or says that there is an account. With
// the setting customer/create_account/answer = immediate the account is made at once, as Commerce does, and a known
// address is a fault Conflict. Errors: fault Invalid (several, joined), fault Limited by client address.
func (s *Service) Register(ctx context.Context, v *shop.View, r Registration, o audit.Origin) (Receipt, error) {
	address, err := ParseAddress(r.Email)
	var advice password.Advice
	var passwordErr error
	unset := r.WithoutPassword && r.Password.IsEmpty()
	if !unset {
		advice, passwordErr = v.PasswordRules().CheckPair(r.Password, r.Confirm, r.person())
	}
	r.Said.GroupID, r.Said.Active = nil, nil
	if err := errors.Join(r.checkSaid(), err, passwordErr); err != nil {
		return Receipt{}, err
	}
	var hash string
	if !unset {
		if hash, err = s.Hasher.Hash(ctx, r.Password); err != nil {
			return Receipt{}, err
		}
	}
	if r.Answer == "" {
		r.Answer = v.Text(shop.RegistrationAnswer)
	}
	receipt := Receipt{Browser: r.Browser, Advice: advice}
	if !secret.WellFormed(receipt.Browser) {
		receipt.Browser = secret.Random()
	}
	var taken error
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		taken = nil
		if err := limit.DemandClient(ctx, tx, limit.Rule{Name: "registration by client", Max: v.Int(shop.MaxRequestsPerClient), Window: time.Hour}, o.IP,
			"Too many accounts were asked for from your network. Please wait and try again later."); err != nil {
			return err
		}
		if r.Answer == shop.RegistrationImmediate {
			err := s.registerNow(ctx, tx, v, r, address, hash, o, &receipt)
			if fault.Is(err, fault.Conflict) {
				taken, err = err, nil // commits the count: who is a customer is not to be asked without end
			}
			return err
		}
		return s.registerByLetter(ctx, tx, v, r, address, hash, o, receipt.Browser)
	})
	if err == nil {
		err = taken
	}
	return receipt, err
}

func (s *Service) registerByLetter(ctx context.Context, tx *db.Tx, v *shop.View, r Registration, a Address, hash string, o audit.Origin, browser secret.Text) error {
	return queueLetter(ctx, tx, v, a, o, func(now, expires time.Time) (map[string]string, error) {
		said, err := r.Said.pack()
		if err != nil {
			return nil, err
		}
		id := db.NewID()
		_, err = tx.Exec(ctx, `INSERT INTO registrations (id, website_id, store_view_id, email, email_canon, firstname, lastname,
		password_hash, secret_hash, browser_hash, created_at, expires_at, said) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)`,
			id, v.Website.ID, v.ID, a.typed, a.canonical, r.Firstname, r.Lastname, hash, secret.Digest(s.Key.Derive(registrationPurpose, id[:])),
			secret.Digest(browser), db.Micro(now), db.Micro(expires), said)
		return map[string]string{"registration": id.String()}, err
	})
}

// queueLetter counts a letter of registration on its address, queues it with the data that note makes, and records it.
// Beyond the limit it does nothing but record, silently: the answer is everyone's, and the letter before this one still works.
func queueLetter(ctx context.Context, tx *db.Tx, v *shop.View, a Address, o audit.Origin, note func(now, expires time.Time) (map[string]string, error)) error {
	now, err := tx.Now(ctx)
	if err != nil {
		return err
	}
	verdict, err := limit.Take(ctx, tx, letterRule, string(a.Key(v.Website.ID)))
	if err != nil {
		return err
	}
	e := audit.Entry{Action: audit.Registered, Actor: audit.Actor{Kind: audit.Shopper}, AddressKey: a.Key(v.Website.ID),
		Subject: a.Masked(), WebsiteID: v.Website.ID, Origin: o}
	if !verdict.Allowed {
		e.Outcome = "limited"
		return audit.Record(ctx, tx, e)
	}
	expires := now.Add(v.Duration(shop.RegistrationLinkPeriod))
	data, err := note(now, expires)
	if err != nil {
		return err
	}
	_, err = mail.Enqueue(ctx, tx, mail.Note{Kind: RegistrationLetter, Priority: mail.Awaited, WebsiteID: v.Website.ID, ViewID: v.ID,
		AddressKey: a.Key(v.Website.ID), Data: data, ExpiresAt: expires})
	if err != nil {
		return err
	}
	return audit.Record(ctx, tx, e)
}

func (s *Service) registerNow(ctx context.Context, tx *db.Tx, v *shop.View, r Registration, a Address, hash string, o audit.Origin, receipt *Receipt) error {
	if v.Bool(shop.RequireConfirmation) {
		// The account comes to be when the letter is answered: an address that is not proven cannot be taken from its owner.
		if _, err := FindByAddress(ctx, tx, v.Website.ID, a); !fault.Is(err, fault.NotFound) {
			if err == nil {
				err = exists()
			}
			return err
		}
		return s.registerByLetter(ctx, tx, v, r, a, hash, o, receipt.Browser)
	}
	n := New{WebsiteID: v.Website.ID, ViewID: v.ID, Address: a, Firstname: r.Firstname, Lastname: r.Lastname, Hash: hash}
	if hash != "" { // without a password nobody can use the account before a letter has proven the address
		var err error
		if n.ConfirmedAt, err = tx.Now(ctx); err != nil {
			return err
		}
	}
	c, err := s.create(ctx, tx, v, n, r.Said, audit.Actor{}, o)
	receipt.Created, receipt.Customer = err == nil, c
	return err
}

// create stores a new account, what was said about its owner, its welcome letter and its audit line. Without an actor it is the
// owner's own doing.
func (s *Service) create(ctx context.Context, tx *db.Tx, v *shop.View, n New, said Changes, by audit.Actor, o audit.Origin) (Customer, error) {
	c, err := Create(ctx, tx, n)
	if err != nil {
		return Customer{}, err
	}
	return s.begin(ctx, tx, v, c, said, audit.CustomerCreated, by, o)
}

// begin is what follows when an account has got its owner: what they said of themselves, the welcome letter, the audit line.
func (s *Service) begin(ctx context.Context, tx *db.Tx, v *shop.View, c Customer, said Changes, action string, by audit.Actor, o audit.Origin) (Customer, error) {
	if len(said.apply(&c)) > 0 {
		if err := store(ctx, tx, c, false); err != nil {
			return Customer{}, err
		}
	}
	if err := said.keepBook(ctx, tx, c.ID); err != nil {
		return Customer{}, err
	}
	c, err := Find(ctx, tx, c.ID)
	if err != nil {
		return Customer{}, err
	}
	letter := mail.Note{Kind: WelcomeLetter, WebsiteID: c.WebsiteID, ViewID: v.ID, CustomerID: c.ID}
	if by.Kind == "" {
		by = c.Actor()
		letter.Data = map[string]string{asked: "visitor"}
	}
	if _, err := mail.Enqueue(ctx, tx, letter); err != nil {
		return Customer{}, err
	}
	return c, audit.Record(ctx, tx, audit.Entry{Action: action, Actor: by,
		CustomerID: c.ID, Subject: c.Address().Masked(), WebsiteID: c.WebsiteID, Origin: o})
}

type registration struct {
	id                  db.ID
	digest              []byte // of its link
	websiteID, viewID   int64
	address             Address
	firstname, lastname string
	hash                string
	browser             []byte
	said                Changes
}

// registrationWaits is the condition for a registration to be finished, and for its link to be shown; $1 is now. A cut of the
// website's links ends it too: it holds a password, and its link was mailed.
const registrationWaits = `used_at IS NULL AND expires_at > $1
	AND created_at > COALESCE((SELECT links FROM cutoffs WHERE cutoffs.website_id = registrations.website_id), 0)`

// findRegistration reads one that waits, by "id" or "secret_hash". Errors: fault NotFound.
func findRegistration(ctx context.Context, tx *db.Tx, column string, key any) (registration, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return registration{}, err
	}
	var r registration
	var said string
	err = tx.Row(ctx, `SELECT id, secret_hash, website_id, store_view_id, email, email_canon, firstname, lastname, password_hash, browser_hash, said
		FROM registrations WHERE `+column+` = $2 AND `+registrationWaits, db.Micro(now), key).Scan(&r.id, &r.digest, &r.websiteID, &r.viewID,
		&r.address.typed, &r.address.canonical, &r.firstname, &r.lastname, &r.hash, &r.browser, &said)
	if db.IsNoRows(err) {
		return registration{}, fault.New(fault.NotFound, "not_found", "There is no such registration.")
	}
	if err == nil {
		r.said, err = unpack(said)
	}
	return r, err
}

// registrationPurpose is what the secret of a registration's link is derived for.
const registrationPurpose = "registration-link"

// linked is the registration that a link finishes. One that was made with a key which is accepted no more finishes none. Errors:
// fault NotFound.
func (s *Service) linked(ctx context.Context, tx *db.Tx, link secret.Text) (registration, error) {
	r, err := findRegistration(ctx, tx, "secret_hash", secret.Digest(link))
	if err == nil && !s.Key.Made(registrationPurpose, r.id[:], link) {
		err = fault.New(fault.NotFound, "not_found", "There is no such registration.")
	}
	return r, err
}

// linkTo is an absolute link that carries nothing but its secret.
func linkTo(v *shop.View, path string, link secret.Text) secret.Text {
	return secret.NewText(v.Link(path, url.Values{"token": {link.Reveal()}}))
}

// Pending is a registration that waits for its owner.
type Pending struct {
	Firstname, Email string
	NeedsPassword    bool // it was begun in another browser
}

// PendingRegistration shows what a letter's link would finish; it changes nothing. Errors: fault Expired.
func (s *Service) PendingRegistration(ctx context.Context, v *shop.View, link, browser secret.Text) (Pending, error) {
	var r registration
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = s.pending(ctx, tx, v, link)
		return err
	})
	if err != nil {
		return Pending{}, err
	}
	return Pending{Firstname: r.firstname, Email: r.address.String(), NeedsPassword: !r.begunIn(browser) && r.hash != ""}, nil
}

func (s *Service) pending(ctx context.Context, tx *db.Tx, v *shop.View, link secret.Text) (registration, error) {
	gone := fault.New(fault.Expired, "link.expired", "This link has expired or has been used already. Ask for a new one.")
	if !secret.WellFormed(link) {
		return registration{}, gone
	}
	r, err := s.linked(ctx, tx, link)
	if fault.Is(err, fault.NotFound) || err == nil && r.websiteID != v.Website.ID {
		return registration{}, gone
	}
	return r, err
}

func (r registration) begunIn(browser secret.Text) bool {
	return secret.WellFormed(browser) && string(secret.Digest(browser)) == string(r.browser)
}

// FinishRegistration makes the account. Whoever follows the letter's link must also be who began the registration: the
// same browser, or the password that was chosen then. Otherwise somebody could register with the address of another, who
// confirms it, and would then know the password of their account. Errors: fault Expired, Invalid on "password", Limited.
func (s *Service) FinishRegistration(ctx context.Context, v *shop.View, link, browser, password secret.Text, o audit.Origin) (Customer, error) {
	var r registration
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		r, err = s.pending(ctx, tx, v, link)
		return err
	})
	if err != nil {
		return Customer{}, err
	}
	if !r.begunIn(browser) && r.hash != "" {
		if err := s.provePending(ctx, r, password); err != nil {
			return Customer{}, err
		}
	}
	var made Customer
	err = s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		made, err = s.finish(ctx, tx, v, r, audit.Actor{}, o)
		return err
	})
	return made, err
}

// finish spends a registration and makes its account: the letter's link has proven the address. An account that somebody made under
// the address without proving it becomes the owner's.
func (s *Service) finish(ctx context.Context, tx *db.Tx, v *shop.View, r registration, by audit.Actor, o audit.Origin) (made Customer, err error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return made, err
	}
	n, err := tx.Exec(ctx, "UPDATE registrations SET used_at = $1 WHERE id = $2 AND "+registrationWaits, db.Micro(now), r.id)
	if err != nil {
		return made, err
	}
	if n == 0 {
		return made, fault.New(fault.Expired, "link.expired", "This link has expired or has been used already. Ask for a new one.")
	}
	there, err := FindByAddress(ctx, tx, r.websiteID, r.address)
	switch {
	case err == nil && !there.Proven() && there.Active:
		return s.inherit(ctx, tx, v, r, there, by, o)
	case err == nil || fault.Is(err, fault.NotFound):
		return s.create(ctx, tx, v, New{WebsiteID: r.websiteID, ViewID: r.viewID, Address: r.address, Firstname: r.firstname,
			Lastname: r.lastname, Hash: r.hash, ConfirmedAt: now, ProvenAt: now}, r.said, by, o)
	}
	return made, err
}

// inherit gives an account that nobody has proven to who finishes a registration of its address: whatever its maker has ends, and
// password and name are the owner's.
func (s *Service) inherit(ctx context.Context, tx *db.Tx, v *shop.View, r registration, there Customer, by audit.Actor, o audit.Origin) (Customer, error) {
	end := Disown
	if s.Disowned != nil {
		end = s.Disowned
	}
	if err := end(ctx, tx, there); err != nil {
		return Customer{}, err
	}
	c, err := Find(ctx, tx, there.ID)
	if err == nil && r.hash != "" {
		err = SetPassword(ctx, tx, c, r.hash, true)
	} else if err == nil {
		err = Prove(ctx, tx, c)
	}
	if err != nil {
		return Customer{}, err
	}
	r.said.Firstname, r.said.Lastname = &r.firstname, &r.lastname
	return s.begin(ctx, tx, v, c, r.said, audit.AddressProven, by, o)
}

func (s *Service) provePending(ctx context.Context, r registration, password secret.Text) error {
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		return limit.Demand(ctx, tx, limit.Rule{Name: "registration tries", Max: confirmTries, Window: time.Hour}, r.id.String(),
			"Too many passwords were tried. Please wait and try again later.")
	})
	if err != nil {
		return err
	}
	ok, _, err := s.Hasher.Verify(ctx, r.hash, password)
	if err == nil && !ok {
		err = fault.Refuse("password", "registration.password_wrong", "This is not the password that was chosen for the new account.", nil)
	}
	return err
}

// SweepRegistrations deletes what was never finished, at most most of them: it holds a name and a password's hash.
func SweepRegistrations(ctx context.Context, tx *db.Tx, most int) (int64, error) {
	now, err := tx.Now(ctx)
	if err != nil {
		return 0, err
	}
	return tx.Exec(ctx, `DELETE FROM registrations WHERE id IN (SELECT id FROM registrations WHERE expires_at < $1 LIMIT $2`+
		tx.SkipLocked()+`)`, db.Micro(now), most)
}
