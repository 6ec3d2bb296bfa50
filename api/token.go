package api

import (
	"regexp"

	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/shop"
	"github.com/rekeyhq/rekey/token"
)

// issueToken is the API's sign-in. It answers the one sentence to a wrong password, an unknown address and a locked account.
func (c *call) issueToken() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	username, password := in.text("username"), in.secret("password")
	if err := in.err(); err != nil {
		return nil, err
	}
	made, err := c.signInCustomer(username, password)
	if err != nil {
		return nil, err
	}
	return made.Reveal(), nil
}

func (c *call) signInCustomer(username string, password secret.Text) (secret.Text, error) {
	counted, err := c.unvouched()
	if err != nil {
		return secret.Text{}, err
	}
	made, err := c.Tokens.SignInCustomer(c.r.Context(), c.view, username, password, holder(c.origin()), c.origin())
	if err == nil && counted {
		err = c.Puzzles.Vouched(c.r.Context(), c.view, c.origin())
	}
	return made, err
}

// unvouched counts a call that guesses or floods may consist of, while its website is under attack and the store wants that.
// What an administrator's token or an integration vouches for is not counted.
func (c *call) unvouched() (counted bool, err error) {
	if c.view.Text(shop.ProtectionAPI) != shop.ProtectionStrict {
		return false, nil
	}
	if who, err := c.caller(c.r); err == nil && who.bearer.Kind != token.CustomerToken {
		return false, nil
	}
	return c.Puzzles.AdmitProgram(c.r.Context(), c.view, c.origin())
}

// revokeTokens ends all tokens of the customer who asks, the one that asks included, as Commerce does.
func (c *call) revokeTokens() (any, error) {
	if _, err := c.Tokens.RevokeOwn(c.r.Context(), c.bearer, c.origin()); err != nil {
		return nil, err
	}
	return true, nil
}

// product is the first product of a User-Agent header, as far as it is a plain name.
var product = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,39}`)

// holder says which program holds a token, for the store's own pages: a known browser or program, else the name that it gives
// itself, of which nothing but a short plain word is kept.
func holder(o audit.Origin) string {
	if known := o.Browser(); known != "" {
		return known
	}
	if name := product.FindString(o.UserAgent); name != "" {
		return name
	}
	return "unknown program"
}
