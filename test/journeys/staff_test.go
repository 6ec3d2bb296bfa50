package journeys_test

import (
	"context"
	"time"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/webhook"
)

const (
	registrationPause = time.Minute
	aWhile            = 10 * time.Minute // after which a check remembers that it was seen
)

// in makes a journey of what its caller puts into a transaction of its own.
func (s *stage) in(f func(ctx context.Context, tx *db.Tx) error) act {
	return func() error { return s.DB.Write(ctx, func(tx *db.Tx) error { return f(ctx, tx) }) }
}

func (s *stage) passkeys() (all []signin.Passkey) {
	s.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = signin.Passkeys(ctx, tx, s.c.ID)
		return err
	})
	return all
}

// staff are the journeys of administrators and of the store's own work.
var staff = []journey{
	{name: "reset a customer's password", ready: func(s *stage) act {
		return func() error { return s.Recovery.Send(ctx, s.may(admin.ResetPassword), s.c.ID, home) }
	}},
	{name: "force a customer to sign in", ready: func(s *stage) act {
		s.bearer()
		s.signedIn()
		return func() error { _, err := s.Tokens.Force(ctx, s.may(admin.ForceSignIn), s.c.ID, true, home); return err }
	}},
	{name: "revoke one token", ready: func(s *stage) act {
		b, err := s.Tokens.Check(ctx, s.bearer())
		s.ok(err)
		return func() error { return s.Tokens.RevokeOne(ctx, s.may(admin.ForceSignIn), s.c.ID, b.TokenID, home) }
	}},
	{name: "unlock a customer", ready: func(s *stage) act {
		for range 10 {
			s.SignIn.SignIn(ctx, s.view, s.c.Email, secret.NewText("wrong"), home)
		}
		return func() error { return s.SignIn.Unlock(ctx, s.may(admin.UnlockCustomer), s.c.ID, home) }
	}},
	{name: "take a customer's passkey", ready: func(s *stage) act {
		_, key := s.withPasskey()
		return func() error { return s.SignIn.TakePasskey(ctx, s.may(admin.RemovePasskeys), s.c.ID, key.ID, home) }
	}},
	{name: "make a customer", ready: func(s *stage) act {
		return func() error {
			_, err := s.Customers.OpenAs(ctx, s.may(admin.EditCustomers), s.view, newcomer(), home)
			return err
		}
	}},
	{name: "disable a customer", ready: func(s *stage) act {
		off := false
		return func() error {
			_, err := s.Customers.UpdateAs(ctx, s.may(admin.EditCustomers), s.c.ID, customer.Changes{Active: &off}, home)
			return err
		}
	}},
	{name: "delete a customer", ready: func(s *stage) act {
		s.bearer()
		return func() error { return s.Customers.Delete(ctx, s.may(admin.DeleteCustomers), s.c.ID, home) }
	}},
	{name: "send a confirmation again", ready: func(s *stage) act {
		s.registration()
		s.clock.Advance(2 * registrationPause)
		return func() error {
			return s.Customers.ResendConfirmation(ctx, s.may(admin.EditCustomers), s.view, "zoe@lune.test", home)
		}
	}},
	{name: "change a setting", ready: func(s *stage) act {
		return s.in(func(ctx context.Context, tx *db.Tx) error {
			return shop.Set(ctx, tx, shop.LinkExpirationPeriod, "12", shop.Scope{Kind: shop.Default})
		})
	}},
	{name: "make a website and a store view", ready: func(s *stage) act {
		return s.in(func(ctx context.Context, tx *db.Tx) error {
			id, err := shop.CreateWebsite(ctx, tx, "sud", "Sud")
			if err != nil {
				return err
			}
			_, err = s.Shop.CreateView(ctx, tx, id, "sud_fr", shop.ViewFields{Name: "Sud", Locale: "fr_FR", TimeZone: "Europe/Paris",
				BaseURL: "https://sud.test", Accent: shop.DefaultAccent, SenderName: "Sud", SenderEmail: "hello@sud.test"})
			return err
		})
	}},
	{name: "cut a website off", ready: func(s *stage) act {
		return s.in(func(ctx context.Context, tx *db.Tx) error {
			return customer.Cut{Sessions: true, Tokens: true, Links: true}.Make(ctx, tx, s.view.WebsiteID)
		})
	}},

	{name: "make an administrator", ready: func(s *stage) act {
		n := admin.New{Username: "grace", Email: "grace@lune.test", Role: admin.Owner, Password: secret.NewText(newWord)}
		return func() error { _, err := s.Admins.Create(ctx, s.may(admin.ManageAdmins), n, home); return err }
	}},
	{name: "give an administrator a passkey", keeps: counted, ready: func(s *stage) act {
		_, ada := s.adminSession()
		s.ok(s.Admins.EnrolPasskey(ctx, ada, word(), home))
		options := ok2(s, func() (string, error) { return s.Admins.PendingPasskey(ctx, ada, console) })
		made := fixture.NewDevice(s.T, console.ID, console.Origin).Make(options)
		return func() error { _, _, err := s.Admins.ConfirmPasskey(ctx, ada, console, made, "Key", home); return err }
	}},
	{name: "show a passkey as the second factor", keeps: counted, check: true, ready: func(s *stage) act {
		device := s.adminDevice()
		half := ok2(s, func() (admin.Opened, error) { return s.Admins.SignIn(ctx, "ada", word(), home) })
		options, _, err := s.Admins.AskSecondFactor(ctx, half.Secret, console)
		s.ok(err)
		answer := device.Use(options)
		return func() error {
			_, err := s.Admins.SecondFactorByPasskey(ctx, half.Secret, console, answer, home)
			return err
		}
	}},
	{name: "change an administrator", ready: func(s *stage) act {
		name, role, website := "Grace", "support", s.view.WebsiteID
		id := s.colleague()
		return func() error {
			_, err := s.Admins.Update(ctx, s.may(admin.ManageAdmins), id, admin.Changes{Name: &name, Role: &role, WebsiteID: &website}, home)
			return err
		}
	}},
	{name: "disable an administrator", ready: func(s *stage) act {
		id := s.colleague()
		return func() error { return s.Admins.Disable(ctx, s.may(admin.ManageAdmins), id, home) }
	}},
	{name: "enable an administrator", ready: func(s *stage) act {
		id := s.colleague()
		s.ok(s.Admins.Disable(ctx, s.may(admin.ManageAdmins), id, home))
		return func() error { return s.Admins.Enable(ctx, s.may(admin.ManageAdmins), id, home) }
	}},
	{name: "sign another administrator out", ready: func(s *stage) act {
		id := s.colleague()
		return func() error { return s.Admins.EndSessions(ctx, s.may(admin.ManageAdmins), id, home) }
	}},
	{name: "delete an administrator", ready: func(s *stage) act {
		id := s.colleague()
		return func() error { return s.Admins.Delete(ctx, s.may(admin.ManageAdmins), id, home) }
	}},
	{name: "ask for an administrator's new address", ready: func(s *stage) act {
		return func() error {
			return s.Admins.AskAddress(ctx, s.may(admin.ManageAdmins), s.ada.ID, "ada@post.test", home)
		}
	}},
	{name: "write the letter to an administrator's new address", ready: func(s *stage) act {
		s.ok(s.Admins.AskAddress(ctx, s.may(admin.ManageAdmins), s.ada.ID, "ada@post.test", home))
		letter := s.queued(admin.AddressLetter)[0]
		return func() error { _, err := s.Admins.Composers()[letter.Kind](ctx, letter); return err }
	}},
	{name: "prove an administrator's new address", spends: adminLink, check: true, ready: func(s *stage) act {
		s.ok(s.Admins.AskAddress(ctx, s.may(admin.ManageAdmins), s.ada.ID, "ada@post.test", home))
		link := linkIn(s.letters(admin.AddressLetter)[0].Button)
		return func() error { return s.Admins.CompleteAddress(ctx, link, home) }
	}},
	{name: "set an administrator's password", ready: func(s *stage) act {
		return func() error {
			return s.Admins.SetPassword(ctx, s.may(admin.ManageAdmins), "ada", secret.NewText(newWord))
		}
	}},
	{name: "sign an administrator in", keeps: counted, check: true, ready: func(s *stage) act {
		return func() error { _, err := s.Admins.SignIn(ctx, "ada", word(), home); return err }
	}},
	{name: "check an administrator's session", check: true, ready: func(s *stage) act {
		cookie, _ := s.adminSession()
		s.clock.Advance(aWhile)
		return func() error { _, err := s.Admins.Check(ctx, cookie); return err }
	}},
	{name: "sign an administrator out", ready: func(s *stage) act {
		cookie, _ := s.adminSession()
		return func() error { return s.Admins.SignOut(ctx, cookie, home) }
	}},
	{name: "change an administrator's password", keeps: counted, ready: func(s *stage) act {
		_, ada := s.adminSession()
		w := secret.NewText(newWord)
		return func() error { _, err := s.Admins.ChangePassword(ctx, ada, word(), w, w, home); return err }
	}},
	{name: "ask for an administrator's link", ready: func(s *stage) act {
		return func() error { return s.Admins.RequestReset(ctx, "ada", home) }
	}},
	{name: "write an administrator's letter", ready: func(s *stage) act {
		s.ok(s.Admins.RequestReset(ctx, "ada", home))
		letter := s.queued(admin.ResetLetter)[0]
		return func() error { _, err := s.Admins.Composers()[letter.Kind](ctx, letter); return err }
	}},
	{name: "recover an administrator's account", spends: adminLink, check: true, ready: func(s *stage) act {
		link, w := s.adminLink(), secret.NewText(newWord)
		return func() error { return s.Admins.CompleteReset(ctx, link, w, w, home) }
	}},
	{name: "begin a second factor", keeps: counted, ready: func(s *stage) act {
		_, ada := s.adminSession()
		return func() error { return s.Admins.Enrol(ctx, ada, word(), home) }
	}},
	{name: "confirm a second factor", keeps: counted, ready: func(s *stage) act {
		_, ada := s.adminSession()
		s.ok(s.Admins.Enrol(ctx, ada, word(), home))
		e := ok2(s, func() (admin.Enrolment, error) { return s.Admins.Pending(ctx, ada) })
		return func() error { _, _, err := s.Admins.Confirm(ctx, ada, codeOf(s, e), home); return err }
	}},
	{name: "show the second factor", keeps: counted, check: true, ready: func(s *stage) act {
		code := s.totp()
		half := ok2(s, func() (admin.Opened, error) { return s.Admins.SignIn(ctx, "ada", word(), home) })
		return func() error { _, err := s.Admins.SecondFactor(ctx, half.Secret, code(), home); return err }
	}},
	{name: "prove an administrator by password and code", keeps: counted, ready: func(s *stage) act {
		code := s.totp()
		return func() error { _, err := s.Admins.ProveWithCode(ctx, "ada", word(), code(), home); return err }
	}},
	{name: "remove the second factor", keeps: counted, ready: func(s *stage) act {
		s.totp()
		var ada admin.Admin
		s.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			ada, err = admin.Find(ctx, tx, s.ada.ID)
			return err
		})
		return func() error { return s.Admins.RemoveFactor(ctx, ada, word(), home) }
	}},
	{name: "reset an administrator's factors", ready: func(s *stage) act {
		s.totp()
		return func() error { return s.Admins.ResetFactors(ctx, s.may(admin.ManageAdmins), "ada", home) }
	}},

	{name: "send an email again", ready: func(s *stage) act {
		s.ok(s.Recovery.RequestIn(ctx, s.view, secret.Random(), s.c.Email, home))
		letter := s.queued(recovery.ForgotLetter)[0]
		return func() error { return s.Recovery.Resend(ctx, s.may(admin.ResendEmails), letter.ID, home) }
	}},
	{name: "send every email again", ready: func(s *stage) act {
		s.ok(s.Recovery.RequestIn(ctx, s.view, secret.Random(), s.c.Email, home))
		return func() error { _, err := s.Recovery.ResendAll(ctx, s.may(admin.ResendEmails), true, home); return err }
	}},

	{name: "make a webhook", ready: func(s *stage) act {
		return func() error {
			_, _, err := s.Webhooks.Create(ctx, s.may(webhook.Right), webhook.New{URL: "http://127.0.0.1:9/", Types: []string{webhook.Types()[0].Name}}, home)
			return err
		}
	}},
	{name: "switch a webhook off", ready: func(s *stage) act {
		w := s.hook()
		return func() error { return s.Webhooks.SetActive(ctx, s.may(webhook.Right), w.ID, false, home) }
	}},
	{name: "delete a webhook", ready: func(s *stage) act {
		w := s.hook()
		return func() error { return s.Webhooks.Delete(ctx, s.may(webhook.Right), w.ID, home) }
	}},

	{name: "tell receivers the news", ready: func(s *stage) act {
		s.news()
		return func() error { _, err := s.Webhooks.FanOut(ctx); return err }
	}},
	{name: "tell a receiver again", ready: func(s *stage) act {
		w := s.news()
		ok2(s, func() (int, error) { return s.Webhooks.FanOut(ctx) })
		var told []webhook.Delivery
		s.Read(func(ctx context.Context, tx *db.Tx) (err error) {
			told, err = webhook.Deliveries(ctx, tx, w.ID, db.ID{}, 1)
			return err
		})
		return func() error { return s.Webhooks.Replay(ctx, s.may(webhook.Right), w.ID, told[0].ID, home) }
	}},

	{name: "describe an incident", ready: func(s *stage) act {
		return func() error {
			_, err := s.Incidents.Describe(ctx, s.may(admin.RunIncidents), "24 November", incident.Choice{}, incident.Measures{Sessions: true}, "", home)
			return err
		}
	}},
	{name: "decide on an incident", ready: func(s *stage) act {
		i := s.described()
		return func() error {
			return s.Incidents.Decide(ctx, s.may(admin.RunIncidents), i.ID, incident.Measures{Tokens: true})
		}
	}},
	{name: "start an incident", ready: func(s *stage) act {
		i := s.described()
		ok2(s, func() (int64, error) { return s.Incidents.Count(ctx, s.may(admin.RunIncidents), i.ID) })
		return func() error { return s.Incidents.Start(ctx, s.may(admin.RunIncidents), i.ID, home) }
	}},
	{name: "pause an incident", ready: func(s *stage) act {
		i := s.started()
		return func() error { return s.Incidents.Pause(ctx, s.may(admin.RunIncidents), i.ID, home) }
	}},
	{name: "resume an incident", ready: func(s *stage) act {
		i := s.started()
		s.ok(s.Incidents.Pause(ctx, s.may(admin.RunIncidents), i.ID, home))
		return func() error { return s.Incidents.Resume(ctx, s.may(admin.RunIncidents), i.ID, home) }
	}},
	{name: "cancel an incident", ready: func(s *stage) act {
		i := s.started()
		return func() error { return s.Incidents.Cancel(ctx, s.may(admin.RunIncidents), i.ID, home) }
	}},
}

// programs are the journeys of programs that act for customers or for the store.
var programs = []journey{
	{name: "sign a customer in for a token", keeps: counted, check: true, ready: func(s *stage) act {
		return func() error {
			_, err := s.Tokens.SignInCustomer(ctx, s.view, s.c.Email, word(), "an app", home)
			return err
		}
	}},
	{name: "check a token", check: true, ready: func(s *stage) act {
		bearer := s.bearer()
		s.clock.Advance(aWhile)
		return func() error { _, err := s.Tokens.Check(ctx, bearer); return err }
	}},
	{name: "sign an administrator in for a token", ready: func(s *stage) act {
		proof := ok2(s, func() (admin.Proof, error) { return s.Admins.ProveByName(ctx, "ada", word(), home) })
		return func() error { _, err := s.Tokens.SignInAdmin(ctx, proof, "a program", home); return err }
	}},
	{name: "check an administrator's token", check: true, ready: func(s *stage) act {
		proof := ok2(s, func() (admin.Proof, error) { return s.Admins.ProveByName(ctx, "ada", word(), home) })
		bearer := ok2(s, func() (secret.Text, error) { return s.Tokens.SignInAdmin(ctx, proof, "a program", home) })
		return func() error { _, err := s.Tokens.Check(ctx, bearer, token.AdminToken); return err }
	}},
	{name: "revoke one's own tokens", ready: func(s *stage) act {
		b, err := s.Tokens.Check(ctx, s.bearer())
		s.ok(err)
		return func() error { _, err := s.Tokens.RevokeOwn(ctx, b, home); return err }
	}},
	{name: "ask a customer", ready: func(s *stage) act {
		app := s.app()
		return func() error { _, _, err := s.OAuth2.Ask(ctx, s.view, asks(app), false, home); return err }
	}},
	{name: "be allowed", spends: session, check: true, ready: func(s *stage) act {
		id := s.asked(s.app())
		who, _ := s.signedIn()
		return func() error { _, err := s.OAuth2.Allow(ctx, s.view, who, id, home); return err }
	}},
	{name: "be denied", ready: func(s *stage) act {
		id := s.asked(s.app())
		return func() error { _, err := s.OAuth2.Deny(ctx, s.view, id); return err }
	}},
	{name: "redeem a code", spends: grant, check: true, ready: func(s *stage) act {
		app := s.app()
		code := s.grantCode(app)
		return func() error { _, err := s.OAuth2.Redeem(ctx, s.view, app, code, back, verifier, home); return err }
	}},
	{name: "refresh", spends: grant, check: true, ready: func(s *stage) act {
		app := s.app()
		g := s.granted(app)
		return func() error { _, err := s.OAuth2.Refresh(ctx, s.view, app, g.Refresh, "", home); return err }
	}},
	{name: "introspect and read claims", keeps: used, check: true, ready: func(s *stage) act {
		app := s.app()
		g := s.granted(app)
		s.clock.Advance(aWhile)
		return func() error {
			if _, err := s.OAuth2.Introspect(ctx, s.view, app, g.Access); err != nil {
				return err
			}
			_, err := s.OAuth2.UserInfo(ctx, s.view, g.Access)
			return err
		}
	}},
	{name: "revoke a token", ready: func(s *stage) act {
		app := s.app()
		g := s.granted(app)
		return func() error { return s.OAuth2.Revoke(ctx, s.view, app, g.Refresh, home) }
	}},
	{name: "be disconnected", ready: func(s *stage) act {
		app := s.app()
		s.granted(app)
		return func() error { return s.OAuth2.Disconnect(ctx, s.c, app.ID, home) }
	}},
	{name: "add an app", ready: func(s *stage) act {
		n := token.NewClient{WebsiteID: s.view.WebsiteID, Name: "Lune App", RedirectURIs: []string{back}, Confidential: true}
		return func() error {
			_, _, err := s.Tokens.CreateClient(ctx, s.may(admin.ManagePrograms), n, home)
			return err
		}
	}},
	{name: "change an app and renew its secret", ready: func(s *stage) act {
		app := s.app()
		n := token.NewClient{Name: "Lune", RedirectURIs: []string{back}}
		return func() error {
			_, _, err := s.Tokens.ChangeClient(ctx, s.may(admin.ManagePrograms), app.ClientID, n, true, home)
			return err
		}
	}},
	{name: "renew an app's secret", ready: func(s *stage) act {
		app := s.app()
		return func() error {
			_, _, err := s.Tokens.RenewClientSecret(ctx, s.may(admin.ManagePrograms), app.ClientID, home)
			return err
		}
	}},
	{name: "delete an app", ready: func(s *stage) act {
		app := s.app()
		s.granted(app)
		return func() error { return s.Tokens.DeleteClient(ctx, s.may(admin.ManagePrograms), app.ClientID, home) }
	}},
	{name: "add an integration", ready: func(s *stage) act {
		return func() error {
			_, err := s.Tokens.AddIntegration(ctx, s.may(admin.ManagePrograms), token.NewIntegration{Name: "CRM", Email: "crm@lune.test",
				Rights: []admin.Right{admin.ViewCustomers}}, home)
			return err
		}
	}},
	{name: "change an integration", ready: func(s *stage) act {
		i := s.erp("")
		return func() error {
			_, err := s.Tokens.ChangeIntegration(ctx, s.may(admin.ManagePrograms), i.ID, token.NewIntegration{Name: "CRM", Email: "crm@lune.test",
				Rights: []admin.Right{admin.ViewCustomers}}, home)
			return err
		}
	}},
	{name: "activate an integration", ready: func(s *stage) act {
		i := s.erp("")
		return func() error { _, err := s.Tokens.Activate(ctx, s.may(admin.ManagePrograms), i.ID, home); return err }
	}},
	{name: "delete an integration", ready: func(s *stage) act {
		i := s.erp("")
		return func() error {
			_, err := s.Tokens.DeleteIntegration(ctx, s.may(admin.ManagePrograms), i.ID, home)
			return err
		}
	}},
	{name: "ask for a request token", ready: func(s *stage) act {
		us := s.handed()
		us.Verifier = ""
		return func() error {
			_, err := s.Tokens.RequestToken(ctx, request(us, "POST", "/oauth/token/request"))
			return err
		}
	}},
	{name: "ask for the access token", ready: func(s *stage) act {
		us := s.handed()
		told := us.Verifier
		us.Verifier = ""
		pair := ok2(s, func() (token.Pair, error) {
			return s.Tokens.RequestToken(ctx, request(us, "POST", "/oauth/token/request"))
		})
		us.Token, us.TokenSecret, us.Verifier, us.Nonce = pair.Token.Reveal(), pair.Secret.Reveal(), told, "2"
		return func() error {
			_, err := s.Tokens.AccessToken(ctx, request(us, "POST", "/oauth/token/access"), home)
			return err
		}
	}},
	{name: "sign a call", check: true, ready: func(s *stage) act {
		us := s.signing()
		return func() error {
			_, err := s.Tokens.CheckSigned(ctx, request(us, "GET", "/rest/V1/customers/search"))
			return err
		}
	}},
}

func codeOf(s *stage, e admin.Enrolment) string {
	return ok2(s, func() (string, error) { return totpCode(e, s) })
}
