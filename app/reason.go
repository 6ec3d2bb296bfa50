package app

import (
	"fmt"

	"github.com/rekeyhq/rekey/db"
)

// Explain turns what keeps the database from being used, with its chain of causes, into one sentence that names the database, the
// innermost cause and what there is to do. Other errors stay as they are.
func (p Place) Explain(err error) error {
	if why := db.Why(p.Database, err); why != "" {
		return fmt.Errorf("the database %s cannot be used: %s", db.Redact(p.Database), why)
	}
	return err
}
