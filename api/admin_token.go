package api

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
	made, err := c.Tokens.SignInAdmin(c.r.Context(), proof, holder(c.origin()), c.origin())
	if err != nil {
		return nil, err
	}
	return made.Reveal(), nil
}
