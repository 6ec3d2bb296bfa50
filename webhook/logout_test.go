package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/mail"
	"github.com/rekeyhq/rekey/outbound"
	"github.com/rekeyhq/rekey/recovery"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/test/fixture"
	"github.com/rekeyhq/rekey/token"
)

const (
	answersAt = "https://app.test/back"
	verifier  = "a-verifier-of-forty-three-characters-at-least"
)

// app registers an app of the website "lune" that is told of sign-outs at an address; "" for one that is not.
func app(h *fixture.House, tellAt string) token.Client {
	h.T.Helper()
	made, _, err := h.Tokens.CreateClient(h.T.Context(), admin.CommandLine(admin.ManagePrograms), token.NewClient{WebsiteID: h.View("lune_en").WebsiteID,
		Name: "Lune App", RedirectURIs: []string{answersAt}, BackchannelURI: tellAt, Told: outbound.Rules{Plain: true, Inside: true}}, audit.Origin{})
	if err != nil {
		h.T.Fatal(err)
	}
	return made
}

// connect lets a customer allow an app at a store view, and the app redeem its code.
func connect(h *fixture.House, view string, c token.Client, who customer.Customer) token.Grant {
	h.T.Helper()
	ctx, v, server := h.T.Context(), h.View(view), &token.OAuth2{DB: h.DB, Key: h.Key}
	opened, err := h.SignIn.SignIn(ctx, v, who.Email, secret.NewText(fixture.Password), fixture.Origin)
	if err != nil {
		h.T.Fatal(err)
	}
	signed, err := h.SignIn.Check(ctx, v, opened.Secret)
	if err != nil {
		h.T.Fatal(err)
	}
	id, refused, err := server.Ask(ctx, v, url.Values{"client_id": {c.ClientID}, "redirect_uri": {answersAt}, "response_type": {"code"},
		"scope": {"openid"}, "nonce": {"n"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(secret.Digest(secret.NewText(verifier)))}}, true, fixture.Origin)
	if err != nil || refused != "" {
		h.T.Fatal(refused, err)
	}
	answer, err := server.Allow(ctx, v, signed, id, fixture.Origin)
	if err != nil {
		h.T.Fatal(err)
	}
	back, err := url.Parse(answer)
	if err != nil {
		h.T.Fatal(err)
	}
	g, err := server.Redeem(ctx, v, c, secret.NewText(back.Query().Get("code")), answersAt, verifier, fixture.Origin)
	if err != nil {
		h.T.Fatal(err)
	}
	return g
}

// logout checks a message as OpenID Connect Back-Channel Logout 1.0 §2.6 has apps do, and returns its jti.
func logout(h *fixture.House, got told, view string, c token.Client, who customer.Customer, now time.Time) string {
	h.T.Helper()
	v := h.View(view)
	form, err := url.ParseQuery(got.body)
	if err != nil || len(form) != 1 || len(form["logout_token"]) != 1 || got.header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		h.T.Fatalf("the request is %s %q, %v", got.header.Get("Content-Type"), got.body, err)
	}
	signed, err := jose.ParseSignedCompact(form.Get("logout_token"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		h.T.Fatal(err)
	}
	keys, err := (&token.OAuth2{DB: h.DB, Key: h.Key}).PublicKeys(v)
	if err != nil {
		h.T.Fatal(err)
	}
	header := signed.Signatures[0].Protected
	if known := keys.Key(header.KeyID); len(known) != 1 || header.ExtraHeaders["typ"] != "logout+jwt" {
		h.T.Fatalf("the header is %+v", header)
	}
	payload, err := signed.Verify(keys)
	if err != nil {
		h.T.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		h.T.Fatal(err)
	}
	events, _ := claims["events"].(map[string]any)
	event, there := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	jti, _ := claims["jti"].(string)
	if len(claims) != 7 || claims["iss"] != v.BaseURL || claims["sub"] != strconv.FormatInt(who.ID, 10) || claims["aud"] != c.ClientID ||
		claims["iat"] != float64(now.Unix()) || claims["exp"] != float64(now.Unix()+120) || len(events) != 1 || !there || len(event) != 0 || jti == "" {
		h.T.Errorf("the claims are %s", payload)
	}
	return jti
}

// Promise: whatever ends a customer's tokens tells each app that was given some, once, in the words of its issuer; and
// nobody else. It needs no webhook.
func TestAppsAreToldThatASignInHasEnded(t *testing.T) {
	force := func(sessions bool) func(h *fixture.House, who customer.Customer) error {
		return func(h *fixture.House, who customer.Customer) error {
			_, err := h.Tokens.Force(h.T.Context(), admin.CommandLine(admin.ForceSignIn), who.ID, sessions, audit.Origin{})
			return err
		}
	}
	for name, end := range map[string]func(h *fixture.House, who customer.Customer) error{
		"force sign-in":               force(false),
		"force sign-in with sessions": force(true),
		"a completed reset": func(h *fixture.House, who customer.Customer) error {
			v := h.View("lune_en")
			if err := h.Recovery.Request(h.T.Context(), v, who.Email, fixture.Origin); err != nil {
				return err
			}
			var link secret.Text
			for _, l := range h.Letters() {
				if l.Button != nil {
					if _, found, ok := strings.Cut(l.Button.URL.Reveal(), "createpassword?token="); ok {
						link = secret.NewText(found)
					}
				}
			}
			pw := secret.NewText("second-secret-8")
			_, err := h.Recovery.Complete(h.T.Context(), v, recovery.Reset{Link: link, Password: pw, Confirm: pw}, fixture.Origin)
			return err
		},
		"disabling": func(h *fixture.House, who customer.Customer) error {
			no := false
			_, err := h.Customers.UpdateAs(h.T.Context(), admin.CommandLine(admin.EditCustomers), who.ID, customer.Changes{Active: &no}, audit.Origin{})
			return err
		},
		"deleting": func(h *fixture.House, who customer.Customer) error {
			return h.Customers.Delete(h.T.Context(), admin.CommandLine(admin.DeleteCustomers), who.ID, audit.Origin{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				h, s := store(t, d)
				r, idle := listen(t), listen(t)
				who, other := h.Customer("lune_en", "camille@lune.test"), h.Customer("lune_en", "other@lune.test")
				c, bystander, silent := app(h, r.URL), app(h, idle.URL), app(h, "")
				connect(h, "lune_fr", c, who)
				connect(h, "lune_fr", c, who) // a second grant is no second message
				connect(h, "lune_en", silent, who)
				connect(h, "lune_en", bystander, other)
				if deliver(t, s); len(r.all()) != 0 {
					t.Fatal("an app is told before anything has ended")
				}
				if err := end(h, who); err != nil {
					t.Fatal(err)
				}
				deliver(t, s)
				got := r.all()
				if len(got) != 1 || len(idle.all()) != 0 {
					t.Fatalf("%d messages, and %d to an app of another customer", len(got), len(idle.all()))
				}
				logout(h, got[0], "lune_fr", c, who, clock.Now())
				if deliver(t, s); len(r.all()) != 1 {
					t.Error("an app is told twice")
				}
			})
		})
	}
}

// Promise: a program that signs in again at once takes no message away, an app whose tokens have expired hears of it, and
// what was told is not told again.
func TestAppsAreToldOfTheGenerationThatEnded(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h, s := store(t, d)
		r := listen(t)
		who, c := h.Customer("lune_en", "camille@lune.test"), app(h, r.URL)
		connect(h, "lune_en", c, who)
		clock.Advance(8 * 24 * time.Hour) // the access token is dead, the app's own session perhaps not
		h.Write(func(ctx context.Context, tx *db.Tx) error {
			n, err := token.Sweep(ctx, tx, 100)
			if n == 0 {
				t.Error("no token was swept")
			}
			return err
		})
		force := func() {
			t.Helper()
			if _, err := h.Tokens.Force(t.Context(), admin.CommandLine(admin.ForceSignIn), who.ID, true, audit.Origin{}); err != nil {
				t.Fatal(err)
			}
		}
		force()
		if _, err := h.Tokens.SignInCustomer(t.Context(), h.View("lune_en"), who.Email, secret.NewText(fixture.Password), "program", fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if deliver(t, s); len(r.all()) != 1 {
			t.Fatalf("%d messages", len(r.all()))
		}
		force()
		if deliver(t, s); len(r.all()) != 1 {
			t.Error("an app without tokens of this generation is told")
		}
		if err := (&token.OAuth2{DB: d, Key: h.Key}).Disconnect(t.Context(), who, c.ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		connect(h, "lune_en", c, who)
		if err := (&token.OAuth2{DB: d, Key: h.Key}).Disconnect(t.Context(), who, c.ID, fixture.Origin); err != nil {
			t.Fatal(err)
		}
		if deliver(t, s); len(r.all()) != 1 {
			t.Error("disconnecting an app signs out of it")
		}
	})
}

// Promise: a try that fails is followed by others for an hour, each with a token of its own; 400 is the end.
func TestLogoutsAreTriedForAnHour(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h, s := store(t, d)
		r := listen(t)
		who, c := h.Customer("lune_en", "camille@lune.test"), app(h, r.URL)
		for _, row := range []struct {
			why     string
			answers []int // the last one is given for ever
			tries   int
		}{
			{"errors, redirects and other answers are no end", []int{500, 302, 202, 404, 200}, 5},
			{"204 is what some frameworks answer", []int{503, 204}, 2},
			{"400 is a refusal", []int{400}, 1},
			{"an app that is down is given up", []int{500}, 6},
		} {
			before := len(r.all())
			r.answer = func(n int) int { return row.answers[min(n-before, len(row.answers))-1] }
			connect(h, "lune_en", c, who)
			if _, err := h.Tokens.Force(t.Context(), admin.CommandLine(admin.ForceSignIn), who.ID, true, audit.Origin{}); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, wait := range []time.Duration{0, 10 * time.Second, 20 * time.Second, 2 * time.Minute, 7 * time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour} {
				clock.Advance(wait)
				n := len(r.all())
				deliver(t, s)
				for _, got := range r.all()[n:] {
					seen[logout(h, got, "lune_en", c, who, clock.Now())] = true
				}
			}
			if got := len(r.all()) - before; got != row.tries || len(seen) != got {
				t.Errorf("%s: %d tries with %d ids, want %d", row.why, got, len(seen), row.tries)
			}
		}
	})
}

// Promise: a message goes where webhooks may go only, and to no app that was deleted meanwhile.
func TestLogoutsAreNotSentInside(t *testing.T) {
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		h, s := store(t, d)
		r := listen(t)
		who := h.Customer("lune_en", "camille@lune.test")
		states := map[mail.State]int{}
		end := func(c token.Client, before func()) {
			t.Helper()
			connect(h, "lune_en", c, who)
			if _, err := h.Tokens.Force(t.Context(), admin.CommandLine(admin.ForceSignIn), who.ID, false, audit.Origin{}); err != nil {
				t.Fatal(err)
			}
			before()
			w := s.Worker(quiet())
			w.Observe = func(kind string, state mail.State) {
				if kind == token.LogoutKind {
					states[state]++
				}
			}
			if _, err := w.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		c := app(h, r.URL)
		end(c, func() { h.Set(shop.WebhookPrivateAddresses, "0") })
		h.Set(shop.WebhookPrivateAddresses, "1")
		h.Shop.AllowHTTP = false
		end(c, func() {})
		h.Shop.AllowHTTP = true
		if len(r.all()) != 0 || states[mail.Deferred] != 2 {
			t.Errorf("%d requests, %v", len(r.all()), states)
		}
		gone := app(h, r.URL)
		end(gone, func() {
			if err := h.Tokens.DeleteClient(t.Context(), admin.CommandLine(admin.ManagePrograms), gone.ClientID, audit.Origin{}); err != nil {
				t.Fatal(err)
			}
		})
		if len(r.all()) != 0 || states[mail.Unneeded] != 1 {
			t.Errorf("after the app was deleted: %d requests, %v", len(r.all()), states)
		}
		clock.Advance(time.Minute)
		if deliver(t, s); len(r.all()) != 2 {
			t.Errorf("%d messages after the setting was given back", len(r.all()))
		}
	})
}

func TestOnlySafeAddressesAreToldOfSignOuts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := fixture.Furnish(t, d)
		for _, r := range []struct {
			uri   string
			plain bool
			ok    bool
		}{
			{"", false, true}, {"https://app.test/logout?x=1", false, true}, {"https://app.test:8443/logout", false, true},
			{"http://app.test/logout", true, true}, {"http://app.test/logout", false, false}, {"http://localhost/logout", false, false},
			{"https://app.test/#x", true, false}, {"https://user@app.test/", true, false}, {"https:///logout", true, false},
			{"com.example.app:/logout", true, false}, {"file:///etc/passwd", true, false}, {"https://app.test/a b", true, false}, {"logout", true, false},
		} {
			_, _, err := h.Tokens.CreateClient(t.Context(), admin.CommandLine(admin.ManagePrograms), token.NewClient{WebsiteID: h.View("lune_en").WebsiteID,
				Name: "Lune App", RedirectURIs: []string{answersAt}, BackchannelURI: r.uri, Told: outbound.Rules{Plain: r.plain}}, audit.Origin{})
			if (err == nil) != r.ok {
				t.Errorf("%q, plain %t: %v", r.uri, r.plain, err)
			}
		}
	})
}
