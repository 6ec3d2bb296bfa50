package api

import "github.com/rekeyhq/rekey/admin"

// issueAdminToken is an administrator's sign-in. It answers the one sentence to a wrong password, an unknown name, a disabled
// and a locked one.
func (c *call) issueAdminToken() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	username, password := in.text("username"), in.secret("password")
	if err := in.err(); err != nil {
		return nil, err
	}
	proof, err := c.Admins.ProveByName(c.r.Context(), username, password, c.origin())
	if err != nil {
		return nil, err
	}
	return c.adminToken(proof)
}

// issueAdminTokenByCode is issueAdminToken for an administrator with a second factor, by the name that Commerce gives it.
func (c *call) issueAdminTokenByCode() (any, error) {
	in, err := c.body()
	if err != nil {
		return nil, err
	}
	username, password, code := in.text("username"), in.secret("password"), in.text("otp")
	if err := in.err(); err != nil {
		return nil, err
	}
	proof, err := c.Admins.ProveWithCode(c.r.Context(), username, password, code, c.origin())
	if err != nil {
		return nil, err
	}
	return c.adminToken(proof)
}

func (c *call) adminToken(proof admin.Proof) (any, error) {
	made, err := c.Tokens.SignInAdmin(c.r.Context(), proof, holder(c.origin()), c.origin())
	if err != nil {
		return nil, err
	}
	return made.Reveal(), nil
}
