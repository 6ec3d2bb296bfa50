package console_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

func TestAnAdministratorIsManagedInTheConsole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		ines, tom := h.at("ines", admin.Owner, 0), h.at("tom", "viewer", 0)
		who, err := h.admins.ByName(context.Background(), "tom")
		if err != nil {
			t.Fatal(err)
		}
		page := "/admin/administrators/" + fmt.Sprint(who.ID)
		if list := ines.get("/admin/administrators"); !strings.Contains(list.body, `href="`+page+`"`) {
			t.Error("the list leads nowhere")
		}
		ines.get(page).shows(t, "tom@lune.example", "Active", "Viewer")
		tom.get("/admin/customers").shows(t, "All Customers")

		ines.act(page, "name", "Tom Ash", "role", "support", "website", "base").shows(t, "You saved the administrator.")
		ines.act(page, "name", "Tom Ash", "role", "support", "website", "base").shows(t, "Nothing was changed.")
		bad := ines.post(page, "name", "Tom Ash", "role", "king", "website", "base")
		if bad.shows(t, "There is no role"); bad.status != http.StatusUnprocessableEntity {
			t.Errorf("another role: %d", bad.status)
		}
		tom.get("/admin/audit").shows(t, "Your role does not allow this")

		ines.act(page+"/end-sessions").shows(t, "was signed out everywhere")
		if got := tom.get("/admin/customers"); got.status != http.StatusSeeOther {
			t.Errorf("signed in after the sessions have ended: %d", got.status)
		}
		tom.act("/admin/login", "username", "tom", "password", bossWord).shows(t, "All Customers")
		ines.act(page+"/disable").shows(t, "is disabled", "Disabled", "Enable")
		if got := tom.get("/admin/customers"); got.status != http.StatusSeeOther {
			t.Errorf("signed in after being disabled: %d", got.status)
		}
		if got := tom.post("/admin/login", "username", "tom", "password", bossWord); got.status != http.StatusUnprocessableEntity {
			t.Errorf("a disabled administrator signs in: %d", got.status)
		}
		ines.act(page+"/enable").shows(t, "can sign in again")

		ines.post(page+"/address", "email", "tom").shows(t, "is not valid")
		ines.act(page+"/address", "email", "tom@post.example").shows(t, "once the link in the email to it was followed", "tom@lune.example")
		guest := &desk{h, map[string]string{}}
		landed := guest.get(h.linkOf(admin.AddressLetter))
		ines.get(page).shows(t, "To be confirmed", "tom@post.example")
		if landed.status != http.StatusSeeOther || strings.Contains(landed.location, "token") {
			t.Fatalf("the link answers %d to %s", landed.status, landed.location)
		}
		confirm := guest.get(landed.location)
		confirm.shows(t, "Use tom@post.example for tom?", "Confirm Address")
		if len(h.recorded(audit.AdminChanged)) != 1 {
			t.Error("opening the link spends it")
		}
		guest.act(landed.location, "shown_for", shownFor.FindStringSubmatch(confirm.body)[1]).shows(t, "The address is confirmed.")
		if late := guest.get(landed.location); late.status != http.StatusGone {
			t.Errorf("a used link: %d", late.status)
		}
		seen := ines.get(page)
		seen.shows(t, "tom@post.example")
		seen.hides(t, "tom@lune.example")

		ines.get(page+"/delete").shows(t, "Delete tom?", "cannot be undone")
		seen = ines.act(page + "/delete")
		seen.shows(t, "The administrator was deleted.")
		seen.hides(t, "tom@post.example")
		if got := ines.get(page); got.status != http.StatusNotFound {
			t.Errorf("a deleted administrator has a page: %d", got.status)
		}

		own := "/admin/administrators/1"
		seen = ines.get(own)
		seen.shows(t, "ines@lune.example")
		seen.hides(t, "Delete", "Disable")
		ines.act(own+"/disable").shows(t, "this is your own account")
		ines.post(own, "name", "", "role", "support", "website", "").shows(t, "last owner of all websites")
		ines.get(own).shows(t, "Active")
	})
}
