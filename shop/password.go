package shop

import "github.com/rekeyhq/rekey/password"

// PasswordRules are what a new password of a customer of this store view must keep to.
func (v *View) PasswordRules() password.Rules {
	return password.Rules{
		Min:      v.Int(MinimumPasswordLength),
		Spaces:   v.Bool(AllowWhiteSpace),
		Classes:  v.Int(RequiredCharacterClasses),
		Common:   v.Text(CommonPasswords),
		Stores:   []string{v.StoreName()},
		Breached: v.breached,
	}
}

// adminStrength is the least strength of an administrator's password (see password.Advice.Score): one password opens every
// account of the store, so what would be guessed at once is refused, also where it is on no list.
const adminStrength = 1

// AdminPasswordRules are what a new password of an administrator must keep to. What customers are advised against is refused here.
func (s *Snapshot) AdminPasswordRules() password.Rules {
	r := password.Rules{Min: s.Int(AdminMinPasswordLength), Spaces: true, Classes: 1, Common: password.Enforce, Strength: adminStrength, Breached: s.breached}
	for _, v := range s.views {
		r.Stores = append(r.Stores, v.StoreName())
	}
	return r
}
