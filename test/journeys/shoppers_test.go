package journeys_test

import (
	"strings"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/puzzle"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
)

// counted are the tables in which a try is counted, and committed, before anybody looks whether it is right.
var counted = []string{"limits", "lockouts"}

// used is where it is remembered that a token was used.
var used = []string{"tokens"}

// shoppers are the journeys of people who buy, and of whoever pretends to be one.
var shoppers = []journey{
	{name: "go on with an account just made", ready: func(s *stage) act {
		return func() error { _, err := s.SignIn.Begin(ctx, s.view, s.c, home); return err }
	}},
	{name: "ask for a link", ready: func(s *stage) act {
		return func() error { return s.Recovery.RequestIn(ctx, s.view, secret.Random(), s.c.Email, home) }
	}},
	{name: "ask for a link, from a program", ready: func(s *stage) act {
		return func() error { return s.Recovery.Request(ctx, s.view, s.c.Email, home) }
	}},
	{name: "ask for a code to sign in", ready: func(s *stage) act {
		return func() error { return s.Recovery.RequestSignIn(ctx, s.view, secret.Random(), s.c.Email, home) }
	}},
	{name: "write the letter with the link", ready: func(s *stage) act {
		s.ok(s.Recovery.RequestIn(ctx, s.view, secret.Random(), s.c.Email, home))
		letter := s.queued(recovery.ForgotLetter)[0]
		return func() error { _, err := s.Recovery.Composers()[letter.Kind](ctx, letter); return err }
	}},
	{name: "check a link", check: true, ready: func(s *stage) act {
		link := s.link()
		return func() error { _, err := s.Recovery.Check(ctx, s.view, link, home); return err }
	}},
	{name: "open a link", ready: func(s *stage) act {
		p := ok2(s, func() (recovery.Pending, error) { return s.Recovery.Check(ctx, s.view, s.link(), home) })
		return func() error { return s.Recovery.Opened(ctx, p, home) }
	}},
	{name: "choose a new password", spends: resetLink, check: true, ready: func(s *stage) act {
		link, w := s.link(), secret.NewText(newWord)
		return func() error {
			_, err := s.Recovery.Complete(ctx, s.view, recovery.Reset{Link: link, Password: w, Confirm: w}, home)
			return err
		}
	}},
	{name: "type a code", spends: resetCode, check: true, ready: func(s *stage) act {
		browser, code := s.code(recovery.ForgotLetter)
		return func() error { _, err := s.Recovery.OpenByCode(ctx, s.view, browser, code, home); return err }
	}},
	{name: "sign in by code", spends: signInCode, check: true, ready: func(s *stage) act {
		browser, code := s.code(recovery.SignInLetter)
		return func() error { _, err := s.Recovery.SignInByCode(ctx, s.view, browser, code, home); return err }
	}},
	{name: "say it wasn't me", spends: objection, check: true, ready: func(s *stage) act {
		link := s.wasntMe()
		return func() error {
			ob, err := s.Recovery.Object(ctx, s.view, link, recovery.Pressed{Sure: true}, home)
			if err == nil && ob.MadeAt.IsZero() {
				err = fault.New(fault.Expired, "", "There was nothing left to stop.")
			}
			return err
		}
	}},
	{name: "change the password", keeps: counted, ready: func(s *stage) act {
		who, _ := s.signedIn()
		w := secret.NewText(newWord)
		return func() error {
			_, err := s.Recovery.Change(ctx, s.view, who, recovery.Change{Current: word(), Password: w, Confirm: w}, home)
			return err
		}
	}},
	{name: "change the password, from a program", keeps: counted, ready: func(s *stage) act {
		b, err := s.Tokens.Check(ctx, s.bearer())
		s.ok(err)
		w := secret.NewText(newWord)
		return func() error {
			return s.Recovery.ChangeByToken(ctx, s.view, b, recovery.Change{Current: word(), Password: w, Confirm: w}, home)
		}
	}},
	{name: "ask for another address", keeps: counted, ready: func(s *stage) act {
		return func() error { return s.Recovery.ChangeEmail(ctx, s.view, s.c, "camille@new.test", word(), home) }
	}},
	{name: "cancel another address", ready: func(s *stage) act {
		s.newEmail()
		waits := ok2(s, func() (e customer.EmailChange, err error) {
			return e, s.DB.Read(ctx, func(tx *db.Tx) error {
				e, err = customer.PendingEmailChange(ctx, tx, s.c.ID)
				return err
			})
		})
		return func() error { return s.Recovery.CancelEmail(ctx, s.c, waits.ID, home) }
	}},
	{name: "download the own data", ready: func(s *stage) act {
		who, _ := s.signedIn()
		s.clock.Advance(aWhile)
		if err := s.SignIn.Confirm(ctx, s.view, who, word(), home); err != nil {
			s.T.Fatal(err)
		}
		return func() error { _, err := s.Recovery.Download(ctx, who, home); return err }
	}},
	{name: "confirm another address", spends: newAddress, check: true, ready: func(s *stage) act {
		link := s.newEmail()
		return func() error { return s.Recovery.ConfirmEmail(ctx, s.view, link, home) }
	}},
	{name: "register", ready: func(s *stage) act {
		return func() error { _, err := s.Customers.Register(ctx, s.view, newcomer(), home); return err }
	}},
	{name: "register at once", ready: func(s *stage) act {
		r := newcomer()
		r.Answer = shop.RegistrationImmediate
		return func() error { _, err := s.Customers.Register(ctx, s.view, r, home); return err }
	}},
	{name: "finish a registration", spends: registration, check: true, ready: func(s *stage) act {
		link, browser := s.registration()
		return func() error {
			_, err := s.Customers.FinishRegistration(ctx, s.view, link, browser, secret.Text{}, home)
			return err
		}
	}},
	{name: "have a registration finished by a program", spends: registration, ready: func(s *stage) act {
		link, _ := s.registration()
		return func() error {
			_, err := s.Customers.Activate(ctx, s.may(admin.EditCustomers), "zoe@lune.test", link, home)
			return err
		}
	}},
	{name: "ask for the confirmation again", ready: func(s *stage) act {
		s.registration()
		s.clock.Advance(2 * registrationPause)
		return func() error { return s.Customers.AskConfirmation(ctx, s.view, "zoe@lune.test", home) }
	}},
	{name: "change the profile", ready: func(s *stage) act {
		name := "Camille-Anne"
		return func() error {
			_, err := s.Customers.Update(ctx, s.c, customer.Changes{Firstname: &name}, home)
			return err
		}
	}},
	{name: "save and delete an address", ready: func(s *stage) act {
		a := customer.PostalAddress{Firstname: "Camille", Lastname: "Moreau", Street: []string{"1 rue de la Lune"}, City: "Paris", Postcode: "75002",
			Country: "FR", Telephone: "0102030405"}
		kept := ok2(s, func() (customer.PostalAddress, error) { return s.Customers.SaveAddress(ctx, s.c, a, home) })
		return func() error { return s.Customers.DeleteAddress(ctx, s.c, kept.ID, home) }
	}},
	{name: "delete the own account", ready: func(s *stage) act { return func() error { return s.Customers.DeleteOwn(ctx, s.view, s.c, home, nil) } }},
	{name: "sign in", keeps: counted, check: true, ready: func(s *stage) act {
		return func() error { _, err := s.SignIn.SignIn(ctx, s.view, s.c.Email, word(), home); return err }
	}},
	{name: "check a session", check: true, ready: func(s *stage) act {
		_, cookie := s.signedIn()
		s.clock.Advance(aWhile)
		return func() error { _, err := s.SignIn.Check(ctx, s.view, cookie); return err }
	}},
	{name: "sign out", ready: func(s *stage) act {
		_, cookie := s.signedIn()
		return func() error { return s.SignIn.SignOut(ctx, s.view, cookie, home) }
	}},
	{name: "end one browser", ready: func(s *stage) act {
		other, _ := s.signedIn()
		who, _ := s.signedIn()
		return func() error { return s.SignIn.End(ctx, who, other.Session.ID, home) }
	}},
	{name: "end every other browser", ready: func(s *stage) act {
		s.signedIn()
		who, _ := s.signedIn()
		return func() error { _, err := s.SignIn.EndOthers(ctx, who, home); return err }
	}},
	{name: "confirm by password", keeps: counted, ready: func(s *stage) act {
		who, _ := s.signedIn()
		s.clock.Advance(aWhile)
		return func() error { return s.SignIn.Confirm(ctx, s.view, who, word(), home) }
	}},
	{name: "add a passkey", ready: func(s *stage) act {
		who, _ := s.signedIn()
		ask := ok2(s, func() (signin.Ask, error) { return s.SignIn.AskNewPasskey(ctx, s.view, who) })
		answer := fixture.NewDevice(s.T, "lune.test", storeURL).Make(ask.Options)
		return func() error {
			return s.SignIn.AddPasskey(ctx, s.view, who, signin.Answer{Ticket: ask.Ticket, Response: answer}, "Phone", home)
		}
	}},
	{name: "sign in by passkey", keeps: counted, check: true, ready: func(s *stage) act {
		device := s.Passkey("lune_en", s.c.Email, "Phone")
		ask, _, err := s.SignIn.AskToSignIn(ctx, s.view, "a browser")
		s.ok(err)
		answer := device.Use(ask.Options)
		return func() error {
			_, err := s.SignIn.SignInByPasskey(ctx, s.view, signin.Answer{Ticket: ask.Ticket, Response: answer, Browser: "a browser"}, home)
			return err
		}
	}},
	{name: "confirm by passkey", keeps: counted, check: true, ready: func(s *stage) act {
		device := s.Passkey("lune_en", s.c.Email, "Phone")
		who, _ := s.signedIn()
		ask, _, err := s.SignIn.AskOwner(ctx, s.view, who)
		s.ok(err)
		answer := device.Use(ask.Options)
		return func() error {
			return s.SignIn.ConfirmByPasskey(ctx, s.view, who, signin.Answer{Ticket: ask.Ticket, Response: answer}, home)
		}
	}},
	{name: "rename a passkey", ready: func(s *stage) act {
		who, key := s.withPasskey()
		return func() error { return s.SignIn.RenamePasskey(ctx, who, key.ID, "Tablet") }
	}},
	{name: "remove a passkey", ready: func(s *stage) act {
		who, key := s.withPasskey()
		return func() error { return s.SignIn.RemovePasskey(ctx, s.view, who, key.ID, home) }
	}},
	{name: "fill in a form under attack", ready: func(s *stage) act {
		return func() error { _, err := s.Puzzles.Admit(ctx, s.view, puzzle.SignIn, puzzle.Answer{}, home); return err }
	}},
	{name: "be counted as a program", ready: func(s *stage) act {
		return func() error { _, err := s.Puzzles.AdmitProgram(ctx, s.view, home); return err }
	}},
	// Batch by batch, the last line in the audit apart: one that broke off is run again, and goes on.
	{name: "import a file", keeps: []string{"audit", "customers"}, ready: func(s *stage) act {
		file := "email,firstname,lastname,website\nzoe@lune.test,Zoe,Blanc,lune\nyann@lune.test,Yann,Roux,lune\n"
		return func() error {
			_, err := s.Customers.Import(ctx, strings.NewReader(file), customer.ImportOptions{}, nil)
			return err
		}
	}},
	{name: "have an account made at the shell", ready: func(s *stage) act {
		return func() error {
			_, err := s.Customers.Add(ctx, s.view, newcomer(), audit.Actor{Kind: audit.System})
			return err
		}
	}},
}

// withPasskey is Camille, signed in, with a passkey.
func (s *stage) withPasskey() (signin.Signed, signin.Passkey) {
	s.Passkey("lune_en", s.c.Email, "Phone")
	who, _ := s.signedIn()
	return who, s.passkeys()[0]
}
