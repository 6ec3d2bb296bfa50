package journeys_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rekeyhq/rekey/db"
	"github.com/rekeyhq/rekey/db/dbtest"
)

// mostStatements is more than any journey has: it ends a test that would go on for ever.
const mostStatements = 300

// Whatever statement of a journey fails, its COMMIT too: the journey fails, and nothing of it remains in any table. A notice, an
// audit line, an ended session that are stored apart from what they belong to are found here.
func TestAJourneyHappensAsAWholeOrNotAtAll(t *testing.T) {
	eachJourney(t, func(t *testing.T, j journey, d *db.DB, w *dbtest.Watch, do act) {
		before := dbtest.Digest(t, d)
		for nth := 1; ; nth++ {
			forget(t, d, w, j)
			w.Break(nth)
			err := do()
			broke := w.Reached()
			w.Break(0)
			if broke == "" {
				if err != nil {
					t.Fatalf("unhindered: %v", err)
				}
				return
			}
			if nth > mostStatements {
				t.Fatalf("it went on after %d statements", nth)
			}
			if !errors.Is(err, dbtest.ErrBroken) {
				t.Errorf("statement %d failed and the journey says %v: %s", nth, err, broke)
			}
			after := dbtest.Digest(t, d)
			for _, table := range j.keeps {
				after[table] = before[table]
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Fatalf("statement %d failed, %s, and something remains (-before +after):\n%s", nth, broke, diff)
			}
		}
	})
}

// forget empties tables that count tries, so that a journey which is tried often is not told to wait.
func forget(t *testing.T, d *db.DB, w *dbtest.Watch, j journey) {
	t.Helper()
	w.Break(0)
	err := d.Write(ctx, func(tx *db.Tx) error {
		for _, table := range counted {
			if !slices.Contains(j.keeps, table) {
				continue
			}
			if _, err := tx.Exec(ctx, "DELETE FROM "+table); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// places that write and are no journeys of anybody: what they do is done again, or is nobody's.
var noJourneys = map[string]string{
	"incident.Run":          "batch by batch: each goes on where the last one ended",
	"incident.WorkOnce":     "likewise",
	"webhook.Run":           "one delivery by the other",
	"webhook.Worker":        "likewise",
	"admin.CheckReset":      "counts a link that is none",
	"admin.CheckAddress":    "likewise",
	"recovery.Objection":    "likewise",
	"recovery.PendingEmail": "likewise",
	"admin.Prove":           "counts a wrong password; every journey that asks for one does it",
	"signin.Prove":          "likewise",
	"puzzle.Vouched":        "takes one count back",

	"customer.AdmitStranger":  "counts a letter of the worker's, once",
	"customer.ComposeWaiting": "likewise",
	"customer.ComposeWelcome": "likewise",
}

// Every use case that opens a transaction to write is walked through above, so that a new one cannot be forgotten.
func TestEveryUseCaseThatWritesIsAJourney(t *testing.T) {
	walked := calledInTests(t)
	for _, room := range []string{"admin", "customer", "incident", "puzzle", "recovery", "signin", "token", "webhook"} {
		for _, name := range writers(t, "../../"+room) {
			if !walked[name] && noJourneys[room+"."+name] == "" {
				t.Errorf("%s.%s writes, and no journey does it", room, name)
			}
		}
	}
}

// calledInTests are the names of the methods that the tests of this folder call.
func calledInTests(t *testing.T) map[string]bool {
	called := map[string]bool{}
	for _, f := range parsed(t, ".", func(name string) bool { return strings.HasSuffix(name, "_test.go") }) {
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				called[s.Sel.Name] = true
			}
			return true
		})
	}
	return called
}

const theWrite = "DB.Write"

// writers are the exported functions and methods of a package that lead to DB.Write.
func writers(t *testing.T, folder string) (exported []string) {
	leads := map[string][]string{} // from a function to the names that it calls, or hands on
	for _, f := range parsed(t, folder, func(name string) bool { return !strings.HasSuffix(name, "_test.go") }) {
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || takesTx(fn) {
				continue
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if of, ok := n.Fun.(*ast.Ident); ok {
						leads[fn.Name.Name] = append(leads[fn.Name.Name], of.Name)
					}
				case *ast.SelectorExpr:
					if of, ok := n.X.(*ast.Ident); ok && isReceiver(fn, of.Name) {
						leads[fn.Name.Name] = append(leads[fn.Name.Name], n.Sel.Name)
					}
					if writesHere(n) {
						leads[fn.Name.Name] = append(leads[fn.Name.Name], theWrite)
					}
				}
				return true
			})
		}
	}
	seen := map[string]bool{}
	var writes func(name string) bool
	writes = func(name string) bool {
		if name == theWrite {
			return true
		}
		if seen[name] {
			return false
		}
		seen[name] = true
		return slices.ContainsFunc(leads[name], writes)
	}
	for name := range leads {
		clear(seen)
		if ast.IsExported(name) && writes(name) {
			exported = append(exported, name)
		}
	}
	slices.Sort(exported)
	return exported
}

// writesHere tells whether a transaction is opened here: by the database itself, or with a permit.
func writesHere(n *ast.SelectorExpr) bool {
	switch of := n.X.(type) {
	case *ast.SelectorExpr:
		return of.Sel.Name == "DB" && n.Sel.Name == "Write"
	case *ast.Ident:
		return of.Name == "permit" && n.Sel.Name == "Write"
	}
	return false
}

func isReceiver(fn *ast.FuncDecl, name string) bool {
	return fn.Recv != nil && len(fn.Recv.List[0].Names) == 1 && fn.Recv.List[0].Names[0].Name == name
}

// takesTx tells whether a function works in its caller's transaction: it opens none.
func takesTx(fn *ast.FuncDecl) bool {
	return slices.ContainsFunc(fn.Type.Params.List, func(p *ast.Field) bool {
		star, ok := p.Type.(*ast.StarExpr)
		if !ok {
			return false
		}
		of, ok := star.X.(*ast.SelectorExpr)
		return ok && of.Sel.Name == "Tx"
	})
}

func parsed(t *testing.T, folder string, wanted func(name string) bool) (files []*ast.File) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || !wanted(e.Name()) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, e.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}
