package demo

import (
	"net/url"
	"time"

	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/signin"
	"github.com/rekeyhq/rekey/token"
)

// The pair of RFC 7636, appendix B: what the app proves itself with.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// atLune are some of those who shop at Maison Lune, where the app is.
func (p *past) atLune(of []customer.Customer, most int) (some []customer.Customer) {
	for _, c := range of {
		if c.WebsiteID == p.app.WebsiteID && len(some) < most {
			some = append(some, c)
		}
	}
	return some
}

// connects lets a customer sign in on a telephone and allow the app what it asks for.
func (p *past) connects(c customer.Customer) error {
	view, err := p.viewOf(c)
	if err != nil {
		return err
	}
	from := p.somewhere()
	from.UserAgent = telephone
	var session signin.Opened
	err = p.h.DB.Write(p.ctx, func(tx *db.Tx) error {
		c, err := customer.Find(p.ctx, tx, c.ID)
		if err == nil {
			session, err = signin.Open(p.ctx, tx, view, c, from)
		}
		return err
	})
	if err != nil {
		return err
	}
	who, err := p.h.SignIn.Check(p.ctx, view, session.Secret)
	if err != nil {
		return err
	}
	server, redirect := &token.OAuth2{DB: p.h.DB, Key: p.h.Key}, p.app.RedirectURIs[0]
	request, _, err := server.Ask(p.ctx, view, url.Values{"client_id": {p.app.ClientID}, "redirect_uri": {redirect}, "response_type": {"code"},
		"scope": {"openid profile email offline_access"}, "prompt": {"consent"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}, true, from)
	if err != nil {
		return err
	}
	p.at = p.at.Add(20 * time.Second)
	back, err := server.Allow(p.ctx, view, who, request, from)
	if err != nil {
		return err
	}
	u, err := url.Parse(back)
	if err != nil {
		return err
	}
	_, err = server.Redeem(p.ctx, view, p.app, secret.NewText(u.Query().Get("code")), redirect, verifier, from)
	return err
}
