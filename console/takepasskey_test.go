package console_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/audit"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/signin"
)

// passkey gives a customer a passkey of a name.
func (h *house) passkey(c customer.Customer, name string) db.ID {
	h.t.Helper()
	id := db.NewID()
	h.write(func(ctx context.Context, tx *db.Tx) error {
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO passkeys (id, customer_id, rp_id, credential_id, user_handle, public_key, sign_count, synced, name, created_at)
			VALUES ($1, $2, 'lune.example', $3, $3, $3, 0, FALSE, $4, $5)`, id, c.ID, id[:], name, db.Micro(now))
		return err
	})
	return id
}

func taking(c customer.Customer, id db.ID) string { return at(c.ID, "passkeys/"+id.String()+"/remove") }

// Promise: support removes one passkey of a customer, having been asked once more; the audit says who did it, and the customer is
// told by a letter that says it was the store.
func TestSupportRemovesAPasskey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c, other := h.customer(1, "camille@example.com", "Camille", "Durand"), h.customer(1, "theo@example.com", "Théo", "Martin")
		desk := h.at("ines", "support", 0)
		desk.get(at(c.ID, "")).shows(t, "Passkeys 0", "This customer has no passkeys.")
		phone, _ := h.passkey(c, "Phone"), h.passkey(c, "Lost <laptop>")
		theirs := h.passkey(other, "Ring")
		desk.get(at(c.ID, "")).shows(t, "Passkeys 2", "Phone · lune.example", "Lost <laptop>", "not used yet", "Remove")
		desk.get(taking(c, phone)).shows(t, "Remove the Passkey?", "“Phone” (lune.example, added ", "will no longer sign Camille Durand in", "told by letter", "Cancel")
		if body := desk.get(at(c.ID, "")).body; !strings.Contains(body, `href="`+taking(c, phone)+`"`) || strings.Contains(body, "<laptop>") {
			t.Error("the page does not lead to the question, or shows a name as it was typed")
		}
		if len(h.letters()) != 0 || len(h.recorded(audit.PasskeyRemoved)) != 0 {
			t.Fatal("asking has removed it")
		}
		desk.act(taking(c, phone)).shows(t, "The passkey was removed. The customer is told by letter.", "Passkey removed by ines", "Passkeys 1", "Lost <laptop>")
		desk.act(taking(c, phone)).shows(t, "This passkey was removed already.")
		for why, path := range map[string]string{"another customer's": taking(c, theirs), "none": at(c.ID, "passkeys/nothing/remove")} {
			if got := desk.get(path); got.status != http.StatusNotFound {
				t.Errorf("%s passkey is shown: %d", why, got.status)
			}
		}
		desk.post(taking(c, theirs))
		h.write(func(ctx context.Context, tx *db.Tx) error {
			left, err := signin.Passkeys(ctx, tx, other.ID)
			if len(left) != 1 {
				t.Error("another customer's passkey was removed under this one's name")
			}
			return err
		})

		letters, removed := h.letters(), h.recorded(audit.PasskeyRemoved)
		if len(letters) != 1 || len(removed) != 1 || removed[0].Actor.Name != "ines" || removed[0].CustomerID != c.ID || removed[0].Detail["passkey"] != phone.String() {
			t.Fatalf("%d letters, audit %+v", len(letters), removed)
		}
		content, err := h.recovery.Composers()[signin.PasskeyTakenLetter](context.Background(), letters[0])
		if err != nil {
			t.Fatal(err)
		}
		if content.To.Email != c.Email || content.Object == nil || len(content.Facts) != 2 || content.Facts[0].Value != "Phone" || !strings.Contains(content.Paragraphs[0], "Our customer service removed a passkey") {
			t.Errorf("the notice: %+v", content)
		}
	})
}

// Who may look only is offered nothing and gets nothing.
func TestRemovingAPasskeyNeedsTheRight(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := open(t, d, nil)
		c := h.customer(1, "camille@example.com", "Camille", "Durand")
		phone := h.passkey(c, "Phone")
		viewer := h.at("vera", "viewer", 0)
		page := viewer.get(at(c.ID, ""))
		page.shows(t, "Phone")
		page.hides(t, "Remove")
		if got := viewer.get(taking(c, phone)); got.status != http.StatusForbidden {
			t.Errorf("the question gives %d", got.status)
		}
		if got := viewer.post(taking(c, phone)); got.status != http.StatusForbidden || len(h.recorded(audit.PasskeyRemoved)) != 0 {
			t.Errorf("removing gives %d", got.status)
		}
		err := h.signin.TakePasskey(context.Background(), admin.CommandLine(admin.UnlockCustomer), c.ID, phone, audit.Origin{})
		if err == nil {
			t.Error("a permit for something else removes a passkey")
		}
	})
}
