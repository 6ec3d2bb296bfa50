package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/console"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// Promise: a password manager finds beside each password the name that it belongs to.
func TestEachFormWithAPasswordNamesItsUser(t *testing.T) {
	h := open(t, dbtest.Open(t, dbtest.SQLite), nil)
	boss := h.at("ines", admin.Owner, 0)
	guest := &desk{h, map[string]string{}}
	guest.act("/admin/login/forgot", "username", "ines")
	guest.get(h.link())
	forms := regexp.MustCompile(`(?s)<form.*?</form>`)
	seen := 0
	for _, r := range console.Routes() {
		if r.Method != http.MethodGet || strings.Contains(r.Path, "{") {
			continue
		}
		for _, b := range []*desk{boss, guest} {
			page := b.get(r.Path)
			if page.status != http.StatusOK {
				continue
			}
			for _, form := range forms.FindAllString(page.body, -1) {
				if strings.Contains(form, `type="password"`) && !strings.Contains(form, `name="role"`) { // which makes the account of somebody else
					seen++
					if !strings.Contains(form, `autocomplete="username"`) {
						t.Errorf("%s asks for a password of nobody:\n%s", r.Path, form)
					}
				}
			}
		}
	}
	if seen < 6 {
		t.Errorf("only %d forms were looked at", seen)
	}
}
