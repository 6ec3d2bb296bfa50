package journeys_test

import (
	"go/ast"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rekeyhq/rekey/admin"
	"github.com/rekeyhq/rekey/customer"
	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
	"github.com/rekeyhq/rekey/fault"
	"github.com/rekeyhq/rekey/incident"
	"github.com/rekeyhq/rekey/secret"
	"github.com/rekeyhq/rekey/token"
	"github.com/rekeyhq/rekey/webhook"
)

// reading calls a function that works in its caller's transaction.
func reading(s *stage, f func(tx *db.Tx) error) error { return s.DB.Read(ctx, f) }

// permitted are all functions that a permit is for, called with one.
var permitted = map[string]func(s *stage, p admin.Permit) error{
	"admin.AskAddress":   func(s *stage, p admin.Permit) error { return s.Admins.AskAddress(ctx, p, 1, "a@post.test", home) },
	"admin.Create":       func(s *stage, p admin.Permit) error { _, err := s.Admins.Create(ctx, p, admin.New{}, home); return err },
	"admin.Delete":       func(s *stage, p admin.Permit) error { return s.Admins.Delete(ctx, p, 1, home) },
	"admin.Disable":      func(s *stage, p admin.Permit) error { return s.Admins.Disable(ctx, p, 1, home) },
	"admin.Enable":       func(s *stage, p admin.Permit) error { return s.Admins.Enable(ctx, p, 1, home) },
	"admin.EndSessions":  func(s *stage, p admin.Permit) error { return s.Admins.EndSessions(ctx, p, 1, home) },
	"admin.ResetFactors": func(s *stage, p admin.Permit) error { return s.Admins.ResetFactors(ctx, p, "ada", home) },
	"admin.SetPassword":  func(s *stage, p admin.Permit) error { return s.Admins.SetPassword(ctx, p, "ada", secret.NewText("x")) },
	"admin.Update": func(s *stage, p admin.Permit) error {
		_, err := s.Admins.Update(ctx, p, 1, admin.Changes{}, home)
		return err
	},

	"customer.Activate": func(s *stage, p admin.Permit) error {
		_, err := s.Customers.Activate(ctx, p, "", secret.Text{}, home)
		return err
	},
	"customer.Delete": func(s *stage, p admin.Permit) error { return s.Customers.Delete(ctx, p, 1, home) },
	"customer.FindBy": func(s *stage, p admin.Permit) error {
		_, err := s.Customers.FindBy(ctx, p, customer.Criteria{})
		return err
	},
	"customer.OpenAs": func(s *stage, p admin.Permit) error {
		_, err := s.Customers.OpenAs(ctx, p, s.view, customer.Registration{}, home)
		return err
	},
	"customer.ResendConfirmation": func(s *stage, p admin.Permit) error { return s.Customers.ResendConfirmation(ctx, p, s.view, "", home) },
	"customer.UpdateAs": func(s *stage, p admin.Permit) error {
		_, err := s.Customers.UpdateAs(ctx, p, 1, customer.Changes{}, home)
		return err
	},

	"incident.Cancel": func(s *stage, p admin.Permit) error { return s.Incidents.Cancel(ctx, p, 1, home) },
	"incident.Count":  func(s *stage, p admin.Permit) error { _, err := s.Incidents.Count(ctx, p, 1); return err },
	"incident.Decide": func(s *stage, p admin.Permit) error { return s.Incidents.Decide(ctx, p, 1, incident.Measures{}) },
	"incident.Describe": func(s *stage, p admin.Permit) error {
		_, err := s.Incidents.Describe(ctx, p, "", incident.Choice{}, incident.Measures{}, "", home)
		return err
	},
	"incident.Find": func(s *stage, p admin.Permit) error {
		return reading(s, func(tx *db.Tx) error { _, err := incident.Find(ctx, tx, p, 1); return err })
	},
	"incident.List": func(s *stage, p admin.Permit) error {
		return reading(s, func(tx *db.Tx) error { _, err := incident.List(ctx, tx, p); return err })
	},
	"incident.Pause": func(s *stage, p admin.Permit) error { return s.Incidents.Pause(ctx, p, 1, home) },
	"incident.Report": func(s *stage, p admin.Permit) error {
		return reading(s, func(tx *db.Tx) error { _, err := incident.Report(ctx, tx, p, 1, 0, 1); return err })
	},
	"incident.Resume":      func(s *stage, p admin.Permit) error { return s.Incidents.Resume(ctx, p, 1, home) },
	"incident.Start":       func(s *stage, p admin.Permit) error { return s.Incidents.Start(ctx, p, 1, home) },
	"incident.WriteReport": func(s *stage, p admin.Permit) error { return s.Incidents.WriteReport(ctx, p, 1, io.Discard, true) },

	"recovery.Resend":    func(s *stage, p admin.Permit) error { return s.Recovery.Resend(ctx, p, db.NewID(), home) },
	"recovery.ResendAll": func(s *stage, p admin.Permit) error { _, err := s.Recovery.ResendAll(ctx, p, true, home); return err },
	"recovery.Send":      func(s *stage, p admin.Permit) error { return s.Recovery.Send(ctx, p, s.c.ID, home) },

	"signin.TakePasskey": func(s *stage, p admin.Permit) error { return s.SignIn.TakePasskey(ctx, p, 1, db.NewID(), home) },
	"signin.Unlock":      func(s *stage, p admin.Permit) error { return s.SignIn.Unlock(ctx, p, s.c.ID, home) },

	"token.Activate": func(s *stage, p admin.Permit) error { _, err := s.Tokens.Activate(ctx, p, 1, home); return err },
	"token.AddIntegration": func(s *stage, p admin.Permit) error {
		_, err := s.Tokens.AddIntegration(ctx, p, token.NewIntegration{}, home)
		return err
	},
	"token.ChangeClient": func(s *stage, p admin.Permit) error {
		_, _, err := s.Tokens.ChangeClient(ctx, p, "", token.NewClient{}, true, home)
		return err
	},
	"token.ChangeIntegration": func(s *stage, p admin.Permit) error {
		_, err := s.Tokens.ChangeIntegration(ctx, p, 1, token.NewIntegration{}, home)
		return err
	},
	"token.Clients": func(s *stage, p admin.Permit) error {
		return reading(s, func(tx *db.Tx) error { _, err := token.Clients(ctx, tx, p); return err })
	},
	"token.CreateClient": func(s *stage, p admin.Permit) error {
		_, _, err := s.Tokens.CreateClient(ctx, p, token.NewClient{}, home)
		return err
	},
	"token.DeleteClient": func(s *stage, p admin.Permit) error { return s.Tokens.DeleteClient(ctx, p, "", home) },
	"token.DeleteIntegration": func(s *stage, p admin.Permit) error {
		_, err := s.Tokens.DeleteIntegration(ctx, p, 1, home)
		return err
	},
	"token.Force":   func(s *stage, p admin.Permit) error { _, err := s.Tokens.Force(ctx, p, s.c.ID, true, home); return err },
	"token.ListFor": func(s *stage, p admin.Permit) error { _, err := s.Tokens.ListFor(ctx, p, s.c.ID); return err },
	"token.RenewClientSecret": func(s *stage, p admin.Permit) error {
		_, _, err := s.Tokens.RenewClientSecret(ctx, p, "", home)
		return err
	},
	"token.RevokeOne": func(s *stage, p admin.Permit) error { return s.Tokens.RevokeOne(ctx, p, s.c.ID, db.NewID(), home) },

	"webhook.Create": func(s *stage, p admin.Permit) error {
		_, _, err := s.Webhooks.Create(ctx, p, webhook.New{}, home)
		return err
	},
	"webhook.Delete": func(s *stage, p admin.Permit) error { return s.Webhooks.Delete(ctx, p, db.NewID(), home) },
	"webhook.Find": func(s *stage, p admin.Permit) error {
		return reading(s, func(tx *db.Tx) error { _, err := webhook.Find(ctx, tx, p, db.NewID()); return err })
	},
	"webhook.List": func(s *stage, p admin.Permit) error {
		return reading(s, func(tx *db.Tx) error { _, err := webhook.List(ctx, tx, p); return err })
	},
	"webhook.Replay":    func(s *stage, p admin.Permit) error { return s.Webhooks.Replay(ctx, p, db.NewID(), db.NewID(), home) },
	"webhook.SetActive": func(s *stage, p admin.Permit) error { return s.Webhooks.SetActive(ctx, p, db.NewID(), true, home) },
}

// anyRight are functions to which a permit only says which websites it covers, and why.
var anyRight = map[string]string{
	"token.Apps": "the names of apps, for filters of whatever page",
}

// rooms are the folders above the permits and below the doors.
func rooms(t *testing.T) (rooms []string) {
	t.Helper()
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	doors := []string{"app", "api", "cmd", "console", "mailbox", "storefront", "test", "web"}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(doors, e.Name()) {
			rooms = append(rooms, e.Name())
		}
	}
	return rooms
}

// takesPermit tells whether a function asks for a permit.
func takesPermit(fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool {
		switch of := p.Type.(type) {
		case *ast.SelectorExpr:
			return of.Sel.Name == "Permit"
		case *ast.Ident:
			return of.Name == "Permit"
		}
		return false
	})
}

// A permit is for one right: each use case refuses one for another, before anything else. The source is read, so that a new one
// cannot be forgotten.
func TestAPermitIsForOneRight(t *testing.T) {
	written := map[string]bool{}
	for _, room := range rooms(t) {
		for _, f := range parsed(t, "../../"+room, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || !fn.Name.IsExported() || !takesPermit(fn) {
					continue
				}
				name := room + "." + fn.Name.Name
				written[name] = true
				if permitted[name] == nil && anyRight[name] == "" {
					t.Errorf("%s takes a permit, and this test does not call it", name)
				}
			}
		}
	}
	for name := range permitted {
		if !written[name] {
			t.Errorf("there is no %s that takes a permit", name)
		}
	}
	dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
		s := set(t, d, clock)
		before := dbtest.Digest(t, d)
		for _, name := range slices.Sorted(maps.Keys(permitted)) {
			for why, p := range map[string]admin.Permit{"for something else": admin.CommandLine("something.else"), "that nobody made": {}} {
				if err := permitted[name](s, p); !fault.Is(err, fault.Forbidden) {
					t.Errorf("%s with a permit %s: %v", name, why, err)
				}
			}
		}
		if diff := cmp.Diff(before, dbtest.Digest(t, d)); diff != "" {
			t.Errorf("something was done:\n%s", diff)
		}
	})
}

// A permit is overtaken when its administrator is disabled, signed out or given another role: what was begun with it before is not
// done after. So for each journey that asks for one.
func TestWhoIsNoLongerAllowedDoesNothingMore(t *testing.T) {
	role, website := "viewer", int64(1)
	overtakes := map[string]func(s *stage, id int64) error{
		"disabled": func(s *stage, id int64) error {
			return s.Admins.Disable(ctx, admin.CommandLine(admin.ManageAdmins), id, home)
		},
		"signed out": func(s *stage, id int64) error {
			return s.Admins.EndSessions(ctx, admin.CommandLine(admin.ManageAdmins), id, home)
		},
		"another role": func(s *stage, id int64) error {
			_, err := s.Admins.Update(ctx, admin.CommandLine(admin.ManageAdmins), id, admin.Changes{Role: &role}, home)
			return err
		},
		"one website": func(s *stage, id int64) error {
			_, err := s.Admins.Update(ctx, admin.CommandLine(admin.ManageAdmins), id, admin.Changes{WebsiteID: &website}, home)
			return err
		},
	}
	asked := 0
	for _, j := range slices.Concat(shoppers, staff, programs) {
		t.Run(strings.ReplaceAll(j.name, " ", "_"), func(t *testing.T) {
			dbtest.EachAt(t, func(t *testing.T, d *db.DB, clock *dbtest.Clock) {
				s := set(t, d, clock)
				do := j.ready(s)
				var who admin.Admin
				used := false
				s.permit = func(r admin.Right) admin.Permit {
					used = true
					return ok2(s, func() (admin.Permit, error) { return admin.Allow(who, r) })
				}
				for how, overtake := range overtakes {
					who = ok2(s, func() (admin.Admin, error) {
						return s.Admins.Create(ctx, admin.CommandLine(admin.ManageAdmins), admin.New{Username: "eve-" + strings.ReplaceAll(how, " ", ""),
							Email: "eve@lune.test", Role: admin.Owner, Password: word()}, home)
					})
					s.ok(overtake(s, who.ID))
					before := dbtest.Digest(t, d)
					err := do()
					if !used {
						t.Skip("asks for no permit")
					}
					if !fault.Is(err, fault.Forbidden) {
						t.Errorf("%s: %v", how, err)
					}
					if diff := cmp.Diff(before, dbtest.Digest(t, d)); diff != "" {
						t.Errorf("%s, and something was done:\n%s", how, diff)
					}
				}
				asked++
			})
		})
	}
	if asked < 30 {
		t.Errorf("only %d journeys asked for a permit", asked)
	}
}
