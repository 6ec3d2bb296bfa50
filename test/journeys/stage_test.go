// Package journeys_test walks through every use case that writes, on both engines, to hold what is true of all of them.
package journeys_test

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/passkey"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/webhook"
)

var (
	ctx  = context.Background()
	home = fixture.Origin
)

const (
	newWord  = "quite-another-word-9"
	back     = "https://app.test/back"
	verifier = "a-verifier-of-forty-three-characters-at-least"
	storeURL = "https://lune.test"
)

// stage is a furnished house in which a journey begins: Camille is a customer, Ada the owner of the store.
type stage struct {
	*fixture.House
	clock     *dbtest.Clock
	view      *shop.View
	c         customer.Customer
	ada       admin.Admin
	OAuth2    *token.OAuth2
	Webhooks  *webhook.Service
	Incidents *incident.Service
	permit    func(admin.Right) admin.Permit
}

func set(t *testing.T, d *db.DB, clock *dbtest.Clock) *stage {
	h := fixture.Furnish(t, d)
	h.Shop.AllowHTTP = true
	h.Set(shop.WebhookPrivateAddresses, "1")
	h.Set(shop.SignInByLetter, "1")
	h.Set(shop.MinTimeBetweenResets, "0")
	s := &stage{House: h, clock: clock, view: h.View("lune_en"), c: h.Customer("lune_en", "camille@lune.test"),
		OAuth2: &token.OAuth2{DB: d, Key: h.Key}, Webhooks: &webhook.Service{DB: d, Shop: h.Shop, Key: h.Key},
		Incidents: &incident.Service{DB: d, Shop: h.Shop, Hasher: h.Hasher, Recovery: h.Recovery}}
	s.ada = ok2(s, func() (admin.Admin, error) {
		return h.Admins.Create(ctx, s.may(admin.ManageAdmins), admin.New{Username: "ada", Email: "ada@lune.test", Role: admin.Owner, Password: word()}, home)
	})
	return s
}

// may is the operator's permit, or what a test gives instead.
func (s *stage) may(r admin.Right) admin.Permit {
	if s.permit != nil {
		return s.permit(r)
	}
	return admin.CommandLine(r)
}

func word() secret.Text { return secret.NewText(fixture.Password) }

// colleague is another administrator.
func (s *stage) colleague() int64 {
	s.T.Helper()
	n := admin.New{Username: "grace", Email: "grace@lune.test", Role: admin.Owner, Password: word()}
	return ok2(s, func() (admin.Admin, error) { return s.Admins.Create(ctx, s.may(admin.ManageAdmins), n, home) }).ID
}

// ok ends the test on an error.
func (s *stage) ok(err error) {
	s.T.Helper()
	if err != nil {
		s.T.Fatal(err)
	}
}

func ok2[T any](s *stage, f func() (T, error)) T {
	s.T.Helper()
	v, err := f()
	s.ok(err)
	return v
}

// letters composes what waits to be sent of a kind, newest last, and settles nothing.
func (s *stage) letters(kind string) (sent []mail.Content) {
	s.T.Helper()
	composers := s.composers()
	for _, l := range s.queued(kind) {
		sent = append(sent, ok2(s, func() (mail.Content, error) { return composers[l.Kind](ctx, l) }))
	}
	slices.Reverse(sent)
	return sent
}

func (s *stage) composers() map[string]mail.Composer {
	composers := s.Recovery.Composers()
	maps.Copy(composers, s.Customers.Composers())
	maps.Copy(composers, s.Admins.Composers())
	return composers
}

func (s *stage) queued(kind string) (all []mail.Letter) {
	s.T.Helper()
	s.Read(func(ctx context.Context, tx *db.Tx) (err error) {
		all, _, err = mail.List(ctx, tx, mail.Query{State: mail.Queued, Kind: kind, Limit: 500})
		return err
	})
	if len(all) == 0 {
		s.T.Fatalf("no letter %s waits", kind)
	}
	return all
}

// linkIn is the secret of the link on a letter's button.
func linkIn(b *mail.Button) secret.Text {
	_, link, _ := strings.Cut(b.URL.Reveal(), "token=")
	return secret.NewText(link)
}

// link is a reset link of Camille's, in a letter.
func (s *stage) link() secret.Text {
	s.ok(s.Recovery.Request(ctx, s.view, s.c.Email, home))
	return linkIn(s.letters(recovery.ForgotLetter)[0].Button)
}

// code is what a letter says to type in a browser, to reset or to sign in.
func (s *stage) code(kind string) (browser, code secret.Text) {
	browser = secret.Random()
	if kind == recovery.SignInLetter {
		s.ok(s.Recovery.RequestSignIn(ctx, s.view, browser, s.c.Email, home))
	} else {
		s.ok(s.Recovery.RequestIn(ctx, s.view, browser, s.c.Email, home))
	}
	return browser, s.letters(kind)[0].Code.Text
}

// registration is the link to finish one, and the browser that began it.
func (s *stage) registration() (link, browser secret.Text) {
	r := ok2(s, func() (customer.Receipt, error) { return s.Customers.Register(ctx, s.view, newcomer(), home) })
	return linkIn(s.letters(customer.RegistrationLetter)[0].Button), r.Browser
}

func newcomer() customer.Registration {
	return customer.Registration{Firstname: "Zoe", Lastname: "Blanc", Email: "zoe@lune.test", Password: secret.NewText(newWord), Confirm: secret.NewText(newWord)}
}

// newEmail is the link that changes Camille's address.
func (s *stage) newEmail() secret.Text {
	s.ok(s.Recovery.ChangeEmail(ctx, s.view, s.c, "camille@new.test", word(), home))
	return linkIn(s.letters(recovery.EmailChangeLetter)[0].Button)
}

// wasntMe is the link to object to a letter with a reset link.
func (s *stage) wasntMe() secret.Text {
	s.ok(s.Recovery.Request(ctx, s.view, s.c.Email, home))
	return linkIn(s.letters(recovery.ForgotLetter)[0].Object)
}

// adminLink is a reset link of Ada's.
func (s *stage) adminLink() secret.Text {
	s.ok(s.Admins.RequestReset(ctx, "ada", home))
	return linkIn(s.letters(admin.ResetLetter)[0].Button)
}

// signedIn is Camille, signed in now.
func (s *stage) signedIn() (signin.Signed, secret.Text) {
	s.T.Helper()
	opened := ok2(s, func() (signin.Opened, error) { return s.SignIn.SignIn(ctx, s.view, s.c.Email, word(), home) })
	return ok2(s, func() (signin.Signed, error) { return s.SignIn.Check(ctx, s.view, opened.Secret) }), opened.Secret
}

// bearer is a token of Camille's.
func (s *stage) bearer() secret.Text {
	return ok2(s, func() (secret.Text, error) {
		return s.Tokens.SignInCustomer(ctx, s.view, s.c.Email, word(), "an app", home)
	})
}

func (s *stage) app() token.Client {
	app, _, err := s.Tokens.CreateClient(ctx, s.may(admin.ManagePrograms), token.NewClient{WebsiteID: s.view.WebsiteID, Name: "Lune App",
		RedirectURIs: []string{back}, Confidential: true}, home)
	s.ok(err)
	return app
}

func asks(app token.Client) url.Values {
	return url.Values{"client_id": {app.ClientID}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid profile email offline_access"},
		"state": {"s1"}, "nonce": {"n1"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(secret.Digest(secret.NewText(verifier)))}, "code_challenge_method": {"S256"}}
}

// asked is a request of an app that waits for Camille's yes.
func (s *stage) asked(app token.Client) secret.Text {
	return ok2(s, func() (secret.Text, error) {
		id, refused, err := s.OAuth2.Ask(ctx, s.view, asks(app), false, home)
		if refused != "" {
			err = errors.New(refused)
		}
		return id, err
	})
}

// grantCode is a code for an app.
func (s *stage) grantCode(app token.Client) secret.Text {
	id := s.asked(app)
	who, _ := s.signedIn()
	answer := ok2(s, func() (string, error) { return s.OAuth2.Allow(ctx, s.view, who, id, home) })
	u := ok2(s, func() (*url.URL, error) { return url.Parse(answer) })
	return secret.NewText(u.Query().Get("code"))
}

func (s *stage) granted(app token.Client) token.Grant {
	code := s.grantCode(app)
	return ok2(s, func() (token.Grant, error) { return s.OAuth2.Redeem(ctx, s.view, app, code, back, verifier, home) })
}

// erp is an integration that may view customers.
func (s *stage) erp(callback string) token.Integration {
	return ok2(s, func() (token.Integration, error) {
		return s.Tokens.AddIntegration(ctx, s.may(admin.ManagePrograms), token.NewIntegration{Name: "ERP", Email: "erp@lune.test", CallbackURL: callback,
			Rights: []admin.Right{admin.ViewCustomers}}, home)
	})
}

// handed is an integration in the middle of its handshake.
func (s *stage) handed() fixture.OAuth1 {
	told := url.Values{}
	side := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ParseForm() == nil {
			told = r.PostForm
		}
	}))
	s.T.Cleanup(side.Close)
	i := s.erp(side.URL + "/callback")
	ok2(s, func() (token.Activation, error) {
		return s.Tokens.Activate(ctx, s.may(admin.ManagePrograms), i.ID, home)
	})
	return fixture.OAuth1{ConsumerKey: told.Get("oauth_consumer_key"), ConsumerSecret: told.Get("oauth_consumer_secret"),
		Verifier: told.Get("oauth_verifier"), Nonce: "1", At: s.clock.Now().Unix()}
}

// signing is an integration that signs its calls.
func (s *stage) signing() fixture.OAuth1 {
	i := s.erp("")
	c := ok2(s, func() (token.Activation, error) {
		return s.Tokens.Activate(ctx, s.may(admin.ManagePrograms), i.ID, home)
	}).Credentials
	return fixture.OAuth1{ConsumerKey: c.ConsumerKey, ConsumerSecret: c.ConsumerSecret.Reveal(), Token: c.AccessToken.Reveal(),
		TokenSecret: c.AccessSecret.Reveal(), Nonce: "1", At: s.clock.Now().Unix()}
}

func request(o fixture.OAuth1, method, path string) token.Signed {
	return token.Signed{Method: method, Origin: storeURL, Path: path, Authorization: o.Header(method, storeURL+path)}
}

// adminSession is Ada, signed in, and as she stands now.
func (s *stage) adminSession() (secret.Text, admin.Admin) {
	opened := ok2(s, func() (admin.Opened, error) { return s.Admins.SignIn(ctx, "ada", word(), home) })
	return opened.Secret, ok2(s, func() (admin.Admin, error) { return s.Admins.Check(ctx, opened.Secret) })
}

// totp gives Ada an app of codes, and a function that shows its code.
func (s *stage) totp() func() string {
	_, ada := s.adminSession()
	s.ok(s.Admins.Enrol(ctx, ada, word(), home))
	e := ok2(s, func() (admin.Enrolment, error) { return s.Admins.Pending(ctx, ada) })
	code := func() string {
		return ok2(s, func() (string, error) { return totp.GenerateCode(e.Secret.Reveal(), s.clock.Now()) })
	}
	_, _, err := s.Admins.Confirm(ctx, ada, code(), home)
	s.ok(err)
	s.clock.Advance(time.Minute)
	return code
}

func (s *stage) described() incident.Incident {
	return ok2(s, func() (incident.Incident, error) {
		return s.Incidents.Describe(ctx, s.may(admin.RunIncidents), "24 November", incident.Choice{Choice: customer.Choice{WebsiteIDs: []int64{s.view.WebsiteID}}},
			incident.Measures{Sessions: true, Tokens: true, Password: true, Letter: true}, "", home)
	})
}

func (s *stage) started() incident.Incident {
	i := s.described()
	ok2(s, func() (int64, error) { return s.Incidents.Count(ctx, s.may(admin.RunIncidents), i.ID) })
	s.ok(s.Incidents.Start(ctx, s.may(admin.RunIncidents), i.ID, home))
	return i
}

func (s *stage) hook() webhook.Webhook {
	w, _, err := s.Webhooks.Create(ctx, s.may(webhook.Right), webhook.New{URL: "http://127.0.0.1:9/", Types: []string{webhook.Types()[0].Name}}, home)
	s.ok(err)
	return w
}

// console is the page of passkeys of administrators.
var console = passkey.Party{ID: "admin.lune.test", Name: "Lune", Origin: "https://admin.lune.test"}

// adminDevice is a device with a passkey of Ada's.
func (s *stage) adminDevice() *fixture.Device {
	_, ada := s.adminSession()
	s.ok(s.Admins.EnrolPasskey(ctx, ada, word(), home))
	options := ok2(s, func() (string, error) { return s.Admins.PendingPasskey(ctx, ada, console) })
	device := fixture.NewDevice(s.T, console.ID, console.Origin)
	_, _, err := s.Admins.ConfirmPasskey(ctx, ada, console, device.Make(options), "Key", home)
	s.ok(err)
	return device
}

// news is a webhook that has something to be told.
func (s *stage) news() webhook.Webhook {
	w := s.hook()
	ok2(s, func() (customer.Customer, error) {
		return s.Customers.OpenAs(ctx, s.may(admin.EditCustomers), s.view, newcomer(), home)
	})
	return w
}
